"""The vectors nearest to a question's.

A search goes through three sieves, each finer and slower than the one before:

1. All bits, page by page, by the number of bits that differ from the query's.
2. The nearest thousands by the product of the query's floats with their signs.
3. The best few hundred by their floats, which alone cost a read of the disk each;
   more of them where the vectors are so crowded that the estimates of the second
   sieve cannot tell which ones are the best.

(Binary quantisation with rescoring: Shakir et al., "Binary and Scalar Embedding
Quantization", 2024.)
"""

import math
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcli.store import vectors
from memcli.store.filters import Mask, passes
from memcli.store.vectors import HOLE, Ids, Owner, Page, Vector, Words

Floats = NDArray[np.float64]

# How many pass the first sieve, and how many the second at first and at most.
SCANNED = 4000
RESCORED = 300
RESCORED_AT_MOST = 3200
# The first ones of an answer are those that have to be right.
_CERTAIN = 10
# So many standard deviations would an estimate have to be wrong.
_DEVIATIONS = 3.0
# Bits make vectors look a little more different from one another than they are.
_SPREAD = 1.15
# What is known of cosines before any is seen, worth so many vectors: among three
# memories the best would stand out from nothing.
_USUAL_MEAN, _USUAL_DEVIATION, _USUAL_WEIGHT = 0.08, 0.095, 20


@dataclass(frozen=True, slots=True)
class Background:
    """The cosines of a question with everything: what a vector has to stand out from,
    to be near rather than the nearest of the unrelated."""

    mean: float
    deviation: float

    def deviations(self, cosines: Floats) -> Floats:
        """How many standard deviations above the mean each cosine is."""
        return (cosines - self.mean) / self.deviation


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest rows as (id, cosine), best first, and what all rows are like, None
    when there is none."""

    found: list[tuple[int, float]]
    background: Background | None


def nearest(
    db: sqlite3.Connection,
    owner: Owner,
    query: Vector,
    limit: int,
    *,
    among: Mask | None = None,
    warm: "Warm | None" = None,
) -> Nearest:
    """The rows nearest to a unit vector.

    `among` is a mask of the ids that may be found; None means all. `warm` is of this
    connection, and spares reading the bits again.
    """
    if among is not None and np.count_nonzero(among) <= RESCORED:
        few = np.flatnonzero(among).tolist()
        cosines = vectors.similarities(db, owner, query, few)
        exact = np.fromiter(cosines.values(), np.float64, len(cosines))
        return Nearest(_best(cosines, limit), _background(np.ones(len(exact)), exact))
    pages = vectors.pages(db, owner) if warm is None else warm.pages(owner)
    pattern = vectors.as_words(np.packbits(query > 0))
    counts = np.zeros(len(query) + 1)
    ids, words = _scan(pages, pattern, max(SCANNED, limit), among, counts)
    estimates = _estimates(words.view(np.uint8), query)
    order = np.argsort(-estimates)
    found = _rescored(db, owner, query, ids[order], estimates[order], limit)
    by_distance = np.cos(np.pi * np.arange(len(counts)) / len(query))
    return Nearest(found, _background(counts, by_distance, _SPREAD))


def _background(counts: Floats, cosines: Floats, spread: float = 1.0) -> Background:
    """The mean and deviation of cosines, each so many times, and of the usual ones."""
    whole = counts.sum() + _USUAL_WEIGHT
    own = counts @ cosines / max(1.0, counts.sum())
    mean = (counts @ cosines + _USUAL_WEIGHT * _USUAL_MEAN) / whole
    squares = counts @ np.square(cosines - own) / spread**2
    usual = _USUAL_WEIGHT * _USUAL_DEVIATION**2
    return Background(float(mean), math.sqrt((squares + usual) / whole))


class Warm:
    """Keeps the pages of bits in memory between the searches of a connection: 56 bytes
    a vector of 384 dimensions.

    They are kept from the second search of one state on, so that a process that
    searches once does not pay for it. No other connection has changed them while
    `data_version` is the same; and once this one has written anything, nothing is
    kept, since what it wrote may yet be rolled back.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._written = db.total_changes
        self._kept: dict[Owner, tuple[int, list[Page] | None]] = {}

    def pages(self, owner: Owner) -> Iterable[Page]:
        """The pages as they are now."""
        if self._db.total_changes != self._written:
            self._kept.clear()
            return vectors.pages(self._db, owner)
        version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        seen, pages = self._kept.get(owner, (None, None))
        if seen == version:
            # Column after column, which is how distances are counted.
            pages = pages or [
                (ids, np.asfortranarray(words))
                for ids, words in vectors.pages(self._db, owner)
            ]
        else:
            pages = None
        self._kept[owner] = (version, pages)
        return vectors.pages(self._db, owner) if pages is None else pages


def _scan(
    pages: Iterable[Page],
    pattern: Words,
    keep: int,
    among: Mask | None,
    counts: Floats,
) -> Page:
    """Ids and bits of the rows whose bits differ least from the pattern.

    `counts`, shape (bits + 1,), gets how many rows differ by so many bits: of all
    there are, since what a question stands out from does not depend on a filter.
    """
    empty = np.empty((0, len(pattern)), pattern.dtype)
    waiting = [(np.empty(0, np.int64), empty, np.empty(0, np.uint16))]
    bound = np.iinfo(np.uint16).max  # what is not nearer is not among the nearest
    count = 0
    for ids, words in pages:
        distances = _hamming(words, pattern)
        counts += np.bincount(distances, minlength=len(counts))
        slots = np.flatnonzero(distances < bound)
        near = ids[slots]
        # A hole's id passes no mask.
        slots = slots[near != HOLE if among is None else passes(among, near)]
        waiting.append((ids[slots], words[slots], distances[slots]))
        count += len(slots)
        if count > 2 * keep:
            waiting, count = [_closest(waiting, keep)], keep
            bound = int(waiting[0][2].max())
    found, words, _ = _closest(waiting, keep)
    return found, np.ascontiguousarray(words)


def _hamming(words: Words, pattern: Words) -> NDArray[np.uint16]:
    """The number of differing bits of each row."""
    counted = np.zeros(len(words), np.uint16)
    # Word by word: NumPy's own sum over a short row takes twice as long.
    for column, word in zip(words.T, pattern, strict=True):
        counted += np.bitwise_count(column ^ word)
    return counted


def _closest(
    parts: Sequence[tuple[Ids, Words, NDArray[np.uint16]]], keep: int
) -> tuple[Ids, Words, NDArray[np.uint16]]:
    ids = np.concatenate([part[0] for part in parts])
    words = np.concatenate([part[1] for part in parts])
    distances = np.concatenate([part[2] for part in parts])
    if len(ids) > keep:
        order = np.argpartition(distances, keep)[:keep]
        # take() of whole rows is several times as fast as an index.
        ids, words, distances = ids[order], words.take(order, 0), distances[order]
    return ids, words, distances


def _estimates(bits: NDArray[np.uint8], query: Vector) -> NDArray[np.float32]:
    """What stands for each row's cosine: the sum of the query where the row is
    positive, looked up byte by byte."""
    padded = np.zeros((bits.shape[1], 8), np.float32)
    padded.flat[: len(query)] = query
    sums = padded @ _BITS.T  # of each byte's eight floats, for all its 256 values
    found = np.zeros(len(bits), np.float32)
    for byte_sums, column in zip(sums, np.ascontiguousarray(bits.T), strict=True):
        found += byte_sums.take(column)
    return found


_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(
    np.float32
)


def _rescored(
    db: sqlite3.Connection,
    owner: Owner,
    query: Vector,
    ids: Ids,
    estimates: NDArray[np.float32],
    limit: int,
) -> list[tuple[int, float]]:
    """The best by their exact cosines, out of rows in the order of their estimates."""
    cosines: dict[int, float] = {}
    done, until = 0, max(RESCORED, limit)
    while done < len(ids):
        cosines |= vectors.similarities(db, owner, query, ids[done:until].tolist())
        done, until = until, 2 * until
        if until > RESCORED_AT_MOST or _settled(cosines, ids, estimates, done, limit):
            break
    return _best(cosines, limit)


def _settled(
    cosines: dict[int, float],
    ids: Ids,
    estimates: NDArray[np.float32],
    done: int,
    limit: int,
) -> bool:
    """Whether the next row, estimated from those that are known, would come after
    the first of the answer even if its estimate was badly wrong."""
    wanted = min(limit, _CERTAIN)
    if done >= len(ids) or len(cosines) < wanted:
        return done >= len(ids)
    known = [slot for slot, id in enumerate(ids[:done].tolist()) if id in cosines]
    exact = np.array([cosines[id] for id in ids[known].tolist()])
    rough = estimates[known].astype(np.float64)
    # A straight line through what is known (least squares).
    off = rough - rough.mean()
    slope = float(off @ exact) / max(float(off @ off), 1e-12)
    missed = exact - exact.mean() - slope * off
    expected = exact.mean() + slope * (float(estimates[done]) - rough.mean())
    last = np.partition(exact, -wanted)[-wanted]
    return bool(expected + _DEVIATIONS * missed.std() < last)


def _best(cosines: dict[int, float], limit: int) -> list[tuple[int, float]]:
    """Best first; equal ones by id."""
    return sorted(cosines.items(), key=lambda item: (-item[1], item[0]))[:limit]
