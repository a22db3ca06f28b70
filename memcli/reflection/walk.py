"""Candidates applied to the store, one after the other, in the order of their words."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from memcli.embeddings.choose import Encoder
from memcli.extractors.schemas import text_of
from memcli.models import Candidate, Memory, Op, Operation
from memcli.reflection.consolidate import (
    Allowed,
    Neighbours,
    decide,
    doubted,
    follow,
    is_recalled,
    left_to_people,
    permitted,
)
from memcli.reflection.judging import Ruling
from memcli.reflection.neighbours import OpenMemories
from memcli.reflection.profiles import patched
from memcli.reflection.recall import keys_around, says_again
from memcli.store import marks, memories, threads, tombstones, vectors
from memcli.store.extractions import KeptExtraction
from memcli.store.history import Change
from memcli.store.tombstones import Said
from memcli.textkey import text_key
from memcli.when import to_text

_RECALLED = "repeats a memory that was recalled"
_BURIED = {"forgotten": "forgotten before", "edited": "put right by hand"}


@dataclass(frozen=True, slots=True)
class Item:
    """A candidate of the run, numbered in the order in which it was said."""

    number: int
    candidate: Candidate
    extraction: KeptExtraction
    vector: vectors.Vector


class Walk:
    """Applies candidates one after the other, inside the caller's transaction."""

    def __init__(
        self,
        db: sqlite3.Connection,
        run_id: int,
        encode: Encoder,
        allowed: Allowed,
        now: datetime,
    ) -> None:
        self.operations: Counter[str] = Counter()
        self.set_aside: Counter[str] = Counter()
        self._db, self._run_id, self._now = db, run_id, now
        self._encode, self._allowed = encode, allowed
        self._open: dict[str, OpenMemories] = {}
        self.made_by: dict[int, int] = {}  # memory → number of its candidate
        self._memory_of: dict[int, int] = {}  # number of a candidate → its memory
        self._vectors: dict[int, vectors.Vector] = {}
        self._gone: list[int] = []
        self._tombstones = tombstones.any_stand(db)

    def take_back(self, waiting: Sequence[KeptExtraction]) -> None:
        """What threads gave before that were reflected anew."""
        by_thread: dict[str, list[KeptExtraction]] = {}
        for extraction in waiting:
            by_thread.setdefault(extraction.thread_id, []).append(extraction)
        done = threads.redone(self._db, by_thread)
        if self._allowed != Allowed():
            return  # what may not be replaced stays beside what is new
        for thread_id in done:
            marks.note_redone(self._db, self._run_id, thread_id)
        for thread_id in done:
            new = by_thread[thread_id]
            keep = {(e.namespace, text_key(c.text)) for e in new for c in e.candidates}
            gone = memories.withdraw_thread(self._db, self._change(new[0]), keep)
            self.operations[Op.DELETE] += len(gone)
            self._gone += gone

    def step(self, item: Item, ruling: Ruling | None) -> list[Memory]:
        """One candidate; what it is near to, if rules alone leave that in doubt."""
        candidate, known = item.candidate, self._known(item.extraction.namespace)
        near = known.near(candidate, item.vector)
        if (why := self._not_new(item, near)) is not None:
            self.set_aside[why] += 1
            return []
        operation = self._patch(item) if candidate.profile else decide(candidate, near)
        doubts = doubted(candidate, near, operation)
        if doubts and ruling is not None:
            operation = self._ruled(ruling, candidate) or operation
        permit = permitted(operation, self._allowed)
        if permit is not None and permit.target is not None:
            target = memories.get_many(self._db, [permit.target]).get(permit.target)
            permit = permitted(left_to_people(permit, target), self._allowed)
        if permit is None:
            self.set_aside["changes switched off"] += 1
        else:
            self._apply(item, permit, known)
        return doubts

    def finish(self) -> None:
        """Store the vectors of what is new and of what reads anew."""
        vectors.remove(self._db, "memories", self._gone)
        if self._vectors:
            ids, rows = zip(*self._vectors.items(), strict=True)
            vectors.put(self._db, "memories", ids, np.stack(rows))

    def _apply(self, item: Item, operation: Operation, known: OpenMemories) -> None:
        candidate = item.candidate
        memory_id, changed = memories.apply(
            self._db, self._change(item.extraction), candidate, operation
        )
        self._memory_of[item.number] = memory_id
        self.operations[operation.op] += changed
        self.operations[Op.SUPERSEDE] += len(operation.closes)
        known.close(operation.closes)
        if operation.op is Op.INSERT:
            self.made_by[memory_id] = item.number
            self._vectors[memory_id] = item.vector
            if operation.valid_to is None:
                known.add(memory_id, item.vector)
        elif operation.op is Op.UPDATE and operation.text is not None:
            vector = self._encode.encode([operation.text])[0]
            self._vectors[memory_id] = vector
            known.close([memory_id])
            known.add(memory_id, vector)
        elif operation.op is Op.DELETE:
            known.close([memory_id])
            self._vectors.pop(memory_id, None)
            self._gone.append(memory_id)

    def _not_new(self, item: Item, near: Neighbours) -> str | None:
        """Why a candidate is not to be learned at all; None if it may be."""
        candidate, namespace = item.candidate, item.extraction.namespace
        if is_recalled(candidate, near):
            return _RECALLED
        said = threads.said_by_people(
            self._db,
            item.extraction.thread_id,
            [(quote.message_id, quote.text) for quote in candidate.quotes],
        )
        for quote, message, _ in said:
            keys = keys_around(message, quote)
            told = memories.known_texts(self._db, namespace, keys, candidate.said_at)
            if any(says_again(candidate.text, key) for key in told):
                return _RECALLED
        if not self._tombstones or any(m.valid_to is None for m in near.same_text):
            return None
        why = tombstones.on(
            self._db, namespace, candidate.text, [Said(*one) for one in said]
        )
        return None if why is None else _BURIED[why]

    def _patch(self, item: Item) -> Operation:
        """What a patch does to its profile."""
        candidate = item.candidate
        assert candidate.schema is not None and candidate.value is not None
        said_at = to_text(candidate.said_at)
        found = memories.profile(self._db, item.extraction.namespace, candidate.schema)
        if found is None:
            _, times, _ = patched({}, {}, candidate.value, said_at)
            return Operation(Op.INSERT, "the first of the profile", field_times=times)
        memory, times = found
        document, times, changed = patched(
            memory.value or {}, times, candidate.value, said_at
        )
        if not changed:
            return Operation(Op.STRENGTHEN, "said again", memory.id)
        return Operation(
            Op.UPDATE, "patched: " + ", ".join(changed), memory.id,
            text_of(candidate.schema, document), document, times,
        )  # fmt: skip

    def _ruled(self, ruling: Ruling, candidate: Candidate) -> Operation | None:
        id = ruling.memory
        if ruling.candidate is not None:
            id = self._memory_of.get(ruling.candidate)
        target = None if id is None else memories.get_many(self._db, [id]).get(id)
        return follow(ruling.verdict, target, candidate)

    def _known(self, namespace: str) -> OpenMemories:
        if namespace not in self._open:
            self._open[namespace] = OpenMemories(
                self._db, namespace, self._encode.dimensions
            )
        return self._open[namespace]

    def _change(self, extraction: KeptExtraction) -> Change:
        return Change(
            self._run_id, extraction.namespace, self._now, extraction.id,
            extraction.thread_id,
        )  # fmt: skip
