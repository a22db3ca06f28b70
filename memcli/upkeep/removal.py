"""Removing rows so that nothing readable of them stays, and history goes on."""

import json
import sqlite3
from collections.abc import Collection, Iterable
from datetime import datetime

from memcli.models import Op
from memcli.store import extractions, history, memories, tombstones, vectors
from memcli.store.history import Change
from memcli.store.threads import WHO
from memcli.store.tombstones import Said
from memcli.upkeep.scope import Found, Scope, chunks
from memcli.when import to_text


def note_hashes(
    db: sqlite3.Connection, run_id: int, scope: Scope, found: Found
) -> None:
    """Keep what goes from being read again: messages, and whole conversations."""
    for some in chunks(found.messages):
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


def bury(
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


def remove_extractions_of(db: sqlite3.Connection, namespace: str) -> None:
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


def reopen(db: sqlite3.Connection, gone: Collection[int], now: datetime) -> list[int]:
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


def note_reopened(
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


def remove_memories(db: sqlite3.Connection, run_id: int, gone: Collection[int]) -> None:
    """Remove memories with their sources, history, vectors and bits."""
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


def remove_extractions(db: sqlite3.Connection, found: Found) -> None:
    """What was extracted, asked and answered about the messages."""
    whole = set(found.threads)
    touched = set(whole)
    for some in chunks(found.messages):
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
            extractions.leave_out(
                db, thread_id, message_ids(db, thread_id, found.messages)
            )


def message_ids(
    db: sqlite3.Connection, thread_id: str, gone: Collection[int]
) -> set[str]:
    """The ids, as candidates quote them, of those messages of a thread that go."""
    rows = db.execute(
        "SELECT id, message_id FROM messages WHERE thread_id = ?", (thread_id,)
    )
    return {row["message_id"] for row in rows if row["id"] in gone}


def remove_traces(
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
            remove_memories(db, run_id, [id])
    note_new_state(db, run_id, [row["memory_id"] for row in rows], now)
    db.execute("DELETE FROM temp.gone")


def note_new_state(
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


def remove_messages(db: sqlite3.Connection, found: Found) -> None:
    """Remove messages, and threads that have no other, with what is known of both."""
    ids = sorted(found.messages)
    vectors.remove(db, "messages", ids, wipe=True)
    for table, column in (
        ("message_edits", "message"), ("undone_messages", "message"),
        ("redone_messages", "message"),
    ):  # fmt: skip
        db.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(id,) for id in ids])
    for some in chunks(ids):
        marks = ",".join("?" * len(some))
        db.execute(
            "DELETE FROM withdrawn_messages WHERE key IN "
            f"(SELECT key FROM messages WHERE id IN ({marks}))",
            some,
        )
    db.executemany("DELETE FROM messages WHERE id = ?", [(id,) for id in ids])
    for thread_id in found.threads:
        db.execute("DELETE FROM submissions WHERE thread_id = ?", (thread_id,))
        db.execute("DELETE FROM threads WHERE id = ?", (thread_id,))
        # Where reading of a file ended names the conversation: it is read anew.
        db.execute(
            "UPDATE files SET offset = NULL, line = NULL, fingerprint = NULL, "
            "memo = NULL WHERE instr(memo, ?)",
            (thread_id,),
        )
