"""Runs: what was done when, what came of it, and what it cost."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from memcli.models import Asked
from memcli.when import to_text

Purpose = Literal["extract", "consolidate"]

_COST = """
    count(*) AS requests,
    coalesce(sum(input_tokens), 0) AS input_tokens,
    coalesce(sum(output_tokens), 0) AS output_tokens,
    coalesce(sum(cache_read_tokens), 0) AS cache_read_tokens,
    coalesce(sum(cache_write_tokens), 0) AS cache_write_tokens,
    CASE WHEN sum(dollars IS NULL) > 0 THEN NULL
         ELSE coalesce(sum(dollars), 0) END AS dollars
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What some requests came to. `dollars` is None where a price is unknown."""

    requests: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    dollars: float | None


def start(
    db: sqlite3.Connection,
    now: datetime,
    extractor: str,
    model: str,
    namespace: str,
    budget: float | None = None,
) -> int:
    """Open a run; its number."""
    cursor = db.execute(
        "INSERT INTO runs (started_at, outcome, extractor, model, namespace, budget) "
        "VALUES (?, 'running', ?, ?, ?, ?)",
        (to_text(now), extractor, model, namespace, budget),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def close_dead(db: sqlite3.Connection, now: datetime) -> None:
    """Whoever holds the run lock is the only live run: others died in mid-work."""
    for row in db.execute("SELECT id FROM runs WHERE outcome = 'running'").fetchall():
        finish(db, row["id"], now, "interrupted", {})


def finish(
    db: sqlite3.Connection,
    run_id: int,
    now: datetime,
    outcome: str,
    counts: Mapping[str, int],
    error: str | None = None,
) -> None:
    """Close a run with what it came to; `counts` are columns of `runs`."""
    spent = cost(db, run_id)
    columns = {
        **counts,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cache_read_tokens": spent.cache_read_tokens,
        "cache_write_tokens": spent.cache_write_tokens,
        "dollars": spent.dollars,
    }
    named = "".join(f", {name} = ?" for name in columns)
    db.execute(
        f"UPDATE runs SET finished_at = ?, outcome = ?, error = ?{named} WHERE id = ?",
        (to_text(now), outcome, error, *columns.values(), run_id),
    )


def last(db: sqlite3.Connection, limit: int) -> list[dict[str, Any]]:
    """The latest runs, newest first, as dictionaries of their columns."""
    rows = db.execute("SELECT * FROM runs ORDER BY id DESC LIMIT ?", (limit,))
    return [dict(row) for row in rows]


def get(db: sqlite3.Connection, run_id: int) -> dict[str, Any] | None:
    """One run as a dictionary of its columns, or None."""
    row = db.execute("SELECT * FROM runs WHERE id = ?", (run_id,)).fetchone()
    return dict(row) if row else None


def book(
    db: sqlite3.Connection,
    run_id: int,
    purpose: Purpose,
    model: str,
    asked: Iterable[Asked],
    now: datetime,
    *,
    thread_id: str | None = None,
    extraction_id: int | None = None,
    batch: bool = False,
) -> None:
    """Note requests that were answered, and so have to be paid for."""
    db.executemany(
        "INSERT INTO requests (run_id, thread_id, extraction_id, purpose, outcome, "
        "model, at, input_tokens, output_tokens, cache_read_tokens, "
        "cache_write_tokens, dollars, batch) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                run_id, thread_id, extraction_id, purpose, one.outcome, model,
                to_text(now), one.usage.input_tokens, one.usage.output_tokens,
                one.usage.cache_read_tokens, one.usage.cache_write_tokens,
                one.usage.dollars, batch,
            )
            for one in asked
        ],
    )  # fmt: skip


def cost(
    db: sqlite3.Connection, run_id: int, *, purpose: Purpose | None = None
) -> Cost:
    """What a run's requests came to: all, or those for one purpose."""
    row = db.execute(
        f"SELECT {_COST} FROM requests WHERE run_id = ? AND purpose = "
        "coalesce(?, purpose)",
        (run_id, purpose),
    ).fetchone()
    return Cost(**dict(row))


def dollars_in_all(db: sqlite3.Connection) -> float | None:
    """What all runs cost together; None where a price is not known."""
    row = db.execute(f"SELECT {_COST} FROM requests").fetchone()
    dollars: float | None = row["dollars"]
    return dollars


def cost_by_thread(db: sqlite3.Connection, run_id: int) -> list[tuple[str, Cost]]:
    """What each thread of a run cost, the dearest first."""
    rows = db.execute(
        f"SELECT thread_id, {_COST} FROM requests "
        "WHERE run_id = ? AND thread_id IS NOT NULL "
        "GROUP BY thread_id ORDER BY dollars DESC, input_tokens DESC, thread_id",
        (run_id,),
    ).fetchall()
    return [
        (row["thread_id"], Cost(**{k: row[k] for k in row.keys() if k != "thread_id"}))  # noqa: SIM118
        for row in rows
    ]


def cost_of_memory(db: sqlite3.Connection, memory_id: int) -> float | None:
    """The dollars that a memory took: its share of the extractions it comes from.

    None where a price is not known.
    """
    row = db.execute(
        "SELECT CASE WHEN sum(whole IS NULL) > 0 THEN NULL "
        "ELSE coalesce(sum(whole / shared), 0.0) END AS dollars FROM ("
        " SELECT (SELECT CASE WHEN sum(r.dollars IS NULL) > 0 THEN NULL "
        "  ELSE coalesce(sum(r.dollars), 0) END "
        "  FROM requests r WHERE r.extraction_id = e.id) AS whole, "
        " max(1, json_array_length(e.candidates)) AS shared "
        " FROM extractions e WHERE e.id IN "
        " (SELECT extraction_id FROM operations WHERE memory_id = ?))",
        (memory_id,),
    ).fetchone()
    dollars: float | None = row["dollars"]
    return dollars
