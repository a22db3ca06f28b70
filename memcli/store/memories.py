"""Memories in the store: applying operations, and reading them back."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import cast

from memcli.models import (
    Candidate,
    Kind,
    Memory,
    Op,
    Operation,
    Role,
    Source,
)
from memcli.store.history import Change, dump, record, snapshot, take_away
from memcli.store.terms import extra_terms
from memcli.textkey import text_key
from memcli.when import from_text, to_text


def apply(
    db: sqlite3.Connection, change: Change, candidate: Candidate, operation: Operation
) -> tuple[int, bool]:
    """Carry out one operation inside the caller's transaction; the memory's id, and
    whether that changed anything."""
    if operation.op is not Op.INSERT:
        assert operation.target is not None
        changed = _change(db, change, operation.target, candidate, operation)
        return operation.target, changed
    memory_id = _insert(db, change, candidate, operation)
    record(db, change, memory_id, Op.INSERT, operation.reason, None)
    for closed in operation.closes:
        _close(db, change, closed, memory_id, candidate.said_at)
    return memory_id, True


def _insert(
    db: sqlite3.Connection, change: Change, candidate: Candidate, operation: Operation
) -> int:
    now = to_text(change.at)
    day = candidate.happens_on
    valid_to = operation.valid_to
    cursor = db.execute(
        "INSERT INTO memories (namespace, kind, text, about, confidence, happens_on, "
        "valid_from, valid_to, superseded_by, created_at, updated_at, text_key, "
        "terms, schema, value, field_times, by_hand) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            change.namespace, candidate.kind, candidate.text, candidate.about,
            candidate.confidence, day.isoformat() if day else None,
            to_text(candidate.said_at), to_text(valid_to) if valid_to else None,
            operation.superseded_by, now, now, text_key(candidate.text),
            extra_terms(candidate.text), candidate.schema, dump(candidate.value),
            dump(operation.field_times),
            now if change.by_hand else None,
        ),
    )  # fmt: skip
    assert cursor.lastrowid is not None
    _add_sources(db, cursor.lastrowid, change.thread_id, candidate)
    return cursor.lastrowid


def _change(
    db: sqlite3.Connection,
    change: Change,
    memory_id: int,
    candidate: Candidate,
    operation: Operation,
) -> bool:
    """One more source, and what it changes. Said by an earlier message, it also
    held from then on."""
    before = snapshot(db, memory_id)
    added = _add_sources(db, memory_id, change.thread_id, candidate)
    if operation.op is Op.STRENGTHEN and not added:
        return False  # the same words of the same message: nothing new was said
    now = to_text(change.at)
    if operation.op is Op.DELETE:
        take_away(db, change, memory_id)
    else:
        db.execute(
            "UPDATE memories SET confidence = max(confidence, ?), updated_at = ?, "
            "valid_from = min(valid_from, ?) WHERE id = ?",
            (candidate.confidence, now, to_text(candidate.said_at), memory_id),
        )
        _end_before_sooner(db, change, memory_id)
    if operation.op is Op.UPDATE and operation.text is not None:
        db.execute(
            "UPDATE memories SET text = ?, text_key = ?, terms = ?, "
            "value = coalesce(?, value), field_times = coalesce(?, field_times) "
            "WHERE id = ?",
            (
                operation.text, text_key(operation.text),
                extra_terms(operation.text), dump(operation.value),
                dump(operation.field_times), memory_id,
            ),
        )  # fmt: skip
    record(db, change, memory_id, operation.op, operation.reason, before)
    return True


def _end_before_sooner(db: sqlite3.Connection, change: Change, memory_id: int) -> None:
    """What a memory superseded ended when it began, and it may have begun earlier
    than was known."""
    for row in db.execute(
        "SELECT o.id, m.valid_from FROM memories o JOIN memories m "
        "ON m.id = o.superseded_by WHERE m.id = ? AND o.valid_to > m.valid_from "
        "AND o.valid_from <= m.valid_from AND o.deleted_in IS NULL",
        (memory_id,),
    ).fetchall():
        before = snapshot(db, row["id"])
        db.execute(
            "UPDATE memories SET valid_to = ? WHERE id = ?",
            (row["valid_from"], row["id"]),
        )
        why = f"memory {memory_id}, which replaced it, began earlier"
        record(db, change, row["id"], Op.UPDATE, why, before)


def _close(
    db: sqlite3.Connection, change: Change, memory_id: int, by: int, at: datetime
) -> None:
    before = snapshot(db, memory_id)
    db.execute(
        "UPDATE memories SET valid_to = ?, superseded_by = ?, updated_at = ? "
        "WHERE id = ?",
        (to_text(at), by, to_text(change.at), memory_id),
    )
    record(db, change, memory_id, Op.SUPERSEDE, f"replaced by memory {by}", before)


def withdraw_thread(
    db: sqlite3.Connection, change: Change, keep: Collection[tuple[str, str]]
) -> list[int]:
    """Take back what a thread gave, since it was reflected anew; the memories that
    are gone.

    Those whose namespace and normalised text are in `keep` are given again, and
    stay; so does what a person wrote, or a program put there. One that other threads
    gave, too, stays with one source less; one that was superseded by a memory that
    goes holds again.
    """
    rows = db.execute(
        "SELECT DISTINCT s.memory_id, y.namespace, y.text_key, "
        "EXISTS (SELECT 1 FROM sources o JOIN messages n ON n.id = o.message "
        " WHERE o.memory_id = s.memory_id "
        " AND n.thread_id <> m.thread_id) "
        "OR EXISTS (SELECT 1 FROM operations p JOIN runs r ON r.id = p.run_id "
        " WHERE p.memory_id = s.memory_id AND r.kind IN ('add', 'edit') "
        " AND r.undone_by IS NULL) AS shared "
        "FROM messages m JOIN sources s ON s.message = m.id "
        "JOIN memories y ON y.id = s.memory_id "
        "WHERE m.thread_id = ? AND y.deleted_in IS NULL AND y.field_times IS NULL "
        "AND y.by_hand IS NULL AND y.item_key IS NULL "
        "ORDER BY s.memory_id",
        (change.thread_id,),
    ).fetchall()
    gone = []
    for row in rows:
        if (row["namespace"], row["text_key"]) in keep:
            continue
        id = row["memory_id"]
        before = snapshot(db, id)
        if row["shared"]:
            db.execute(
                "DELETE FROM sources WHERE memory_id = ? AND message IN "
                "(SELECT id FROM messages WHERE thread_id = ?)",
                (id, change.thread_id),
            )
            why = "one source less: a thread was reflected again"
            record(db, change, id, Op.UPDATE, why, before)
        else:
            take_away(db, change, id)
            why = "its thread was reflected again, and gives it no more"
            record(db, change, id, Op.DELETE, why, before)
            gone.append(id)
    for id in gone:
        _reopen_before(db, change, id)
    return gone


def _reopen_before(db: sqlite3.Connection, change: Change, gone: int) -> None:
    """What a memory that is gone had superseded holds on, until what came next."""
    heir, until = gone, None
    while heir is not None:
        row = db.execute(
            "SELECT superseded_by, valid_to, deleted_in FROM memories WHERE id = ?",
            (heir,),
        ).fetchone()
        if row["deleted_in"] is None:
            break
        heir = row["superseded_by"]
        until = row["valid_to"] if heir is not None else None
    for row in db.execute(
        "SELECT id FROM memories WHERE superseded_by = ? AND deleted_in IS NULL",
        (gone,),
    ).fetchall():
        before = snapshot(db, row["id"])
        db.execute(
            "UPDATE memories SET valid_to = ?, superseded_by = ?, updated_at = ? "
            "WHERE id = ?",
            (until, heir, to_text(change.at), row["id"]),
        )
        why = f"holds on: memory {gone}, which had replaced it, is gone"
        record(db, change, row["id"], Op.UPDATE, why, before)


def _add_sources(
    db: sqlite3.Connection, memory_id: int, thread_id: str | None, candidate: Candidate
) -> int:
    added = 0
    for quote in candidate.quotes:
        added += db.execute(
            "INSERT OR IGNORE INTO sources (memory_id, message, quote) "
            "SELECT ?, id, ? FROM messages WHERE thread_id = ? AND message_id = ?",
            (memory_id, quote.text, thread_id, quote.message_id),
        ).rowcount
    return added


def select(
    db: sqlite3.Connection,
    *,
    namespace: str | None = None,
    thread_id: str | None = None,
    superseded: bool = False,
    as_of: datetime | None = None,
) -> list[Memory]:
    """Memories with their sources, in the order they began to hold: those that hold,
    or held at `as_of`."""
    where, parameters = ["deleted_in IS NULL"], list[str]()
    if as_of is not None:
        clause, parameters = held_at(as_of)
        where.append(clause)
    elif not superseded:
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


def profile(
    db: sqlite3.Connection, namespace: str, schema: str
) -> tuple[Memory, dict[str, str]] | None:
    """The one document of a schema in a namespace, and when each field was said."""
    row = db.execute(
        "SELECT * FROM memories WHERE namespace = ? AND schema = ? "
        "AND field_times IS NOT NULL AND valid_to IS NULL AND deleted_in IS NULL",
        (namespace, schema),
    ).fetchone()
    return None if row is None else (_memory(row, ()), json.loads(row["field_times"]))


def held_at(moment: datetime) -> tuple[str, list[str]]:
    """SQL for what was true at a moment, as far as is known."""
    at = to_text(moment)
    return "(valid_from <= ? AND (valid_to IS NULL OR valid_to > ?))", [at, at]


def namespaces(db: sqlite3.Connection) -> list[str]:
    """All that have a memory, also one that ended."""
    rows = db.execute(
        "SELECT DISTINCT namespace FROM memories WHERE deleted_in IS NULL ORDER BY 1"
    )
    return [namespace for (namespace,) in rows]


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
        "AND deleted_in IS NULL "
        "ORDER BY valid_from, id",
        (namespace, text_key(text)),
    ).fetchall()
    return [_memory(row, ()) for row in rows]


def known_texts(
    db: sqlite3.Connection, namespace: str, keys: Sequence[str], before: datetime
) -> list[str]:
    """Those of the normalised texts that a memory had which was known by then, in
    words that are not those of the person it comes from."""
    given = json.dumps(list(keys))
    rows = db.execute(
        "SELECT id, text_key FROM memories WHERE namespace = ? AND created_at < ? "
        "AND text_key IN (SELECT value FROM json_each(?)) "
        "UNION SELECT m.id, p.text_key FROM past_texts p JOIN memories m "
        "ON m.id = p.memory_id WHERE p.namespace = ? AND m.created_at < ? "
        "AND p.text_key IN (SELECT value FROM json_each(?))",
        (namespace, to_text(before), given, namespace, to_text(before), given),
    ).fetchall()
    return [
        row["text_key"]
        for row in rows
        if not _in_their_words(db, row["id"], row["text_key"])
    ]


def _in_their_words(db: sqlite3.Connection, memory_id: int, key: str) -> bool:
    quotes = db.execute("SELECT quote FROM sources WHERE memory_id = ?", (memory_id,))
    return any(key in text_key(row["quote"]) for row in quotes)


def about(db: sqlite3.Connection, namespace: str, thing: str) -> list[Memory]:
    """The timeline of a one-valued thing: open and closed memories, oldest first."""
    rows = db.execute(
        "SELECT * FROM memories WHERE namespace = ? AND about = ? "
        "AND deleted_in IS NULL "
        "ORDER BY valid_from, id",
        (namespace, thing),
    ).fetchall()
    return list(_with_sources(db, rows))


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
        schema=row["schema"],
        value=json.loads(row["value"]) if row["value"] else None,
        deleted=row["deleted_in"] is not None,
        by_hand=from_text(row["by_hand"]) if row["by_hand"] else None,
        item_key=row["item_key"],
    )
