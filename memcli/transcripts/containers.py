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
_COMPRESSED = 16 << 10  # bytes at a time; each may become many times as many
# What of an archive cannot be a transcript.
_OTHER_MEMBERS = (
    ".html", ".htm", ".css", ".js", ".pdf", ".md", ".csv", ".xml",
    ".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg", ".heic", ".ico",
    ".mp3", ".mp4", ".m4a", ".mov", ".webm", ".ogg", ".opus", ".wav", ".vcf",
    ".doc", ".docx", ".xlsx", ".pptx", ".zip", ".exe", ".dll", ".so", ".pyc",
)  # fmt: skip
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
    if start == _ZIP and path.name == STDIN:
        raise OSError("a zip on standard input: save it as a file first")
    if start == _ZIP:
        yield from _members(path, stack.enter_context(zipfile.ZipFile(stream)))
        return
    stream, packed = _unpacked(stream, stack)
    seekable = not packed and path.name != STDIN
    yield Document(path, stream, seekable, _beside_file(path))


def _unpacked(
    stream: "io.BufferedReader[Any]", stack: ExitStack
) -> tuple["io.BufferedReader[Any]", bool]:
    """What is compressed in a stream, and whether anything is."""
    start = stream.peek(4)[:4]
    if start.startswith(_GZIP):
        return _buffered(cast("BinaryIO", gzip.GzipFile(fileobj=stream)), stack), True
    if start == _ZSTD:
        return _buffered(cast("BinaryIO", _Unzstd(stream)), stack), True
    return stream, False


class _Unzstd(io.RawIOBase):
    """Zstandard frames as a stream. One that ends too early is an error: the
    library's own reader takes it for the end."""

    def __init__(self, stream: BinaryIO) -> None:
        import zstandard  # only the few who have such files pay for it

        self._stream = stream
        self._frame = zstandard.ZstdDecompressor().decompressobj
        self._error: type[Exception] = zstandard.ZstdError
        self._open: Any = None  # the frame under way
        self._input, self._output = b"", memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        while not self._output and self._more():
            pass
        count = min(len(view), len(self._output))
        view[:count] = self._output[:count]
        self._output = self._output[count:]
        return count

    def _more(self) -> bool:
        """Decompress one more piece; False at the end of the file."""
        self._input = self._input or self._stream.read(_COMPRESSED)
        if not self._input:
            if self._open is not None:
                raise OSError("the zstd data ends too early")
            return False
        if self._open is None:
            self._open = self._frame()
        try:
            self._output = memoryview(self._open.decompress(self._input))
        except self._error as error:
            raise OSError(f"damaged zstd data: {error}") from None
        self._input = b""
        if self._open.eof:
            self._input, self._open = self._open.unused_data, None
        return True


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
        if info.is_dir() or info.filename.lower().endswith(_OTHER_MEMBERS):
            continue
        with ExitStack() as stack:
            if info.flag_bits & 1:
                raise OSError("a zip with a password: unpack it first")
            inner = path / PurePosixPath(info.filename)
            try:
                stream = _buffered(cast("BinaryIO", archive.open(info)), stack)
                stream, _ = _unpacked(stream, stack)
            except Broken as error:
                stream = _buffered(cast("BinaryIO", _Unreadable(error)), stack)
            yield Document(inner, stream, False, beside(info.filename))


class _Unreadable(io.RawIOBase):
    """A member that is damaged at its start; the others are read all the same."""

    def __init__(self, error: Exception) -> None:
        self._broken = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise self._broken


def _beside_file(path: PurePath) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        try:
            with Path(path.parent, name).open("rb") as file:
                return file.read(_MAX_BESIDE)
        except OSError:
            return None

    return read
