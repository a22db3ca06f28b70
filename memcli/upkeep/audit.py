"""Audit: what is wrong with a store, or looks like it.

Each check is a question to the file, and answers with findings. None changes
anything; what can be put right without a person's judgement says so, and is done
by `repair`.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from memcli.models import Memory
from memcli.redaction import holds_secret
from memcli.reflection.consolidate import REPEAT_COSINE, same_particulars
from memcli.store import history, memories, vectors
from memcli.store.database import is_to_wipe
from memcli.when import to_text

Check = Literal[
    "damage", "duplicate", "contradiction", "undated", "unsourced", "secret",
    "leftover",
    "reference", "vector", "index", "history",
]  # fmt: skip

OWNERS: tuple[vectors.Owner, ...] = ("memories", "messages")
# All pairs of a namespace are compared; beyond that it would take minutes.
_MOST_COMPARED = 20_000
_BLOCK = 1024
_FUTURE = timedelta(days=1)
_EARLIEST = "1990-01-01"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `where` names it as commands take it, `key` as the
    store does; `fix` says what `--fix` does about it, None for nothing."""

    check: Check
    where: str
    what: str
    fix: str | None = None
    key: int = 0


def audit(db: sqlite3.Connection, now: datetime) -> Iterator[Finding]:
    """Every finding, the gravest kinds first. A damaged file is asked no more."""
    damaged = list(damage(db))
    yield from damaged
    if damaged:
        return
    if not db.in_transaction:
        db.execute("BEGIN")  # one state of the store, whoever writes meanwhile
    yield from references(db)
    yield from unsourced(db)
    yield from undated(db, now)
    yield from contradictions(db)
    yield from duplicates(db)
    yield from secrets(db)
    yield from secrets_in_history(db)
    yield from leftovers(db)
    yield from drifted_history(db)
    for owner in OWNERS:
        yield from stray_vectors(db, owner)
    db.execute("ROLLBACK")
    yield from drifted_indexes(db)


def damage(db: sqlite3.Connection) -> Iterator[Finding]:
    """Pages that do not fit together, rows that point nowhere."""
    restore = "restore a backup, or save what can be read with sqlite3's .recover"
    for row in db.execute("PRAGMA integrity_check(20)"):
        if row[0] != "ok":
            yield Finding("damage", "file", f"{row[0]}; {restore}")
    for table, rowid, parent, _ in db.execute("PRAGMA foreign_key_check"):
        yield Finding("damage", f"{table} {rowid}", f"points to no row of {parent}")


def references(db: sqlite3.Connection) -> Iterator[Finding]:
    """Quotes that their message lacks."""
    for row in db.execute(
        "SELECT s.memory_id, s.message, s.quote, m.text FROM sources s "
        "JOIN messages m ON m.id = s.message JOIN memories y ON y.id = s.memory_id "
        "WHERE y.deleted_in IS NULL AND instr(m.text, s.quote) = 0"
    ):
        if not history.says(row["text"], row["quote"]):
            yield Finding(
                "reference", f"memory {row['memory_id']}",
                f"its quote is not in msg-{row['message']} any more, which was edited",
                key=row["memory_id"],
            )  # fmt: skip


def unsourced(db: sqlite3.Connection) -> Iterator[Finding]:
    """Memories that no words stand behind, and nobody wrote, person or program."""
    for row in db.execute(
        "SELECT id FROM memories WHERE deleted_in IS NULL AND by_hand IS NULL "
        "AND item_key IS NULL AND id NOT IN (SELECT memory_id FROM sources) "
        "AND id NOT IN (SELECT o.memory_id FROM operations o JOIN runs r "
        "ON r.id = o.run_id WHERE r.kind IN ('add', 'edit'))"
    ):
        yield Finding(
            "unsourced", f"memory {row['id']}", "nothing shows who said it",
            key=row["id"],
        )  # fmt: skip


def undated(db: sqlite3.Connection, now: datetime) -> Iterator[Finding]:
    """Times that cannot be, and ends before the beginning."""
    latest = to_text(now + _FUTURE)
    for row in db.execute(
        "SELECT id, valid_from, valid_to FROM memories WHERE deleted_in IS NULL "
        "AND (valid_from < ? OR valid_from > ? OR valid_to < valid_from)",
        (_EARLIEST, latest),
    ):
        what = f"it begins {row['valid_from'][:10] or 'nowhere'}"
        if row["valid_to"] is not None and row["valid_to"] < row["valid_from"]:
            what += f" and ended before, {row['valid_to'][:10]}"
        yield Finding("undated", f"memory {row['id']}", what, key=row["id"])


def contradictions(db: sqlite3.Connection) -> Iterator[Finding]:
    """Several values, that all hold, of a thing that has one at a time."""
    for row in db.execute(
        "SELECT about, namespace, group_concat(id, ', ') AS ids, min(id) AS first "
        "FROM memories WHERE about IS NOT NULL AND valid_to IS NULL "
        "AND deleted_in IS NULL AND field_times IS NULL "
        "GROUP BY namespace, about, schema HAVING count(*) > 1"
    ):
        yield Finding(
            "contradiction", f"memories {row['ids']}",
            f"all hold, and are about one thing: {row['about']}", key=row["first"],
        )  # fmt: skip


def duplicates(db: sqlite3.Connection) -> Iterator[Finding]:
    """Memories that hold and say the same, in the same words or nearly."""
    for row in db.execute(
        "SELECT namespace, group_concat(id, ', ') AS ids, min(id) AS first "
        "FROM memories WHERE valid_to IS NULL AND deleted_in IS NULL "
        "AND field_times IS NULL "
        "GROUP BY namespace, text_key, schema, value, item_key "
        "HAVING count(*) > 1"
    ):
        yield Finding(
            "duplicate", f"memories {row['ids']}", "say the same in the same words",
            "joins them", row["first"],
        )  # fmt: skip
    for row in db.execute(
        "SELECT DISTINCT namespace FROM memories WHERE valid_to IS NULL"
    ).fetchall():
        yield from _near_duplicates(db, row["namespace"])


def _near_duplicates(db: sqlite3.Connection, namespace: str) -> Iterator[Finding]:
    row = db.execute("SELECT dimensions FROM embedding_models ORDER BY id DESC")
    found = row.fetchone()
    if found is None:
        return
    ids, matrix = vectors.of_open_memories(db, namespace, found["dimensions"])
    # What a program keeps, or a schema, may be alike, and often is.
    rows = db.execute(
        "SELECT id FROM memories WHERE namespace = ? AND schema IS NULL", (namespace,)
    )
    learned = {row["id"] for row in rows}
    matrix = matrix[[id in learned for id in ids]]
    ids = [id for id in ids if id in learned]
    if not 1 < len(ids) <= _MOST_COMPARED:
        return
    known = memories.get_many(db, ids)
    for start in range(0, len(ids), _BLOCK):
        cosines = matrix[start : start + _BLOCK] @ matrix.T
        for one, other in np.argwhere(cosines >= REPEAT_COSINE):
            first, second = ids[start + one], ids[other]
            if first < second:
                yield from _compared(known[first], known[second])


def _compared(one: Memory, other: Memory) -> Iterator[Finding]:
    if one.text == other.text:
        return
    mine, theirs = _speakers(one), _speakers(other)
    if mine and theirs and mine != theirs:
        return
    if same_particulars(one.text, other.text):
        yield Finding(
            "duplicate", f"memories {one.id}, {other.id}",
            "say nearly the same; `memcli forget` one, or leave both", key=one.id,
        )  # fmt: skip


def _speakers(memory: Memory) -> set[str | None]:
    return {source.author for source in memory.sources if source.role == "user"}


def secrets(db: sqlite3.Connection) -> Iterator[Finding]:
    """Keys and passwords that a redaction of today finds."""
    fix = "redacts it, in history too"
    for row in db.execute("SELECT id, text, value FROM memories"):
        if holds_secret(row["text"]) or holds_secret(row["value"] or ""):
            yield Finding(
                "secret", f"memory {row['id']}", "holds a secret", fix, row["id"]
            )
    for row in db.execute("SELECT id, text FROM messages"):
        if holds_secret(row["text"]):
            yield Finding(
                "secret", f"msg-{row['id']}", "holds a secret", fix, row["id"]
            )


def secrets_in_history(db: sqlite3.Connection) -> Iterator[Finding]:
    """The same in what is kept of runs: snapshots, candidates, answers."""
    for table, column in (
        ("operations", "before"), ("operations", "after"),
        ("extractions", "candidates"), ("judgements", "answer"),
    ):  # fmt: skip
        for row in db.execute(
            f"SELECT rowid AS row, {column} AS document FROM {table} "
            f"WHERE {column} IS NOT NULL"
        ):
            if holds_secret(row["document"]):
                yield Finding(
                    "secret", f"{table} {row['row']}", "holds a secret",
                    "redacts it", row["row"],
                )  # fmt: skip


def leftovers(db: sqlite3.Connection) -> Iterator[Finding]:
    """Words that were removed for good, and may still stand in free pages."""
    if is_to_wipe(db):
        yield Finding(
            "leftover", "file", "what was removed is still in free pages of the file",
            "compacts it",
        )  # fmt: skip


def drifted_history(db: sqlite3.Connection) -> Iterator[Finding]:
    """Memories that are not what their last operation left."""
    for row in db.execute(
        "SELECT m.id, o.after FROM memories m LEFT JOIN operations o ON o.id = "
        "(SELECT max(id) FROM operations WHERE memory_id = m.id)"
    ):
        if row["after"] is None:
            what = "has no history"
        elif not history.is_still(db, row["id"], json.loads(row["after"])):
            what = "was changed outside of memcli, or in a way history does not know"
        else:
            continue
        yield Finding(
            "history", f"memory {row['id']}", what, "notes how it is now", row["id"]
        )


def stray_vectors(db: sqlite3.Connection, owner: vectors.Owner) -> Iterator[Finding]:
    """Vectors of nothing, things without a vector, and slots that do not fit."""
    gone = "o.id IS NULL" + (
        " OR o.deleted_in IS NOT NULL" if owner == "memories" else ""
    )
    name = {"memories": "memory", "messages": "message"}[owner]
    for row in db.execute(
        f"SELECT v.id FROM {owner}_vectors v LEFT JOIN {owner} o ON o.id = v.id "
        f"WHERE {gone}"
    ):
        yield Finding(
            "vector", f"{name} {row['id']}", f"a vector of a {name} that is gone",
            "removes it", row["id"],
        )  # fmt: skip
    here = "o.embedded = 1" + (
        " AND o.deleted_in IS NULL" if owner == "memories" else ""
    )
    for row in db.execute(
        f"SELECT o.id FROM {owner} o LEFT JOIN {owner}_vectors v ON v.id = o.id "
        f"WHERE {here} AND v.id IS NULL"
    ):
        yield Finding(
            "vector", f"{name} {row['id']}",
            "has no vector, so search finds it by words only",
            "makes it", row["id"],
        )  # fmt: skip
    if wrong := vectors.misplaced(db, owner):
        yield Finding(
            "vector", owner, f"{wrong} vectors are not where search looks for them",
            "writes the pages anew",
        )  # fmt: skip


def drifted_indexes(db: sqlite3.Connection) -> Iterator[Finding]:
    """Full-text indexes that do not have what the tables have."""
    for owner in OWNERS:
        if not _index_fits(db, owner):
            yield Finding(
                "index", f"{owner}_fts", "the full-text index does not fit the table",
                "writes it anew",
            )  # fmt: skip


def _index_fits(db: sqlite3.Connection, owner: str) -> bool:
    try:
        # The rank makes it compare with the table, not only with itself.
        db.execute(
            f"INSERT INTO {owner}_fts({owner}_fts, rank) VALUES ('integrity-check', 1)"
        )
    except sqlite3.DatabaseError as error:
        # Where nothing can be written, it cannot be asked.
        return "readonly" in str(error)
    return True
