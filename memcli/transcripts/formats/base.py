"""What every format has in common: what it is given, what it yields, small readers.

A format is a small class with a name, a line about itself, and two methods:
`recognises` tells whether one JSON object is of this format, `read` turns the
objects of a file into messages. Other packages add theirs through the entry
point group `memcli.formats`.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Any, NamedTuple, Protocol, runtime_checkable

from memcli.models import Role
from memcli.transcripts.report import FileReport

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Record(NamedTuple):
    """One JSON object of a file: a line, or an element of its array.

    `number` counts lines (or elements) from 1; `offset` is where the line
    begins, in bytes.
    """

    number: int
    data: dict[str, Any]
    offset: int = 0


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as a format found it; times and identity may still be missing.

    `id` is None where the file has none. `key` is set where the format's ids
    are unique over all files (UUIDs), so that copies are known as copies.
    `thread_time` stands in for a missing `sent_at`. A `prompt` may also be found
    in a history of prompts, and what comes from there is a `stand_in`: it gives
    way to the same words in the thread's own file. `as_of` is when the file says
    the conversation was last changed; of two files the newer one is right.
    """

    line: int
    thread_id: str
    role: Role
    text: str
    id: str | None = None
    key: str | None = None
    name: str | None = None
    sent_at: datetime | None = None
    thread_time: datetime | None = None
    title: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    prompt: bool = False
    stand_in: bool = False
    as_of: datetime | None = None


_SUFFIXES = (".json", ".jsonl", ".ndjson", ".txt", ".log", ".gz", ".zst")


def _nothing_beside(name: str) -> bytes | None:
    return None


@dataclass(slots=True)
class Source:
    """The file a format reads, besides its records.

    `path` is the file's (inside an archive: the archive's, then the member's).
    `beside` gives the content of a file next to it, or None. `memo` is kept
    with the file and is there again when a grown file is read on from where
    it ended; it holds what JSON can hold. `withdrawn` are keys of messages
    that the file says are no longer part of the conversation, and when it said
    so. `openings` are the conversations without an id so far, by how they begin.
    """

    path: PurePath
    report: FileReport
    beside: Callable[[str], bytes | None] = _nothing_beside
    memo: dict[str, Any] = field(default_factory=dict)
    withdrawn: dict[str, datetime | None] = field(default_factory=dict)
    openings: dict[bytes, str] = field(default_factory=dict)
    read_again_from: Record | None = None

    def skip(self, reason: str) -> None:
        """Count something that was left out on purpose."""
        self.report.skip(reason)

    def problem(self, number: int, reason: str) -> None:
        """Count a record that could not be used."""
        self.report.problem(number, reason)

    @property
    def stem(self) -> str:
        """The file's name without what tells its kind; other dots are part of it."""
        name = self.path
        while name.suffix.lower() in _SUFFIXES:
            name = name.with_suffix("")
        return name.name


@runtime_checkable
class Format(Protocol):
    """One export format of JSON objects: how to know it, and how to read it."""

    name: str
    about: str

    def recognises(self, record: Mapping[str, Any]) -> bool:
        """Whether one JSON object from the head of a file is of this format."""

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        """The messages of a file, in file order; what is left out is counted."""


@runtime_checkable
class Appending(Protocol):
    """A format whose lines keep their meaning whatever is appended later.

    Its files are read on from where the last read ended. A line for which
    `passes_over` gives a reason holds no message, and is not even parsed.
    """

    def passes_over(self, raw: bytes) -> str | None:
        """Why a raw line need not be parsed; None if it must be."""


@runtime_checkable
class TextFormat(Protocol):
    """An export format of plain text lines."""

    name: str
    about: str

    def recognises_text(self, lines: Sequence[str]) -> bool:
        """Whether the first lines of a file are of this format."""

    def read_text(
        self, lines: Iterable[tuple[int, str]], source: Source
    ) -> Iterator[RawMessage]:
        """The messages of a file, from its numbered lines."""


_TEXT_BLOCKS = (None, "text", "Text", "input_text", "output_text")


def text_of_blocks(content: object, source: Source) -> str | None:
    """The written text of a `content`: a string, or a list of typed blocks.

    Tool calls, tool results, thinking and images are counted and left out.
    None when `content` is something else altogether.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = []
    for block in content:
        if isinstance(block, str):
            texts.append(block)
        elif isinstance(block, dict):
            text = block.get("text", block.get("value"))
            kind = block.get("type")
            if isinstance(text, str) and kind in _TEXT_BLOCKS:
                texts.append(text)
            else:
                source.skip(f"{block_name(kind)} block")
        else:
            source.skip("unknown block")
    return "\n\n".join(text for text in texts if text.strip())


def kind_of(record: Mapping[str, Any], key: str = "type") -> str:
    """The value of a key that names a kind; empty for what is no text."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def block_name(kind: object) -> str:
    """A block's type for a count; what is no plain word could be anything."""
    if isinstance(kind, str) and re.fullmatch(r"[A-Za-z][\w.-]{0,40}", kind):
        return kind
    return "unknown"


def between(text: str, opening: str, closing: str) -> list[str]:
    """What stands between pairs of marks, in linear time whatever is unclosed."""
    found = []
    start = text.find(opening)
    while start >= 0:
        start += len(opening)
        end = text.find(closing, start)
        if end < 0:
            break
        found.append(text[start:end])
        start = text.find(opening, end + len(closing))
    return found


def scalar_text(value: object) -> str | None:
    """A scalar as metadata text; None for what is no scalar or is empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    return None


def first_scalar(record: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """The first of the keys that holds a scalar, as text."""
    for key in keys:
        value = scalar_text(record.get(key))
        if value is not None:
            return value
    return None


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """The objects of a list; nothing for what is no list."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]


def id_from_content(parts: Iterable[object]) -> str:
    """A thread id for a conversation that has none: known by how it begins."""
    start = "\x1f".join(str(part) for part in parts)
    return "thread-" + hashlib.sha256(start.encode("utf-8", "replace")).hexdigest()[:12]
