"""One run, from files to memories. `reflect` is the whole program in one screen.

Every stage commits before the next begins. A run that dies after an extraction
leaves it in the database, and the next run consolidates it.
"""

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from memcli import namespaces
from memcli.errors import (
    ExtractorError,
    ExtractorUnusable,
    MemcliError,
    UnreadableInput,
)
from memcli.extractors.base import Extraction, Extractor
from memcli.models import Op, Thread, ThreadPart
from memcli.reflection import pool
from memcli.reflection.checks import check
from memcli.reflection.due import (
    Waiting,
    part_to_reflect,
    says_nothing,
    split_by_quiet,
)
from memcli.reflection.ingest import Reading, ingest
from memcli.reflection.progress import Listener
from memcli.store import runs, threads
from memcli.store.database import transaction


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is asked to do."""

    paths: Sequence[str]
    namespace: str
    quiet: timedelta
    workers: int
    embedding_model: str
    min_confidence: float
    may_find_nothing: bool = False
    set_metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """What a run came to; what `memcli reflect --json` prints."""

    run_id: int | None = None
    reading: Reading = field(default_factory=Reading)
    waiting: list[Waiting] = field(default_factory=list)
    reflected: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    set_aside: Counter[str] = field(default_factory=Counter)
    candidates: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0
    interrupted: bool = False


def reflect(
    db: sqlite3.Connection,
    request: Request,
    choose_extractor: Callable[[], Extractor],
    clock: Callable[[], datetime],
    listener: Listener,
    stop: threading.Event,
) -> Report:
    """Read, extract, consolidate; the caller holds the run lock.

    `choose_extractor` is called only when something is due. Raises
    UnreadableInput when nothing could be read, NamespaceError when a due
    thread has no namespace, ExtractorUnusable when no thread could be done.
    """
    report = Report()
    runs.close_dead(db, clock())
    report.reading = ingest(db, request.paths, clock(), listener, stop)
    missing = report.reading.recognised == 0 and not request.may_find_nothing
    if missing and not stop.is_set():
        raise UnreadableInput(report.reading.nothing_recognised())
    new = threads.unreflected(db)
    due, report.waiting = split_by_quiet(new, request.quiet, clock())
    named = _named(due, request)
    leftover = runs.waiting(db)
    if (named or leftover) and not stop.is_set():
        extractor = choose_extractor()
        report.run_id = runs.start(
            db, clock(), extractor.name, extractor.model, request.namespace
        )
        try:
            with closing(extractor):
                _extract_all(
                    db, named, extractor, request, report, clock, listener, stop
                )
            _embed(db, request.embedding_model, listener, stop)
            if not stop.is_set():
                report.operations = _merge(db, request, report.run_id, clock, listener)
        except MemcliError as error:
            _close_run(db, report, "failed", clock(), str(error))
            raise
        outcome = "failed" if report.failed else "done"
        _close_run(db, report, "interrupted" if stop.is_set() else outcome, clock())
    else:
        _embed(db, request.embedding_model, listener, stop)
    report.interrupted = stop.is_set()
    return report


def _named(due: Sequence[Thread], request: Request) -> list[tuple[Thread, str]]:
    """Due threads with their namespaces, all filled before anything is asked."""
    return [
        (
            thread,
            namespaces.fill(
                request.namespace,
                {**thread.metadata, **request.set_metadata},
                thread.id,
            ),
        )
        for thread in due
    ]


def _extract_all(
    db: sqlite3.Connection,
    named: Sequence[tuple[Thread, str]],
    extractor: Extractor,
    request: Request,
    report: Report,
    clock: Callable[[], datetime],
    listener: Listener,
    stop: threading.Event,
) -> None:
    """The map: each thread on its own, each result committed as it comes."""
    listener.stage("reflecting", len(named))

    def parts() -> Iterator[tuple[ThreadPart, str]]:
        for thread, namespace in named:
            messages = [(m, new) for _, m, new in threads.messages(db, thread.id)]
            yield part_to_reflect(thread, messages), namespace

    def work(item: tuple[ThreadPart, str]) -> Extraction:
        if says_nothing(item[0]):
            return Extraction(())
        return extractor.extract(item[0])

    unusable: ExtractorUnusable | None = None
    for (part, namespace), future in pool.run(work, parts(), request.workers, stop):
        try:
            extraction = future.result()
        except ExtractorUnusable as error:
            unusable = error
            stop.set()
            continue
        except ExtractorError as error:
            threads.mark_failed(db, part.thread.id, str(error))
            report.failed[part.thread.id] = str(error)
        else:
            _keep(db, part, namespace, extractor, extraction, request, report, clock())
        listener.step()
    if unusable is not None:
        raise unusable


def _keep(
    db: sqlite3.Connection,
    part: ThreadPart,
    namespace: str,
    extractor: Extractor,
    extraction: Extraction,
    request: Request,
    report: Report,
    now: datetime,
) -> None:
    """Store what a thread suggested together with the fact that it is done."""
    kept, set_aside = check(extraction.candidates, part, request.min_confidence)
    assert report.run_id is not None
    with transaction(db):
        runs.keep_extraction(
            db, report.run_id, part.thread.id, namespace,
            extractor.name, extractor.model, kept, set_aside,
            (extraction.input_tokens, extraction.output_tokens), now,
        )  # fmt: skip
        threads.mark_reflected(db, part.thread.id, part.new, report.run_id)
    report.reflected.append(part.thread.id)
    report.candidates += len(kept)
    report.set_aside += set_aside
    report.input_tokens += extraction.input_tokens
    report.output_tokens += extraction.output_tokens


def _embed(
    db: sqlite3.Connection, model: str, listener: Listener, stop: threading.Event
) -> None:
    if threads.all_embedded(db):
        return
    from memcli.reflection.embed import embed_messages  # a quiet night needs no NumPy

    embed_messages(db, model, listener, stop)


def _merge(
    db: sqlite3.Connection,
    request: Request,
    run_id: int,
    clock: Callable[[], datetime],
    listener: Listener,
) -> Counter[str]:
    from memcli.reflection.merge import merge

    return merge(db, run_id, request.embedding_model, clock, listener)


def _close_run(
    db: sqlite3.Connection,
    report: Report,
    outcome: str,
    now: datetime,
    error: str | None = None,
) -> None:
    assert report.run_id is not None
    counts = {
        "files_read": report.reading.files_read,
        "messages_added": report.reading.added + report.reading.edited,
        "threads_reflected": len(report.reflected),
        "threads_failed": len(report.failed),
        "candidates": report.candidates,
        "inserted": report.operations[Op.INSERT],
        "strengthened": report.operations[Op.STRENGTHEN],
        "superseded": report.operations[Op.SUPERSEDE],
        "input_tokens": report.input_tokens,
        "output_tokens": report.output_tokens,
    }
    with transaction(db):
        runs.finish(db, report.run_id, now, outcome, counts, error)
