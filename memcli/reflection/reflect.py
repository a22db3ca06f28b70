"""One run, from files to memories. `reflect` is the whole program in one screen.

Every stage commits before the next begins. A run that dies after an extraction
leaves it in the database, and the next run consolidates it.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime

from memcli.errors import BudgetSpent, LeaseLost, MemcliError, UnreadableInput
from memcli.extractors.base import Extractor
from memcli.models import Op
from memcli.reflection.ingest import ingest
from memcli.reflection.pending import Named, due_threads, make_stale_due
from memcli.reflection.progress import Listener
from memcli.reflection.run import Report, Request, Run
from memcli.store import batches, extractions, runs, threads
from memcli.store.database import transaction
from memcli.store.lease import Lease

__all__ = ["Report", "Request", "reflect"]


def reflect(
    db: sqlite3.Connection,
    request: Request,
    choose_extractor: Callable[[], Extractor],
    clock: Callable[[], datetime],
    listener: Listener,
    stop: threading.Event,
    lease: Lease | None = None,
) -> Report:
    """Read, extract, consolidate; the caller holds the run lock, and the lease.

    `choose_extractor` is called only when there is something to do. Raises
    UnreadableInput when nothing could be read, NamespaceError when a due
    thread has no namespace, ExtractorUnusable when no thread could be done.
    """
    report, began = Report(), clock()
    with transaction(db):
        runs.close_dead(db, clock())
    if lease is not None:
        lease.stage("read")
    _read(db, request, report, clock, listener, stop)
    extractor = choose_extractor() if request.stale else None
    if extractor is not None:
        make_stale_due(db, extractor)
    named, report.waiting = due_threads(db, request, clock())
    under_way = named or _left(db, request)
    if under_way and not stop.is_set():
        extractor = extractor or choose_extractor()
        with transaction(db):
            report.run_id = runs.start(
                db, clock(), extractor.name, extractor.model, request.namespace,
                request.budget,
            )  # fmt: skip
            runs.begin_stage(db, report.run_id, "read", began)
            runs.end_stage(db, report.run_id, clock())
        run = Run(report.run_id, db, request, report, clock, listener, stop, lease)
        with closing(extractor):
            _do(run, named, extractor)
    else:
        _embed(db, request, listener, stop)
    report.interrupted = stop.is_set()
    report.left_alone = threads.left_alone(db)
    return report


def _read(
    db: sqlite3.Connection,
    request: Request,
    report: Report,
    clock: Callable[[], datetime],
    listener: Listener,
    stop: threading.Event,
) -> None:
    report.reading = ingest(db, request.paths, clock(), listener, stop)
    missing = report.reading.recognised == 0 and not request.may_find_nothing
    if missing and not stop.is_set():
        raise UnreadableInput(report.reading.nothing_recognised())


def _left(db: sqlite3.Connection, request: Request) -> bool:
    """Whether earlier runs left something to go on with."""
    if extractions.waiting(db, request.enricher):
        return True
    return request.enricher is None and bool(batches.open_batches(db))


def _do(run: Run, named: Sequence[Named], extractor: Extractor) -> None:
    """Everything that changes memories, and what it came to."""
    try:
        if extractor.reads_vectors_of == run.request.embedding_model:
            _embed_stage(run)
        run.stage("extract")
        _extract(run, named, extractor)
        if extractor.reads_vectors_of != run.request.embedding_model:
            _embed_stage(run)
        # With what an earlier run had to leave, in one order: a run that was killed
        # half-way through its threads comes to the same as one that was not.
        _consolidate(run, extractor)
    except LeaseLost:
        raise  # the run that took over has closed this one
    except MemcliError as error:
        _close_run(run, "failed", str(error))
        raise
    finally:
        run.report.cost = runs.cost(run.db, run.id)
    ended_by = run.report.ended_by
    if run.stop.is_set():
        _close_run(run, "interrupted")
    elif isinstance(ended_by, BudgetSpent):
        _close_run(run, "budget", str(ended_by))
    elif ended_by is not None or run.report.failed:
        _close_run(run, "failed", str(ended_by) if ended_by else None)
    else:
        _close_run(run, "done")


def _extract(run: Run, named: Sequence[Named], extractor: Extractor) -> None:
    from memcli.reflection.extract import extract_all

    if run.request.enricher is not None or not (
        batches.open_batches(run.db) or run.request.batch
    ):
        extract_all(run, named, extractor)
        return
    from memcli.reflection.batching import harvest, submit

    failed = harvest(run, extractor)
    if run.request.batch:
        submit(run, extractor)
    else:
        extract_all(run, named, extractor)
    run.report.ended_by = run.report.ended_by or failed


def _embed_stage(run: Run) -> None:
    run.stage("embed")
    _embed(run.db, run.request, run.listener, run.stop)


def _embed(
    db: sqlite3.Connection,
    request: Request,
    listener: Listener,
    stop: threading.Event,
) -> None:
    if not request.embed_messages or threads.all_embedded(db):
        return
    from memcli.reflection.embed import embed_messages  # a quiet night needs no NumPy

    embed_messages(db, request.embedding_model, listener, stop)


def _consolidate(run: Run, extractor: Extractor) -> None:
    if run.stop.is_set() or not extractions.waiting(run.db, run.request.enricher):
        return
    from memcli.reflection.merge import merge

    run.stage("consolidate")
    merge(run, extractor)


def _close_run(run: Run, outcome: str, error: str | None = None) -> None:
    report, done = run.report, run.report.operations
    counts = {
        "files_read": report.reading.files_read,
        "messages_added": report.reading.added + report.reading.edited,
        "threads_reflected": len(report.reflected),
        "threads_failed": len(report.failed),
        "candidates": report.candidates,
        "inserted": done[Op.INSERT],
        "updated": done[Op.UPDATE],
        "strengthened": done[Op.STRENGTHEN],
        "superseded": done[Op.SUPERSEDE],
        "deleted": done[Op.DELETE],
    }
    with transaction(run.db):
        run.check_claim()
        runs.end_stage(run.db, run.id, run.clock())
        runs.finish(run.db, run.id, run.clock(), outcome, counts, error)
