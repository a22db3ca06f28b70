"""What is due in the store, with the namespaces it goes to."""

import sqlite3
from datetime import datetime

from memcli import namespaces
from memcli.extractors.base import Extractor
from memcli.models import Thread
from memcli.reflection.due import Waiting, not_yet, split_by_quiet
from memcli.reflection.run import Request
from memcli.store import extractions, submissions, threads
from memcli.store.database import transaction
from memcli.store.submissions import Submission

Named = tuple[Thread, str]


def due_threads(
    db: sqlite3.Connection, request: Request, now: datetime
) -> tuple[list[Named], list[Waiting]]:
    """Due threads with their namespaces, and those that are not quiet yet.

    All namespaces are filled before anything is asked; raises NamespaceError. A
    thread that was submitted has its own time and namespace, and is due for its
    enricher alone.
    """
    if request.enricher is not None:
        # Asked again and again while a run works, however many wait.
        mine = submissions.due(db, request.enricher, now)
        ours = threads.unreflected(db, mine)
        return [(thread, mine[thread.id].namespace) for thread in ours], []
    new = threads.unreflected(db)
    sent = submissions.pending(db)
    read = [thread for thread in new if thread.id not in sent]
    due, waiting = split_by_quiet(read, request.quiet, now)
    named = [(thread, _namespace(thread, request)) for thread in due]
    times = {id: submission.due_at for id, submission in sent.items()}
    return named, waiting + not_yet(new, times, now)


def is_still_due(
    db: sqlite3.Connection, request: Request, thread_id: str, now: datetime
) -> bool:
    """Whether a submitted thread was not submitted again since it was listed."""
    found = submissions.of_thread(db, thread_id)
    return found is not None and _is_due(found, request, now)


def make_stale_due(db: sqlite3.Connection, extractor: Extractor) -> int:
    """Threads that this extractor would do in another way are due again; how many."""
    # What was submitted is done the way its enricher does it.
    submitted = submissions.all_threads(db)
    stale = extractions.stale(db, extractor.name, extractor.recipe)
    stale = [thread_id for thread_id in stale if thread_id not in submitted]
    with transaction(db):
        for thread_id in stale:
            threads.redo(db, thread_id)
    return len(stale)


def _is_due(submission: Submission, request: Request, now: datetime) -> bool:
    due_at = submission.due_at
    ours = submission.enricher == request.enricher
    return ours and due_at is not None and due_at <= now


def _namespace(thread: Thread, request: Request) -> str:
    known = {**thread.metadata, **request.set_metadata}
    return namespaces.fill(request.namespace, known, thread.id)
