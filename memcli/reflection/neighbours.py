"""What a namespace knows near a candidate, kept at hand for the length of a run.

A run may bring thousands of candidates to one namespace; its open memories are
loaded once, and follow what the run itself adds and closes.
"""

import sqlite3
from collections.abc import Sequence

import numpy as np

from memcli.models import Candidate, Memory
from memcli.reflection.consolidate import Neighbours
from memcli.store import memories, vectors

_NEAREST = 12


class OpenMemories:
    """The vectors of one namespace's open memories."""

    def __init__(self, db: sqlite3.Connection, namespace: str, dimensions: int) -> None:
        self._db = db
        self._namespace = namespace
        ids, matrix = vectors.of_open_memories(db, namespace, dimensions)
        self._count = len(ids)
        room = max(64, 2 * self._count)
        self._ids = np.zeros(room, np.int64)
        self._ids[: self._count] = ids
        self._matrix = np.zeros((room, dimensions), np.float32)
        self._matrix[: self._count] = matrix

    def near(self, candidate: Candidate, vector: vectors.Vector) -> Neighbours:
        """Everything that `decide` looks at for one candidate."""
        if not self._count:
            return self._neighbours(candidate, [])
        cosines = self._matrix[: self._count] @ vector
        some = min(_NEAREST, self._count)
        best = np.argpartition(-cosines, some - 1)[:some]
        listed = sorted((-float(cosines[i]), int(self._ids[i])) for i in best)
        found = memories.get_many(self._db, [id for _, id in listed])
        return self._neighbours(
            candidate, [(found[id], -negated) for negated, id in listed]
        )

    def _neighbours(
        self, candidate: Candidate, similar: list[tuple[Memory, float]]
    ) -> Neighbours:
        db, namespace, about = self._db, self._namespace, candidate.about
        return Neighbours(
            same_text=memories.same_text(db, namespace, candidate.text),
            timeline=memories.about(db, namespace, about) if about else [],
            similar=similar,
        )

    def add(self, id: int, vector: vectors.Vector) -> None:
        """A memory was inserted that holds."""
        if self._count == len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros_like(self._ids)])
            more = np.zeros_like(self._matrix)
            self._matrix = np.concatenate([self._matrix, more])
        self._ids[self._count] = id
        self._matrix[self._count] = vector
        self._count += 1

    def close(self, ids: Sequence[int]) -> None:
        """Memories were superseded; the last ones take their places."""
        for id in ids:
            (places,) = np.nonzero(self._ids[: self._count] == id)
            for place in places:
                self._count -= 1
                self._ids[place] = self._ids[self._count]
                self._matrix[place] = self._matrix[self._count]
