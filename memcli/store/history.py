"""History: every change of a memory, with the run, the reason, before and after.

A snapshot is a memory as history keeps it: its columns and its sources, as
plain data. What a run did to a memory is told by the snapshot before its first
operation and the one after its last, and undone by restoring the former.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from memcli.models import HistoryEntry, Op
from memcli.store.terms import extra_terms
from memcli.textkey import text_key
from memcli.when import from_text, to_text

Snapshot = Mapping[str, Any]

_COLUMNS = (
    "namespace", "kind", "text", "about", "confidence", "happens_on", "valid_from",
    "valid_to", "superseded_by", "deleted_in", "schema", "value", "field_times",
    "by_hand", "updated_at", "item_key", "item_fields",
)  # fmt: skip
# A memory that is gone keeps these only for history.
_WHILE_GONE = ("deleted_in", "valid_to")


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes memories, and for what: history names it.

    `extraction_id` and `thread_id` are None when no conversation is behind it.
    """

    run_id: int
    namespace: str
    at: datetime
    extraction_id: int | None = None
    thread_id: str | None = None
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class NetChange:
    """What a run came to for one memory. `before` is None when it made it; `last`
    is the number of its last operation on it."""

    memory_id: int
    before: Snapshot | None
    after: Snapshot
    reasons: tuple[str, ...]
    last: int

    @property
    def existed(self) -> bool:
        return self.before is not None and self.before["deleted_in"] is None

    @property
    def exists(self) -> bool:
        return self.after["deleted_in"] is None


def snapshot(db: sqlite3.Connection, memory_id: int) -> dict[str, Any]:
    """The memory as history keeps it: its columns, and its sources."""
    row = db.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM memories WHERE id = ?", (memory_id,)
    ).fetchone()
    sources = db.execute(
        "SELECT message, quote FROM sources WHERE memory_id = ? "
        "ORDER BY message, quote",
        (memory_id,),
    )
    return {**dict(row), "sources": [list(source) for source in sources]}


def record(
    db: sqlite3.Connection,
    change: Change,
    memory_id: int,
    op: Op,
    reason: str,
    before: Snapshot | None,
) -> None:
    """Note an operation that was just done; `before` is the snapshot it began with."""
    after = snapshot(db, memory_id)
    if before is not None and before["text"] != after["text"]:
        db.execute(
            "INSERT OR IGNORE INTO past_texts VALUES (?, ?, ?)",
            (before["namespace"], text_key(before["text"]), memory_id),
        )
    db.execute(
        "INSERT INTO operations "
        "(run_id, extraction_id, memory_id, operation, reason, at, before, after) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            change.run_id, change.extraction_id, memory_id, op, reason,
            to_text(change.at), dump(before), dump(after),
        ),
    )  # fmt: skip


def dump(value: Mapping[str, Any] | None) -> str | None:
    """A snapshot or another document as the store keeps it."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def of_memory(db: sqlite3.Connection, memory_id: int) -> list[HistoryEntry]:
    """Every operation on a memory, oldest first."""
    rows = db.execute(
        "SELECT * FROM operations WHERE memory_id = ? ORDER BY id", (memory_id,)
    )
    return [
        HistoryEntry(
            run_id=row["run_id"],
            op=Op(row["operation"]),
            reason=row["reason"],
            at=from_text(row["at"]),
            before=json.loads(row["before"]) if row["before"] else None,
            after=json.loads(row["after"]) if row["after"] else None,
        )
        for row in rows
    ]


def of_run(db: sqlite3.Connection, run_id: int) -> list[NetChange]:
    """What a run came to, a memory at a time, in the order it came to them."""
    grouped: dict[int, list[sqlite3.Row]] = {}
    for row in db.execute(
        "SELECT id, memory_id, reason, before, after FROM operations "
        "WHERE run_id = ? ORDER BY id",
        (run_id,),
    ):
        grouped.setdefault(row["memory_id"], []).append(row)
    return [
        NetChange(
            memory_id,
            json.loads(rows[0]["before"]) if rows[0]["before"] else None,
            json.loads(rows[-1]["after"]),
            tuple(row["reason"] for row in rows),
            rows[-1]["id"],
        )
        for memory_id, rows in grouped.items()
    ]


def is_still(db: sqlite3.Connection, memory_id: int, then: Snapshot) -> bool:
    """Whether a memory is as a snapshot says. Older snapshots know fewer columns."""
    row = db.execute("SELECT 1 FROM memories WHERE id = ?", (memory_id,)).fetchone()
    if row is None:
        return False
    now = snapshot(db, memory_id)
    both = [name for name in then if name in now and name != "updated_at"]
    if now["deleted_in"] is not None and then["deleted_in"] is not None:
        both = [name for name in both if name not in _WHILE_GONE]
    return all(now[name] == then[name] for name in both)


def restore(
    db: sqlite3.Connection,
    change: Change,
    memory_id: int,
    then: Snapshot | None,
    reason: str,
) -> bool:
    """Make a memory what a snapshot says, None for not there; whether what it is found
    by, and so its vector, is to be made anew.

    Quotes whose messages are gone, or say something else now, do not come back.
    """
    before = snapshot(db, memory_id)
    if then is None or then["deleted_in"] is not None:
        take_away(db, change, memory_id)
        record(db, change, memory_id, Op.DELETE, reason, before)
        return False
    columns = {name: then[name] for name in _COLUMNS if name in then}
    columns.setdefault("updated_at", to_text(change.at))
    if not _there(db, columns["superseded_by"]):
        columns["superseded_by"] = None  # removed for good since
    columns["text_key"] = text_key(then["text"])
    columns["terms"] = extra_terms(then["text"])
    named = ", ".join(f"{name} = ?" for name in columns)
    db.execute(
        f"UPDATE memories SET {named} WHERE id = ?", (*columns.values(), memory_id)
    )
    _restore_sources(db, memory_id, then["sources"], before)
    op = Op.INSERT if before["deleted_in"] is not None else Op.UPDATE
    record(db, change, memory_id, op, reason, before)
    return op is Op.INSERT or is_found_otherwise(before, then)


def is_found_otherwise(one: Snapshot, other: Snapshot) -> bool:
    """Whether a memory had another vector, or none, in one of two states."""
    names = ("text", "item_fields")
    return any(one.get(name) != other.get(name) for name in names)


def _there(db: sqlite3.Connection, memory_id: int | None) -> bool:
    found = db.execute("SELECT 1 FROM memories WHERE id = ?", (memory_id,))
    return found.fetchone() is not None


def _restore_sources(
    db: sqlite3.Connection,
    memory_id: int,
    sources: list[tuple[int, str]],
    before: Snapshot,
) -> None:
    db.execute("DELETE FROM sources WHERE memory_id = ?", (memory_id,))
    there = set()  # evidence that it has all the same, though a message was edited
    if before["deleted_in"] is None:
        there = {tuple(source) for source in before["sources"]}
    for message, quote in sources:
        row = db.execute(
            "SELECT text FROM messages WHERE id = ?", (message,)
        ).fetchone()
        known = (message, quote) in there
        if row is not None and (known or says(row["text"], quote)):
            db.execute(
                "INSERT INTO sources VALUES (?, ?, ?)", (memory_id, message, quote)
            )


def says(text: str, quote: str) -> bool:
    """Whether a message has these words, whatever the space between them."""
    return " ".join(quote.split()) in " ".join(text.split())


def take_away(db: sqlite3.Connection, change: Change, memory_id: int) -> None:
    """The row stays, for history; nothing else shows it any more. What it could also
    be found by goes."""
    db.execute(
        "UPDATE memories SET deleted_in = ?, terms = '', "
        "valid_to = coalesce(valid_to, ?), updated_at = ? WHERE id = ?",
        (change.run_id, to_text(change.at), to_text(change.at), memory_id),
    )
