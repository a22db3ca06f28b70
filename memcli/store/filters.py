"""Which rows a search may find: a mask over ids.

A mask is True at each id that passes. Ids are counted up from 1, so it is about as long
as the table, and to look in it costs the same however many pass. Its last place, where
-1 falls as well, is False and no row's.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from memcli.periods import Period
from memcli.store import memories
from memcli.when import to_text

Mask = NDArray[np.bool_]


def memories_that(
    db: sqlite3.Connection,
    *,
    namespace: str | None,
    as_of: datetime | None,
    after: datetime | None,
    before: datetime | None,
    superseded: bool,
) -> Mask | None:
    """The memories that pass; None when every one does."""
    where: list[str] = []
    parameters: list[str] = []
    for clause, values in (
        memories.below(namespace) if namespace is not None else ("", []),
        memories.held_at(as_of) if as_of is not None else ("", []),
        *_between("valid_from", after, before),
    ):
        if clause:
            where.append(clause)
            parameters += values
    if where:
        ended = "TRUE" if superseded or as_of is not None else "valid_to IS NULL"
        where += [ended, "deleted_in IS NULL"]
        return only(_ids(db, "memories", where, parameters))
    # Few have ended, and an index knows them; most of them as superseded.
    gone = ["valid_to IS NOT NULL"]
    if superseded:
        gone.append("deleted_in IS NOT NULL")
    closed = _ids(db, "memories", gone, [])
    return without(closed, _last(db, "memories")) if len(closed) else None


def messages_that(
    db: sqlite3.Connection,
    *,
    namespace: str | None,
    after: datetime | None,
    before: datetime | None,
) -> Mask | None:
    """The messages that pass; None when every one does. A message belongs to the
    namespaces to which its thread's extractions went."""
    where: list[str] = []
    parameters: list[str] = []
    if namespace is not None:
        clause, parameters = memories.below(namespace)
        where.append(f"thread_id IN (SELECT thread_id FROM extractions WHERE {clause})")
    for clause, values in _between("sent_at", after, before):
        where.append(clause)
        parameters += values
    return only(_ids(db, "messages", where, parameters)) if where else None


def from_time(
    db: sqlite3.Connection, table: str, column: str, periods: Sequence[Period]
) -> NDArray[np.int64]:
    """The rows of these times, the oldest first."""
    found = [
        np.flatnonzero(only(_ids(db, table, [f"{column} >= ?", f"{column} < ?"], [
            to_text(period.start), to_text(period.end),
        ])))
        for period in periods
    ]  # fmt: skip
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def only(ids: NDArray[np.int64]) -> Mask:
    """The mask of these ids."""
    mask = np.zeros(int(ids.max(initial=0)) + 2, np.bool_)
    mask[ids] = True
    return mask


def without(ids: NDArray[np.int64], last: int) -> Mask:
    """The mask of all ids up to the last but these."""
    mask = np.ones(last + 2, np.bool_)
    mask[ids] = False
    mask[0] = mask[-1] = False
    return mask


def passes(mask: Mask, ids: NDArray[np.int64]) -> Mask:
    """Which of the ids pass, those beyond the mask not among them."""
    passing: Mask = mask[np.minimum(ids, len(mask) - 1)]
    return passing


def _between(
    column: str, after: datetime | None, before: datetime | None
) -> list[tuple[str, list[str]]]:
    found = []
    if after is not None:
        found.append((f"{column} >= ?", [to_text(after)]))
    if before is not None:
        found.append((f"{column} < ?", [to_text(before)]))
    return found


def _ids(
    db: sqlite3.Connection, table: str, where: Sequence[str], parameters: Sequence[str]
) -> NDArray[np.int64]:
    (joined,) = db.execute(
        f"SELECT group_concat(id) FROM {table} WHERE {' AND '.join(where)}", parameters
    ).fetchone()
    # One text of numbers is read five times as fast as as many rows.
    return np.fromstring(joined or "", np.int64, sep=",")


def _last(db: sqlite3.Connection, table: str) -> int:
    last: int = db.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]
    return last
