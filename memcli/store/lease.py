"""The claim of a run on the database: an owner, a lease, and a heartbeat.

The operating system's lock beside the file keeps two runs of one machine apart,
and goes with the process. The lease is in the file itself, for machines and
containers that do not see each other's locks: it counts as long as its owner's
heart beats, and every commit of a run checks that it is still the owner (the
fencing of M. Kleppmann, "How to do distributed locking", 2016).
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from memcli.errors import LeaseLost, Locked
from memcli.store.database import transaction
from memcli.when import from_text, to_text

# A run whose heart has not beaten for so long is dead.
LEASE = timedelta(seconds=120)
_BEAT_SECONDS = 20.0
_NAME = "run"


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim that is held. `owner` is a token that nobody else has."""

    db: sqlite3.Connection
    owner: str
    clock: Callable[[], datetime]

    def check(self) -> None:
        """Raise LeaseLost unless the claim is still ours; inside the transaction
        that commits something."""
        row = self.db.execute(
            "SELECT owner FROM leases WHERE name = ?", (_NAME,)
        ).fetchone()
        if row is None or row["owner"] != self.owner:
            raise LeaseLost(
                "another run has taken over, since this one was not heard of for too "
                "long; what was committed is kept"
            )

    def stage(self, name: str) -> None:
        """Say what is being done."""
        self.db.execute(
            "UPDATE leases SET stage = ? WHERE name = ? AND owner = ?",
            (name, _NAME, self.owner),
        )


@contextlib.contextmanager
def hold(db: sqlite3.Connection, clock: Callable[[], datetime]) -> Iterator[Lease]:
    """Claim the database for a run; the caller holds the operating system's lock.

    Raises Locked when a run elsewhere has it. A claim of this machine is a dead
    one's: it could not be asked for otherwise.
    """
    lease = Lease(db, os.urandom(8).hex(), clock)
    _claim(lease)
    done = threading.Event()
    heart = threading.Thread(
        target=_beat, args=(_file(db), lease.owner, clock, done), daemon=True
    )
    heart.start()
    try:
        yield lease
    finally:
        done.set()
        heart.join()
        if not db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the disk may be full
                db.execute("DELETE FROM leases WHERE owner = ?", (lease.owner,))


def current(db: sqlite3.Connection, now: datetime) -> dict[str, Any] | None:
    """Who works on the database now, and since when; None for nobody."""
    row = db.execute("SELECT * FROM leases WHERE name = ?", (_NAME,)).fetchone()
    if row is None or from_text(row["expires_at"]) < now:
        return None
    return {name: row[name] for name in ("host", "pid", "stage", "since", "beat_at")}


def _claim(lease: Lease) -> None:
    now, host = lease.clock(), _host()
    with transaction(lease.db):
        row = lease.db.execute(
            "SELECT host, pid, expires_at FROM leases WHERE name = ?", (_NAME,)
        ).fetchone()
        if row is not None and row["host"] != host:
            until = from_text(row["expires_at"])
            if until > now:
                raise Locked(
                    f"a run on {row['host']} (process {row['pid']}) holds the "
                    f"database; if it died, it is free at {until:%H:%M:%S} UTC"
                )
        lease.db.execute(
            "INSERT OR REPLACE INTO leases (name, owner, host, pid, since, beat_at, "
            "expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                _NAME, lease.owner, host, os.getpid(), to_text(now), to_text(now),
                to_text(now + LEASE),
            ),
        )  # fmt: skip


def _host() -> str:
    """The machine's name; `socket` would cost a quiet night some milliseconds."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ["COMPUTERNAME"]


def _beat(
    file: str, owner: str, clock: Callable[[], datetime], done: threading.Event
) -> None:
    """Renew the lease until the run is done; on a connection of its own, since the
    run's may be busy."""
    while not done.wait(_BEAT_SECONDS):
        if not file:
            continue
        # A long write of the run itself holds it up: then nobody else can claim, too.
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(
                sqlite3.connect(file, timeout=1.0, isolation_level=None)
            ) as db,
        ):
            now = clock()
            db.execute(
                "UPDATE leases SET beat_at = ?, expires_at = ? "
                "WHERE name = ? AND owner = ?",
                (to_text(now), to_text(now + LEASE), _NAME, owner),
            )


def _file(db: sqlite3.Connection) -> str:
    """The path of the open file; empty for one in memory."""
    row = db.execute("PRAGMA database_list").fetchone()
    name: str = row["file"] or ""
    return name
