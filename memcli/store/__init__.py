"""The SQLite file: everything that is kept, and the way back to it."""
