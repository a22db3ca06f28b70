"""Opening the file: private, in WAL mode, migrated, and certainly ours."""

import contextlib
import errno
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from memcli.errors import Interrupted, Locked, StoreError
from memcli.store import schema

_HEADER = b"SQLite format 3\x00"
_SMALLEST_PAGE = 512
# Writers wait for each other so long; the longest write is the end of a large run.
_BUSY_SECONDS = 180.0
_WAIT_SECONDS = 0.5
_WIPE = "words to wipe"
# On these SQLite's write-ahead log, which is shared memory, is not safe.
_NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "ceph", "glusterfs",
    "fuse.glusterfs", "lustre", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "davfs",
    "fuse.davfs2", "gfs2", "ocfs2",
}  # fmt: skip

Notice = Callable[[str], None]

# Closing a file lets go of all locks that the process has on it, those of SQLite among
# them: another process would then take away the log that we still write to. So a file
# that may be a database is opened by SQLite alone, and made by one thread at a time.
_making = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_making.acquire,
        after_in_parent=_making.release,
        after_in_child=_making.release,
    )


def connect(
    path: Path, *, create: bool = True, notice: Notice = lambda text: None
) -> sqlite3.Connection:
    """Open the database, made and migrated as needed.

    The file is readable by its owner only; SQLite gives the WAL the same mode.
    Before a migration the file is copied beside itself, and `notice` told where.
    Raises StoreError, with what to do, when the path cannot be a database of
    ours; the file is not touched then.
    """
    check_path(path, create=create)
    with _making:
        if create:
            _make_file(path)
    try:
        db = _open(str(path))
        _check_owner(db, path)
        _make_private(path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        _migrate(db, path, notice)
    except sqlite3.Error as error:
        raise _explained(error, path) from error
    return db


def connect_to_read(
    path: Path, *, notice: Notice = lambda text: None
) -> sqlite3.Connection:
    """Open an existing database for reading, also where nothing can be written.

    What is read is one state of it, from the first look to the last. Raises
    StoreError.
    """
    check_path(path, create=False)
    try:
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            db = connect(path, create=False, notice=notice)
        else:
            db = _open_read_only(path)
        db.execute("BEGIN")
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
def run_lock(
    path: Path,
    *,
    wait: bool = False,
    stopping: Callable[[], bool] = lambda: False,
    notice: Notice = lambda text: None,
) -> Iterator[None]:
    """Only one run at a time works on a database; raises Locked for the second,
    unless it is to `wait`: then until the first is done, or `stopping` says so.

    The lock is the operating system's, on a file beside the database: it goes
    with the process, however that ends.
    """
    from filelock import FileLock, Timeout

    check_path(path, create=True)
    lock = FileLock(f"{path}.lock", timeout=0, mode=0o600)
    told = False
    try:
        while True:
            try:
                lock.acquire(timeout=_WAIT_SECONDS if wait else 0)
                break
            except Timeout:
                if stopping():
                    raise Interrupted("stopped while waiting; nothing done") from None
                if not wait:
                    raise Locked(
                        f"another run is working on {path}; try again when it is "
                        "done, or wait for it with --wait"
                    ) from None
            if not told:
                notice(f"waiting for another run on {path} to end")
                told = True
    except OSError as error:
        raise StoreError(f"{path}.lock: {_reason(error)}") from error
    try:
        yield
    finally:
        lock.release()


def backup(db: sqlite3.Connection, target: Path) -> int:
    """Copy a database, whoever writes to it meanwhile; the size in bytes.

    The copy is one state, checked, readable by its owner only, and there as a whole
    or not at all. Raises StoreError.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with contextlib.closing(sqlite3.connect(part)) as copy:
            db.backup(copy)
            # One file that can be carried about, without a log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
            problem = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise StoreError(f"the copy would be damaged ({problem}); none was made")
        _sync(part)
        part.replace(target)
    except OSError as error:
        raise StoreError(f"{target}: {_reason(error)}") from error
    except sqlite3.Error as error:
        raise _explained(error, target) from error
    finally:
        for left in (part, Path(f"{part}-journal"), Path(f"{part}-wal")):
            left.unlink(missing_ok=True)
    return target.stat().st_size


@contextlib.contextmanager
def copied(path: Path) -> Iterator[sqlite3.Connection]:
    """A copy to try things on, gone afterwards; of a file that is not there, an empty
    one. The file itself is only read, whatever its version."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="memcli-") as folder:  # of this user only
        target = Path(folder, "copy.db")
        if path.exists():
            check_path(path, create=False)
            with explain_errors(path), contextlib.closing(_untouched(path)) as db:
                _check_owner(db, path)
                backup(db, target)
        with explain_errors(target), contextlib.closing(connect(target)) as copy:
            yield copy


def is_up_to_date(path: Path) -> bool:
    """Whether the file needs no migration; a file that is not there needs one."""
    if not path.exists():
        return False
    check_path(path, create=False)
    with explain_errors(path), contextlib.closing(_untouched(path)) as db:
        _check_owner(db, path)
        return schema.version(db) == len(schema.STEPS)


def wipe_free_space(db: sqlite3.Connection) -> None:
    """Leave nothing readable of what was deleted: neither in the full-text indexes,
    nor in free pages, nor in the log. Raises StoreError when a reader keeps an older
    state for so long that the log cannot be emptied."""
    db.execute("PRAGMA secure_delete = ON")
    for table in ("memories_fts", "messages_fts"):
        # Deleted words stay in older segments of the index until they are merged.
        db.execute(f"INSERT INTO {table}({table}) VALUES ('rebuild')")
        db.execute(f"INSERT INTO {table}({table}) VALUES ('optimize')")
    db.execute("VACUUM")
    busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        raise StoreError(
            "another program reads an older state, so the log cannot be emptied"
        )
    db.execute("DELETE FROM keys WHERE name = ?", (_WIPE,))


def note_to_wipe(db: sqlite3.Connection) -> None:
    """Note, with what is being deleted, that nothing readable may stay of it."""
    db.execute("INSERT OR REPLACE INTO keys VALUES (?, '')", (_WIPE,))


def is_to_wipe(db: sqlite3.Connection) -> bool:
    """Whether that was not done yet: there was no room, or a reader in the way."""
    found = db.execute("SELECT 1 FROM keys WHERE name = ?", (_WIPE,)).fetchone()
    return found is not None


def backups_beside(path: Path) -> list[Path]:
    """Copies that migrations left beside the database."""
    return sorted(path.parent.glob(f"{path.name}.before-*.bak"))


def _open(name: str, *, uri: bool = False) -> sqlite3.Connection:
    db = sqlite3.connect(
        name,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=uri,
    )
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _untouched(path: Path) -> sqlite3.Connection:
    """A connection that migrates nothing, whatever the version. Where it may write it
    could, since one that may not leaves SQLite's files behind it."""
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return _open(str(path))
    return _open_read_only(path)


def _open_read_only(path: Path) -> sqlite3.Connection:
    """In a folder where no log can be made, the file is taken as it stands."""
    name = f"file:{_quoted(path)}?mode=ro"
    log = Path(f"{path}-wal")
    if not os.access(path.parent, os.W_OK) and not (
        log.exists() and log.stat().st_size
    ):
        name += "&immutable=1"
    db = _open(name, uri=True)
    _check_owner(db, path)
    if schema.version(db) < len(schema.STEPS):
        db.close()
        raise StoreError(
            f"{path} is of an older memcli, and cannot be brought up to date where it "
            "is read-only; copy it to a folder of yours"
        )
    return db


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path.absolute()))


def _migrate(db: sqlite3.Connection, path: Path, notice: Notice) -> None:
    before = schema.version(db)
    if before >= len(schema.STEPS):
        return
    if before:
        kept = path.with_name(f"{path.name}.before-{len(schema.STEPS)}.bak")
        if not kept.exists():
            backup(db, kept)
            notice(f"{path} is brought up to date; as it was it is kept in {kept}")
    schema.migrate(db)


def check_path(path: Path, *, create: bool) -> None:
    """Raise StoreError, with what to do, where no database of ours can be; also where
    there is none, unless one may be made."""
    if path.is_dir():
        raise StoreError(f"{path} is a folder; the database is a file in it")
    if (kind := _network_file_system(path)) is not None:
        raise StoreError(
            f"{path} is on a network drive ({kind}), where SQLite cannot keep it safe; "
            "put it on a local disk, with --db, and use `memcli backup` for copies"
        )
    # Looked at, not opened: to close a file gives up all the locks that this process
    # has on it, and with them SQLite's, for whatever connection (fcntl in POSIX).
    try:
        size = path.stat().st_size
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
    if not os.access(path, os.R_OK):
        raise StoreError(f"{path}: {os.strerror(errno.EACCES).lower()}")
    if 0 < size < _SMALLEST_PAGE:  # SQLite would take it for empty, and write over it
        raise StoreError(f"{path} is not a SQLite database; it was left as it is")


def identity(path: Path) -> tuple[int, int] | None:
    """Which file is at a path now: device and inode; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _network_file_system(path: Path) -> str | None:
    """The kind of network drive a path is on; None for a local disk, or where the
    system does not say."""
    folder = os.path.realpath(path.parent)
    best, kind = "", ""
    for line in _mounts().splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ")
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind if kind in _NETWORK else None


def _mounts() -> str:
    """What is mounted where, as Linux lists it."""
    try:
        return Path("/proc/self/mounts").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _make_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StoreError(f"{path}: {_reason(error)}") from error


def _make_private(path: Path) -> None:
    try:
        for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            _hide(file)
    except OSError as error:
        raise StoreError(f"{path}: {_reason(error)}") from error


def _hide(file: Path) -> None:
    """A file of ours that was copied or restored may be open to others."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
        file.chmod(0o600)


def _check_owner(db: sqlite3.Connection, path: Path) -> None:
    try:
        application = db.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.DatabaseError as error:
        db.close()
        if "not a database" not in str(error) or _begins_as_one(path):
            raise  # damaged, which is told with what to do
        raise StoreError(
            f"{path} is not a SQLite database; it was left as it is"
        ) from error
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != schema.APPLICATION_ID:
        db.close()
        raise StoreError(
            f"{path} is the database of another program; it was left as it is"
        )
    if schema.version(db) > len(schema.STEPS):
        db.close()
        raise StoreError(f"{path} was written by a newer memcli; update this one")


def _begins_as_one(path: Path) -> bool:
    """Whether a file that SQLite would not have was one of its own; no connection
    that could lose a lock is open on such a file."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER
    return False


def _explained(error: sqlite3.Error, path: Path) -> StoreError:
    text = str(error)
    if "malformed" in text or "not a database" in text:
        return StoreError(
            f"{path} is damaged ({text}); restore it from a backup, or save what can "
            f"be read with `sqlite3 {path} .recover`"
        )
    if "full" in text or "disk I/O error" in text:
        return StoreError(
            f"{path}: no room on the disk, or it cannot be written to ({text}); what "
            "was committed is kept, run it again when there is room"
        )
    if "readonly" in text or "unable to open" in text:
        return StoreError(f"{path} cannot be written: {text}")
    if "locked" in text:
        return StoreError(f"{path} is held by another program; try again")
    return StoreError(f"{path}: {text}")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
