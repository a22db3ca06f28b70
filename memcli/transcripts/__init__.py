"""Bytes on disk → messages. `discover` finds files, `read_file` reads one."""
