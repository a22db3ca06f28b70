"""Runs: what was done when, what came of it, and what it cost."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from memcli.models import Asked
from memcli.when import to_text

Purpose = Literal["extract", "consolidate"]
Kind = Literal[
    "reflect", "add", "edit", "forget", "purge", "undo", "fix", "put", "delete"
]

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
    kind: Kind = "reflect",
) -> int:
    """Open a run; its number."""
    cursor = db.execute(
        "INSERT INTO runs (started_at, outcome, extractor, model, namespace, budget, "
        "kind) VALUES (?, 'running', ?, ?, ?, ?, ?)",
        (to_text(now), extractor, model, namespace, budget, kind),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def start_by_hand(db: sqlite3.Connection, now: datetime, kind: Kind) -> int:
    """Open a run that a person makes; its number. It ends in the same transaction."""
    return start(db, now, "", "", "", kind=kind)


def close_dead(db: sqlite3.Connection, now: datetime) -> None:
    """Whoever holds the run lock is the only live run: others died in mid-work."""
    for row in db.execute("SELECT id FROM runs WHERE outcome = 'running'").fetchall():
        finish(db, row["id"], now, "interrupted", _done(db, row["id"]))


def _done(db: sqlite3.Connection, run_id: int) -> dict[str, int]:
    """What a run came to that could not say so itself."""
    columns = {
        "insert": "inserted", "update": "updated", "strengthen": "strengthened",
        "supersede": "superseded", "delete": "deleted",
    }  # fmt: skip
    rows = db.execute(
        "SELECT operation, count(*) AS n FROM operations WHERE run_id = ? "
        "GROUP BY operation",
        (run_id,),
    )
    counts = {columns[row["operation"]]: row["n"] for row in rows}
    for name, what in (
        ("threads_reflected", "count(DISTINCT thread_id)"),
        ("candidates", "coalesce(sum(json_array_length(candidates)), 0)"),
    ):
        row = db.execute(
            f"SELECT {what} AS n FROM extractions WHERE run_id = ?", (run_id,)
        ).fetchone()
        counts[name] = row["n"]
    return counts


def begin_stage(db: sqlite3.Connection, run_id: int, stage: str, now: datetime) -> None:
    """Note in the journal that a stage begins, and that the one before has ended."""
    end_stage(db, run_id, now)
    db.execute(
        "INSERT INTO journal (run_id, stage, began_at) VALUES (?, ?, ?)",
        (run_id, stage, to_text(now)),
    )


def end_stage(db: sqlite3.Connection, run_id: int, now: datetime) -> None:
    """Note in the journal that the stage under way has ended."""
    db.execute(
        "UPDATE journal SET ended_at = ? WHERE run_id = ? AND ended_at IS NULL",
        (to_text(now), run_id),
    )


def stages(db: sqlite3.Connection, run_id: int) -> list[dict[str, Any]]:
    """The journal of a run: each stage, when it began and ended, None where the run
    died in it."""
    rows = db.execute(
        "SELECT stage, began_at, ended_at FROM journal WHERE run_id = ? ORDER BY id",
        (run_id,),
    )
    return [dict(row) for row in rows]


def undone(
    db: sqlite3.Connection, run_id: int, by: int, *, not_again: bool = False
) -> None:
    """Note that a run was taken back, and so what it had taken back itself holds."""
    db.execute(
        "UPDATE runs SET undoes = ?, not_again = ? WHERE id = ?",
        (run_id, not_again, by),
    )
    undoer: int | None = by
    while True:
        db.execute("UPDATE runs SET undone_by = ? WHERE id = ?", (undoer, run_id))
        row = db.execute("SELECT undoes FROM runs WHERE id = ?", (run_id,)).fetchone()
        if row["undoes"] is None:
            return
        undoer, run_id = (run_id if undoer is None else None), row["undoes"]


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


def count_costs(db: sqlite3.Connection, run_id: int) -> None:
    """Write down anew what a run's requests come to."""
    spent = cost(db, run_id)
    db.execute(
        "UPDATE runs SET input_tokens = ?, output_tokens = ?, cache_read_tokens = ?, "
        "cache_write_tokens = ?, dollars = ? WHERE id = ?",
        (
            spent.input_tokens, spent.output_tokens, spent.cache_read_tokens,
            spent.cache_write_tokens, spent.dollars, run_id,
        ),
    )  # fmt: skip


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
