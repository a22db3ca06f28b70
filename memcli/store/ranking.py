"""Fusion: one ranking out of full-text scores, vector scores and conversation.

The weights are not fitted to a set: on the sets we could measure, anything near
them does as well (docs/recall.md), and they stay clear of the two ways of doing
badly, letting one side decide, and letting neighbours drown a message.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

# Full text and vectors each bring this many to the fusion.
POOL = 200
# Meaning counts for more than words: it is the side that rarely has no opinion.
MEANING = 1.5
# A message is about what the ones beside it are about, the one before it above
# all: "Yes, at eight" means nothing alone. The shorter it is, the more so.
BEFORE, AFTER = 0.4, 0.2
SHORT_WORDS = 200
# A thread in which several messages fit is the thread that is looked for.
THREAD, THREAD_BEST = 0.5, 3


@dataclass(frozen=True, slots=True)
class Ranked:
    """One row with its score and the parts the score was made of.

    The score lies between 0 and 1; it orders one result, and says nothing
    across queries. `cosine` among the parts does.
    """

    id: int
    score: float
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands: its thread, its neighbours, its length in words."""

    thread: str
    before: int | None
    after: int | None
    words: int


def fuse(lexical: Mapping[int, float], dense: Mapping[int, float]) -> list[Ranked]:
    """The rows of either side, best first, by the weighted sum of both.

    Fusion by rank cannot tell a clear winner from the first of many equals, so
    scores are added up, each side stretched from its weakest to its best.
    """
    text, meaning = _stretched(lexical), _stretched(dense)
    ranked = []
    for id in lexical.keys() | dense.keys():
        one, other = text.get(id, 0.0), meaning.get(id, 0.0)
        score = (one + MEANING * other) / (1 + MEANING)
        parts = {"text": one, "meaning": other, "cosine": dense.get(id, 0.0)}
        ranked.append(Ranked(id, score, parts))
    return _sorted(ranked)


def in_conversation(ranked: list[Ranked], places: Mapping[int, Place]) -> list[Ranked]:
    """Messages ranked again, by what stands around them as well.

    `places` has all of `ranked`; a neighbour that fits in neither words nor
    meaning counts as nothing.
    """
    alone = {item.id: item.score for item in ranked}
    threads: dict[str, list[float]] = defaultdict(list)
    for item in ranked:
        best = threads[places[item.id].thread]
        if len(best) < THREAD_BEST:
            best.append(item.score)
    found = []
    for item in ranked:
        place = places[item.id]
        short = SHORT_WORDS / (SHORT_WORDS + place.words)
        beside = BEFORE * alone.get(place.before or 0, 0.0)
        beside += AFTER * alone.get(place.after or 0, 0.0)
        thread = THREAD * sum(threads[place.thread]) / THREAD_BEST
        score = (item.score + short * beside + thread) / (1 + BEFORE + AFTER + THREAD)
        parts = {**item.parts, "beside": short * beside, "thread": thread}
        found.append(Ranked(item.id, score, parts))
    return _sorted(found)


def _stretched(scores: Mapping[int, float]) -> dict[int, float]:
    """Scores from 0, that of the weakest of a full pool, to 1, that of the best."""
    if not scores:
        return {}
    best = sorted(scores.values(), reverse=True)
    low = best[POOL - 1] if len(best) >= POOL else 0.0
    span = best[0] - low
    if span <= 0:
        return dict.fromkeys(scores, 1.0 if best[0] > 0 else 0.0)
    return {id: max(0.0, (score - low) / span) for id, score in scores.items()}


def _sorted(ranked: list[Ranked]) -> list[Ranked]:
    return sorted(ranked, key=lambda item: (-item.score, item.id))
