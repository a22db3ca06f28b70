"""A JSON document of any size → pieces of the same shape and of bounded size.

An export of years of chats is one JSON array or object of gigabytes, and a
parser needs it whole in memory. Here it is cut between the elements of its
long arrays: `{"name": "x", "messages": [1, 2, 3]}` becomes
`{"name": "x", "messages": [1, 2]}` and `{"name": "x", "messages": [3]}`. Each
piece is JSON by itself, so nothing that reads one has to know.

The scan is vectorised, since Python is too slow to look at every byte: NumPy
finds the quotes, backslashes and brackets of a chunk at once, works out which
of them stand in strings, and only those near the root are looked at one by one
(after the structural index of simdjson, Langdale and Lemire 2019).
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

# Arrays whose elements are messages, or conversations: where cutting is sound.
_CUT_IN = (b'"messages"', b'"chat_messages"', b'"list"', b'"conversations"')
_DEEPEST = 6
_INNER = 4
_LARGEST = 256 << 20
_KEPT_MEMBER = 64 * 1024
_QUOTE, _BACKSLASH, _COMMA = b'"\\,'
_OPEN, _CLOSE = b"{[", b"}]"

_DEPTH = np.zeros(256, dtype=np.int32)
_DEPTH[list(_OPEN)] = 1
_DEPTH[list(_CLOSE)] = -1
_STRUCTURAL = np.zeros(256, dtype=bool)
_STRUCTURAL[list(b'"\\,{}[]')] = True


@dataclass(slots=True)
class _Frame:
    """An open container: what must stand before its next member in a new piece."""

    bracket: int
    cuttable: bool
    member_at: int  # where the current member begins
    opened_by: bytes = b""  # the key it stands under, colon and all
    kept: list[bytes] = field(default_factory=list)  # small members so far
    cut: bool = False  # whether the current member was cut inside


def pieces(
    chunks: Iterable[bytes], size: int, ragged: Callable[[], None]
) -> Iterator[bytes]:
    """The document in pieces of about `size` bytes, each valid if the whole is.

    With a size of 0, every element of the outermost array is a piece. Arrays
    further in are cut only where a piece would grow to several times the size.
    A document that ends too early is told to `ragged`, and closed where it
    ends, so that what is whole in it can be read. Several documents one after
    another are so many pieces.
    """
    cutter = _Cutter(size)
    for chunk, positions, depths in _scanned(chunks):
        cutter.buffer += chunk
        if size and len(cutter.buffer) > _LARGEST:
            raise OSError(f"an element of more than {_LARGEST >> 20} MB")
        for position, depth in zip(positions, depths, strict=True):
            piece = cutter.token(position, depth)
            if piece is not None:
                yield piece
    if cutter.frames:
        ragged()
        last = cutter.ragged_end()
        if last is not None:
            yield last


class _Cutter:
    """Follows the open containers through the tokens of one stream."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.buffer = bytearray()
        self.base = 0  # the offset in the stream of the buffer's first byte
        self.from_ = 0  # where the piece under way begins
        self.head = b""  # what opens it again
        self.frames: list[_Frame] = []

    def token(self, at: int, depth: int) -> bytes | None:
        """Take in one bracket or comma; the piece it completes, if any."""
        byte = self.buffer[at - self.base]
        if byte in _OPEN:
            self._open(at, byte)
            return None
        if byte == _COMMA:
            return self._comma(at)
        return self._close(at)

    def ragged_end(self) -> bytes | None:
        """What is left of a document that does not end, closed where it was whole."""
        for level in range(len(self.frames) - 1, -1, -1):
            if self.frames[level].cuttable:
                break
        else:
            return None
        end = self.frames[level].member_at
        body = self._bytes(self.from_, end).rstrip(b", \t\r\n")
        last = bytes(self.buffer[self._index(end) :]).strip(b" \t\r\n\x00")
        if level == len(self.frames) - 1 and last.endswith(b"}"):
            body += (b"" if (self.head + body).endswith(b"[") else b",") + last
        return self.head + body + self._closers(level)

    def _open(self, at: int, bracket: int) -> None:
        key = b""
        if not self.frames:
            self._drop(at)
            self.from_, self.head = at, b""
        elif self.frames[-1].bracket == _OPEN[0]:
            key = bytes(
                self.buffer[self._index(self.frames[-1].member_at) : self._index(at)]
            )
        cuttable = bracket == _OPEN[1] and (
            not self.frames or key.lstrip().startswith(_CUT_IN)
        )
        self.frames.append(_Frame(bracket, cuttable, at + 1, key))

    def _comma(self, at: int) -> bytes | None:
        if not self.frames:
            return None
        frame = self.frames[-1]
        piece = None
        if frame.bracket == _OPEN[0]:
            self._keep_member(frame, at)
        elif frame.cuttable and at - self.from_ >= self._enough():
            piece = self._cut(at)
        frame.member_at = at + 1
        frame.cut = False
        return piece

    def _enough(self) -> float:
        if len(self.frames) == 1:
            return self.size
        return _INNER * self.size or math.inf

    def _close(self, at: int) -> bytes | None:
        if not self.frames:
            return None
        self.frames.pop()
        if self.frames:
            return None
        body = bytes(self.buffer[self._index(self.from_) : self._index(at) + 1])
        piece = self.head + body
        self._drop(at + 1)
        self.from_, self.head = at + 1, b""
        return piece

    def _cut(self, at: int) -> bytes:
        """End the piece at a comma, and open all that is open once more."""
        body = bytes(self.buffer[self._index(self.from_) : self._index(at)])
        piece = self.head + body + self._closers(len(self.frames) - 1)
        for frame in self.frames:
            frame.cut = True
        self.head = self._opening()
        self.from_ = at + 1
        self._drop(at + 1)
        return piece

    def _opening(self) -> bytes:
        parts: list[bytes] = []
        for frame in self.frames:
            parts += (frame.opened_by, bytes([frame.bracket]), *frame.kept)
        return b"".join(parts)

    def _closers(self, level: int) -> bytes:
        frames = reversed(self.frames[: level + 1])
        return bytes(b"}]"[_OPEN.index(frame.bracket)] for frame in frames)

    def _keep_member(self, frame: _Frame, at: int) -> None:
        if frame.cut or at - frame.member_at > _KEPT_MEMBER:
            return
        start = self._index(frame.member_at)
        frame.kept.append(bytes(self.buffer[start : self._index(at) + 1]))

    def _bytes(self, start: int, stop: int) -> bytes:
        return bytes(self.buffer[self._index(start) : self._index(stop)])

    def _index(self, offset: int) -> int:
        return max(offset - self.base, 0)

    def _drop(self, until: int) -> None:
        """Forget bytes that no piece needs any more."""
        del self.buffer[: until - self.base]
        self.base = until


def _scanned(
    chunks: Iterable[bytes],
) -> Iterator[tuple[bytes, list[int], list[int]]]:
    """Each chunk with the offsets of its shallow brackets and commas, and depths."""
    offset = 0
    depth = 0
    in_string = False
    held = b""
    for fresh in chunks:
        chunk = held + fresh
        # A backslash at the end would belong to a byte that is not here yet.
        body = chunk.rstrip(b"\\")
        held = chunk[len(body) :]
        if not body:
            continue
        positions, depths, depth, in_string = _shallow(body, depth, in_string)
        yield body, [offset + p for p in positions], depths
        offset += len(body)


def _shallow(
    chunk: bytes, depth: int, in_string: bool
) -> tuple[list[int], list[int], int, bool]:
    data = np.frombuffer(chunk, dtype=np.uint8)
    found = np.flatnonzero(_STRUCTURAL[data])
    kinds = data[found]
    quotes = (kinds == _QUOTE) & ~_escaped(found, kinds)
    parity = np.cumsum(quotes) + in_string
    outside = ((parity & 1) == 0) & (kinds != _QUOTE) & (kinds != _BACKSLASH)
    found, kinds = found[outside], kinds[outside]
    steps = _DEPTH[kinds]
    after = np.cumsum(steps) + depth
    # A bracket is as deep as the container it opens or closes.
    deep = np.where(steps < 0, after + 1, after)
    near = deep <= _DEEPEST
    end = int(after[-1]) if after.size else depth
    ends_inside = bool((int(parity[-1]) if parity.size else in_string) & 1)
    return found[near].tolist(), deep[near].tolist(), max(end, 0), ends_inside


def _escaped(
    found: npt.NDArray[np.intp], kinds: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """For each structural byte, whether an odd run of backslashes precedes it."""
    slashes = kinds == _BACKSLASH
    escaped = np.zeros(len(found), dtype=bool)
    if not slashes.any():
        return escaped
    index = np.arange(len(found))
    touching = np.zeros(len(found), dtype=bool)
    touching[1:] = (np.diff(found) == 1) & slashes[:-1]
    run_start = np.maximum.accumulate(np.where(slashes & ~touching, index, 0))
    run_length = np.where(slashes, index - run_start + 1, 0)
    escaped[1:] = touching[1:] & (run_length[:-1] % 2 == 1)
    return escaped
