"""What makes a hit rank where it does: a weighted sum of what speaks for it.

Every part is on a scale of its own that means the same for every question: the share
of the question's words, how far a vector stands out from all others. So a side that is
not sure of itself counts little without being told to, which no fixed mixture of ranks
can do. The weights come from benchmarks/fit_ranking.py, over conversations of several
kinds that count equally (docs/recall.md); they are rounded, since the second digit
says nothing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Full text and vectors each bring this many candidates.
POOL = 200

# So many messages are looked at together with what stands around them.
CONSIDERED = 150
# … and of those with the same text not more than so many.
ALIKE = 5

# What a message's parts count. All are at home between -1 and 1, or 0 and 1.
MESSAGES: Mapping[str, float] = {
    "words": 2.6,  # share of the question's words that it holds
    "words before": 0.3,  # … that only the message before it holds
    "words after": 0.7,  # … that only the one after it holds
    "words in thread": 1.5,  # … that its thread holds
    "meaning": 3.2,  # a fifth of the deviations that its vector stands out by
    "meaning before": 1.0,
    "meaning of thread": 3.0,  # of the three messages of the thread that fit best
    "length": 1.3,  # how much longer than usual for who speaks, in powers of e
    "person": 2.3,  # said by a person whom the question names
    "assistant": -0.6,  # said by an assistant
    "asked of assistant": 0.9,  # … and the question is about what an assistant said
    "a time": 1.4,  # names a time, and the question asks when
    "a number": 1.0,
    "recent": 2.0,  # … where the question goes on with a conversation
    "in the time": 1.2,  # from the time that the question names, if it is a question
}
# A score is given as a probability would be: at this sum it is a half.
EVEN = 8.0
DEVIATIONS = 5.0
LONGER, SHORTER = 1.0, -2.5
# The shorter a message, the more it is about what the ones beside it are about.
SHORT_WORDS = 200
THREAD_BEST = 3
# Of a memory these two decide; what the user can weigh comes after them.
MEMORIES: Mapping[str, float] = {"words": 2.7, "meaning": 5.0, "in the time": 1.2}
EVEN_MEMORY = 4.5
# A memory that is older than the newest by so many days is a little less at hand.
MONTH = 30.0


@dataclass(frozen=True, slots=True)
class Weighing:
    """What counts in a memory beside what it says: how sure it is, how often it was
    said, how new it is. In log-odds for each tenth of confidence, each doubling of
    strength, each doubling of age; 0 is not at all."""

    confidence: float = 0.1
    strength: float = 0.2
    recency: float = 0.05

    @property
    def weights(self) -> Mapping[str, float]:
        return {
            **MEMORIES,
            "confidence": self.confidence,
            "strength": self.strength,
            "recency": self.recency,
        }


USUAL = Weighing()


@dataclass(frozen=True, slots=True)
class Ranked:
    """One row with its score and what that is made of.

    The score lies between 0 and 1. `parts` are what each thing adds to it, by name,
    in log-odds; only those that add anything.
    """

    id: int
    score: float
    parts: Mapping[str, float]


# What ties a hit to a query, beside its meaning. The nearest of many unrelated things
# is still unrelated.
_TIES = (
    "words", "words before", "words after", "words in thread", "person", "in the time",
)  # fmt: skip
_NEAR = 0.25


def related(item: Ranked, cosine: float) -> bool:
    """Whether anything ties a row to the query: a word in it or around it, who said
    it, when, or its meaning."""
    return cosine >= _NEAR or any(item.parts.get(tie, 0) > 0 for tie in _TIES)


def ranked(
    ids: Sequence[int],
    parts: Mapping[str, Floats],
    weights: Mapping[str, float],
    even: float,
) -> Iterator[Ranked]:
    """The rows, best first, by the weighted sum of their parts, shape (n,) each."""
    added = {name: weights[name] * values for name, values in parts.items()}
    total = sum(added.values(), np.zeros(len(ids)))
    for i in np.lexsort((np.asarray(ids), -total)):
        why = {name: float(values[i]) for name, values in added.items() if values[i]}
        yield Ranked(ids[i], _probability(total[i] - even), why)


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))
