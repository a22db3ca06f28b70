"""Which memories come first when there is no room for all."""

import math
from collections.abc import Collection, Iterable
from datetime import date, datetime

from memcli.agentfile import document
from memcli.agentfile.document import Layout, Path
from memcli.asking.tokens import estimate
from memcli.models import Kind, Memory
from memcli.store.ranking import MONTH, Weighing

# What an agent can act on in any conversation; the rest it can search for.
_LASTING = {
    Kind.INSTRUCTION, Kind.PREFERENCE, Kind.DECISION, Kind.PROCEDURE, Kind.CORRECTION,
}  # fmt: skip


def ranked(
    memories: Collection[Memory], today: date, weighing: Weighing
) -> list[Memory]:
    """The strongest first: what a person wrote; then what is asked of an agent, and
    the user's own schemas; then facts, plans and events; at the end those whose day
    is past. Among equals it counts how sure they are, how often they were said, and
    how new they are, as it does in a search."""
    if not memories:
        return []
    newest = max(memory.valid_from for memory in memories)

    def place(memory: Memory) -> tuple[bool, bool, bool, float, float, int]:
        return (
            _is_past(memory, today),
            memory.by_hand is None,
            memory.schema is None and memory.kind not in _LASTING,
            -_weight(memory, newest, weighing),
            -memory.valid_from.timestamp(),
            memory.id,
        )

    return sorted(memories, key=place)


def fitting(memories: Iterable[Memory], layout: Layout, room: int) -> list[Memory]:
    """Those that fit into so many tokens with their headings, the first ones first;
    one that is too long makes room for what comes after it."""
    chosen: list[Memory] = []
    shown: set[Path] = set()
    for memory in memories:
        path = document.path_of(memory, layout)
        above = {path[:depth] for depth in range(1, len(path) + 1)} - shown
        needed = price(document.bullet(memory)) + sum(
            2 * price("") + price(document.heading(one[-1], layout.level + len(one)))
            for one in above
        )
        if needed <= room:
            room -= needed
            shown |= above
            chosen.append(memory)
    return chosen


def price(line: str) -> int:
    """The tokens of a line, its end with it, of either sort. The sum over lines is
    never less than the estimate of all of them together."""
    return estimate(line + "\r\n")


def _is_past(memory: Memory, today: date) -> bool:
    """A plan or an event whose day is over."""
    return (
        memory.kind in (Kind.PLAN, Kind.EVENT)
        and memory.happens_on is not None
        and memory.happens_on < today
    )


def _weight(memory: Memory, newest: datetime, weighing: Weighing) -> float:
    days = (newest - memory.valid_from).total_seconds() / 86400
    return (
        weighing.confidence * 10 * (memory.confidence - 1)
        + weighing.strength * math.log2(max(1, memory.strength))
        - weighing.recency * math.log2(1 + days / MONTH)
    )
