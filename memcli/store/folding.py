"""Hits that say the same, told once."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from memcli.models import Hit
from memcli.textkey import gist

# How far below the last hit that is shown others that say the same are looked for.
REACH = 2


def folded(hits: Iterable[Hit], limit: int) -> list[Hit]:
    """The first hits, best first, with those that say the same folded into the best.

    Memories say the same when their telling words do, whatever namespace they are in;
    messages only when they have the same words, and then the hit has the sources of
    all of them.
    """
    kept: dict[str, Hit] = {}
    for hit in islice(hits, REACH * limit):
        same = _same(hit)
        best = kept.get(same)
        if best is not None:
            sources = best.sources if hit.memory else (*best.sources, *hit.sources)
            kept[same] = replace(best, also=(*best.also, hit.id), sources=sources)
        elif len(kept) < limit:
            kept[same] = hit
    return list(kept.values())


def _same(hit: Hit) -> str:
    """Equal for hits that say the same."""
    telling = gist(hit.text) if hit.memory else ""
    return telling or " ".join(hit.text.casefold().split())
