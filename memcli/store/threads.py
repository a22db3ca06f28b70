"""Threads and their messages in the store."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal

from memcli.models import Message, Thread
from memcli.when import from_text, to_text

Outcome = Literal["added", "edited", "known"]

_THREADS = """
    SELECT t.id, t.format, t.title, t.metadata,
           min(m.sent_at) AS first_at, max(m.sent_at) AS last_at,
           count(*) AS messages, sum(m.reflected_in IS NULL) AS unreflected
    FROM threads t JOIN messages m ON m.thread_id = t.id
"""


def keep_thread(
    db: sqlite3.Connection,
    thread_id: str,
    format: str,
    title: str | None,
    metadata: Mapping[str, str],
) -> None:
    """Store a thread, or add what is newly known about it."""
    row = db.execute(
        "SELECT title, metadata FROM threads WHERE id = ?", (thread_id,)
    ).fetchone()
    if row is None:
        db.execute(
            "INSERT INTO threads (id, format, title, metadata) VALUES (?, ?, ?, ?)",
            (thread_id, format, title, _dump(metadata)),
        )
        return
    merged = {**metadata, **json.loads(row["metadata"])}
    if _dump(merged) != row["metadata"] or (title and not row["title"]):
        db.execute(
            "UPDATE threads SET title = coalesce(title, ?), metadata = ? WHERE id = ?",
            (title, _dump(merged), thread_id),
        )


def keep_message(db: sqlite3.Connection, message: Message, now: datetime) -> Outcome:
    """Store a message once, whichever file it comes from.

    A known message whose text changed was edited: it takes the new text and is
    new to reflection. A text that it had before the edit changes nothing, so
    an old copy of the file cannot turn it back.
    """
    row = db.execute(
        "SELECT id, text FROM messages WHERE key = ?", (message.key,)
    ).fetchone()
    if row is None:
        db.execute(
            "INSERT INTO messages "
            "(key, thread_id, message_id, role, name, text, sent_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                message.key, message.thread_id, message.id, message.role,
                message.name, message.text, to_text(message.sent_at),
            ),
        )  # fmt: skip
        return "added"
    if row["text"].startswith(message.text):
        return "known"  # the same, or a copy of an answer that was cut short
    if _had_text(db, row["id"], message.text):
        return "known"
    db.execute(
        "INSERT OR IGNORE INTO message_edits VALUES (?, ?, ?)",
        (row["id"], _sha256(row["text"]), to_text(now)),
    )
    db.execute(
        "UPDATE messages SET text = ?, reflected_in = NULL, embedded = 0 WHERE id = ?",
        (message.text, row["id"]),
    )
    return "edited"


def unreflected(db: sqlite3.Connection) -> list[Thread]:
    """Threads with messages that no run has seen, oldest first."""
    rows = db.execute(
        _THREADS + "WHERE t.id IN "
        "(SELECT thread_id FROM messages WHERE reflected_in IS NULL) "
        "GROUP BY t.id ORDER BY first_at, t.id"
    )
    return [_thread(row) for row in rows]


def get(db: sqlite3.Connection, thread_id: str) -> Thread | None:
    """One thread, or None."""
    row = db.execute(_THREADS + "WHERE t.id = ? GROUP BY t.id", (thread_id,)).fetchone()
    return _thread(row) if row else None


def failed(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Threads whose last extraction failed, as (id, why)."""
    rows = db.execute(
        "SELECT id, error FROM threads WHERE error IS NOT NULL ORDER BY id"
    )
    return [(row["id"], row["error"]) for row in rows]


def messages(
    db: sqlite3.Connection, thread_id: str
) -> Iterator[tuple[int, Message, bool]]:
    """A thread's messages in order: row number, message, whether it is new."""
    rows = db.execute(
        "SELECT * FROM messages WHERE thread_id = ? ORDER BY sent_at, id", (thread_id,)
    )
    for row in rows:
        yield row["id"], message_of(row), row["reflected_in"] is None


def message_of(row: sqlite3.Row) -> Message:
    """A row of `messages` as a Message."""
    return Message(
        key=row["key"],
        thread_id=row["thread_id"],
        id=row["message_id"],
        role=row["role"],
        text=row["text"],
        sent_at=from_text(row["sent_at"]),
        name=row["name"],
    )


def mark_reflected(
    db: sqlite3.Connection, thread_id: str, messages: Iterable[Message], run_id: int
) -> None:
    """Note that a run has seen these messages, and that the thread is well."""
    db.executemany(
        "UPDATE messages SET reflected_in = ? WHERE key = ?",
        [(run_id, message.key) for message in messages],
    )
    db.execute(
        "UPDATE threads SET error = NULL, attempts = 0 WHERE id = ?", (thread_id,)
    )


def mark_failed(db: sqlite3.Connection, thread_id: str, error: str) -> None:
    """Note why extraction failed; the thread stays due."""
    db.execute(
        "UPDATE threads SET error = ?, attempts = attempts + 1 WHERE id = ?",
        (error, thread_id),
    )


def _thread(row: sqlite3.Row) -> Thread:
    return Thread(
        id=row["id"],
        format=row["format"],
        metadata=json.loads(row["metadata"]),
        first_at=from_text(row["first_at"]),
        last_at=from_text(row["last_at"]),
        messages=row["messages"],
        unreflected=row["unreflected"],
        title=row["title"],
    )


def _dump(metadata: Mapping[str, str]) -> str:
    return json.dumps(metadata, ensure_ascii=False, sort_keys=True)


def _had_text(db: sqlite3.Connection, message: int, text: str) -> bool:
    found = db.execute(
        "SELECT 1 FROM message_edits WHERE message = ? AND text_sha256 = ?",
        (message, _sha256(text)),
    ).fetchone()
    return found is not None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
