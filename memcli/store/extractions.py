"""Extractions: what threads suggested, kept before anything is done with it."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from memcli.models import Candidate, Kind, Quote, Source
from memcli.when import from_text, to_text


@dataclass(frozen=True, slots=True)
class KeptExtraction:
    """An extraction read back: whose candidates, for which namespace."""

    id: int
    thread_id: str
    namespace: str
    candidates: tuple[Candidate, ...]


def keep(
    db: sqlite3.Connection,
    run_id: int,
    thread_id: str,
    namespace: str,
    extractor: str,
    model: str,
    recipe: str,
    fingerprint: str,
    candidates: Iterable[Candidate],
    set_aside: Mapping[str, int],
    now: datetime,
) -> int:
    """Store what one thread suggested, before anything else happens with it; its
    number."""
    dumped = [_plain(candidate) for candidate in candidates]
    cursor = db.execute(
        "INSERT INTO extractions (run_id, thread_id, namespace, extractor, model, "
        "recipe, fingerprint, created_at, candidates, set_aside) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run_id, thread_id, namespace, extractor, model, recipe, fingerprint,
            to_text(now), json.dumps(dumped, ensure_ascii=False),
            json.dumps(set_aside),
        ),
    )  # fmt: skip
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def waiting(
    db: sqlite3.Connection, enricher: int | None = None
) -> list[KeptExtraction]:
    """Extractions that no run has consolidated yet: those of threads that were
    submitted to an enricher, or of all that were not submitted.

    Those of a thread that is reflected anew wait until all of it is done, since
    they take the place of everything it gave before.
    """
    rows = db.execute(
        "SELECT e.id, e.thread_id, e.namespace, e.candidates FROM extractions e "
        "JOIN threads t ON t.id = e.thread_id WHERE e.consolidated_in IS NULL "
        "AND (t.redo = 0 OR NOT EXISTS (SELECT 1 FROM messages m "
        "WHERE m.thread_id = t.id AND m.reflected_in IS NULL)) AND "
        "(SELECT s.enricher FROM submissions s WHERE s.thread_id = t.id) IS ? "
        "ORDER BY e.id",
        (enricher,),
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


def answered(
    db: sqlite3.Connection, fingerprint: str
) -> tuple[tuple[Candidate, ...], dict[str, int]] | None:
    """What the same question was answered with before, and what was set aside."""
    row = db.execute(
        "SELECT candidates, set_aside FROM extractions WHERE fingerprint = ? "
        "ORDER BY id DESC LIMIT 1",
        (fingerprint,),
    ).fetchone()
    if row is None:
        return None
    candidates = tuple(_candidate(plain) for plain in json.loads(row["candidates"]))
    return candidates, json.loads(row["set_aside"] or "{}")


def recorded(db: sqlite3.Connection, thread_id: str, limit: int) -> list[str]:
    """The texts that earlier parts of a thread suggested, the latest last.

    Of a thread that is reflected anew only what was extracted since counts.
    """
    rows = db.execute(
        "SELECT candidates FROM extractions WHERE thread_id = ? AND replaced = 0 "
        "ORDER BY id",
        (thread_id,),
    )
    texts = [
        candidate["text"] for row in rows for candidate in json.loads(row["candidates"])
    ]
    return texts[-limit:]


def of_thread(
    db: sqlite3.Connection, thread_id: str, namespace: str
) -> list[Candidate]:
    """Everything a thread suggested for a namespace, oldest first."""
    rows = db.execute(
        "SELECT candidates FROM extractions WHERE thread_id = ? AND namespace = ? "
        "ORDER BY id",
        (thread_id, namespace),
    )
    return [_candidate(one) for row in rows for one in json.loads(row["candidates"])]


def why(
    db: sqlite3.Connection, namespace: str, sources: Iterable[Source]
) -> dict[Source, str]:
    """What made a memory of each source's words: the name of the offline extractor's
    signal, or that a model read it, with the confidence."""
    found: dict[Source, str] = {}
    for source in sources:
        for candidate in of_thread(db, source.thread_id, namespace):
            if Quote(source.message_id, source.quote) in candidate.quotes:
                signal = candidate.signal or "a model read it so"
                found[source] = f"{signal}, {candidate.confidence:.2f}"
    return found


def leave_out(
    db: sqlite3.Connection, thread_id: str, message_ids: Collection[str]
) -> None:
    """Remove the candidates that quote one of these messages. What is left answers
    no question any more."""
    for row in db.execute(
        "SELECT id, candidates FROM extractions WHERE thread_id = ?", (thread_id,)
    ).fetchall():
        left = [
            one
            for one in json.loads(row["candidates"])
            if not any(q["message_id"] in message_ids for q in one["quotes"])
        ]
        db.execute(
            "UPDATE extractions SET candidates = ?, fingerprint = NULL WHERE id = ?",
            (json.dumps(left, ensure_ascii=False), row["id"]),
        )


def stale(db: sqlite3.Connection, extractor: str, recipe: str) -> list[str]:
    """Threads of which this extractor would make an extraction in another way.

    What a model extracted is not stale for the offline extractor.
    """
    rows = db.execute(
        "SELECT DISTINCT thread_id FROM extractions WHERE replaced = 0 "
        "AND coalesce(recipe, '') <> ? AND extractor IN ('offline', ?) "
        "ORDER BY thread_id",
        (recipe, extractor),
    )
    return [row["thread_id"] for row in rows]


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
