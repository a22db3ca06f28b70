"""Items: memories that a program keeps under keys of its own.

They live among the memories, so what finds and explains those does the same for
them. What was learned can be read as an item, too: its key is its number, in the
form of a UUID.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from memcli.models import Kind, Op
from memcli.store import history, memories, vectors
from memcli.store.history import Change
from memcli.store.terms import extra_terms
from memcli.textkey import text_key
from memcli.when import from_text, to_text

# No schema of a user's has a space in its name.
SCHEMA = "stored item"

_COLUMNS = (
    "id, namespace, schema, text, value, item_key, item_fields, created_at, updated_at"
)
_AT_ONCE = 500
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Item:
    """One item. `id` is the memory's. `fields` are those that it is found by, None
    for all; `is_learned` when no program put it there."""

    id: int
    namespace: str
    key: str
    value: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    fields: tuple[str, ...] | None = None
    is_learned: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What is stored of an item: its value, and how it reads and is found."""

    value: Mapping[str, Any]
    text: str
    fields: tuple[str, ...] | None = None

    @property
    def is_found(self) -> bool:
        """Whether a query may match it at all."""
        return self.fields != ()


def get(db: sqlite3.Connection, namespace: str, key: str) -> Item | None:
    """The item of a key, or the learned memory of that number."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM memories WHERE namespace = ? AND item_key = ? "
        "AND valid_to IS NULL",
        (namespace, key),
    ).fetchone()
    if row is None:
        row = db.execute(
            f"SELECT {_COLUMNS} FROM memories WHERE id = ? AND namespace = ? "
            "AND item_key IS NULL AND valid_to IS NULL",
            (_number(key), namespace),
        ).fetchone()
    return None if row is None else _item(row)


def get_many(db: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Item]:
    """Items by the numbers of their memories; those that do not hold are absent."""
    found = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        rows = db.execute(
            f"SELECT {_COLUMNS} FROM memories WHERE id IN ({marks}) "
            "AND valid_to IS NULL",
            some,
        )
        found.update({row["id"]: _item(row) for row in rows})
    return found


def in_order(db: sqlite3.Connection, prefix: str | None) -> Iterator[Item]:
    """All items of a namespace and below: namespaces as they first came, and the
    items of each as they were put."""
    where, values = ("TRUE", list[str]()) if prefix is None else memories.below(prefix)
    namespaces = db.execute(
        f"SELECT namespace FROM memories WHERE {where} GROUP BY namespace "
        "ORDER BY min(id)",
        values,
    ).fetchall()
    for (namespace,) in namespaces:
        rows = db.execute(
            "SELECT id FROM memories WHERE namespace = ? AND valid_to IS NULL "
            "ORDER BY id",
            (namespace,),
        )
        ids = [row["id"] for row in rows]
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            found = get_many(db, some)
            yield from (found[id] for id in some)


def namespaces(db: sqlite3.Connection) -> list[str]:
    """The namespaces that hold anything now."""
    rows = db.execute("SELECT DISTINCT namespace FROM memories WHERE valid_to IS NULL")
    return [row["namespace"] for row in rows]


def insert(
    db: sqlite3.Connection, change: Change, key: str, content: Content, why: str
) -> int:
    """Store a new item; the number of its memory."""
    now = to_text(change.at)
    columns = {
        "namespace": change.namespace,
        "kind": Kind.FACT,
        "confidence": 1.0,
        "valid_from": now,
        "created_at": now,
        "schema": SCHEMA,
        "item_key": key,
        **_written(content, now),
    }
    marks = ", ".join("?" * len(columns))
    cursor = db.execute(
        f"INSERT INTO memories ({', '.join(columns)}) VALUES ({marks})",
        list(columns.values()),
    )
    assert cursor.lastrowid is not None
    history.record(db, change, cursor.lastrowid, Op.INSERT, why, None)
    return cursor.lastrowid


def update(
    db: sqlite3.Connection, change: Change, item: Item, content: Content, why: str
) -> None:
    """Give an item another value; it keeps its place."""
    before = history.snapshot(db, item.id)
    columns = _written(content, to_text(change.at))
    named = ", ".join(f"{name} = ?" for name in columns)
    db.execute(
        f"UPDATE memories SET {named} WHERE id = ?", (*columns.values(), item.id)
    )
    history.record(db, change, item.id, Op.UPDATE, why, before)


def touch(db: sqlite3.Connection, item: Item, now: datetime) -> None:
    """Note that the same was put again."""
    db.execute(
        "UPDATE memories SET updated_at = ? WHERE id = ?", (to_text(now), item.id)
    )


def delete(db: sqlite3.Connection, change: Change, item: Item, why: str) -> None:
    """Take an item away; nothing keeps it from being put again."""
    before = history.snapshot(db, item.id)
    history.take_away(db, change, item.id)
    history.record(db, change, item.id, Op.DELETE, why, before)


def is_same(item: Item, content: Content) -> bool:
    """Whether putting it would change nothing. 1, 1.0 and true are three values."""
    return item.fields == content.fields and _json(item.value) == _json(content.value)


def _written(content: Content, now: str) -> dict[str, Any]:
    fields = content.fields
    return {
        "text": content.text,
        "text_key": text_key(content.text),
        "terms": extra_terms(content.text),
        "value": _json(content.value),
        "item_fields": None if fields is None else _json(fields),
        "embedded": 0 if content.is_found else vectors.NEVER,
        "updated_at": now,
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _number(key: str) -> int:
    """The number of the memory that a key stands for; -1 for none."""
    try:
        found = uuid.UUID(key)
    except ValueError:
        return -1
    return found.int if str(found) == key and found.int <= _LARGEST_ID else -1


def _item(row: sqlite3.Row) -> Item:
    is_learned = row["item_key"] is None
    fields = row["item_fields"]
    return Item(
        id=row["id"],
        namespace=row["namespace"],
        key=str(uuid.UUID(int=row["id"])) if is_learned else row["item_key"],
        value=_learned(row) if is_learned else json.loads(row["value"]),
        created_at=from_text(row["created_at"]),
        updated_at=from_text(row["updated_at"]),
        fields=None if fields is None else tuple(json.loads(fields)),
        is_learned=is_learned,
    )


def _learned(row: sqlite3.Row) -> dict[str, Any]:
    """What was learned, in the shape in which LangMem keeps what it learns."""
    if row["schema"] is not None:
        return {"kind": row["schema"], "content": json.loads(row["value"])}
    return {"kind": "Memory", "content": {"content": row["text"]}}
