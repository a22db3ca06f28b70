"""The map: each due thread on its own, each result committed as it comes.

A thread that is too long for one request is done in parts, one after the other,
each with what the ones before it gave. A thread that fails is tried again when
the others are done, three times in all.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from memcli.errors import (
    BudgetSpent,
    ExtractorError,
    ExtractorUnusable,
    Interrupted,
    MemcliError,
    Outage,
    RequestRejected,
    TooLong,
)
from memcli.extractors.base import Extraction, Extractor
from memcli.models import Message, Thread, ThreadPart
from memcli.reflection import pool
from memcli.reflection.checks import check
from memcli.reflection.due import part_to_reflect, says_nothing
from memcli.reflection.embed import embed_meanwhile
from memcli.reflection.pending import Named, due_threads, is_still_due
from memcli.reflection.run import Run
from memcli.store import extractions, runs, threads
from memcli.store.database import transaction

# So many threads failing in the same way, and none in another, is no accident.
_ALL_ALIKE = 20
# A run that takes up what becomes due meanwhile does so for so long.
_ADMITS = timedelta(seconds=10)
# Parts are not made smaller than that, in characters.
_SMALLEST_PART = 2_000
# How many of the memories of its earlier parts a part is shown.
RECORDED = 40


@dataclass(frozen=True, slots=True)
class Work:
    """One part to extract. `known` is what the same question gave before."""

    thread: Thread
    namespace: str
    part: ThreadPart
    fingerprint: str
    known: Extraction | None = None


class _Queue:
    """Threads in the order in which they are taken; a part is made when one is.

    An iterator that may be added to when it had come to its end. Where threads are
    submitted, those that become due meanwhile are added, for a while: what is done
    must become memories at last.
    """

    def __init__(self, run: Run, extractor: Extractor, named: Sequence[Named]) -> None:
        self._run, self._extractor = run, extractor
        self._named = deque(named)
        self._begun: set[str] = set()
        self._admits_until = run.clock() + _ADMITS

    def __iter__(self) -> "_Queue":
        return self

    def __next__(self) -> Work:
        if not self._named:
            self._named.extend(self._more())
        while self._named:
            thread, namespace = self._named.popleft()
            if self._may_begin(thread.id):
                return work_for(self._run, self._extractor, thread, namespace)
        raise StopIteration

    def _more(self) -> list[Named]:
        run, now = self._run, self._run.clock()
        if run.request.enricher is None or now >= self._admits_until:
            return []
        due, _ = due_threads(run.db, run.request, now)
        return [named for named in due if named[0].id not in self._begun]

    def _may_begin(self, thread_id: str) -> bool:
        """Once for each thread: its next part, or another try, is the same work."""
        run = self._run
        if thread_id in self._begun or run.request.enricher is None:
            return True
        if not is_still_due(run.db, run.request, thread_id, run.clock()):
            return False
        self._begun.add(thread_id)
        return run.request.may_begin(thread_id)

    def next_part(self, work: Work) -> None:
        self._named.appendleft((work.thread, work.namespace))

    def again(self, work: Work) -> None:
        self._named.append((work.thread, work.namespace))


def extract_all(run: Run, named: Sequence[Named], extractor: Extractor) -> None:
    """Extract what is due. Why that ended early is in the run's report.

    Raises ExtractorUnusable when no thread could be done.
    """
    run.listener.stage("reflecting", len(named))
    queue = _Queue(run, extractor, named)
    unusable: ExtractorUnusable | None = None

    def stopping() -> bool:
        ended = run.report.ended_by is not None or unusable is not None
        return run.stop.is_set() or ended

    hopeless = threading.Event()  # what stopped one worker would stop the others

    def extract(work: Work) -> Extraction:
        if work.known is not None:
            return work.known
        if hopeless.is_set():
            raise Interrupted("not asked, since another thread could not be")
        try:
            return extractor.extract(work.part)
        except (ExtractorUnusable, Outage, BudgetSpent):
            hopeless.set()
            raise
        except MemcliError:
            raise
        except Exception as error:  # an answer odder than anybody thought of
            raise ExtractorError(
                f"the answer could not be read ({type(error).__name__})"
            ) from error

    embedding = embed_meanwhile(run.db, run.request.embedding_model, run.listener)

    def meanwhile() -> None:
        """What this thread can do while others wait for a model."""
        if extractor.asker is None:
            return
        while not extractor.asker.notices.empty():
            run.listener.notice(extractor.asker.notices.get())
        if run.request.embed_messages and not stopping():
            next(embedding, None)

    workers = run.request.workers
    for work, future in pool.run(
        extract, queue, workers, stopping, look=meanwhile, give_up=pool.Grace(run.stop)
    ):
        try:
            extraction = future.result()
        except ExtractorUnusable as error:
            unusable = error
        except (Outage, BudgetSpent) as error:
            _book(run, work, error, extractor.model)
            run.report.ended_by = run.report.ended_by or error
        except Interrupted as error:
            _book(run, work, error, extractor.model)
        except ExtractorError as error:
            if fail(run, work, error, extractor.model):
                queue.again(work)
            elif isinstance(error, TooLong) and _may_be_halved(work):
                queue.next_part(work)
            unusable = unusable or _all_alike(run)
        else:
            keep(run, work, extractor, extraction)
            if work.part.left:
                queue.next_part(work)
                continue
        run.listener.step()
    if unusable is not None:
        raise unusable


def work_for(run: Run, extractor: Extractor, thread: Thread, namespace: str) -> Work:
    """The next part of a thread, with the answer if there is one already."""
    most = extractor.part_characters
    tried = threads.part_characters(run.db, thread.id)
    if most is not None and tried is not None:
        most = min(most, tried)
    stored = list(threads.messages(run.db, thread.id))
    messages = [(m, new) for _, m, new in stored]
    recorded = extractions.recorded(run.db, thread.id, RECORDED)
    part = part_to_reflect(thread, messages, tuple(recorded), most)
    if extractor.reads_vectors_of is not None:
        part = replace(part, vectors=_vectors(run, extractor, stored))
    fingerprint = extractor.fingerprint(part)
    known = None
    if says_nothing(part):
        known = Extraction(())
    elif (before := extractions.answered(run.db, fingerprint)) is not None:
        known = Extraction(before[0])
        run.report.reused += 1
    return Work(thread, namespace, part, fingerprint, known)


def _vectors(
    run: Run, extractor: Extractor, stored: Sequence[tuple[int, Message, bool]]
) -> dict[str, Any] | None:
    """The vectors of a thread's messages by key; None in a run that makes none, and
    while the store has those of another model."""
    if not run.request.embed_messages:
        return None
    from memcli.store import vectors  # who reads none needs no NumPy

    if vectors.model(run.db) != extractor.reads_vectors_of:
        return None
    found = vectors.of(run.db, "messages", [id for id, _, _ in stored])
    return {m.key: found[id] for id, m, _ in stored if id in found}


def keep(
    run: Run,
    work: Work,
    extractor: Extractor,
    extraction: Extraction,
    *,
    batch: bool = False,
    model: str | None = None,
    recipe: str | None = None,
) -> None:
    """Store what a part suggested together with the fact that it is done."""
    kept, set_aside = check(
        extraction.candidates, work.part, run.request.min_confidence,
        hearsay=extractor.asker is None,
    )  # fmt: skip
    now = run.clock()
    with transaction(run.db):
        run.check_claim()
        extraction_id = extractions.keep(
            run.db, run.id, work.thread.id, work.namespace,
            extractor.name, model or extractor.model, recipe or extractor.recipe,
            work.fingerprint,
            kept, set_aside, now,
        )  # fmt: skip
        runs.book(
            run.db, run.id, "extract", model or extractor.model, extraction.asked, now,
            thread_id=work.thread.id, extraction_id=extraction_id, batch=batch,
        )  # fmt: skip
        threads.mark_reflected(run.db, work.thread.id, work.part.new, run.id)
        if not work.part.left:
            threads.limit_parts(run.db, work.thread.id, None)
    run.report.failed.pop(work.thread.id, None)
    run.report.rejected.discard(work.thread.id)
    if not work.part.left:
        run.report.reflected.append(work.thread.id)
    run.report.candidates += len(kept)
    run.report.set_aside += set_aside


def fail(
    run: Run, work: Work, error: ExtractorError, model: str, *, batch: bool = False
) -> bool:
    """Note that a part failed; whether it is worth another try in this run."""
    with transaction(run.db):
        run.check_claim()
        runs.book(
            run.db, run.id, "extract", model, error.asked, run.clock(),
            thread_id=work.thread.id, batch=batch,
        )  # fmt: skip
        if isinstance(error, TooLong) and _may_be_halved(work):
            threads.limit_parts(run.db, work.thread.id, _size(work) // 2)
            return False
        attempts = threads.mark_failed(run.db, work.thread.id, str(error))
    run.report.failed[work.thread.id] = str(error)
    if isinstance(error, RequestRejected):
        run.report.rejected.add(work.thread.id)
    another = not isinstance(error, RequestRejected)
    return another and attempts < threads.MAX_ATTEMPTS


def _may_be_halved(work: Work) -> bool:
    return len(work.part.new) > 1 and _size(work) > _SMALLEST_PART


def _size(work: Work) -> int:
    from memcli.extractors.rendering import shown_characters

    return sum(shown_characters(message) for message in work.part.new)


def _book(run: Run, work: Work, error: MemcliError, model: str) -> None:
    with transaction(run.db):
        runs.book(
            run.db, run.id, "extract", model, error.asked, run.clock(),
            thread_id=work.thread.id,
        )  # fmt: skip


def _all_alike(run: Run) -> ExtractorUnusable | None:
    """Whether it is not the threads that fail, but the model or the server."""
    failed = run.report.failed
    if run.report.reflected or len(failed) < _ALL_ALIKE:
        return None
    reasons = set(failed.values())
    if len(reasons) > 1:
        return None
    return ExtractorUnusable(
        f"the first {len(failed)} threads failed alike, so the others were not tried: "
        f"{reasons.pop()}"
    )
