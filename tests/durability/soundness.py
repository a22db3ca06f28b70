"""What must hold of any memcli database, whatever was done to it."""

import json
import sqlite3
from collections.abc import Iterator

import numpy as np

from memcli.store import history
from memcli.store.terms import extra_terms


def faults(db: sqlite3.Connection) -> list[str]:
    """What is wrong with a database, a line each; nothing for a sound one.

    The file itself, its full-text indexes and what they have beside the texts,
    history against the rows, and the vectors that a search looks at.
    """
    return [*_of_the_file(db), *_of_terms(db), *_of_history(db), *_of_vectors(db)]


def _of_the_file(db: sqlite3.Connection) -> Iterator[str]:
    for row in db.execute("PRAGMA integrity_check"):
        if row[0] != "ok":
            yield f"integrity: {row[0]}"
    for row in db.execute("PRAGMA foreign_key_check"):
        yield f"foreign key: {tuple(row)}"
    for table in ("memories_fts", "messages_fts"):
        try:
            # With a rank of 1 the index is compared with the texts, too.
            db.execute(
                f"INSERT INTO {table}({table}, rank) VALUES ('integrity-check', 1)"
            )
        except sqlite3.DatabaseError as error:
            yield f"{table}: {error}"


def _of_terms(db: sqlite3.Connection) -> Iterator[str]:
    """A text has the other names it should have, and one that is gone has none."""
    for row in db.execute("SELECT id, text, terms FROM messages"):
        if row["terms"] != extra_terms(row["text"]):
            yield f"message {row['id']}: its other names are of another text"
    for row in db.execute("SELECT id, text, terms, deleted_in FROM memories"):
        gone = row["deleted_in"] is not None
        if row["terms"] != ("" if gone else extra_terms(row["text"])):
            yield f"memory {row['id']}: its other names are of another text"


def _of_history(db: sqlite3.Connection) -> Iterator[str]:
    """Undo and `--known-at` stand on this: the last word of history is the row."""
    rows = db.execute(
        "SELECT m.id, (SELECT o.after FROM operations o WHERE o.memory_id = m.id "
        "ORDER BY o.id DESC LIMIT 1) AS after FROM memories m ORDER BY m.id"
    ).fetchall()
    for row in rows:
        now = history.snapshot(db, row["id"])
        then = json.loads(row["after"]) if row["after"] else {}
        for name in now:
            if now[name] != then.get(name):
                yield (
                    f"memory {row['id']}: {name} is {now[name]!r}, "
                    f"history says {then.get(name)!r}"
                )


def _of_vectors(db: sqlite3.Connection) -> Iterator[str]:
    """Every memory that is there has a vector, in the slot that it names."""
    slots: dict[tuple[int, int], int] = {}
    for row in db.execute("SELECT page, ids FROM memories_vector_pages"):
        for slot, id in enumerate(np.frombuffer(row["ids"], np.int64).tolist()):
            slots[row["page"], slot] = id
    held = {
        row["id"]: (row["page"], row["slot"])
        for row in db.execute("SELECT id, page, slot FROM memories_vectors")
    }
    there = {
        row["id"]: row["embedded"]
        for row in db.execute(
            "SELECT id, embedded FROM memories WHERE deleted_in IS NULL"
        )
    }
    for id, embedded in there.items():
        if id not in held:
            yield f"memory {id}: has no vector"
        elif slots.get(held[id]) != id:
            yield f"memory {id}: its slot holds {slots.get(held[id])}"
        if not embedded:
            yield f"memory {id}: is marked as without a vector"
    for id in held.keys() - there.keys():
        yield f"memory {id}: is gone, but has a vector"
    for place, id in slots.items():
        if id >= 0 and held.get(id) != place:
            yield f"memory {id}: stands in slot {place} that it does not name"
