"""Purge: conversations removed for good, and everything that came from them.

Messages, quotes, memories, what was extracted, what a model answered, and the
traces of all that in history: nothing readable stays in the file. What other
conversations said, too, stays, with what they said of it. Only keyed hashes
remain, so that the same conversations are not read again.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from memcli.extractors.schemas import text_of
from memcli.models import Candidate, Op
from memcli.reflection.profiles import patched
from memcli.store import extractions, history, memories, runs, tombstones, vectors
from memcli.store.database import note_to_wipe, transaction
from memcli.store.history import Change
from memcli.store.threads import WHO
from memcli.store.tombstones import Said
from memcli.textkey import text_key
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
    orphaned = {id for id, left in cited.items() if not left}
    return Found(
        messages,
        _whole_threads(db, messages),
        tuple(sorted(outright | orphaned)),
        tuple(sorted(set(cited) - orphaned - outright)),
        _staying(db, scope, messages),
    )


def purge(db: sqlite3.Connection, scope: Scope, now: datetime) -> Found:
    """Remove it; the caller holds the run lock, and compacts the file afterwards.

    What it finds is looked up anew, so a message that came meanwhile goes as well.
    """
    with transaction(db):
        found = find(db, scope)
        run_id = runs.start_by_hand(db, now, "purge")
        gone, kept = set(found.memories), []
        for id in found.thinned:
            said = _said_elsewhere(db, id, found.messages)
            if said is None:
                gone.add(id)
            else:
                kept.append((id, said))
        note_to_wipe(db)
        _note_hashes(db, run_id, scope, found)
        _bury(db, run_id, gone, found.messages)
        for id, candidate in kept:
            _thin(db, id, candidate, found.messages, now)
        reopened = _reopen(db, gone, now)
        _remove_memories(db, run_id, gone)
        _remove_extractions(db, found)
        if scope.namespace is not None and scope.before is None and not scope.threads:
            _remove_extractions_of(db, scope.namespace)
        _remove_traces(db, run_id, found.messages, now)
        _remove_messages(db, found)
        _note_new_state(db, run_id, [id for id, _ in kept], now)
        _note_reopened(db, run_id, reopened, gone, now)
        runs.finish(db, run_id, now, "done", {"deleted": len(gone)})
    kept_ids = tuple(id for id, _ in kept)
    return replace(found, memories=tuple(sorted(gone)), thinned=kept_ids)


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


def _citing(db: sqlite3.Connection, messages: Collection[int]) -> dict[int, int]:
    """Memories that cite one of the messages, with how many others they cite."""
    found: dict[int, int] = {}
    for some in _chunks(messages):
        marks = ",".join("?" * len(some))
        for row in db.execute(
            f"SELECT DISTINCT memory_id FROM sources WHERE message IN ({marks})", some
        ):
            found[row["memory_id"]] = 0
    for id in found:
        rows = db.execute("SELECT message FROM sources WHERE memory_id = ?", (id,))
        found[id] = sum(row["message"] not in messages for row in rows)
    return found


def _whole_threads(
    db: sqlite3.Connection, messages: Collection[int]
) -> tuple[str, ...]:
    """Threads that have no other message."""
    counted: dict[str, int] = {}
    for some in _chunks(messages):
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


def _said_elsewhere(
    db: sqlite3.Connection, memory_id: int, gone: Collection[int]
) -> Candidate | None:
    """What a conversation that stays said of a memory, the surest word of it; None
    when only what goes can tell how it read."""
    memory = memories.get_many(db, [memory_id])[memory_id]
    if memory.deleted:
        return None
    if memory.by_hand is not None and memory.schema is None:  # a person's own words
        return Candidate(memory.text, memory.kind, (), 1.0, memory.valid_from)
    left = db.execute(
        "SELECT m.thread_id, m.message_id, s.quote FROM sources s "
        "JOIN messages m ON m.id = s.message WHERE s.memory_id = ? "
        "AND s.message NOT IN (SELECT value FROM json_each(?))",
        (memory_id, json.dumps(sorted(gone))),
    ).fetchall()
    quotes = {(row["message_id"], row["quote"]) for row in left}
    rest: Candidate | None = None
    for thread_id in dict.fromkeys(row["thread_id"] for row in left):
        for candidate in extractions.of_thread(db, thread_id, memory.namespace):
            if not quotes >= {(q.message_id, q.text) for q in candidate.quotes}:
                continue
            if candidate.schema != memory.schema:
                continue
            if text_key(candidate.text) == text_key(memory.text):
                return candidate
            if rest is None or candidate.confidence > rest.confidence:
                rest = candidate
    return rest


def _thin(
    db: sqlite3.Connection,
    memory_id: int,
    candidate: Candidate,
    gone: Collection[int],
    now: datetime,
) -> None:
    """Leave a memory what other conversations said, in their words."""
    rows = db.execute("SELECT message FROM sources WHERE memory_id = ?", (memory_id,))
    for row in rows.fetchall():
        if row["message"] in gone:
            db.execute(
                "DELETE FROM sources WHERE memory_id = ? AND message = ?",
                (memory_id, row["message"]),
            )
    earliest = db.execute(
        "SELECT min(m.sent_at) AS at FROM sources s JOIN messages m "
        "ON m.id = s.message WHERE s.memory_id = ?",
        (memory_id,),
    ).fetchone()["at"]
    row = db.execute(
        "SELECT text, namespace, field_times FROM memories WHERE id = ?", (memory_id,)
    ).fetchone()
    db.execute(
        "UPDATE memories SET valid_from = CASE WHEN by_hand IS NULL THEN ? "
        "ELSE valid_from END, updated_at = ? WHERE id = ?",
        (earliest, to_text(now), memory_id),
    )
    if row["field_times"] is not None:
        _patch_anew(db, memory_id, row["namespace"], candidate.schema or "", gone)
        return
    if text_key(row["text"]) == text_key(candidate.text):
        return
    vectors.remove(db, "memories", [memory_id], wipe=True)
    db.execute(
        "UPDATE memories SET text = ?, text_key = ?, kind = ?, confidence = ?, "
        "happens_on = ?, about = ?, value = ?, by_hand = NULL, embedded = 0 "
        "WHERE id = ?",
        (
            candidate.text, text_key(candidate.text), candidate.kind,
            candidate.confidence,
            candidate.happens_on.isoformat() if candidate.happens_on else None,
            candidate.about, history.dump(candidate.value), memory_id,
        ),
    )  # fmt: skip


def _patch_anew(
    db: sqlite3.Connection,
    memory_id: int,
    namespace: str,
    schema: str,
    gone: Collection[int],
) -> None:
    """A profile out of what the conversations that stay said for it, in their order."""
    rows = db.execute(
        "SELECT DISTINCT m.thread_id FROM sources s JOIN messages m "
        "ON m.id = s.message WHERE s.memory_id = ?",
        (memory_id,),
    ).fetchall()
    patches = []
    for row in rows:
        removed = _ids(db, row["thread_id"], gone)
        for one in extractions.of_thread(db, row["thread_id"], namespace):
            if not one.profile or one.schema != schema or one.value is None:
                continue
            if not any(quote.message_id in removed for quote in one.quotes):
                patches.append((to_text(one.said_at), one.value))
    document: dict[str, Any] = {}
    times: dict[str, str] = {}
    for said_at, value in sorted(patches, key=lambda pair: pair[0]):
        document, times, _ = patched(document, times, value, said_at)
    text = text_of(schema, document)
    vectors.remove(db, "memories", [memory_id], wipe=True)
    db.execute(
        "UPDATE memories SET text = ?, text_key = ?, value = ?, field_times = ?, "
        "embedded = 0 WHERE id = ?",
        (text, text_key(text), history.dump(document), history.dump(times), memory_id),
    )


def _note_hashes(
    db: sqlite3.Connection, run_id: int, scope: Scope, found: Found
) -> None:
    for some in _chunks(found.messages):
        marks = ",".join("?" * len(some))
        for row in db.execute(
            f"SELECT key, role, text, sent_at FROM messages WHERE id IN ({marks})",
            some,
        ).fetchall():
            tombstones.purge_message(
                db, run_id, row["key"], row["role"], row["text"], row["sent_at"]
            )
    if scope.threads and scope.before is None and scope.namespace is None:
        for thread_id in scope.threads:
            tombstones.purge_thread(db, run_id, thread_id)


def _bury(
    db: sqlite3.Connection,
    run_id: int,
    gone: Collection[int],
    messages: Collection[int],
) -> None:
    """Memories that go while their conversations stay must not be learned again."""
    for id, memory in memories.get_many(db, sorted(gone)).items():
        rows = db.execute(
            f"SELECT s.message, s.quote, m.text, {WHO} AS who FROM sources s "
            "JOIN messages m ON m.id = s.message JOIN threads t ON t.id = m.thread_id "
            "WHERE s.memory_id = ?",
            (id,),
        ).fetchall()
        if any(row["message"] not in messages for row in rows):
            said = [(Said(row["quote"], row["text"], row["who"]), True) for row in rows]
            tombstones.bury(
                db, run_id, id, memory.namespace, memory.text, said, "forgotten"
            )


def _remove_extractions_of(db: sqlite3.Connection, namespace: str) -> None:
    """What was extracted for a namespace, also from conversations that stay."""
    clause, values = memories.below(namespace)
    db.execute(
        "DELETE FROM judgements WHERE run_id IN (SELECT consolidated_in FROM "
        f"extractions WHERE {clause} UNION SELECT run_id FROM extractions "
        f"WHERE {clause})",
        (*values, *values),
    )
    db.execute(f"DELETE FROM batch_requests WHERE {clause}", values)
    db.execute(f"DELETE FROM extractions WHERE {clause}", values)


def _reopen(db: sqlite3.Connection, gone: Collection[int], now: datetime) -> list[int]:
    """What ended with a memory that goes holds on, until what came after that; which
    memories these are."""
    reopened = []
    for id in gone:
        rows = db.execute("SELECT id FROM memories WHERE superseded_by = ?", (id,))
        for row in rows.fetchall():
            if row["id"] in gone:
                continue
            heir, until = _heir(db, id, gone)
            db.execute(
                "UPDATE memories SET superseded_by = ?, valid_to = ?, updated_at = ? "
                "WHERE id = ?",
                (heir, until, to_text(now), row["id"]),
            )
            reopened.append(row["id"])
    return reopened


def _note_reopened(
    db: sqlite3.Connection,
    run_id: int,
    reopened: Iterable[int],
    gone: Collection[int],
    now: datetime,
) -> None:
    """History of those that hold on, without having ended with what is gone: the runs
    before can be undone as if that had never been."""
    for id in dict.fromkeys(reopened):
        for column in ("before", "after"):
            db.execute(
                f"DELETE FROM operations WHERE memory_id = ? AND {column} IS NOT NULL "
                f"AND json_extract({column}, '$.superseded_by') IN "
                "(SELECT value FROM json_each(?))",
                (id, json.dumps(sorted(gone))),
            )
        row = db.execute(
            "SELECT m.namespace, o.after FROM memories m LEFT JOIN operations o "
            "ON o.id = (SELECT max(id) FROM operations WHERE memory_id = m.id) "
            "WHERE m.id = ?",
            (id,),
        ).fetchone()
        if row["after"] and history.is_still(db, id, json.loads(row["after"])):
            continue
        change = Change(run_id, row["namespace"], now, by_hand=True)
        before = json.loads(row["after"]) if row["after"] else None
        why = "holds on: what it ended with was removed"
        history.record(db, change, id, Op.UPDATE, why, before)


def _heir(
    db: sqlite3.Connection, memory_id: int, gone: Collection[int]
) -> tuple[int | None, str | None]:
    heir: int | None = memory_id
    until: str | None = None
    seen = set()
    while heir is not None and heir in gone and heir not in seen:
        seen.add(heir)
        row = db.execute(
            "SELECT superseded_by, valid_to FROM memories WHERE id = ?", (heir,)
        ).fetchone()
        heir, until = row["superseded_by"], row["valid_to"]
    return (heir, until) if heir is not None else (None, None)


def _remove_memories(
    db: sqlite3.Connection, run_id: int, gone: Collection[int]
) -> None:
    vectors.remove(db, "memories", sorted(gone), wipe=True)
    db.executemany(
        "UPDATE memories SET superseded_by = NULL WHERE id = ?", [(id,) for id in gone]
    )
    for table, column in (
        ("sources", "memory_id"), ("operations", "memory_id"),
        ("past_texts", "memory_id"), ("memories", "id"),
    ):  # fmt: skip
        db.executemany(
            f"DELETE FROM {table} WHERE {column} = ?", [(id,) for id in gone]
        )


def _remove_extractions(db: sqlite3.Connection, found: Found) -> None:
    """What was extracted, asked and answered about the messages."""
    whole = set(found.threads)
    touched = set(whole)
    for some in _chunks(found.messages):
        marks = ",".join("?" * len(some))
        rows = db.execute(
            f"SELECT DISTINCT thread_id FROM messages WHERE id IN ({marks})", some
        )
        touched |= {row["thread_id"] for row in rows}
    for thread_id in sorted(touched):
        # A model's answers about ambiguous statements quote them; which ones is not
        # written down, so all of the runs that consolidated the thread go.
        db.execute(
            "DELETE FROM judgements WHERE run_id IN (SELECT run_id FROM extractions "
            "WHERE thread_id = ? UNION SELECT consolidated_in FROM extractions "
            "WHERE thread_id = ?)",
            (thread_id, thread_id),
        )
        db.execute("DELETE FROM batch_requests WHERE thread_id = ?", (thread_id,))
        if thread_id in whole:
            db.execute("DELETE FROM extractions WHERE thread_id = ?", (thread_id,))
            db.execute(
                "UPDATE requests SET thread_id = NULL WHERE thread_id = ?", (thread_id,)
            )
            db.execute("DELETE FROM redone_threads WHERE thread_id = ?", (thread_id,))
            db.execute(
                "UPDATE runs SET error = 'removed' WHERE instr(error, ?)", (thread_id,)
            )
        else:
            extractions.leave_out(db, thread_id, _ids(db, thread_id, found.messages))


def _ids(db: sqlite3.Connection, thread_id: str, gone: Collection[int]) -> set[str]:
    rows = db.execute(
        "SELECT id, message_id FROM messages WHERE thread_id = ?", (thread_id,)
    )
    return {row["message_id"] for row in rows if row["id"] in gone}


def _remove_traces(
    db: sqlite3.Connection, run_id: int, gone: Collection[int], now: datetime
) -> None:
    """History that quotes one of the messages, or tells of a text made from it."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS gone (id INTEGER PRIMARY KEY)")
    db.execute("DELETE FROM temp.gone")
    db.executemany("INSERT INTO temp.gone VALUES (?)", [(id,) for id in gone])
    traces = (
        "EXISTS (SELECT 1 FROM json_each(coalesce({0}, '{{}}'), '$.sources') q "
        "WHERE json_extract(q.value, '$[0]') IN (SELECT id FROM temp.gone))"
    )
    rows = db.execute(
        "SELECT DISTINCT memory_id FROM operations WHERE "
        f"{traces.format('before')} OR {traces.format('after')}"
    ).fetchall()
    for row in rows:
        id = row["memory_id"]
        db.execute("DELETE FROM operations WHERE memory_id = ?", (id,))
        db.execute("DELETE FROM past_texts WHERE memory_id = ?", (id,))
        memory = db.execute(
            "SELECT deleted_in FROM memories WHERE id = ?", (id,)
        ).fetchone()
        if memory is not None and memory["deleted_in"] is not None:
            _remove_memories(db, run_id, [id])
    _note_new_state(db, run_id, [row["memory_id"] for row in rows], now)
    db.execute("DELETE FROM temp.gone")


def _note_new_state(
    db: sqlite3.Connection, run_id: int, ids: Iterable[int], now: datetime
) -> None:
    """Memories whose history had to go begin a new one."""
    for id in ids:
        row = db.execute(
            "SELECT namespace FROM memories WHERE id = ?", (id,)
        ).fetchone()
        if row is None:
            continue
        db.execute(
            "DELETE FROM operations WHERE memory_id = ? AND run_id = ?", (id, run_id)
        )
        change = Change(run_id, row["namespace"], now, by_hand=True)
        why = "some of its conversations were removed, and its history with them"
        history.record(db, change, id, Op.UPDATE, why, None)


def _remove_messages(db: sqlite3.Connection, found: Found) -> None:
    ids = sorted(found.messages)
    vectors.remove(db, "messages", ids, wipe=True)
    for table, column in (
        ("message_edits", "message"), ("undone_messages", "message"),
        ("redone_messages", "message"),
    ):  # fmt: skip
        db.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(id,) for id in ids])
    for some in _chunks(ids):
        marks = ",".join("?" * len(some))
        db.execute(
            "DELETE FROM withdrawn_messages WHERE key IN "
            f"(SELECT key FROM messages WHERE id IN ({marks}))",
            some,
        )
    db.executemany("DELETE FROM messages WHERE id = ?", [(id,) for id in ids])
    for thread_id in found.threads:
        db.execute("DELETE FROM threads WHERE id = ?", (thread_id,))
        # Where reading of a file ended names the conversation: it is read anew.
        db.execute(
            "UPDATE files SET offset = NULL, line = NULL, fingerprint = NULL, "
            "memo = NULL WHERE instr(memo, ?)",
            (thread_id,),
        )


def _chunks(ids: Iterable[int], size: int = 500) -> Iterator[Sequence[int]]:
    listed = sorted(ids)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]
