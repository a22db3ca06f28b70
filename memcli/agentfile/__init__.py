"""The strongest memories in a file that agents read at the start, such as CLAUDE.md."""
