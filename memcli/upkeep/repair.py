"""What an audit found, put right where that needs no person's judgement.

Changes of memories are a run, with history; a redacted secret is gone from history
as well, so that part cannot be undone.
"""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from memcli.embeddings.choose import encoder
from memcli.models import Op
from memcli.redaction import redact
from memcli.store import history, runs, vectors
from memcli.store.database import (
    is_to_wipe,
    note_to_wipe,
    transaction,
    wipe_free_space,
)
from memcli.store.history import Change
from memcli.store.terms import extra_terms
from memcli.textkey import text_key
from memcli.upkeep.audit import OWNERS, Finding
from memcli.when import to_text


def repair(
    db: sqlite3.Connection, findings: Sequence[Finding], now: datetime
) -> int | None:
    """Put right what says that it can be; the run, or None if there was nothing.

    The caller holds the run lock.
    """
    fixable = [finding for finding in findings if finding.fix is not None]
    if not fixable:
        return None
    with transaction(db):
        run_id = runs.start_by_hand(db, now, "fix")
        for finding in fixable:
            change = Change(run_id, "", now)
            if finding.check == "duplicate":
                _join(db, change, finding.key)
            elif finding.check == "history":
                history.record(
                    db, change, finding.key, Op.UPDATE,
                    "as it was found: changed outside of memcli", None,
                )  # fmt: skip
        if any(finding.check == "secret" for finding in fixable):
            note_to_wipe(db)
            _redact_all(db, change)
        if any(finding.check == "vector" for finding in fixable):
            _replace_vectors(db)
        for finding in fixable:
            if finding.check == "index":
                name = finding.where
                db.execute(f"INSERT INTO {name}({name}) VALUES ('rebuild')")
        runs.finish(db, run_id, now, "done", _counts(db, run_id))
    if is_to_wipe(db):
        wipe_free_space(db)
    return run_id


def _counts(db: sqlite3.Connection, run_id: int) -> dict[str, int]:
    changed = history.of_run(db, run_id)
    return {
        "updated": sum(change.exists for change in changed),
        "deleted": sum(not change.exists for change in changed),
    }


def _join(db: sqlite3.Connection, change: Change, first: int) -> None:
    """The oldest of the memories that say the same takes over the others' sources."""
    ids = [
        row["id"]
        for row in db.execute(
            "SELECT o.id FROM memories o JOIN memories m ON m.namespace = o.namespace "
            "AND m.text_key = o.text_key AND m.schema IS o.schema "
            "AND m.value IS o.value AND m.item_key IS o.item_key "
            "WHERE m.id = ? AND o.id <> m.id "
            "AND o.valid_to IS NULL AND o.deleted_in IS NULL ORDER BY o.id",
            (first,),
        )
    ]
    before = history.snapshot(db, first)
    for id in ids:
        db.execute(
            "INSERT OR IGNORE INTO sources SELECT ?, message, quote FROM sources "
            "WHERE memory_id = ?",
            (first, id),
        )
        db.execute(
            "UPDATE memories AS m SET valid_from = min(m.valid_from, o.valid_from), "
            "confidence = max(m.confidence, o.confidence), updated_at = ?, "
            "by_hand = coalesce(m.by_hand, o.by_hand) "
            "FROM memories AS o WHERE o.id = ? AND m.id = ?",
            (to_text(change.at), id, first),
        )
        was = history.snapshot(db, id)
        history.take_away(db, change, id)
        history.record(db, change, id, Op.DELETE, f"joined with memory {first}", was)
        for row in db.execute(
            "SELECT id FROM memories WHERE superseded_by = ? AND deleted_in IS NULL",
            (id,),
        ).fetchall():
            was = history.snapshot(db, row["id"])
            db.execute(
                "UPDATE memories SET superseded_by = ? WHERE id = ?", (first, row["id"])
            )
            why = f"memory {id} was joined with memory {first}"
            history.record(db, change, row["id"], Op.UPDATE, why, was)
    vectors.remove(db, "memories", ids)
    why = f"joined with {len(ids)} that said the same"
    history.record(db, change, first, Op.UPDATE, why, before)


# --- Secrets ----------------------------------------------------------------------


def _redact_all(db: sqlite3.Connection, change: Change) -> None:
    """Every text of the store without secrets; quotes follow their messages."""
    for row in db.execute("SELECT id, text FROM messages").fetchall():
        text, found = redact(row["text"])
        if found:
            db.execute(
                "UPDATE messages SET text = ?, terms = ?, embedded = 0 WHERE id = ?",
                (text, extra_terms(text), row["id"]),
            )
            vectors.remove(db, "messages", [row["id"]], wipe=True)
    _redact_quotes(db)
    for table, columns in (
        ("extractions", ("candidates",)), ("operations", ("before", "after")),
        ("judgements", ("answer",)), ("batch_requests", ("part",)),
    ):  # fmt: skip
        for column in columns:
            _redact_documents(db, table, column)
    db.execute(
        "DELETE FROM past_texts WHERE memory_id IN (SELECT memory_id FROM operations "
        "WHERE instr(before, '[redacted') OR instr(after, '[redacted'))"
    )
    for row in db.execute(
        "SELECT id, text, value, deleted_in FROM memories"
    ).fetchall():
        text = redact(row["text"])[0]
        value = _redacted_json(row["value"])
        if text != row["text"] or value != row["value"]:
            terms = "" if row["deleted_in"] is not None else extra_terms(text)
            # No snapshot of before: it would keep the secret.
            db.execute(
                "UPDATE memories SET text = ?, text_key = ?, terms = ?, value = ?, "
                "embedded = 0 WHERE id = ?",
                (text, text_key(text), terms, value, row["id"]),
            )
            db.execute("DELETE FROM past_texts WHERE memory_id = ?", (row["id"],))
            vectors.remove(db, "memories", [row["id"]], wipe=True)
            why = "a secret was redacted"
            history.record(db, change, row["id"], Op.UPDATE, why, None)


def _redact_quotes(db: sqlite3.Connection) -> None:
    """Quotes that their message does not have any more without its secret."""
    for row in db.execute(
        "SELECT s.rowid AS row, s.quote, m.text FROM sources s "
        "JOIN messages m ON m.id = s.message WHERE instr(m.text, s.quote) = 0"
    ).fetchall():
        quote, found = redact(row["quote"])
        if found and history.says(row["text"], quote):
            db.execute(
                "UPDATE OR REPLACE sources SET quote = ? WHERE rowid = ?",
                (quote, row["row"]),
            )
        elif "[redacted" in row["text"] and not history.says(row["text"], row["quote"]):
            db.execute("DELETE FROM sources WHERE rowid = ?", (row["row"],))


def _redact_documents(db: sqlite3.Connection, table: str, column: str) -> None:
    rows = db.execute(
        f"SELECT rowid AS row, {column} AS document FROM {table} "
        f"WHERE {column} IS NOT NULL"
    ).fetchall()
    for row in rows:
        redacted = _redacted_json(row["document"])
        if redacted != row["document"]:
            db.execute(
                f"UPDATE {table} SET {column} = ? WHERE rowid = ?",
                (redacted, row["row"]),
            )


def _redacted_json(document: str | None) -> str | None:
    if document is None or not redact(document)[1]:
        return document
    return json.dumps(_redacted(json.loads(document)), ensure_ascii=False)


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)[0]
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    return value


# --- Vectors ----------------------------------------------------------------------


def _replace_vectors(db: sqlite3.Connection) -> None:
    """A vector for everything there is, in the place where search looks."""
    for owner in OWNERS:
        here = " WHERE deleted_in IS NULL" if owner == "memories" else ""
        rows = db.execute(
            f"SELECT id FROM {owner}_vectors WHERE id NOT IN "
            f"(SELECT id FROM {owner}{here})"
        ).fetchall()
        vectors.remove(db, owner, [row["id"] for row in rows], wipe=True)
        vectors.place_anew(db, owner)
        here = " AND deleted_in IS NULL" if owner == "memories" else ""
        db.execute(
            f"UPDATE {owner} SET embedded = 0 WHERE embedded = 1{here} "
            f"AND id NOT IN (SELECT id FROM {owner}_vectors)"
        )
    name = vectors.model(db)
    for owner in OWNERS:
        bare = vectors.without(db, owner)
        if bare and name is not None:
            made = encoder(name).encode([text for _, text in bare])
            vectors.put(db, owner, [id for id, _ in bare], made)
