"""The file that the block is in: read as bytes, replaced as a whole or not at all."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from memcli.errors import UsageError


def read(path: Path) -> bytes | None:
    """What is in a file, or where a link leads; None if there is none yet.

    Raises UsageError for a folder, a device, a file that cannot be read, and for one
    in a folder that is not there.
    """
    with _explained(path):
        target = _target(path)
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            if not target.parent.is_dir():
                raise UsageError(
                    f"{path}: the folder {target.parent} does not exist"
                ) from None
            return None
        if stat.S_ISDIR(mode):
            raise UsageError(f"{path} is a folder; name the file in it")
        if not stat.S_ISREG(mode):
            raise UsageError(f"{path} is no file; it was left as it is")
        return target.read_bytes()


def decoded(data: bytes, path: Path) -> str:
    """The text of a file; its line ends and byte order mark stay in it. Raises
    UsageError for anything but text in UTF-8."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{path} is not text in UTF-8; it was left as it is")
    return text


def replace(path: Path, before: bytes | None, after: bytes) -> None:
    """Write a file anew, with the mode it had; a link stays one.

    Raises UsageError when that cannot be, and when the file is not as it was `before`
    any more: somebody is writing to it.
    """
    with _explained(path):
        target = _target(path)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        old = None if before is None else _writable(target, path)
        try:
            _write(part, after, old)
            if read(path) != before:
                raise UsageError(f"{path} was changed meanwhile; try again")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def _target(path: Path) -> Path:
    """Where a link leads, also to a file that is not there yet."""
    return Path(os.path.realpath(path))


def _writable(target: Path, path: Path) -> os.stat_result:
    found = target.stat()
    # The folder would let us replace it, but whoever made it so meant something.
    if not found.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise UsageError(f"{path} is read-only; it was left as it is")
    return found


def _write(part: Path, data: bytes, old: os.stat_result | None) -> None:
    mode = 0o666 if old is None else 0o600  # a new file's is cut by the umask
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
        if old is not None:
            with contextlib.suppress(PermissionError):
                os.fchown(handle, old.st_uid, old.st_gid)
            os.fchmod(handle, stat.S_IMODE(old.st_mode))
        out.flush()
        os.fsync(handle)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}") from error
