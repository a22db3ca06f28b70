"""The store as it was believed to be at some moment, out of its history.

What was true and what was believed are two clocks (bitemporal data: Snodgrass,
"Developing Time-Oriented Database Applications in SQL", 1999). The first is in a
memory's own `valid_from` and `valid_to`; for the second the operations are
replayed into a database in memory, which is then searched and shown as any other.
"""

import json
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np

from memcli.embeddings.choose import encoder
from memcli.store import vectors
from memcli.store.database import in_memory
from memcli.store.terms import extra_terms
from memcli.textkey import text_key
from memcli.when import to_text

_AMONG = "id IN (SELECT value FROM json_each(?))"


def believed(db: sqlite3.Connection, at: datetime) -> sqlite3.Connection:
    """A database in memory with the memories as they were known at `at`, their
    sources and their history until then.

    What was removed for good is not in it. The caller closes it.
    """
    then = in_memory()
    then.execute("PRAGMA foreign_keys = OFF")
    then.execute("BEGIN")
    rows = db.execute(
        "SELECT o.memory_id, o.at, o.after, m.created_at, m.text AS now "
        "FROM operations o JOIN memories m ON m.id = o.memory_id WHERE o.id IN "
        "(SELECT max(id) FROM operations WHERE at <= ? GROUP BY memory_id)",
        (to_text(at),),
    )
    unchanged, changed = [], {}
    for row in rows:
        known = json.loads(row["after"])
        if known["deleted_in"] is not None:
            continue
        _insert(then, row, known)
        if known.get("item_fields") == "[]":
            continue  # it had no vector
        if known["text"] == row["now"]:
            unchanged.append(row["memory_id"])
        else:
            changed[row["memory_id"]] = known["text"]
    _copy(db, then, "operations", "at <= ?", [to_text(at)])
    _copy_cited(db, then)
    _give_vectors(db, then, unchanged, changed)
    then.execute("COMMIT")
    return then


def _insert(then: sqlite3.Connection, row: sqlite3.Row, known: dict[str, Any]) -> None:
    columns = {
        "id": row["memory_id"],
        "created_at": row["created_at"],
        "updated_at": row["at"],
        "text_key": text_key(known["text"]),
        "terms": extra_terms(known["text"]),
        **{name: value for name, value in known.items() if name != "sources"},
    }
    then.execute(
        f"INSERT INTO memories ({', '.join(columns)}) "
        f"VALUES ({', '.join('?' * len(columns))})",
        list(columns.values()),
    )
    then.executemany(
        "INSERT OR IGNORE INTO sources VALUES (?, ?, ?)",
        [(row["memory_id"], *source) for source in known["sources"]],
    )


def _copy_cited(db: sqlite3.Connection, then: sqlite3.Connection) -> None:
    """The messages that are cited, as far as they are still there."""
    cited = [row[0] for row in then.execute("SELECT DISTINCT message FROM sources")]
    _copy(db, then, "messages", _AMONG, [json.dumps(cited)])
    named = [row[0] for row in then.execute("SELECT DISTINCT thread_id FROM messages")]
    _copy(db, then, "threads", _AMONG, [json.dumps(named)])


def _copy(
    db: sqlite3.Connection,
    then: sqlite3.Connection,
    table: str,
    where: str,
    values: Iterable[Any],
) -> None:
    rows = db.execute(f"SELECT * FROM {table} WHERE {where}", list(values))
    marks = ", ".join("?" * len(rows.description))
    names = ", ".join(column[0] for column in rows.description)
    then.executemany(
        f"INSERT INTO {table} ({names}) VALUES ({marks})", map(tuple, rows)
    )


def _give_vectors(
    db: sqlite3.Connection,
    then: sqlite3.Connection,
    unchanged: list[int],
    changed: dict[int, str],
) -> None:
    """Vectors as they are now, or made anew for texts that read otherwise then."""
    name = vectors.model(db)
    if name is None:
        return
    found: dict[int, vectors.Vector] = {}
    for id in unchanged:
        vector = vectors.get(db, "memories", id)
        if vector is not None:
            found[id] = vector
    texts = {
        row["id"]: row["text"]
        for row in then.execute(
            "SELECT id, text FROM memories WHERE item_fields IS NOT '[]'"
        )
        if row["id"] not in found
    } | changed
    if texts:
        made = encoder(name).encode(list(texts.values()))
        found |= dict(zip(texts, made, strict=True))
    if not found:
        return
    width = len(next(iter(found.values())))
    vectors.use_model(then, name, width)
    vectors.put(then, "memories", list(found), np.stack(list(found.values())))
