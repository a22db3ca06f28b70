"""Threads and their messages in the store."""

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from memcli.models import Message, Thread
from memcli.store.terms import extra_terms
from memcli.when import from_text, to_text

Outcome = Literal["added", "edited", "known"]
# A thread that failed so often is left alone until it grows, or `memcli retry`.
MAX_ATTEMPTS = 3

# Who said a message `m` of a thread `t`, as far as the transcript tells.
WHO = "coalesce(m.name, json_extract(t.metadata, '$.user_id'), '')"

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


def drop_empty(db: sqlite3.Connection, thread_ids: Iterable[str]) -> None:
    """Forget threads without a message: all of theirs were known from another."""
    db.executemany(
        "DELETE FROM threads WHERE id = ? AND NOT EXISTS "
        "(SELECT 1 FROM messages WHERE thread_id = threads.id) AND NOT EXISTS "
        "(SELECT 1 FROM extractions WHERE thread_id = threads.id)",
        [(thread_id,) for thread_id in thread_ids],
    )


def keep_message(
    db: sqlite3.Connection,
    message: Message,
    now: datetime,
    *,
    as_of: str,
    stand_in_key: str | None = None,
    is_copy: bool = False,
    follows: bool = False,
) -> Outcome:
    """Store a message once, whichever file it comes from.

    A known message whose text changed was edited: it takes the new text and is
    new to reflection. A text that it had before the edit changes nothing, so
    an old copy of the file cannot turn it back; nor can it bring back what a
    file newer than it (`as_of` tells) says was withdrawn. A message takes the
    place of its stand-in, if that is known under `stand_in_key`, and a thread
    gets its message back from a fork's copy (`is_copy`) that was met first. In
    formats where that can change (`follows`), a known message takes over its
    thread, time and name.
    """
    row = _known(db, message.key)
    if row is not None and row["role"] != message.role:
        # Question and answer under one id are two messages all the same.
        message = replace(message, key=f"{message.key}#{message.role}")
        row = _known(db, message.key)
    if row is None and stand_in_key is not None:
        if stand_in_key == message.key:
            if _said_in(db, message):
                return "known"
        elif _takes_place(db, message, stand_in_key):
            return "known"
    if row is None:
        if _was_withdrawn(db, message.key, as_of):
            return "known"
        db.execute(
            "INSERT INTO messages "
            "(key, thread_id, message_id, role, name, text, terms, sent_at, as_of) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.key, message.thread_id, message.id, message.role,
                message.name, message.text, extra_terms(message.text),
                to_text(message.sent_at), as_of,
            ),
        )  # fmt: skip
        return "added"
    if (row["as_of"] or "") < as_of:
        db.execute("UPDATE messages SET as_of = ? WHERE id = ?", (as_of, row["id"]))
    if follows:
        _follow(db, row, message)
    elif row["thread_id"] != message.thread_id and not is_copy:
        _take_back(db, row["id"], row["thread_id"], message.thread_id)
    if row["text"] == message.text:
        return "known"
    if message.role == "assistant" and row["text"].startswith(message.text):
        return "known"  # a copy of an answer that was cut short
    if _had_text(db, row["id"], message.text):
        return "known"
    db.execute(
        "INSERT OR IGNORE INTO message_edits VALUES (?, ?, ?)",
        (row["id"], _sha256(row["text"]), to_text(now)),
    )
    db.execute(
        "UPDATE messages SET text = ?, terms = ?, reflected_in = NULL, embedded = 0 "
        "WHERE id = ?",
        (message.text, extra_terms(message.text), row["id"]),
    )
    return "edited"


def withdraw(db: sqlite3.Connection, withdrawn: Mapping[str, str]) -> list[int]:
    """Note messages that are no longer part of their conversation.

    `withdrawn` gives for each key how new the file is that says so; one that a
    newer file has stays, and one that a memory cites, as its evidence. Gives
    the row numbers of the others, which are to be deleted.
    """
    gone = []
    for key, as_of in withdrawn.items():
        db.execute(
            "INSERT INTO withdrawn_messages VALUES (?, ?) ON CONFLICT (key) "
            "DO UPDATE SET as_of = max(as_of, excluded.as_of)",
            (key, as_of),
        )
        row = db.execute(
            "SELECT id FROM messages WHERE key = ? AND coalesce(as_of, '') <= ? "
            "AND NOT EXISTS (SELECT 1 FROM sources WHERE message = messages.id)",
            (key, as_of),
        ).fetchone()
        if row is not None:
            gone.append(row["id"])
    return gone


def delete_messages(db: sqlite3.Connection, ids: Sequence[int]) -> set[str]:
    """Delete messages by row number, and give the threads they were in.

    Their vectors must be gone already.
    """
    left = set()
    for id in ids:
        db.execute("DELETE FROM message_edits WHERE message = ?", (id,))
        row = db.execute("DELETE FROM messages WHERE id = ? RETURNING thread_id", (id,))
        left.add(row.fetchone()["thread_id"])
    return left


def _was_withdrawn(db: sqlite3.Connection, key: str, as_of: str) -> bool:
    """Whether a newer file than this one says that the message was taken back."""
    found = db.execute(
        "SELECT 1 FROM withdrawn_messages WHERE key = ? AND as_of >= ?", (key, as_of)
    ).fetchone()
    return found is not None


def _said_in(db: sqlite3.Connection, message: Message) -> bool:
    """Whether the thread's own file has the words that a stand-in has."""
    found = db.execute(
        "SELECT 1 FROM messages WHERE thread_id = ? AND role = ? AND text = ? "
        "AND key NOT LIKE '%/~%' LIMIT 1",
        (message.thread_id, message.role, message.text),
    ).fetchone()
    return found is not None


def _known(db: sqlite3.Connection, key: str) -> sqlite3.Row | None:
    found: sqlite3.Row | None = db.execute(
        "SELECT id, text, role, name, sent_at, thread_id, as_of FROM messages "
        "WHERE key = ?",
        (key,),
    ).fetchone()
    return found


def _follow(db: sqlite3.Connection, row: sqlite3.Row, message: Message) -> None:
    """Let a known message be where, when and by whom the file says now."""
    now = (message.thread_id, to_text(message.sent_at), message.name)
    if now != (row["thread_id"], row["sent_at"], row["name"]):
        db.execute(
            "UPDATE messages SET thread_id = ?, sent_at = ?, name = ? WHERE id = ?",
            (*now, row["id"]),
        )


def _take_back(
    db: sqlite3.Connection, message: int, holder: str, thread_id: str
) -> None:
    """Give a message to its own thread, if a fork's file was read before it."""
    db.execute(
        "UPDATE messages SET thread_id = ? WHERE id = ? AND EXISTS "
        "(SELECT 1 FROM threads WHERE id = ? "
        "AND json_extract(metadata, '$.session_kind') = 'fork')",
        (thread_id, message, holder),
    )


def _takes_place(db: sqlite3.Connection, message: Message, stand_in_key: str) -> bool:
    """Let a message take the place of its stand-in, which was reflected as it is."""
    done = db.execute(
        "UPDATE messages SET key = ?, message_id = ?, sent_at = ? WHERE key = ?",
        (message.key, message.id, to_text(message.sent_at), stand_in_key),
    )
    return done.rowcount > 0


def all_embedded(db: sqlite3.Connection) -> bool:
    """Whether every message has its vector."""
    return (
        db.execute("SELECT 1 FROM messages WHERE embedded = 0 LIMIT 1").fetchone()
        is None
    )


def unreflected(
    db: sqlite3.Connection, among: Collection[str] | None = None
) -> list[Thread]:
    """Threads with messages that no run has seen, oldest first; of all, or of some.

    Without those that failed too often, and those that a batch has.
    """
    if among is not None and not among:
        return []
    rows = db.execute(
        _THREADS + "WHERE t.id IN "
        "(SELECT thread_id FROM messages WHERE reflected_in IS NULL) "
        "AND t.attempts < :most AND t.id NOT IN "
        "(SELECT thread_id FROM batch_requests WHERE outcome IS NULL) "
        "AND (:among IS NULL OR t.id IN (SELECT value FROM json_each(:among))) "
        "GROUP BY t.id ORDER BY first_at, t.id",
        {
            "most": MAX_ATTEMPTS,
            "among": None if among is None else json.dumps(list(among)),
        },
    )
    return [_thread(row) for row in rows]


def get(db: sqlite3.Connection, thread_id: str) -> Thread | None:
    """One thread, or None."""
    row = db.execute(_THREADS + "WHERE t.id = ? GROUP BY t.id", (thread_id,)).fetchone()
    return _thread(row) if row else None


def failed(db: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """Threads whose last extraction failed, as (id, why, attempts)."""
    rows = db.execute(
        "SELECT id, error, attempts FROM threads WHERE error IS NOT NULL ORDER BY id"
    )
    return [(row["id"], row["error"], row["attempts"]) for row in rows]


def left_alone(db: sqlite3.Connection) -> int:
    """How many threads failed so often that they are not tried any more."""
    row = db.execute(
        "SELECT count(*) AS n FROM threads WHERE attempts >= ?", (MAX_ATTEMPTS,)
    )
    number: int = row.fetchone()["n"]
    return number


def retry(db: sqlite3.Connection, thread_ids: Sequence[str] | None) -> list[str]:
    """Make failed threads due again: these, or all. Gives those that had failed."""
    found = [id for id, _, _ in failed(db)]
    if thread_ids is not None:
        found = [id for id in found if id in set(thread_ids)]
    db.executemany(
        "UPDATE threads SET attempts = 0, error = NULL, part_characters = NULL "
        "WHERE id = ?",
        [(id,) for id in found],
    )
    return found


def forgive(db: sqlite3.Connection, thread_ids: Iterable[str]) -> None:
    """What failed before was another text: the thread has grown or was edited."""
    db.executemany(
        "UPDATE threads SET attempts = 0 WHERE id = ? AND attempts > 0",
        [(id,) for id in thread_ids],
    )


def redo(db: sqlite3.Connection, thread_id: str) -> None:
    """Make all of a thread new to reflection, which replaces what it gave before."""
    db.execute(
        "INSERT OR IGNORE INTO redone_messages SELECT 0, id, reflected_in "
        "FROM messages WHERE thread_id = ? AND reflected_in IS NOT NULL",
        (thread_id,),
    )
    db.execute(
        "UPDATE messages SET reflected_in = NULL WHERE thread_id = ?", (thread_id,)
    )
    # What waits of an earlier time is not consolidated any more, but stays known.
    db.execute(
        "UPDATE extractions SET replaced = replaced + 1, "
        "consolidated_in = coalesce(consolidated_in, run_id) WHERE thread_id = ?",
        (thread_id,),
    )
    db.execute(
        "UPDATE threads SET redo = 1, attempts = 0, error = NULL WHERE id = ?",
        (thread_id,),
    )


def redone(db: sqlite3.Connection, thread_ids: Iterable[str]) -> list[str]:
    """Which of these threads were being reflected anew, and are no more."""
    found = []
    for id in thread_ids:
        done = db.execute(
            "UPDATE threads SET redo = 0 WHERE id = ? AND redo = 1", (id,)
        )
        if done.rowcount:
            found.append(id)
    return found


def part_characters(db: sqlite3.Connection, thread_id: str) -> int | None:
    """How much of this thread the model could be given at once, if that was less
    than usual."""
    row = db.execute(
        "SELECT part_characters FROM threads WHERE id = ?", (thread_id,)
    ).fetchone()
    return None if row is None else row["part_characters"]


def limit_parts(db: sqlite3.Connection, thread_id: str, characters: int | None) -> None:
    """Note that a part must be smaller than was tried; None for no such limit."""
    db.execute(
        "UPDATE threads SET part_characters = ? WHERE id = ?", (characters, thread_id)
    )


def messages(
    db: sqlite3.Connection, thread_id: str
) -> Iterator[tuple[int, Message, bool]]:
    """A thread's messages in order: row number, message, whether it is new."""
    rows = db.execute(
        "SELECT * FROM messages WHERE thread_id = ? ORDER BY sent_at, id", (thread_id,)
    )
    for row in rows:
        yield row["id"], message_of(row), row["reflected_in"] is None


def said_by_people(
    db: sqlite3.Connection, thread_id: str, quotes: Sequence[tuple[str, str]]
) -> list[tuple[str, str, str]]:
    """Of quotes, as (message id, words), those that a person said, as (words, the
    whole message, who)."""
    found = []
    for message_id, words in quotes:
        row = db.execute(
            f"SELECT m.text, {WHO} AS who FROM messages m "
            "JOIN threads t ON t.id = m.thread_id WHERE m.thread_id = ? "
            "AND m.message_id = ? AND m.role = 'user'",
            (thread_id, message_id),
        ).fetchone()
        if row is not None:
            found.append((words, row["text"], row["who"]))
    return found


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


def mark_failed(db: sqlite3.Connection, thread_id: str, error: str) -> int:
    """Note why extraction failed; how often that was now.

    The thread stays due until that was MAX_ATTEMPTS times.
    """
    row = db.execute(
        "UPDATE threads SET error = ?, attempts = attempts + 1 WHERE id = ? "
        "RETURNING attempts",
        (error, thread_id),
    ).fetchone()
    attempts: int = row["attempts"]
    return attempts


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
