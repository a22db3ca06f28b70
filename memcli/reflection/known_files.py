"""Which files have to be read again, and from where: decided by what is known of
them, mostly without opening any."""

import sqlite3
from pathlib import Path

from memcli.store import files
from memcli.store.files import Facts
from memcli.transcripts.cursor import Cursor
from memcli.transcripts.discover import STDIN, FoundFile, as_text


class KnownFiles:
    """The files that were read before, found by path or by inode."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._by_path = files.seen(db)
        self._by_inode: dict[int, Facts] | None = None
        self._displaced: dict[int, Cursor | None] = {}
        self._reader: str | None = None

    def unchanged(self, found: FoundFile) -> bool:
        """Whether a file is as it was when it was last read, moved perhaps."""
        before = self._by_path.get(as_text(found.path))
        if before is None:
            return self._was_moved(found)
        if before[1:4] != found[1:4] or found.path == STDIN:
            return False
        return before[4] is not None or self._still_unknown(before)

    def format_of(self, found: FoundFile) -> str | None:
        """The format of an unchanged file; None if it is no transcript."""
        return self._by_path[as_text(found.path)][4]

    def cursor(self, found: FoundFile) -> Cursor | None:
        """Where to read on in a file that has grown, if it is that file still.

        A log that was rotated away has its old inode under its new name.
        """
        before = self._by_path.get(as_text(found.path))
        if before is not None and before[1] == found.size:
            return None  # edited in place
        if before is not None and before[3] != found.inode:
            # Another file stands there now. The one that did may come later in
            # this run, when what is known under this path is overwritten.
            self._displaced[before[3]] = files.cursor(self._db, before[0])
        if found.inode in self._displaced:
            return self._displaced[found.inode]
        if before is None or before[3] != found.inode:
            before = self._elsewhere(found) or before
        return files.cursor(self._db, before[0]) if before else None

    def _was_moved(self, found: FoundFile) -> bool:
        before = self._elsewhere(found)
        if before is None or before[1:4] != found[1:4]:
            return False
        files.move(self._db, before[0], as_text(found.path))
        self._by_path[as_text(found.path)] = before
        return before[4] is not None or self._still_unknown(before)

    def _elsewhere(self, found: FoundFile) -> Facts | None:
        """A file with this inode whose own path is gone, or another file's now."""
        if self._by_inode is None:
            self._by_inode = {facts[3]: facts for facts in self._by_path.values()}
        before = self._by_inode.get(found.inode)
        if before is None or before[0] == as_text(found.path) or not found.inode:
            return None
        try:
            still = Path(before[0]).stat().st_ino == found.inode
        except OSError:
            still = False
        return None if still else before

    def _still_unknown(self, before: Facts) -> bool:
        """What was no transcript may be one in a format that is known by now."""
        return before[5] == self._known_formats()

    def _known_formats(self) -> str:
        if self._reader is None:
            from memcli.transcripts.formats import reader

            self._reader = reader()
        return self._reader
