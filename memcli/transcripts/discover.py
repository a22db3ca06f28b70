"""Paths on the command line → files that may hold transcripts."""

import os
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from memcli.errors import UnreadableInput

STDIN = "-"
# Folders that hold other people's files in great numbers, never transcripts.
_SKIPPED_FOLDERS = {".git", "node_modules", "__pycache__", ".venv"}


class FoundFile(NamedTuple):
    """A file with the facts that tell whether it changed since it was read."""

    path: str
    size: int
    mtime_ns: int
    inode: int


def shown(path: str) -> str:
    """A path as a person would write it: from here, if it lies below."""
    here = os.getcwd() + os.sep  # noqa: PTH109
    return as_text(path.removeprefix(here))


def as_text(path: str) -> str:
    """A path that can be printed and stored: names need not be valid UTF-8."""
    if path.isascii():
        return path
    return path.encode("utf-8", "backslashreplace").decode()


def discover(
    paths: Iterable[str], closed: Callable[[str], None] = lambda folder: None
) -> Iterator[FoundFile]:
    """Every regular file below the paths, once, in a stable order.

    A folder below that may not be read is told to `closed`. Raises
    UnreadableInput for a path that is missing, unreadable or no file.
    """
    names = list(paths)
    if len(names) == 1:
        yield from _files_of(names[0], closed)
        return
    seen: set[str] = set()
    for name in names:
        for found in _files_of(name, closed):
            if found.path not in seen:
                seen.add(found.path)
                yield found


def _files_of(name: str, closed: Callable[[str], None]) -> Iterable[FoundFile]:
    if not name.strip():
        raise UnreadableInput("an empty path; write . for the current folder")
    path = Path(os.path.abspath(name))  # noqa: PTH100  keeps symlinks as given
    if path.is_dir():
        if not os.access(path, os.R_OK | os.X_OK):
            raise UnreadableInput(f"{name}: permission denied")
        return _walk(os.fspath(path), closed)
    try:
        found = _stat(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreadableInput(f"{name}: {reason.lower()}") from None
    if found is None:
        raise UnreadableInput(f"{name}: neither a file nor a folder")
    return (found,)


def _walk(folder: str, closed: Callable[[str], None]) -> Iterator[FoundFile]:
    """Depth first by name, on a stack of its own: a recursion of generators
    would hand each file through every level. `os.scandir` gives the type
    without another look at the disk.
    """
    open_folders = [_entries(folder, closed)]
    while open_folders:
        for entry in open_folders[-1]:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in _SKIPPED_FOLDERS:
                        open_folders.append(_entries(entry.path, closed))
                        break
                elif entry.is_file():
                    status = entry.stat()
                    yield FoundFile(
                        entry.path, status.st_size, status.st_mtime_ns, status.st_ino
                    )
            except OSError:
                continue  # went away between the listing and the look
        else:
            open_folders.pop()


def _entries(folder: str, closed: Callable[[str], None]) -> Iterator[os.DirEntry[str]]:
    try:
        return iter(sorted(os.scandir(folder), key=attrgetter("name")))
    except PermissionError:
        closed(folder)
    except OSError:
        pass  # went away
    return iter(())


def _stat(path: Path) -> FoundFile | None:
    status = path.stat()
    if not path.is_file():
        return None
    return FoundFile(os.fspath(path), status.st_size, status.st_mtime_ns, status.st_ino)
