"""Hits that say the same, told once."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from memcli.store.ranking import Ranked

# How far below the last that is told others that say the same are looked for.
_REACH = 5
_END = re.compile(r"[.!?…。！？\s]+$")


@dataclass(frozen=True, slots=True)
class Folded:
    """A row with the ids of those that say the same and rank below it."""

    item: Ranked
    also: list[int] = field(default_factory=list)


def folded(
    order: Iterable[Ranked], same: Callable[[int], str], limit: int
) -> list[Folded]:
    """The first rows that differ, best first; `same` gives equal texts for ids of rows
    that say the same."""
    kept: dict[str, Folded] = {}
    for seen, item in enumerate(order):
        if len(kept) >= limit and seen >= _REACH * limit:
            break
        key = same(item.id)
        if key in kept:
            kept[key].also.append(item.id)
        elif len(kept) < limit:
            kept[key] = Folded(item)
    return list(kept.values())


def bare(text: str) -> str:
    """Equal for texts in the same words and signs: "5 °C" and "-5 °C" are two."""
    return _END.sub(
        "", " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    )
