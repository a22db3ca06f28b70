"""What is left of a memory when some of its conversations are removed: what the others
said, in their words."""

import json
import sqlite3
from collections.abc import Collection
from datetime import datetime
from typing import Any

from memcli.extractors.schemas import text_of
from memcli.models import Candidate
from memcli.reflection.profiles import patched
from memcli.store import extractions, history, memories, vectors
from memcli.store.terms import extra_terms
from memcli.textkey import text_key
from memcli.upkeep.removal import message_ids
from memcli.when import to_text


def said_elsewhere(
    db: sqlite3.Connection, memory_id: int, gone: Collection[int]
) -> Candidate | None:
    """What a conversation that stays said of a memory, the surest word of it; None
    when only what goes can tell how it read."""
    memory = memories.get_many(db, [memory_id])[memory_id]
    if memory.deleted:
        return None
    own = memory.by_hand is not None and memory.schema is None  # a person's words
    if own or memory.item_key is not None:
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


def thin(
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
        "UPDATE memories SET valid_from = CASE WHEN by_hand IS NULL "
        "THEN coalesce(?, valid_from) ELSE valid_from END, updated_at = ? WHERE id = ?",
        (earliest, to_text(now), memory_id),
    )
    if row["field_times"] is not None:
        _patch_anew(db, memory_id, row["namespace"], candidate.schema or "", gone)
        return
    if text_key(row["text"]) == text_key(candidate.text):
        return
    vectors.remove(db, "memories", [memory_id], wipe=True)
    db.execute(
        "UPDATE memories SET text = ?, text_key = ?, terms = ?, kind = ?, "
        "confidence = ?, happens_on = ?, about = ?, value = ?, by_hand = NULL, "
        "embedded = 0 WHERE id = ?",
        (
            candidate.text, text_key(candidate.text), extra_terms(candidate.text),
            candidate.kind, candidate.confidence,
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
        removed = message_ids(db, row["thread_id"], gone)
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
        "UPDATE memories SET text = ?, text_key = ?, terms = ?, value = ?, "
        "field_times = ?, embedded = 0 WHERE id = ?",
        (
            text, text_key(text), extra_terms(text), history.dump(document),
            history.dump(times), memory_id,
        ),
    )  # fmt: skip
