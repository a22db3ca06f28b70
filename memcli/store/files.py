"""What is known of each file that was read, so that it is not read again."""

import json
import sqlite3

from memcli.transcripts.discover import FoundFile
from memcli.transcripts.report import FileReport


def seen(db: sqlite3.Connection) -> dict[str, tuple[int, int, int, str | None]]:
    """Path → (size, mtime in ns, inode, format) of every file as it was last read.

    The format is None for a file that is no transcript.
    """
    return {
        row["path"]: (row["size"], row["mtime_ns"], row["inode"], row["format"])
        for row in db.execute("SELECT path, size, mtime_ns, inode, format FROM files")
    }


def remember(
    db: sqlite3.Connection, found: FoundFile, report: FileReport, read_at: str
) -> None:
    """Note a file as read, with what came out of it."""
    db.execute(
        "INSERT OR REPLACE INTO files "
        "(path, size, mtime_ns, inode, format, messages, skipped, read_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            found.path, found.size, found.mtime_ns, found.inode,
            report.format, report.messages, json.dumps(report.skipped), read_at,
        ),
    )  # fmt: skip


def count(db: sqlite3.Connection) -> int:
    """How many files were read."""
    number: int = db.execute("SELECT count(*) FROM files").fetchone()[0]
    return number
