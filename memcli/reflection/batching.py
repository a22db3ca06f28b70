"""Reflection at half the price, in two phases, so that cron never waits.

One run submits what is due and ends; the next one takes the answers and submits
again. What a batch has is not due meanwhile. Answers go the same way as those
that come at once.
"""

import hashlib
import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from memcli.asking import batch as api
from memcli.asking.asker import Asker
from memcli.errors import (
    BudgetSpent,
    ExtractorError,
    ExtractorUnusable,
    Interrupted,
    MemcliError,
    Outage,
    RequestRejected,
)
from memcli.extractors.base import Extractor
from memcli.extractors.claude import ClaudeExtractor
from memcli.models import Asked, Message, ThreadPart, Usage
from memcli.reflection.extract import Work, extract_all, fail, keep, work_for
from memcli.reflection.pending import Named, due_threads
from memcli.reflection.run import Run
from memcli.store import batches, runs, threads
from memcli.store.batches import Batch, BatchRequest
from memcli.store.database import transaction

# So long the server keeps the answers.
_KEPT = timedelta(days=29)
# Clocks differ: a batch made a little before we wrote it down may be ours.
_CLOCKS = timedelta(minutes=10)

Prepared = tuple[BatchRequest, dict[str, Any]]


def harvest(run: Run, extractor: Extractor) -> MemcliError | None:
    """Take the answers of all batches that have ended; why not, if one cannot be
    looked at. The others, and what else is due, are done all the same."""
    if not isinstance(extractor, ClaudeExtractor):
        if waiting := batches.under_way(run.db):
            run.listener.notice(
                f"{waiting} in a batch, whose answers only the claude extractor can "
                "fetch"
            )
        return None
    failed: MemcliError | None = None
    for batch in batches.open_batches(run.db):
        if run.stop.is_set():
            break
        try:
            known = batch if batch.api_id else _found_again(run, extractor.asker, batch)
            if known is not None and known.api_id is not None:
                _harvest(run, extractor, known, known.api_id)
        except Interrupted:
            break
        except MemcliError as error:
            run.listener.notice(f"a batch cannot be looked at: {error}")
            failed = error if isinstance(error, Outage) else failed
    run.report.in_batches = batches.under_way(run.db)
    return failed


def submit(run: Run, extractor: Extractor) -> None:
    """Submit what is due, after one of it was asked at once: a batch tells only at
    its end that its requests are no good."""
    if not isinstance(extractor, ClaudeExtractor):
        raise ExtractorUnusable("--batch needs the claude extractor")
    due, run.report.waiting = due_threads(run.db, run.request, run.clock())
    named = deque(due)
    for request_list in _batches(run, extractor, _prepared(run, extractor, named)):
        if run.stop.is_set() or isinstance(run.report.ended_by, api.LostTouch):
            return
        _submit(run, extractor.asker, request_list)
    run.report.in_batches = batches.under_way(run.db)


def _prepared(
    run: Run, extractor: ClaudeExtractor, named: deque[Named]
) -> Iterator[Prepared]:
    """What is to be submitted; what was answered before is done on the way."""
    run.listener.stage("submitting", len(named))
    probed = False
    while named and not run.stop.is_set() and run.report.ended_by is None:
        thread, namespace = named.popleft()
        run.listener.step()
        work = work_for(run, extractor, thread, namespace)
        if work.known is not None:
            keep(run, work, extractor, work.known)
            if work.part.left:
                named.appendleft((thread, namespace))
            continue
        if not probed:
            probed = True
            _probe(run, extractor, (thread, namespace))
            continue
        yield _request(run, extractor, work)


def _probe(run: Run, extractor: ClaudeExtractor, named: Named) -> None:
    extract_all(run, [named], extractor)
    thread_id = named[0].id
    if thread_id in run.report.rejected:
        why = run.report.failed[thread_id]
        raise ExtractorUnusable(
            f"nothing was submitted, since one request failed: {why}"
        )


def _request(run: Run, extractor: ClaudeExtractor, work: Work) -> Prepared:
    rows = {
        message.key: id for id, message, _ in threads.messages(run.db, work.thread.id)
    }
    part = work.part
    return (
        BatchRequest(
            "",  # named when it is known which batch it goes with
            work.thread.id,
            work.namespace,
            work.fingerprint,
            extractor.recipe,
            _shown(part),
            tuple(rows[message.key] for message in part.context),
            tuple(rows[message.key] for message in part.new),
            part.recorded,
            part.left,
        ),
        extractor.request(part),
    )


def _batches(
    run: Run, extractor: ClaudeExtractor, prepared: Iterator[Prepared]
) -> Iterator[list[Prepared]]:
    """Requests in lists that one batch may hold, as far as the budget goes."""
    purse, room = extractor.asker.purse, api.MOST_BYTES
    listed: list[Prepared] = []
    for request, params in prepared:
        most = extractor.asker.most(params) * 0.5
        if not purse.fits(most):
            run.report.ended_by = BudgetSpent(
                f"the budget of ${purse.limit:g} is too small for more; "
                "what was not submitted stays due"
            )
            break
        purse.settle(0.0, most)
        size = api.size(params)
        if listed and (len(listed) == api.MOST_REQUESTS or size > room):
            yield listed
            listed, room = [], api.MOST_BYTES
        listed.append((request, params))
        room -= size
    if listed:
        yield listed


def _submit(run: Run, asker: Asker, listed: list[Prepared]) -> None:
    token = secrets.token_hex(8)
    named = [
        (replace(request, custom_id=f"{token}-{n}"), params)
        for n, (request, params) in enumerate(listed)
    ]
    with transaction(run.db):
        batch_id = batches.write_down(
            run.db, run.id, asker.model, [request for request, _ in named], run.clock()
        )
    try:
        api_id = api.submit(asker, [(one.custom_id, params) for one, params in named])
    except api.LostTouch as error:
        run.report.ended_by = error  # the next run finds out whether it is there
        return
    except Exception:
        with transaction(run.db):
            batches.discard(run.db, batch_id)
        raise
    with transaction(run.db):
        batches.submitted(run.db, batch_id, api_id)
    run.report.submitted += [request.thread_id for request, _ in named]


def _harvest(run: Run, extractor: ClaudeExtractor, batch: Batch, api_id: str) -> None:
    ended = api.has_ended(extractor.asker, api_id)
    if ended is None and run.clock() - batch.submitted_at < _KEPT:
        run.listener.notice(
            f"the server does not know batch {api_id}; is it another account?"
        )
        return
    if ended is False:
        return
    waiting = batches.requests(run.db, batch.id)
    run.listener.stage("harvesting", len(waiting))
    if ended:
        for result in api.results(extractor.asker.for_model(batch.model), api_id):
            request = waiting.pop(result.custom_id, None)
            if request is not None:
                with transaction(run.db):
                    _take(run, extractor, batch, request, result)
                    batches.settle(run.db, [request.custom_id], result.outcome)
            run.listener.step()
    with transaction(run.db):
        batches.settle(run.db, waiting, "missing")
        batches.harvested(run.db, batch.id, run.clock())


def _take(
    run: Run,
    extractor: ClaudeExtractor,
    batch: Batch,
    request: BatchRequest,
    result: api.Result,
) -> None:
    """One result; without an answer its thread is simply due again."""
    work = _work(run, request)
    of_this_recipe = request.recipe == extractor.recipe
    if work is None or (result.rejected is not None and not of_this_recipe):
        _book(run, batch, request, result)  # paid, and of no use any more
    elif result.rejected is not None:
        error: ExtractorError = RequestRejected(result.rejected)
        error.asked = _asked(result)
        fail(run, work, error, batch.model, batch=True)
    elif result.answer is not None:
        try:
            extraction = extractor.extraction(work.part, result.answer)
        except ExtractorError as error:
            if of_this_recipe:
                fail(run, work, error, batch.model, batch=True)
            else:  # asked in another way than is understood now
                _book(run, batch, request, result)
        else:
            keep(
                run, work, extractor, extraction,
                batch=True, model=batch.model, recipe=request.recipe,
            )  # fmt: skip


def _book(run: Run, batch: Batch, request: BatchRequest, result: api.Result) -> None:
    runs.book(
        run.db, run.id, "extract", batch.model, _asked(result), run.clock(),
        thread_id=request.thread_id, batch=True,
    )  # fmt: skip


def _asked(result: api.Result) -> tuple[Asked, ...]:
    if result.usage == Usage():
        return ()
    return (Asked("answered" if result.answer else "invalid", result.usage),)


def _work(run: Run, request: BatchRequest) -> Work | None:
    """The part as it was submitted; None when its messages are others now."""
    thread = threads.get(run.db, request.thread_id)
    if thread is None:
        return None
    found: dict[int, Message] = {
        id: message for id, message, _ in threads.messages(run.db, thread.id)
    }
    wanted = (*request.context, *request.new)
    if any(id not in found for id in wanted):
        return None
    part = ThreadPart(
        thread,
        tuple(found[id] for id in request.context),
        tuple(found[id] for id in request.new),
        request.recorded,
        request.left,
    )
    if _shown(part) != request.shown:
        return None
    return Work(thread, request.namespace, part, request.fingerprint)


def _found_again(run: Run, asker: Asker, batch: Batch) -> Batch | None:
    """A batch of which it is not known whether the server has it: found by its
    size, its age and the names of its requests, or else discarded."""
    ours = set(batches.requests(run.db, batch.id))
    try:
        listed = api.since(asker, batch.submitted_at - _CLOCKS)
    except api.NoBatches:
        listed = []  # it never had any
    for api_id, ended, total in listed:
        if total != batch.requests or batches.known(run.db, api_id):
            continue
        if not ended:
            return None  # it may be ours; its names are told at its end
        if any(result.custom_id in ours for result in api.results(asker, api_id)):
            with transaction(run.db):
                batches.submitted(run.db, batch.id, api_id)
            return Batch(
                batch.id, api_id, batch.model, batch.submitted_at, batch.requests
            )
    with transaction(run.db):
        batches.discard(run.db, batch.id)
    return None


def _shown(part: ThreadPart) -> str:
    """A hash of the messages; what else is known of a thread may grow meanwhile."""
    shown = [(m.key, m.text) for m in (*part.context, *part.new)]
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:32]
