"""Memories as Markdown: headings, and one line a memory."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from memcli.agentfile.inert import inert
from memcli.models import Kind, Memory

# What says how to work comes before what is so.
_ORDER = (
    Kind.INSTRUCTION, Kind.PREFERENCE, Kind.DECISION, Kind.PROCEDURE, Kind.CORRECTION,
    Kind.FACT, Kind.PLAN, Kind.EVENT,
)  # fmt: skip

# A heading with those it stands under.
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """How large the first headings are, and whether namespaces have one."""

    level: int
    namespaces: bool


def lines(memories: Collection[Memory], layout: Layout) -> Iterator[str]:
    """A document, in an order in which a new memory is a small change: by namespace
    and kind, and what began to hold first comes first."""
    shown: Path = ()
    for memory in sorted(memories, key=_place):
        path = path_of(memory, layout)
        if path != shown:
            for depth, title in enumerate(path):
                if path[: depth + 1] != shown[: depth + 1]:
                    yield from ("", heading(title, layout.level + depth))
            yield ""
            shown = path
        yield bullet(memory)


def path_of(memory: Memory, layout: Layout) -> Path:
    """The headings that a memory stands under."""
    kind = memory.schema or memory.kind.value
    return (memory.namespace, kind) if layout.namespaces else (kind,)


def heading(title: str, level: int) -> str:
    return f"{'#' * level} {inert(title)}"


def bullet(memory: Memory) -> str:
    until = f", until {_day(memory.valid_to)}" if memory.valid_to else ""
    return f"- {inert(memory.text)} ({_day(memory.valid_from)}{until})"


def _place(memory: Memory) -> tuple[str, int, str, datetime, int]:
    kind = len(_ORDER) if memory.schema else _ORDER.index(memory.kind)
    return (
        memory.namespace, kind, memory.schema or "", memory.valid_from, memory.id,
    )  # fmt: skip


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d")
