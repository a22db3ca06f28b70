"""A file → the documents in it: itself, decompressed, or the members of a zip.

Everything is a stream; nothing is unpacked to disk or as a whole into memory.
"""

import gzip
import io
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, BinaryIO, cast

from memcli.transcripts.discover import STDIN, FoundFile

BUFFER = 1 << 20
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
# What of an archive can be a transcript; the rest is pictures and web pages.
_MEMBERS = (".json", ".jsonl", ".ndjson", ".txt", ".log")
# Files beside a transcript are lists of names: far below this.
_MAX_BESIDE = 64 << 20

Broken = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Document:
    """One stream of bytes that may be a transcript."""

    path: PurePath
    stream: "io.BufferedReader[Any]"
    seekable: bool
    beside: Callable[[str], bytes | None]


def documents(found: FoundFile) -> Iterator[Document]:
    """The documents of a file, each open until the next is asked for.

    Raises OSError (or another of `Broken`) when the file cannot be read.
    """
    with ExitStack() as stack:
        if found.path == STDIN:
            stream = io.BufferedReader(cast("io.RawIOBase", sys.stdin.buffer), BUFFER)
            stack.callback(stream.detach)
        else:
            raw = stack.enter_context(Path(found.path).open("rb", 0))
            stream = io.BufferedReader(raw, BUFFER)
        yield from _documents(PurePath(found.path), stream, stack)


def _documents(
    path: PurePath, stream: "io.BufferedReader[Any]", stack: ExitStack
) -> Iterator[Document]:
    start = stream.peek(4)[:4]
    if start == _ZIP and path.name != STDIN:
        yield from _members(path, stack.enter_context(zipfile.ZipFile(stream)))
        return
    plain = not start.startswith((_GZIP, _ZSTD))
    if start.startswith(_GZIP):
        stream = _buffered(cast("BinaryIO", gzip.GzipFile(fileobj=stream)), stack)
    elif start == _ZSTD:
        stream = _buffered(_unzstd(stream), stack)
    seekable = plain and path.name != STDIN
    yield Document(path, stream, seekable, _beside_file(path))


def _unzstd(stream: "io.BufferedReader[Any]") -> BinaryIO:
    import zstandard  # only the few who have such files pay for it

    reader = zstandard.ZstdDecompressor().stream_reader(
        stream, read_across_frames=True, closefd=False
    )
    return cast("BinaryIO", _Translating(reader, zstandard.ZstdError))


class _Translating(io.RawIOBase):
    """A decompressor's stream whose own errors are OSErrors."""

    def __init__(self, stream: BinaryIO, error: type[Exception]) -> None:
        self._stream, self._error = stream, error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._stream.read(len(view))
        except self._error as error:
            raise OSError(f"damaged zstd data: {error}") from None
        view[: len(data)] = data
        return len(data)


def _buffered(raw: BinaryIO, stack: ExitStack) -> "io.BufferedReader[Any]":
    stream = io.BufferedReader(cast("io.RawIOBase", raw), BUFFER)
    stack.callback(stream.close)
    return stream


def _members(path: PurePath, archive: zipfile.ZipFile) -> Iterator[Document]:
    def beside(member: str) -> Callable[[str], bytes | None]:
        def read(name: str) -> bytes | None:
            wanted = os.path.normpath(PurePosixPath(member).parent / name)
            try:
                with archive.open(wanted.replace(os.sep, "/")) as file:
                    return file.read(_MAX_BESIDE)
            except (KeyError, *Broken):
                return None

        return read

    for info in sorted(archive.infolist(), key=lambda info: info.filename):
        if info.is_dir() or not info.filename.lower().endswith(_MEMBERS):
            continue
        with ExitStack() as stack:
            if info.flag_bits & 1:
                raise OSError("a zip with a password: unpack it first")
            stream = _buffered(cast("BinaryIO", archive.open(info)), stack)
            inner = path / PurePosixPath(info.filename)
            yield Document(inner, stream, False, beside(info.filename))


def _beside_file(path: PurePath) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        try:
            with Path(path.parent, name).open("rb") as file:
                return file.read(_MAX_BESIDE)
        except OSError:
            return None

    return read
