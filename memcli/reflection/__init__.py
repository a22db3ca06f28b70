"""The story of a run: read → due → extract → consolidate. Start at `reflect`."""
