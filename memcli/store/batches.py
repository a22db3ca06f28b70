"""Batches under way: which requests a server has, and for which messages.

A batch is written down before it is submitted, so that a run that dies in
between does not forget what it may have paid for.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from memcli.when import from_text, to_text


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that was not harvested yet; `api_id` is None while it is not known
    whether the server has it."""

    id: int
    api_id: str | None
    model: str
    submitted_at: datetime
    requests: int


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One request of a batch: the part of a thread that it shows, by row numbers
    of messages, and a hash of how that looked."""

    custom_id: str
    thread_id: str
    namespace: str
    fingerprint: str
    recipe: str
    shown: str
    context: tuple[int, ...]
    new: tuple[int, ...]
    recorded: tuple[str, ...]
    left: int


def open_batches(db: sqlite3.Connection) -> list[Batch]:
    """Batches that were not harvested, oldest first."""
    rows = db.execute("SELECT * FROM batches WHERE harvested_at IS NULL ORDER BY id")
    return [
        Batch(
            row["id"],
            row["api_id"],
            row["model"],
            from_text(row["submitted_at"]),
            row["requests"],
        )
        for row in rows
    ]


def known(db: sqlite3.Connection, api_id: str) -> bool:
    """Whether a batch of the server is one of ours."""
    row = db.execute("SELECT 1 FROM batches WHERE api_id = ?", (api_id,)).fetchone()
    return row is not None


def write_down(
    db: sqlite3.Connection,
    run_id: int,
    model: str,
    requests: Sequence[BatchRequest],
    now: datetime,
) -> int:
    """Note a batch that is about to be submitted; its number here."""
    cursor = db.execute(
        "INSERT INTO batches (run_id, model, submitted_at, requests) "
        "VALUES (?, ?, ?, ?)",
        (run_id, model, to_text(now), len(requests)),
    )
    assert cursor.lastrowid is not None
    db.executemany(
        "INSERT INTO batch_requests (custom_id, batch_id, thread_id, namespace, "
        "fingerprint, recipe, part) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                one.custom_id, cursor.lastrowid, one.thread_id, one.namespace,
                one.fingerprint, one.recipe, _part(one),
            )
            for one in requests
        ],
    )  # fmt: skip
    return cursor.lastrowid


def submitted(db: sqlite3.Connection, batch_id: int, api_id: str) -> None:
    """Note that the server has it, under this name."""
    db.execute("UPDATE batches SET api_id = ? WHERE id = ?", (api_id, batch_id))


def discard(db: sqlite3.Connection, batch_id: int) -> None:
    """The server never had it: its threads are due."""
    db.execute("DELETE FROM batch_requests WHERE batch_id = ?", (batch_id,))
    db.execute("DELETE FROM batches WHERE id = ?", (batch_id,))


def requests(db: sqlite3.Connection, batch_id: int) -> dict[str, BatchRequest]:
    """The requests of a batch that have no outcome yet, by their ids."""
    rows = db.execute(
        "SELECT * FROM batch_requests WHERE batch_id = ? AND outcome IS NULL",
        (batch_id,),
    )
    found = {}
    for row in rows:
        part = json.loads(row["part"])
        found[row["custom_id"]] = BatchRequest(
            row["custom_id"],
            row["thread_id"],
            row["namespace"],
            row["fingerprint"],
            row["recipe"],
            part["shown"],
            tuple(part["context"]),
            tuple(part["new"]),
            tuple(part["recorded"]),
            part["left"],
        )
    return found


def settle(db: sqlite3.Connection, custom_ids: Iterable[str], outcome: str) -> None:
    """Note how requests ended; their threads are no longer held by the batch."""
    db.executemany(
        "UPDATE batch_requests SET outcome = ? WHERE custom_id = ?",
        [(outcome, custom_id) for custom_id in custom_ids],
    )


def harvested(db: sqlite3.Connection, batch_id: int, now: datetime) -> None:
    """Note that all answers of a batch were taken."""
    db.execute(
        "UPDATE batches SET harvested_at = ? WHERE id = ?", (to_text(now), batch_id)
    )


def under_way(db: sqlite3.Connection) -> int:
    """How many threads wait for the answer of a batch."""
    row = db.execute("SELECT count(*) AS n FROM batch_requests WHERE outcome IS NULL")
    number: int = row.fetchone()["n"]
    return number


def _part(one: BatchRequest) -> str:
    return json.dumps(
        {
            "shown": one.shown,
            "context": one.context,
            "new": one.new,
            "recorded": one.recorded,
            "left": one.left,
        },
        ensure_ascii=False,
    )
