"""What is known of each file that was read, so that it is not read again."""

import json
import sqlite3

from memcli.transcripts.cursor import Cursor
from memcli.transcripts.discover import FoundFile, as_text
from memcli.transcripts.report import FileReport

# Path, size, mtime in ns, inode, format (None: no transcript), and which formats
# were known then. The first four are those of a FoundFile. Plain tuples, since
# there may be tens of thousands.
Facts = tuple[str, int, int, int, str | None, str | None]


def seen(db: sqlite3.Connection) -> dict[str, Facts]:
    """Path → what is known of it, for every file that was read."""
    rows = db.cursor()
    rows.row_factory = None  # a name for every column costs more than reading it
    rows.execute("SELECT path, size, mtime_ns, inode, format, reader FROM files")
    return {row[0]: row for row in rows}


def cursor(db: sqlite3.Connection, path: str) -> Cursor | None:
    """Where the last read of a file ended; None if it has to be read anew."""
    row = db.execute(
        "SELECT format, offset, line, fingerprint, memo FROM files "
        "WHERE path = ? AND offset IS NOT NULL",
        (path,),
    ).fetchone()
    if row is None:
        return None
    return Cursor(
        row["format"], row["offset"], row["line"], row["fingerprint"],
        json.loads(row["memo"]),
    )  # fmt: skip


def move(db: sqlite3.Connection, before: str, after: str) -> None:
    """Note that a file has another path now."""
    db.execute("UPDATE OR REPLACE files SET path = ? WHERE path = ?", (after, before))


def remember(
    db: sqlite3.Connection,
    found: FoundFile,
    report: FileReport,
    reader: str,
    read_at: str,
) -> None:
    """Note a file as read, with what came out of it and where reading ended."""
    at = report.cursor
    db.execute(
        "INSERT OR REPLACE INTO files (path, size, mtime_ns, inode, format, messages, "
        "skipped, read_at, reader, offset, line, fingerprint, memo) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            as_text(found.path), found.size, found.mtime_ns, found.inode,
            report.format, report.messages, json.dumps(report.skipped), read_at,
            reader,
            at and at.offset, at and at.line, at and at.fingerprint,
            at and json.dumps(at.memo),
        ),
    )  # fmt: skip


def count(db: sqlite3.Connection) -> int:
    """How many files were read."""
    number: int = db.execute("SELECT count(*) FROM files").fetchone()[0]
    return number
