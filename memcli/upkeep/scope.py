"""What a purge is about: which messages, threads and memories a scope comes to."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from memcli.store import memories
from memcli.when import to_text


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to go: everything that fits all of what is named.

    `also` are threads that were not reflected yet, and would go to the namespace.
    """

    threads: tuple[str, ...] = ()
    namespace: str | None = None
    before: datetime | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a scope comes to: messages by row number, whole threads, and memories
    that go, or stay with less evidence. `staying` are messages of conversations that
    another namespace has memories of, too."""

    messages: frozenset[int]
    threads: tuple[str, ...]
    memories: tuple[int, ...]
    thinned: tuple[int, ...]
    staying: int = 0


def find(db: sqlite3.Connection, scope: Scope) -> Found:
    """What would go, without changing anything."""
    messages = frozenset(_messages(db, scope))
    cited = _citing(db, messages)
    outright = set(_memories(db, scope))
    orphaned = {id for id, left in cited.items() if not left} - _items(db)
    return Found(
        messages,
        _whole_threads(db, messages),
        tuple(sorted(outright | orphaned)),
        tuple(sorted(set(cited) - orphaned - outright)),
        _staying(db, scope, messages),
    )


def _messages(db: sqlite3.Connection, scope: Scope) -> Iterator[int]:
    where, values = ["1"], list[str]()
    if scope.threads:
        marks = ",".join("?" * len(scope.threads))
        where.append(f"thread_id IN ({marks})")
        values += scope.threads
    if scope.namespace is not None:
        clause, below = memories.below(scope.namespace)
        # A thread that another namespace has memories of, too, is not only this one's.
        where.append(
            f"(thread_id IN (SELECT thread_id FROM extractions WHERE {clause}) "
            "AND thread_id NOT IN (SELECT thread_id FROM extractions "
            f"WHERE replaced = 0 AND NOT {clause}) "
            "OR thread_id IN (SELECT value FROM json_each(?)))"
        )
        values += [*below, *below, json.dumps(scope.also)]
    if scope.before is not None:
        where.append("sent_at < ?")
        values.append(to_text(scope.before))
    for row in db.execute(
        f"SELECT id FROM messages WHERE {' AND '.join(where)}", values
    ):
        yield row["id"]


def _memories(db: sqlite3.Connection, scope: Scope) -> Iterator[int]:
    """Memories that go whatever they stand on: a namespace's, and what a person
    wrote before the day."""
    if scope.threads or (scope.namespace is None and scope.before is None):
        return
    where, values = ["1"], list[str]()
    if scope.namespace is not None:
        clause, below = memories.below(scope.namespace)
        where.append(clause)
        values += below
    if scope.before is not None:
        where.append(
            "(created_at < ? OR id IN (SELECT memory_id FROM sources)) "
            "AND NOT EXISTS (SELECT 1 FROM sources s JOIN messages m "
            "ON m.id = s.message WHERE s.memory_id = memories.id AND m.sent_at >= ?)"
        )
        values += [to_text(scope.before)] * 2
    for row in db.execute(
        f"SELECT id FROM memories WHERE {' AND '.join(where)}", values
    ):
        yield row["id"]


def _staying(db: sqlite3.Connection, scope: Scope, going: Collection[int]) -> int:
    if scope.namespace is None:
        return 0
    clause, below = memories.below(scope.namespace)
    rows = db.execute(
        "SELECT id FROM messages WHERE thread_id IN "
        f"(SELECT thread_id FROM extractions WHERE {clause})",
        below,
    )
    return sum(row["id"] not in going for row in rows) if scope.before is None else 0


def _citing(db: sqlite3.Connection, messages: Collection[int]) -> dict[int, int]:
    """Memories that cite one of the messages, with how many others they cite."""
    found: dict[int, int] = {}
    for some in chunks(messages):
        marks = ",".join("?" * len(some))
        for row in db.execute(
            f"SELECT DISTINCT memory_id FROM sources WHERE message IN ({marks})", some
        ):
            found[row["memory_id"]] = 0
    for id in found:
        rows = db.execute("SELECT message FROM sources WHERE memory_id = ?", (id,))
        found[id] = sum(row["message"] not in messages for row in rows)
    return found


def _items(db: sqlite3.Connection) -> set[int]:
    """What a program put there, and so does not come from any conversation."""
    rows = db.execute("SELECT id FROM memories WHERE item_key IS NOT NULL")
    return {row["id"] for row in rows}


def _whole_threads(
    db: sqlite3.Connection, messages: Collection[int]
) -> tuple[str, ...]:
    """Threads that have no other message."""
    counted: dict[str, int] = {}
    for some in chunks(messages):
        marks = ",".join("?" * len(some))
        for row in db.execute(
            f"SELECT thread_id, count(*) AS n FROM messages WHERE id IN ({marks}) "
            "GROUP BY thread_id",
            some,
        ):
            counted[row["thread_id"]] = counted.get(row["thread_id"], 0) + row["n"]
    return tuple(sorted(id for id, n in counted.items() if n == _size(db, id)))


def _size(db: sqlite3.Connection, thread_id: str) -> int:
    row = db.execute(
        "SELECT count(*) AS n FROM messages WHERE thread_id = ?", (thread_id,)
    ).fetchone()
    number: int = row["n"]
    return number


def chunks(ids: Iterable[int], size: int = 500) -> Iterator[Sequence[int]]:
    """Row numbers in order, so many at a time: SQLite takes no more in one query."""
    listed = sorted(ids)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]
