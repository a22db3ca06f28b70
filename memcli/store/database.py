"""Opening the file: private, in WAL mode, migrated, and certainly ours."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from memcli.errors import Locked, StoreError
from memcli.store import schema

_HEADER = b"SQLite format 3\x00"
_BUSY_SECONDS = 30.0


def connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """Open the database, made and migrated as needed.

    The file is readable by its owner only; SQLite gives the WAL the same mode.
    Raises StoreError, with what to do, when the path cannot be a database of
    ours; the file is not touched then.
    """
    _check_path(path, create=create)
    if create:
        _make_private(path)
    try:
        db = sqlite3.connect(
            path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        db.row_factory = sqlite3.Row
        _check_owner(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        schema.migrate(db)
    except sqlite3.Error as error:
        raise _explained(error, path) from error
    return db


def in_memory() -> sqlite3.Connection:
    """An empty database that leaves no trace."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys = ON")
    schema.migrate(db)
    return db


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and no reader sees the middle; part of a larger one, if one
    is open."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def explain_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into a StoreError a person can act on."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explained(error, path) from error


@contextlib.contextmanager
def run_lock(path: Path) -> Iterator[None]:
    """Only one run at a time works on a database; raises Locked for the second.

    The lock is the operating system's, on a file beside the database: it goes
    with the process, however that ends.
    """
    from filelock import FileLock, Timeout

    _check_path(path, create=True)
    lock = FileLock(f"{path}.lock", timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise Locked(
            f"another run is working on {path}; try again when it is done"
        ) from None
    except OSError as error:
        raise StoreError(f"{path}.lock: {_reason(error)}") from error
    try:
        yield
    finally:
        lock.release()


def _check_path(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise StoreError(f"{path} is a folder; the database is a file in it")
    try:
        with path.open("rb") as file:
            head = file.read(len(_HEADER))
    except FileNotFoundError:
        if not create:
            raise StoreError(
                f"no database at {path}; `memcli reflect PATH` makes one"
            ) from None
        if not path.parent.is_dir():
            raise StoreError(
                f"{path}: the folder {path.parent} does not exist"
            ) from None
        return
    except OSError as error:
        raise StoreError(f"{path}: {_reason(error)}") from error
    if head and head != _HEADER:
        raise StoreError(f"{path} is not a SQLite database; it was left as it is")


def _make_private(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(f"{path}: {_reason(error)}") from error


def _check_owner(db: sqlite3.Connection, path: Path) -> None:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != schema.APPLICATION_ID:
        db.close()
        raise StoreError(
            f"{path} is the database of another program; it was left as it is"
        )
    if schema.version(db) > len(schema.STEPS):
        db.close()
        raise StoreError(f"{path} was written by a newer memcli; update this one")


def _explained(error: sqlite3.Error, path: Path) -> StoreError:
    text = str(error)
    if "malformed" in text or "not a database" in text:
        return StoreError(f"{path} is damaged ({text}); restore it from a backup")
    if "readonly" in text or "unable to open" in text:
        return StoreError(f"{path} cannot be written: {text}")
    if "locked" in text:
        return StoreError(f"{path} is held by another program; try again")
    return StoreError(f"{path}: {text}")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
