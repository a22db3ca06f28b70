"""What a run is asked to do, what it is in the middle of, and what it came to."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from memcli.errors import MemcliError
from memcli.reflection.consolidate import Allowed
from memcli.reflection.due import Waiting
from memcli.reflection.ingest import Reading
from memcli.reflection.progress import Listener
from memcli.store import runs
from memcli.store.database import transaction
from memcli.store.lease import Lease
from memcli.store.runs import Cost

NO_COST = Cost(0, 0, 0, 0, 0, 0.0)


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is asked to do.

    With an `enricher` it does what was submitted to that one and is due, also what
    becomes due while it works; without one, all that is in transcripts. `may_begin`
    is asked before a thread is taken up.
    """

    paths: Sequence[str]
    namespace: str
    quiet: timedelta
    workers: int
    embedding_model: str
    min_confidence: float
    may_find_nothing: bool = False
    set_metadata: Mapping[str, str] = field(default_factory=dict)
    allowed: Allowed = field(default_factory=Allowed)
    budget: float | None = None
    stale: bool = False
    batch: bool = False
    embed_messages: bool = True
    enricher: int | None = None
    may_begin: Callable[[str], bool] = lambda thread_id: True


@dataclass(slots=True)
class Report:
    """What a run came to; what `memcli reflect --json` prints.

    `failed` says why, by thread; `rejected` are those whose request the server
    would not have. `ended_by` is why the run could not do all that was due,
    `reused` how many answers of earlier runs fitted, `submitted` the threads that
    a batch has now, `left_alone` how many failed too often to be tried.
    """

    run_id: int | None = None
    reading: Reading = field(default_factory=Reading)
    waiting: list[Waiting] = field(default_factory=list)
    reflected: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    set_aside: Counter[str] = field(default_factory=Counter)
    candidates: int = 0
    reused: int = 0
    submitted: list[str] = field(default_factory=list)
    in_batches: int = 0
    left_alone: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    cost: Cost = NO_COST
    interrupted: bool = False
    ended_by: MemcliError | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run under way: what every stage of it needs."""

    id: int
    db: sqlite3.Connection
    request: Request
    report: Report
    clock: Callable[[], datetime]
    listener: Listener
    stop: threading.Event
    lease: Lease | None = None

    def check_claim(self) -> None:
        """Raise LeaseLost if another run took over; first in every transaction."""
        if self.lease is not None:
            self.lease.check()

    def stage(self, name: str) -> None:
        """Note in the journal what begins now."""
        with transaction(self.db):
            self.check_claim()
            runs.begin_stage(self.db, self.id, name, self.clock())
            if self.lease is not None:
                self.lease.stage(name)
