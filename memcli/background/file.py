"""A database that a program keeps open, for many threads."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memcli.store.database import connect, explain_errors, identity

log = logging.getLogger("memcli")


class OpenFile:
    """A connection with its lock, to the file that is there now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None

    @contextmanager
    def used(self) -> Iterator[sqlite3.Connection]:
        with self._lock, explain_errors(self._path):
            # What is written to a file that was deleted or replaced is lost.
            if self._db is not None and self._opened != identity(self._path):
                self._db.close()
                self._db = None
            if self._db is None:
                self._db = connect(self._path, notice=log.warning)
                self._opened = identity(self._path)
            yield self._db
