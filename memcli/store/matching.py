"""What a question has in common with each row: words, and meaning."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from memcli.store import lexical, vectors
from memcli.store.filters import Mask
from memcli.store.nearest import Nearest, Warm, nearest
from memcli.store.ranking import DEVIATIONS, POOL, Floats


@dataclass(frozen=True, slots=True)
class Asking:
    """A question as the two indexes take it: FTS5 expressions, one a word, and a unit
    vector, None when there is none to compare. `warm` is what the connection keeps in
    memory, if anything."""

    expressions: Sequence[str]
    vector: NDArray[np.float32] | None
    warm: Warm | None = None


@dataclass(frozen=True)
class Matched:
    """n rows, and what a question of w words has in common with each.

    `telling`, shape (w,), is how much each word says of all of them, `holding`, (n, w),
    which row holds which. `cosines`, (n,), are 0 for a row without a vector, and
    `meaning`, (n,), is how far each stands out from all rows, in fives of deviations.
    """

    ids: list[int]
    telling: Floats
    holding: NDArray[np.bool_]
    cosines: Floats
    meaning: Floats

    @cached_property
    def cosine_of(self) -> dict[int, float]:
        """The cosine of each row by its id."""
        return dict(zip(self.ids, self.cosines.tolist(), strict=True))

    @property
    def shares(self) -> Floats:
        """How much of the question each row holds in words, from 0 to 1."""
        held: Floats = self.holding @ self.telling
        return held


class Matcher:
    """Looks a question up in one table, once, and compares rows with it."""

    def __init__(
        self,
        db: sqlite3.Connection,
        owner: vectors.Owner,
        asking: Asking,
        among: Mask | None,
    ) -> None:
        self._db, self._owner, self._vector = db, owner, asking.vector
        self._words = lexical.held(db, owner, asking.expressions)
        self._near = Nearest([], None)
        if asking.vector is not None:
            self._near = nearest(
                db, owner, asking.vector, POOL, among=among, warm=asking.warm
            )
        found = dict.fromkeys(lexical.best(self._words, POOL, among))
        self.candidates = list(found | dict.fromkeys(id for id, _ in self._near.found))

    def match(self, ids: Sequence[int]) -> Matched:
        """The rows compared with the question, in their order."""
        cosines = dict(self._near.found)
        missing = [id for id in ids if id not in cosines]
        if self._vector is not None and missing:
            cosines |= vectors.similarities(
                self._db, self._owner, self._vector, missing
            )
        of_rows = np.array([cosines.get(id, np.nan) for id in ids], np.float64)
        return Matched(
            list(ids),
            np.array([word.share for word in self._words], np.float64),
            lexical.holding(self._words, ids),
            np.nan_to_num(of_rows),
            self._standing_out(of_rows),
        )

    def _standing_out(self, cosines: Floats) -> Floats:
        """A row without a vector is as near as any."""
        if self._near.background is None:
            return np.zeros(len(cosines))
        far = self._near.background.deviations(cosines) / DEVIATIONS
        return np.nan_to_num(far)
