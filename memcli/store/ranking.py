"""Fusion: one ranking out of full-text and vector scores."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ranked:
    """One row with its score and the parts the score was made of."""

    id: int
    score: float
    parts: Mapping[str, float]


def fuse(
    lexical: Mapping[int, float], dense: Mapping[int, float], limit: int
) -> list[Ranked]:
    """The rows of either side by the sum of both, each scaled to its best.

    A side's scores are divided by that side's highest, so that a clear winner
    of one side counts more than the first of many equals, which fusion by rank
    cannot tell apart.
    """
    top_lexical = max(lexical.values(), default=0.0) or 1.0
    top_dense = max(dense.values(), default=0.0) or 1.0
    ranked = []
    for id in lexical.keys() | dense.keys():
        text = lexical.get(id, 0.0) / top_lexical
        meaning = max(0.0, dense.get(id, 0.0)) / top_dense
        score = (text + meaning) / 2
        parts = {"text": text, "meaning": meaning, "cosine": dense.get(id, 0.0)}
        ranked.append(Ranked(id, score, parts))
    ranked.sort(key=lambda item: (-item.score, item.id))
    return ranked[:limit]
