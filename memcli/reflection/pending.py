"""What is due in the store, with the namespaces it goes to."""

import sqlite3
from datetime import datetime

from memcli import namespaces
from memcli.extractors.base import Extractor
from memcli.models import Thread
from memcli.reflection.due import Waiting, split_by_quiet
from memcli.reflection.run import Request
from memcli.store import extractions, threads
from memcli.store.database import transaction

Named = tuple[Thread, str]


def due_threads(
    db: sqlite3.Connection, request: Request, now: datetime
) -> tuple[list[Named], list[Waiting]]:
    """Due threads with their namespaces, and those that are not quiet yet.

    All namespaces are filled before anything is asked; raises NamespaceError.
    """
    due, waiting = split_by_quiet(threads.unreflected(db), request.quiet, now)
    return [(thread, _namespace(thread, request)) for thread in due], waiting


def make_stale_due(db: sqlite3.Connection, extractor: Extractor) -> int:
    """Threads that this extractor would do in another way are due again; how many."""
    stale = extractions.stale(db, extractor.name, extractor.recipe)
    with transaction(db):
        for thread_id in stale:
            threads.redo(db, thread_id)
    return len(stale)


def _namespace(thread: Thread, request: Request) -> str:
    known = {**thread.metadata, **request.set_metadata}
    return namespaces.fill(request.namespace, known, thread.id)
