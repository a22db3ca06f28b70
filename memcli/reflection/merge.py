"""The reduce: candidates that wait → memories, one namespace's beside the others."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from memcli.embeddings.choose import Encoder, encoder
from memcli.errors import BudgetSpent, MemcliError, Outage
from memcli.extractors.base import Extractor
from memcli.extractors.schemas import text_of
from memcli.models import Candidate, Memory, Op, Operation
from memcli.reflection.consolidate import (
    Allowed,
    decide,
    doubted,
    follow,
    is_recalled,
    permitted,
)
from memcli.reflection.embed import use_model
from memcli.reflection.judging import (
    Case,
    Earlier,
    Judge,
    Judged,
    Question,
    Ruling,
    questions,
    reread,
)
from memcli.reflection.neighbours import OpenMemories
from memcli.reflection.profiles import patched
from memcli.reflection.progress import Listener
from memcli.reflection.run import Run
from memcli.store import extractions, judgements, memories, runs, threads, vectors
from memcli.store.database import transaction
from memcli.store.extractions import KeptExtraction
from memcli.store.memories import Change
from memcli.textkey import text_key
from memcli.when import to_text


@dataclass(slots=True)
class Merged:
    """What consolidation came to. `ended_by` is why some namespaces have to wait
    for the next run."""

    operations: Counter[str] = field(default_factory=Counter)
    set_aside: Counter[str] = field(default_factory=Counter)
    ended_by: MemcliError | None = None


@dataclass(frozen=True, slots=True)
class _Item:
    """A candidate of the run, numbered in the order in which it was said."""

    number: int
    candidate: Candidate
    extraction: KeptExtraction
    vector: vectors.Vector


def merge_run(run: Run, extractor: Extractor) -> None:
    """Consolidate what waits, with the extractor's own model as judge if it has
    one, and note in the run's report what that came to."""
    asker = extractor.asker
    # What was answered before can be used, also when nothing more can be asked.
    may_ask = not isinstance(run.report.ended_by, Outage | BudgetSpent)
    merged = merge(
        run.db, run.id, run.request.embedding_model, run.request.allowed,
        Judge(asker) if asker is not None else None, may_ask, run.request.workers,
        run.clock, run.listener, run.stop,
    )  # fmt: skip
    run.report.operations += merged.operations
    run.report.set_aside += merged.set_aside
    run.report.ended_by = run.report.ended_by or merged.ended_by


def merge(
    db: sqlite3.Connection,
    run_id: int,
    model: str,
    allowed: Allowed,
    judge: Judge | None,
    may_ask: bool,
    workers: int,
    clock: Callable[[], datetime],
    listener: Listener,
    stop: threading.Event,
) -> Merged:
    """All waiting candidates in the order they were said.

    One transaction, so that readers see the memories before the run or after
    it. The order does not depend on which worker was done first. What rules
    leave in doubt is put to the `judge` before, outside the transaction.
    """
    waiting = extractions.waiting(db)
    encode = encoder(model)
    use_model(db, model, encode, listener)
    with transaction(db):
        _refill(db, encode)
    items = _in_order(waiting, encode)
    listener.stage("consolidating", len(items))
    merged = Merged()
    rulings: Mapping[int, Ruling] = {}
    if judge is not None:
        asking = _Asking(db, run_id, judge, clock, listener)
        cases = _rehearse(db, run_id, items, waiting, encode, allowed, clock())
        rulings = asking.rulings(cases, workers, stop, may_ask=may_ask)
        merged.ended_by = asking.ended_by
        items = [i for i in items if i.extraction.namespace not in asking.unanswered]
        waiting = [e for e in waiting if e.namespace not in asking.unanswered]
    with transaction(db):
        walk = _Walk(db, run_id, encode, allowed, clock())
        walk.take_back(waiting)
        for item in items:
            walk.step(item, rulings.get(item.number))
            listener.step()
        walk.finish()
        extractions.mark_consolidated(db, [e.id for e in waiting], run_id)
    merged.operations, merged.set_aside = walk.operations, walk.set_aside
    return merged


def _in_order(waiting: Sequence[KeptExtraction], encode: Encoder) -> list[_Item]:
    listed = sorted(
        (
            (candidate, extraction)
            for extraction in waiting
            for candidate in extraction.candidates
        ),
        key=lambda pair: (pair[0].said_at, pair[1].thread_id),
    )
    encoded = encode.encode([candidate.text for candidate, _ in listed])
    return [
        _Item(number, candidate, extraction, vector)
        for number, ((candidate, extraction), vector) in enumerate(
            zip(listed, encoded, strict=True)
        )
    ]


def _rehearse(
    db: sqlite3.Connection,
    run_id: int,
    items: Sequence[_Item],
    waiting: Sequence[KeptExtraction],
    encode: Encoder,
    allowed: Allowed,
    now: datetime,
) -> dict[str, list[Case]]:
    """What rules would leave in doubt, by namespace: everything is done by rules,
    and then rolled back."""
    cases: dict[str, list[Case]] = {}
    db.execute("BEGIN IMMEDIATE")
    try:
        walk = _Walk(db, run_id, encode, allowed, now)
        walk.take_back(waiting)
        for item in items:
            doubts = walk.step(item, None)
            if doubts:
                near = tuple(
                    Earlier(number, items[number].candidate)
                    if (number := walk.made_by.get(memory.id)) is not None
                    else memory
                    for memory in doubts
                )
                case = Case(item.number, item.candidate, near)
                cases.setdefault(item.extraction.namespace, []).append(case)
    finally:
        db.execute("ROLLBACK")
    return cases


class _Walk:
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

    def take_back(self, waiting: Sequence[KeptExtraction]) -> None:
        """What threads gave before that were reflected anew."""
        by_thread: dict[str, list[KeptExtraction]] = {}
        for extraction in waiting:
            by_thread.setdefault(extraction.thread_id, []).append(extraction)
        done = threads.redone(self._db, by_thread)
        if self._allowed != Allowed():
            return  # what may not be replaced stays beside what is new
        for thread_id in done:
            new = by_thread[thread_id]
            keep = {(e.namespace, text_key(c.text)) for e in new for c in e.candidates}
            gone = memories.withdraw_thread(self._db, self._change(new[0]), keep)
            self.operations[Op.DELETE] += len(gone)
            self._gone += gone

    def step(self, item: _Item, ruling: Ruling | None) -> list[Memory]:
        """One candidate; what it is near to, if rules alone leave that in doubt."""
        candidate, known = item.candidate, self._known(item.extraction.namespace)
        near = known.near(candidate, item.vector)
        if is_recalled(candidate, near):
            self.set_aside["repeats a memory that was recalled"] += 1
            return []
        operation = self._patch(item) if candidate.profile else decide(candidate, near)
        doubts = doubted(candidate, near, operation)
        if doubts and ruling is not None:
            operation = self._ruled(ruling, candidate) or operation
        permit = permitted(operation, self._allowed)
        if permit is None:
            self.set_aside["such changes are switched off"] += 1
        else:
            self._apply(item, permit, known)
        return doubts

    def finish(self) -> None:
        """Store the vectors of what is new and of what reads anew."""
        vectors.remove(self._db, "memories", self._gone)
        if self._vectors:
            ids, rows = zip(*self._vectors.items(), strict=True)
            vectors.put(self._db, "memories", ids, np.stack(rows))

    def _apply(self, item: _Item, operation: Operation, known: OpenMemories) -> None:
        candidate = item.candidate
        memory_id = memories.apply(
            self._db, self._change(item.extraction), candidate, operation
        )
        self._memory_of[item.number] = memory_id
        self.operations[operation.op] += 1
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

    def _patch(self, item: _Item) -> Operation:
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
            self._run_id, extraction.id, extraction.namespace, extraction.thread_id,
            self._now,
        )  # fmt: skip


class _Asking:
    """Puts cases to the judge; answers are committed as they come."""

    def __init__(
        self,
        db: sqlite3.Connection,
        run_id: int,
        judge: Judge,
        clock: Callable[[], datetime],
        listener: Listener,
    ) -> None:
        self.unanswered: set[str] = set()
        self.ended_by: MemcliError | None = None
        self._db, self._run_id, self._judge = db, run_id, judge
        self._clock, self._listener = clock, listener

    def rulings(
        self,
        cases: Mapping[str, Sequence[Case]],
        workers: int,
        stop: threading.Event,
        *,
        may_ask: bool,
    ) -> dict[int, Ruling]:
        """Rulings by candidates' numbers. What cannot be asked for now is told by
        `unanswered` and `ended_by`; what fails is left to the rules."""
        found: dict[int, Ruling] = {}
        left: dict[str, tuple[Question, str]] = {}  # by fingerprint
        for namespace, listed in cases.items():
            for question in questions(namespace, listed):
                fingerprint = self._judge.fingerprint(question)
                answer = judgements.get(self._db, fingerprint)
                if answer is None:
                    left[fingerprint] = (question, namespace)
                else:
                    found |= reread(answer, question)
        if not left:
            return found
        if not may_ask:
            self.unanswered = {namespace for _, namespace in left.values()}
            return found
        self._listener.stage("consolidating", len(left))
        todo = [question for question, _ in left.values()]
        try:
            for question, result in self._judge.judge_all(todo, workers, stop):
                fingerprint = self._judge.fingerprint(question)
                self._keep(fingerprint, result)
                del left[fingerprint]
                if isinstance(result, Judged):
                    found |= result.rulings
                self._listener.step()
        except MemcliError as error:
            with transaction(self._db):
                self._book(error)
            self.ended_by = error
        self.unanswered = {namespace for _, namespace in left.values()}
        return found

    def _keep(self, fingerprint: str, result: Judged | MemcliError) -> None:
        with transaction(self._db):
            if isinstance(result, MemcliError):
                self._book(result)
                self._listener.notice(f"consolidation by rules: {result}")
                return
            if result.refused:
                self._listener.notice(result.refused)
            runs.book(
                self._db, self._run_id, "consolidate", self._judge.asker.model,
                result.asked, self._clock(),
            )  # fmt: skip
            judgements.keep(
                self._db, fingerprint, self._run_id, result.answer, self._clock()
            )

    def _book(self, error: MemcliError) -> None:
        runs.book(
            self._db, self._run_id, "consolidate", self._judge.asker.model,
            error.asked, self._clock(),
        )  # fmt: skip


def _refill(db: sqlite3.Connection, encode: Encoder) -> None:
    """Memories lose their vectors when the embedding model changes."""
    bare = vectors.without(db, "memories")
    if bare:
        found = encode.encode([text for _, text in bare])
        vectors.put(db, "memories", [id for id, _ in bare], found)
