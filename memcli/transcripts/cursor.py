"""Where the last read of a growing file ended, and how to know it is that file.

A log is appended to, so the next run reads on from there. What was read is
known again by a fingerprint of samples of it: a file that was truncated,
rotated or rewritten has other bytes where the samples were, and is read anew.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, BinaryIO

_WHOLE = 1 << 20  # up to here every byte counts
_ENDS = 64 * 1024
_SAMPLE = 16 * 1024
_SAMPLES = 16


@dataclass(frozen=True, slots=True)
class Cursor:
    """`offset` in bytes and `line` of the last line that was read whole."""

    format: str
    offset: int
    line: int
    fingerprint: str
    memo: dict[str, Any] = field(default_factory=dict)


def fingerprint(stream: BinaryIO, end: int) -> str:
    """A digest of the first `end` bytes; of a large file, both ends and samples."""
    digest = hashlib.blake2b(f"{end}".encode(), digest_size=16)
    spans = [(0, end)]
    if end > _WHOLE:
        step = end // (_SAMPLES + 1)
        spans = [(0, _ENDS), (end - _ENDS, end)]
        spans += [(step * i, step * i + _SAMPLE) for i in range(1, _SAMPLES + 1)]
    for start, stop in spans:
        stream.seek(start)
        digest.update(stream.read(stop - start))
    return digest.hexdigest()


def still_there(cursor: Cursor, stream: BinaryIO, size: int) -> bool:
    """Whether the file still begins with what was read of it."""
    if size < cursor.offset:
        return False
    return fingerprint(stream, cursor.offset) == cursor.fingerprint
