"""What every format has in common: the shape it yields, and few small readers."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from memcli.models import Role
from memcli.transcripts.lines import Line
from memcli.transcripts.report import FileReport


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as a format found it; times and identity may still be missing.

    `id` is None where the file has none. `key` is set where the format's ids
    are unique over all files (UUIDs), so that copies are known as copies.
    `thread_time` stands in for a missing `sent_at`.
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


class Format(Protocol):
    """One export format: how to know it, and how to read it."""

    name: str

    def recognises(self, record: Mapping[str, Any]) -> bool:
        """Whether one JSON object from the head of a file is of this format."""

    def read(self, lines: Iterable[Line], report: FileReport) -> Iterator[RawMessage]:
        """The messages of a file, in file order; skips are counted in `report`."""


def text_of_blocks(content: object, report: FileReport) -> str | None:
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
            text = block.get("text")
            kind = block.get("type")
            if isinstance(text, str) and kind in (
                None, "text", "input_text", "output_text",
            ):  # fmt: skip
                texts.append(text)
            else:
                report.skip(f"{kind if isinstance(kind, str) else 'unknown'} block")
        else:
            report.skip("unknown block")
    return "\n\n".join(text for text in texts if text.strip())


def scalar_text(value: object) -> str | None:
    """A scalar as metadata text; None for what is no scalar or is empty."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    return None
