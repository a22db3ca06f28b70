"""Memories in the store: applying operations, and reading them back."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, cast

from memcli.models import (
    Candidate,
    HistoryEntry,
    Kind,
    Memory,
    Op,
    Operation,
    Role,
    Source,
)
from memcli.textkey import text_key
from memcli.when import from_text, to_text


def apply(
    db: sqlite3.Connection,
    run_id: int,
    namespace: str,
    thread_id: str,
    candidate: Candidate,
    operation: Operation,
    now: datetime,
) -> int:
    """Carry out one operation inside the caller's transaction; the memory's id."""
    if operation.op is Op.STRENGTHEN:
        assert operation.target is not None
        _strengthen(db, run_id, operation, thread_id, candidate, now)
        return operation.target
    memory_id = _insert(db, namespace, thread_id, candidate, operation, now)
    _record(db, run_id, memory_id, Op.INSERT, operation.reason, now, None)
    for closed in operation.closes:
        _close(db, run_id, closed, memory_id, candidate.said_at, now)
    return memory_id


def _insert(
    db: sqlite3.Connection,
    namespace: str,
    thread_id: str,
    candidate: Candidate,
    operation: Operation,
    now: datetime,
) -> int:
    day = candidate.happens_on
    valid_to = operation.valid_to
    cursor = db.execute(
        "INSERT INTO memories (namespace, kind, text, about, confidence, happens_on, "
        "valid_from, valid_to, superseded_by, created_at, updated_at, text_key) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            namespace, candidate.kind, candidate.text, candidate.about,
            candidate.confidence, day.isoformat() if day else None,
            to_text(candidate.said_at), to_text(valid_to) if valid_to else None,
            operation.superseded_by, to_text(now), to_text(now),
            text_key(candidate.text),
        ),
    )  # fmt: skip
    assert cursor.lastrowid is not None
    _add_sources(db, cursor.lastrowid, thread_id, candidate)
    return cursor.lastrowid


def _strengthen(
    db: sqlite3.Connection,
    run_id: int,
    operation: Operation,
    thread_id: str,
    candidate: Candidate,
    now: datetime,
) -> None:
    """One more source. Said by an earlier message, it also held from then on."""
    assert operation.target is not None
    before = _snapshot(db, operation.target)
    if not _add_sources(db, operation.target, thread_id, candidate):
        return  # the same words of the same message: nothing new was said
    db.execute(
        "UPDATE memories SET confidence = max(confidence, ?), updated_at = ?, "
        "valid_from = min(valid_from, ?) WHERE id = ?",
        (
            candidate.confidence, to_text(now), to_text(candidate.said_at),
            operation.target,
        ),
    )  # fmt: skip
    _record(db, run_id, operation.target, Op.STRENGTHEN, operation.reason, now, before)


def _close(
    db: sqlite3.Connection,
    run_id: int,
    memory_id: int,
    by: int,
    at: datetime,
    now: datetime,
) -> None:
    before = _snapshot(db, memory_id)
    db.execute(
        "UPDATE memories SET valid_to = ?, superseded_by = ?, updated_at = ? "
        "WHERE id = ?",
        (to_text(at), by, to_text(now), memory_id),
    )
    reason = f"replaced by memory {by}"
    _record(db, run_id, memory_id, Op.SUPERSEDE, reason, now, before)


def _add_sources(
    db: sqlite3.Connection, memory_id: int, thread_id: str, candidate: Candidate
) -> int:
    added = 0
    for quote in candidate.quotes:
        added += db.execute(
            "INSERT OR IGNORE INTO sources (memory_id, message, quote) "
            "SELECT ?, id, ? FROM messages WHERE thread_id = ? AND message_id = ?",
            (memory_id, quote.text, thread_id, quote.message_id),
        ).rowcount
    return added


def _snapshot(db: sqlite3.Connection, memory_id: int) -> dict[str, Any]:
    """The memory as history keeps it: its columns, and its sources."""
    row = db.execute(
        "SELECT namespace, kind, text, about, confidence, happens_on, valid_from, "
        "valid_to, superseded_by FROM memories WHERE id = ?",
        (memory_id,),
    ).fetchone()
    sources = db.execute(
        "SELECT message, quote FROM sources WHERE memory_id = ? "
        "ORDER BY message, quote",
        (memory_id,),
    )
    return {**dict(row), "sources": [tuple(source) for source in sources]}


def _record(
    db: sqlite3.Connection,
    run_id: int,
    memory_id: int,
    op: Op,
    reason: str,
    now: datetime,
    before: dict[str, Any] | None,
) -> None:
    after = _snapshot(db, memory_id)
    db.execute(
        "INSERT INTO operations "
        "(run_id, memory_id, operation, reason, at, before, after) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (run_id, memory_id, op, reason, to_text(now), _dump(before), _dump(after)),
    )


def _dump(snapshot: dict[str, Any] | None) -> str | None:
    return None if snapshot is None else json.dumps(snapshot, ensure_ascii=False)


def select(
    db: sqlite3.Connection,
    *,
    namespace: str | None = None,
    thread_id: str | None = None,
    superseded: bool = False,
) -> list[Memory]:
    """Memories with their sources, in the order they began to hold."""
    where, parameters = ["1"], []
    if not superseded:
        where.append("valid_to IS NULL")
    if namespace is not None:
        clause, values = below(namespace)
        where.append(clause)
        parameters += values
    if thread_id is not None:
        where.append(
            "id IN (SELECT s.memory_id FROM sources s JOIN messages m "
            "ON m.id = s.message WHERE m.thread_id = ?)"
        )
        parameters.append(thread_id)
    rows = db.execute(
        f"SELECT * FROM memories WHERE {' AND '.join(where)} "
        "ORDER BY namespace, valid_from, id",
        parameters,
    ).fetchall()
    return list(_with_sources(db, rows))


def get_many(db: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Memory]:
    """Memories by id; those that do not exist are absent."""
    marks = ",".join("?" * len(ids))
    rows = db.execute(f"SELECT * FROM memories WHERE id IN ({marks})", ids).fetchall()
    return {memory.id: memory for memory in _with_sources(db, rows)}


def below(namespace: str) -> tuple[str, list[str]]:
    """SQL for a namespace and everything below it."""
    prefix = namespace.rstrip("/")
    # A range, not LIKE: an index serves it, and % and _ mean themselves.
    return "(namespace = ? OR (namespace >= ? AND namespace < ?))", [
        prefix,
        prefix + "/",
        prefix + "0",  # the character after "/"
    ]


def same_text(db: sqlite3.Connection, namespace: str, text: str) -> list[Memory]:
    """Memories of exactly this namespace that say the same in the same words."""
    rows = db.execute(
        "SELECT * FROM memories WHERE namespace = ? AND text_key = ? "
        "ORDER BY valid_from, id",
        (namespace, text_key(text)),
    ).fetchall()
    return [_memory(row, ()) for row in rows]


def about(db: sqlite3.Connection, namespace: str, thing: str) -> list[Memory]:
    """The timeline of a one-valued thing: open and closed memories, oldest first."""
    rows = db.execute(
        "SELECT * FROM memories WHERE namespace = ? AND about = ? "
        "ORDER BY valid_from, id",
        (namespace, thing),
    ).fetchall()
    return [_memory(row, ()) for row in rows]


def history(db: sqlite3.Connection, memory_id: int) -> list[HistoryEntry]:
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


def _with_sources(
    db: sqlite3.Connection, rows: Sequence[sqlite3.Row]
) -> Iterator[Memory]:
    sources = _sources_of(db, [row["id"] for row in rows])
    for row in rows:
        yield _memory(row, sources.get(row["id"], []))


def _sources_of(
    db: sqlite3.Connection, memory_ids: Sequence[int]
) -> dict[int, list[Source]]:
    found: dict[int, list[Source]] = {}
    for start in range(0, len(memory_ids), 500):
        some = memory_ids[start : start + 500]
        marks = ",".join("?" * len(some))
        for row in db.execute(
            "SELECT s.memory_id, s.quote, m.thread_id, m.message_id, m.sent_at, "
            "m.role, m.name FROM sources s JOIN messages m ON m.id = s.message "
            f"WHERE s.memory_id IN ({marks}) ORDER BY m.sent_at, m.id",
            some,
        ):
            found.setdefault(row["memory_id"], []).append(
                Source(
                    thread_id=row["thread_id"],
                    message_id=row["message_id"],
                    quote=row["quote"],
                    said_at=from_text(row["sent_at"]),
                    role=cast("Role", row["role"]),
                    author=row["name"],
                )
            )
    return found


def _memory(row: sqlite3.Row, sources: Iterable[Source]) -> Memory:
    day, valid_to = row["happens_on"], row["valid_to"]
    return Memory(
        id=row["id"],
        namespace=row["namespace"],
        kind=Kind(row["kind"]),
        text=row["text"],
        confidence=row["confidence"],
        valid_from=from_text(row["valid_from"]),
        valid_to=from_text(valid_to) if valid_to else None,
        created_at=from_text(row["created_at"]),
        updated_at=from_text(row["updated_at"]),
        about=row["about"],
        happens_on=date.fromisoformat(day) if day else None,
        superseded_by=row["superseded_by"],
        sources=tuple(sources),
    )
