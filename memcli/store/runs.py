"""Runs, and the extractions that wait between reading and consolidation."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from memcli.models import Candidate, Kind, Quote
from memcli.when import from_text, to_text


@dataclass(frozen=True, slots=True)
class KeptExtraction:
    """An extraction read back: whose candidates, for which namespace."""

    id: int
    thread_id: str
    namespace: str
    candidates: tuple[Candidate, ...]


def start(
    db: sqlite3.Connection, now: datetime, extractor: str, model: str, namespace: str
) -> int:
    """Open a run; its number."""
    cursor = db.execute(
        "INSERT INTO runs (started_at, outcome, extractor, model, namespace) "
        "VALUES (?, 'running', ?, ?, ?)",
        (to_text(now), extractor, model, namespace),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def close_dead(db: sqlite3.Connection, now: datetime) -> None:
    """Whoever holds the run lock is the only live run: others died in mid-work."""
    db.execute(
        "UPDATE runs SET outcome = 'interrupted', finished_at = ? "
        "WHERE outcome = 'running'",
        (to_text(now),),
    )


def finish(
    db: sqlite3.Connection,
    run_id: int,
    now: datetime,
    outcome: str,
    counts: Mapping[str, int],
    error: str | None = None,
) -> None:
    """Close a run with what it came to; `counts` are columns of `runs`."""
    columns = "".join(f", {name} = ?" for name in counts)
    db.execute(
        f"UPDATE runs SET finished_at = ?, outcome = ?, error = ?{columns} "
        "WHERE id = ?",
        (to_text(now), outcome, error, *counts.values(), run_id),
    )


def last(db: sqlite3.Connection, limit: int) -> list[dict[str, Any]]:
    """The latest runs, newest first, as dictionaries of their columns."""
    rows = db.execute("SELECT * FROM runs ORDER BY id DESC LIMIT ?", (limit,))
    return [dict(row) for row in rows]


def keep_extraction(
    db: sqlite3.Connection,
    run_id: int,
    thread_id: str,
    namespace: str,
    extractor: str,
    model: str,
    candidates: Iterable[Candidate],
    set_aside: Mapping[str, int],
    tokens: tuple[int, int],
    now: datetime,
) -> None:
    """Store what one thread suggested, before anything else happens with it."""
    dumped = [_plain(candidate) for candidate in candidates]
    db.execute(
        "INSERT INTO extractions (run_id, thread_id, namespace, extractor, model, "
        "created_at, candidates, set_aside, input_tokens, output_tokens) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run_id, thread_id, namespace, extractor, model, to_text(now),
            json.dumps(dumped, ensure_ascii=False), json.dumps(set_aside), *tokens,
        ),
    )  # fmt: skip


def waiting(db: sqlite3.Connection) -> list[KeptExtraction]:
    """Extractions that no run has consolidated yet."""
    rows = db.execute(
        "SELECT id, thread_id, namespace, candidates FROM extractions "
        "WHERE consolidated_in IS NULL ORDER BY id"
    )
    return [
        KeptExtraction(
            row["id"],
            row["thread_id"],
            row["namespace"],
            tuple(_candidate(plain) for plain in json.loads(row["candidates"])),
        )
        for row in rows
    ]


def mark_consolidated(
    db: sqlite3.Connection, extraction_ids: Iterable[int], run_id: int
) -> None:
    """Note that these extractions are part of the memories now."""
    db.executemany(
        "UPDATE extractions SET consolidated_in = ? WHERE id = ?",
        [(run_id, id) for id in extraction_ids],
    )


def _plain(candidate: Candidate) -> dict[str, Any]:
    plain = asdict(candidate)
    plain["said_at"] = to_text(candidate.said_at)
    day = candidate.happens_on
    plain["happens_on"] = day.isoformat() if day else None
    return plain


def _candidate(plain: dict[str, Any]) -> Candidate:
    day = plain["happens_on"]
    return replace(
        Candidate(**plain),
        kind=Kind(plain["kind"]),
        quotes=tuple(Quote(**quote) for quote in plain["quotes"]),
        said_at=from_text(plain["said_at"]),
        happens_on=date.fromisoformat(day) if day else None,
    )
