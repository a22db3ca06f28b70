"""Conversations that a program handed over, and what is to be made of them.

What was submitted is in the file before `submit` returns: its messages beside all
others, and here when they are due, and by which enricher. Whichever process runs
next does them, so a queue cannot be lost with the one that filled it.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from memcli.store.threads import MAX_ATTEMPTS
from memcli.when import from_text, to_text


@dataclass(frozen=True, slots=True)
class Submission:
    """A thread that was submitted. `due_at` is None while it is put off; `serial`
    grows with each submission of the thread."""

    thread_id: str
    enricher: int
    namespace: str
    due_at: datetime | None
    serial: int


def enricher_id(db: sqlite3.Connection, recipe: Mapping[str, Any]) -> int:
    """The number of an enricher: one for each way of reflecting. Who is known
    already waits for no writer."""
    text = json.dumps(recipe, ensure_ascii=False, sort_keys=True)
    row = db.execute("SELECT id FROM enrichers WHERE recipe = ?", (text,)).fetchone()
    if row is None:
        row = db.execute(
            "INSERT INTO enrichers (recipe) VALUES (?) "
            "ON CONFLICT (recipe) DO UPDATE SET recipe = excluded.recipe RETURNING id",
            (text,),
        ).fetchone()
    number: int = row["id"]
    return number


def recipe_of(db: sqlite3.Connection, enricher: int) -> dict[str, Any]:
    """What an enricher was told, as plain data."""
    row = db.execute(
        "SELECT recipe FROM enrichers WHERE id = ?", (enricher,)
    ).fetchone()
    found: dict[str, Any] = json.loads(row["recipe"])
    return found


def thread_for(
    db: sqlite3.Connection, given: str, enricher: int, namespace: str
) -> str:
    """The thread in the store for one of the program's.

    That is its own id, unless that is taken: by a transcript, by another enricher,
    or by another person's thread of the same name.
    """
    row = db.execute(
        "SELECT thread_id FROM submissions "
        "WHERE given = ? AND enricher = ? AND namespace = ?",
        (given, enricher, namespace),
    ).fetchone()
    if row is not None:
        found: str = row["thread_id"]
        return found
    name, count = given, 1
    # A thread that nothing was said in yet is only among the submissions.
    while db.execute(
        "SELECT 1 FROM threads WHERE id = ? "
        "UNION ALL SELECT 1 FROM submissions WHERE thread_id = ?",
        (name, name),
    ).fetchone():
        count += 1
        name = f"{given}~{count}"
    return name


def put(
    db: sqlite3.Connection,
    thread_id: str,
    given: str | None,
    enricher: int,
    namespace: str,
    now: datetime,
    due_at: datetime,
) -> int:
    """Note that a thread was submitted, anew or again; which time that was."""
    row = db.execute(
        "INSERT INTO submissions (thread_id, given, enricher, namespace, "
        "submitted_at, due_at, serial) VALUES (?, ?, ?, ?, ?, ?, 1) "
        "ON CONFLICT (thread_id) DO UPDATE SET submitted_at = excluded.submitted_at, "
        "due_at = excluded.due_at, serial = serial + 1 RETURNING serial",
        (thread_id, given, enricher, namespace, to_text(now), to_text(due_at)),
    ).fetchone()
    serial: int = row["serial"]
    return serial


def put_off(db: sqlite3.Connection, thread_id: str, serial: int) -> None:
    """Somebody cancelled: what waits is part of the thread's next submission."""
    db.execute(
        "UPDATE submissions SET due_at = NULL WHERE thread_id = ? AND serial = ?",
        (thread_id, serial),
    )


def of_thread(db: sqlite3.Connection, thread_id: str) -> Submission | None:
    """How a thread was submitted; None for one that was not."""
    row = db.execute(
        "SELECT * FROM submissions WHERE thread_id = ?", (thread_id,)
    ).fetchone()
    return None if row is None else _submission(row)


def pending(db: sqlite3.Connection) -> dict[str, Submission]:
    """Submitted threads with messages that no run has seen, by thread."""
    rows = db.execute(
        "SELECT s.* FROM submissions s WHERE s.thread_id IN "
        "(SELECT thread_id FROM messages WHERE reflected_in IS NULL)"
    )
    return {row["thread_id"]: _submission(row) for row in rows}


def due(db: sqlite3.Connection, enricher: int, now: datetime) -> dict[str, Submission]:
    """Of one enricher's, those with something new whose time has come, by thread."""
    rows = db.execute(
        "SELECT * FROM submissions WHERE due_at <= ? AND enricher = ? AND thread_id IN "
        "(SELECT thread_id FROM messages WHERE reflected_in IS NULL)",
        (to_text(now), enricher),
    )
    return {row["thread_id"]: _submission(row) for row in rows}


def all_threads(db: sqlite3.Connection) -> set[str]:
    """Every thread that was ever submitted."""
    return {row[0] for row in db.execute("SELECT thread_id FROM submissions")}


def enrichers_due(db: sqlite3.Connection, now: datetime) -> list[int]:
    """Enrichers that have something to do: due threads, or extractions that a run
    which died did not consolidate."""
    rows = db.execute(
        "SELECT enricher FROM submissions WHERE due_at <= ? AND thread_id IN "
        "(SELECT m.thread_id FROM messages m JOIN threads t ON t.id = m.thread_id "
        "WHERE m.reflected_in IS NULL AND t.attempts < ?) "
        "UNION SELECT enricher FROM submissions WHERE thread_id IN "
        "(SELECT thread_id FROM extractions WHERE consolidated_in IS NULL) "
        "ORDER BY enricher",
        (to_text(now), MAX_ATTEMPTS),
    )
    return [row["enricher"] for row in rows]


def next_due(db: sqlite3.Connection, enricher: int) -> datetime | None:
    """When the next of what was submitted to an enricher is due; None for nothing.

    What was undone is not counted: it is done again when somebody submits it again,
    or calls `memcli reflect`, and not by a process that happens to be there.
    """
    row = db.execute(
        "SELECT min(due_at) AS due_at FROM submissions WHERE enricher = ? "
        "AND thread_id IN (SELECT m.thread_id FROM messages m "
        "JOIN threads t ON t.id = m.thread_id "
        "WHERE m.reflected_in IS NULL AND t.attempts < ?) AND thread_id NOT IN "
        "(SELECT m.thread_id FROM undone_messages u JOIN messages m "
        "ON m.id = u.message WHERE m.reflected_in IS NULL)",
        (enricher, MAX_ATTEMPTS),
    ).fetchone()
    return None if row["due_at"] is None else from_text(row["due_at"])


def was_undone(db: sqlite3.Connection, thread_id: str) -> bool:
    """Whether somebody undid what a thread gave, and it was not done again since."""
    found = db.execute(
        "SELECT 1 FROM messages m JOIN undone_messages u ON u.message = m.id "
        "WHERE m.thread_id = ? AND m.reflected_in IS NULL LIMIT 1",
        (thread_id,),
    )
    return found.fetchone() is not None


def is_settled(db: sqlite3.Connection, thread_id: str, last_message: int) -> bool:
    """Whether all of a thread up to a message (by row number) became memories."""
    left = db.execute(
        "SELECT 1 FROM messages WHERE thread_id = ? AND id <= ? "
        "AND reflected_in IS NULL UNION ALL SELECT 1 FROM extractions "
        "WHERE thread_id = ? AND consolidated_in IS NULL LIMIT 1",
        (thread_id, last_message, thread_id),
    )
    return left.fetchone() is None


def changed_since(
    db: sqlite3.Connection, thread_id: str, last_extraction: int
) -> list[int]:
    """Memories that a thread's extractions after this one touched, in that order."""
    rows = db.execute(
        "SELECT o.memory_id FROM operations o JOIN extractions e "
        "ON e.id = o.extraction_id WHERE e.thread_id = ? AND e.id > ? "
        "GROUP BY o.memory_id ORDER BY min(o.id)",
        (thread_id, last_extraction),
    )
    return [row["memory_id"] for row in rows]


def last_message(db: sqlite3.Connection, thread_id: str) -> int:
    """The row number of a thread's newest message; 0 if there is none."""
    row = db.execute(
        "SELECT coalesce(max(id), 0) AS last FROM messages WHERE thread_id = ?",
        (thread_id,),
    ).fetchone()
    number: int = row["last"]
    return number


def last_extraction(db: sqlite3.Connection, thread_id: str) -> int:
    """The number of a thread's latest extraction; 0 if there is none."""
    row = db.execute(
        "SELECT coalesce(max(id), 0) AS last FROM extractions WHERE thread_id = ?",
        (thread_id,),
    ).fetchone()
    number: int = row["last"]
    return number


def _submission(row: sqlite3.Row) -> Submission:
    due_at = row["due_at"]
    return Submission(
        thread_id=row["thread_id"],
        enricher=row["enricher"],
        namespace=row["namespace"],
        due_at=None if due_at is None else from_text(due_at),
        serial=row["serial"],
    )
