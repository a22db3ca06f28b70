"""What a connection changed, row by row: recorded on a copy, applied to the original.

Triggers of the connection note each row the first time it is touched, with a digest
of how it was. So a change can be applied elsewhere later, exactly, and only if
every row it touches is still as it was (optimistic concurrency: Kung and Robinson,
1981).
"""

import base64
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from memcli.errors import StoreMovedOn
from memcli.store.database import transaction

# Table, row number, digest of the row before (None: it was not there), the row after
# by column (None: it is gone).
RowChange = tuple[str, int, str | None, dict[str, Any] | None]

_NOT_CARRIED = {"leases"}


def record(db: sqlite3.Connection) -> None:
    """Begin to note what this connection changes."""
    db.create_function("memcli_digest", -1, _digest, deterministic=True)
    db.execute("PRAGMA recursive_triggers = ON")  # or REPLACE would delete unseen
    db.execute(
        "CREATE TEMP TABLE touched (name TEXT, row INTEGER, before TEXT, "
        "PRIMARY KEY (name, row))"
    )
    for table in _tables(db):
        old = ", ".join(f'OLD."{column}"' for column in _columns(db, table))
        # No OR IGNORE in a trigger: an OR REPLACE outside would overrule it.
        for when, row, before in (
            ("AFTER INSERT", "NEW.rowid", "NULL"),
            ("BEFORE UPDATE", "OLD.rowid", f"memcli_digest({old})"),
            ("BEFORE DELETE", "OLD.rowid", f"memcli_digest({old})"),
        ):
            name = f"touched_{table}_{when.split()[1].lower()}"
            db.execute(
                f'CREATE TEMP TRIGGER "{name}" {when} ON main."{table}" BEGIN '
                f"INSERT INTO touched SELECT '{table}', {row}, {before} WHERE NOT "
                f"EXISTS (SELECT 1 FROM touched WHERE name = '{table}' "
                f"AND row = {row}); END"
            )


def changes(db: sqlite3.Connection) -> Iterator[RowChange]:
    """The rows that are different since `record`, in the order they were touched."""
    for name, row, before in db.execute(
        "SELECT name, row, before FROM temp.touched ORDER BY rowid"
    ).fetchall():
        after = _row(db, name, row)
        if before is None and after is None:
            continue
        if after is None or before != _digest(*after.values()):
            yield name, row, before, after


def apply(db: sqlite3.Connection, rows: Iterable[RowChange]) -> None:
    """Make the same changes here, all or none.

    Raises StoreMovedOn when a row is not as it was where they were recorded.
    """
    tables = set(_tables(db))
    try:
        with transaction(db):
            db.execute("PRAGMA defer_foreign_keys = ON")
            for table, row, before, after in rows:
                if table not in tables:
                    raise StoreMovedOn(f"there is no table {table!r}")
                now = _row(db, table, row)
                if before != (None if now is None else _digest(*now.values())):
                    raise StoreMovedOn(f"a row of {table} is not as it was")
                _write(db, table, row, now is not None, after)
    except sqlite3.IntegrityError as error:
        raise StoreMovedOn(str(error)) from error


def packed(row: RowChange) -> list[Any]:
    """A change as JSON can hold it."""
    table, number, before, after = row
    if after is not None:
        after = {name: _pack(value) for name, value in after.items()}
    return [table, number, before, after]


def unpacked(plain: list[Any]) -> RowChange:
    """The inverse of `packed`; raises ValueError for anything else."""
    table, number, before, after = plain
    if not isinstance(table, str) or not _fits(number):
        raise ValueError("not a change")
    if after is not None:
        after = {name: _unpack(value) for name, value in after.items()}
    return table, number, before, after


def _write(
    db: sqlite3.Connection,
    table: str,
    row: int,
    there: bool,
    after: dict[str, Any] | None,
) -> None:
    if after is None:
        db.execute(f'DELETE FROM "{table}" WHERE rowid = ?', (row,))
        return
    known = set(_columns(db, table))
    if not set(after) <= known:
        raise StoreMovedOn(f"the table {table} has other columns")
    if there:
        named = ", ".join(f'"{name}" = ?' for name in after)
        db.execute(
            f'UPDATE "{table}" SET {named} WHERE rowid = ?', (*after.values(), row)
        )
    else:
        named = ", ".join(f'"{name}"' for name in after)
        marks = ", ".join("?" * len(after))
        db.execute(
            f'INSERT INTO "{table}" (rowid, {named}) VALUES (?, {marks})',
            (row, *after.values()),
        )


def _row(db: sqlite3.Connection, table: str, row: int) -> dict[str, Any] | None:
    found = db.execute(f'SELECT * FROM "{table}" WHERE rowid = ?', (row,)).fetchone()
    return None if found is None else dict(found)


def _tables(db: sqlite3.Connection) -> list[str]:
    """Our own tables: not the full-text indexes, which follow by themselves."""
    rows = db.execute(
        "SELECT name FROM main.sqlite_master WHERE type = 'table' "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        "AND name NOT LIKE '%\\_fts' ESCAPE '\\' "
        "AND name NOT LIKE '%\\_fts\\_%' ESCAPE '\\' ORDER BY name"
    )
    return [row["name"] for row in rows if row["name"] not in _NOT_CARRIED]


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    rows = db.execute(f'PRAGMA main.table_info("{table}")')
    return [row["name"] for row in rows]


def _digest(*values: Any) -> str:
    return hashlib.blake2b(repr(values).encode(), digest_size=12).hexdigest()


def _pack(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return value


def _unpack(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["base64"], validate=True)
    if isinstance(value, str):
        value.encode()  # a lone surrogate cannot be stored
    elif value is not None and not isinstance(value, float) and not _fits(value):
        raise ValueError("not a value")
    return value


def _fits(value: object) -> bool:
    """Whether SQLite has such a whole number."""
    return type(value) is int and -(2**63) <= value < 2**63
