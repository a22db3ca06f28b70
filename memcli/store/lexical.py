"""Full text: which rows hold the words of a question, and how telling those are.

FTS5 finds the rows of each word; a row's share is the weight of the words it holds
among the weight of all that the index knows, each word weighing by how rare it is
(inverse document frequency: Spärck Jones, 1972). How often a word stands in a row is
not counted, and no row is punished for being long, as BM25 does both: on six kinds of
conversation the bare share ranked better beside vectors (docs/recall.md), and reading
a word's rows is ten times cheaper than having FTS5 sort by BM25.
"""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcli.store.filters import Mask, passes
from memcli.store.vectors import Owner

# A word in more rows than that tells little, and its rows take long to read; it
# counts only where a question has no other.
COMMON = 50_000
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Held:
    """One word of a question with the rows that hold it, in order, and its share in
    what the question's words weigh together, from 0 to 1."""

    rows: Rows
    share: float


def held(
    db: sqlite3.Connection, owner: Owner, expressions: Sequence[str]
) -> list[Held]:
    """The words of a question, each an FTS5 expression, that any row holds.

    A word that no row holds is left out: it tells no row from another.
    """
    total = db.execute(f"SELECT coalesce(max(id), 0) FROM {owner}").fetchone()[0]
    looked_up = {e: _rows(db, owner, e) for e in dict.fromkeys(expressions)}
    found = {e: rows for e, rows in looked_up.items() if len(rows)}
    telling = [rows for rows in found.values() if len(rows) <= COMMON]
    telling = telling or [_rows(db, owner, e, latest=True) for e in found]
    weights = [_rarity(len(rows), total) for rows in telling]
    whole = sum(weights)
    return [Held(rows, w / whole) for rows, w in zip(telling, weights, strict=True)]


def best(words: Sequence[Held], limit: int, among: Mask | None) -> dict[int, float]:
    """The rows with the greatest shares; of equal ones, the latest."""
    if not words:
        return {}
    rows = np.concatenate([word.rows for word in words])
    shares = np.repeat([word.share for word in words], [len(w.rows) for w in words])
    if among is not None:
        allowed = passes(among, rows)
        rows, shares = rows[allowed], shares[allowed]
    ids, where = np.unique(rows, return_inverse=True)
    sums = np.bincount(where, weights=shares, minlength=len(ids))
    order = np.lexsort((-ids, -sums))[:limit]
    return {int(ids[i]): float(sums[i]) for i in order}


def holding(words: Sequence[Held], ids: Sequence[int]) -> NDArray[np.bool_]:
    """Which of the rows hold which words, shape (len(ids), len(words))."""
    wanted = np.asarray(ids, np.int64)
    found = np.zeros((len(ids), len(words)), np.bool_)
    for column, word in enumerate(words):
        at = np.searchsorted(word.rows, wanted)
        at[at == len(word.rows)] = 0
        found[:, column] = word.rows[at] == wanted
    return found


def _rows(
    db: sqlite3.Connection, owner: Owner, expression: str, *, latest: bool = False
) -> Rows:
    """The rows in which FTS5 finds the expression, at most one more than COMMON: the
    first, which it has at hand, or the latest, which takes it longer."""
    joined = db.execute(
        f"SELECT group_concat(rowid) FROM (SELECT rowid FROM {owner}_fts "
        f"WHERE {owner}_fts MATCH ? ORDER BY rowid {'DESC' if latest else 'ASC'} "
        "LIMIT ?)",
        (expression, COMMON + 1),
    ).fetchone()[0]
    # One text of numbers is read five times as fast as as many rows.
    return np.sort(np.fromstring(joined or "", np.int64, sep=","))


def _rarity(rows: int, total: int) -> float:
    return math.log(1 + (total - rows + 0.5) / (rows + 0.5))
