"""A run planned and done later: `reflect --plan FILE`, then `apply FILE`.

The run is made on a copy of the store, and what it changed there is written down:
once for people, with the evidence, and once row by row. Applying makes exactly
those changes, or none, if the store has moved on. Answers that were paid for are in
the file, and are used again when the plan is made anew into it.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from memcli.errors import StoreMovedOn, UsageError
from memcli.reflection.run import Report
from memcli.store import history, memories, recorder, runs, schema
from memcli.store.database import transaction
from memcli.store.history import NetChange
from memcli.store.recorder import RowChange
from memcli.when import from_text, to_text

_VERSION = 1
_TEXTS = ("namespace", "kind", "text", "text_key", "terms", "valid_from")


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as it was read: when it was made, by which schema, and what it is."""

    made_at: str
    schema: int
    run_id: int | None
    summary: Mapping[str, Any]
    rows: Sequence[RowChange]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was just made: what the run would come to."""

    report: Report
    changes: Sequence[NetChange]


def make(
    copy: sqlite3.Connection,
    file: Path,
    reflect: Callable[[sqlite3.Connection], Report],
    described: Callable[[sqlite3.Connection, Sequence[NetChange]], list[Any]],
    now: datetime,
) -> Planned:
    """Run `reflect` on a copy of the store, and write what it changed to `file`.

    A plan that is in the file already lends its answers. Raises UsageError for a
    file that is something else.
    """
    before = read(file) if file.exists() else None
    if before is not None:
        _lend_answers(copy, before)
    recorder.record(copy)
    report = reflect(copy)
    changes: list[NetChange] = []
    if report.run_id is not None:
        if before is not None:
            _carry_costs(copy, before, report.run_id)
        changes = history.of_run(copy, report.run_id)
    document = {
        "memcli_plan": _VERSION,
        "made_at": to_text(now),
        "schema": len(schema.STEPS),
        "run": report.run_id,
        "reflected": report.reflected,
        "failed": report.failed,
        "dollars": report.cost.dollars,
        "changes": described(copy, changes),
        "rows": [recorder.packed(row) for row in recorder.changes(copy)],
    }
    _write(file, document)
    return Planned(report, changes)


def read(file: Path) -> Plan:
    """Read a plan back. Raises UsageError when the file is none."""
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        if plain["memcli_plan"] != _VERSION:
            raise UsageError(f"{file} is a plan of another memcli; make it anew")
        from_text(plain["made_at"])
        if not isinstance(plain["run"], int | None) or isinstance(plain["run"], bool):
            raise ValueError("not the number of a run")
        rows = [recorder.unpacked(row) for row in plain["rows"]]
        summary = {k: v for k, v in plain.items() if k not in ("rows", "memcli_plan")}
        return Plan(plain["made_at"], plain["schema"], plain["run"], summary, rows)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{file} is not a plan of memcli's") from error


def apply(db: sqlite3.Connection, plan: Plan, now: datetime) -> list[NetChange]:
    """Do what a plan says, exactly; the caller holds the run lock.

    What it does is believed from now on, not since it was planned. Raises
    StoreMovedOn, and changes nothing, when the store is not as it was.
    """
    if plan.schema != len(schema.STEPS):
        raise StoreMovedOn(
            "the plan was made by another version of memcli; make it anew"
        )
    try:
        with transaction(db):
            recorder.apply(db, [_dated(row, to_text(now)) for row in plan.rows])
            _check_sound(db, plan)
    except (StoreMovedOn, sqlite3.IntegrityError) as error:
        raise StoreMovedOn(
            f"the store has moved on since the plan was made, {plan.made_at[:16]} "
            f"({error}); make it anew into the same file: its answers are used again"
        ) from error
    return [] if plan.run_id is None else history.of_run(db, plan.run_id)


def _check_sound(db: sqlite3.Connection, plan: Plan) -> None:
    """What was written can be read back. Raises UsageError: somebody changed the
    file."""
    numbers = {
        table: [
            number for name, number, _, after in plan.rows if name == table and after
        ]
        for table in ("memories", "messages", "threads", "runs")
    }
    try:
        memories.get_many(db, numbers["memories"])
        for name, _, _, after in plan.rows:
            if name == "messages" and after:
                assert isinstance(after["text"], str)
                assert isinstance(after["terms"], str)
                from_text(after["sent_at"])
            elif name == "memories" and after:
                assert all(isinstance(after[column], str) for column in _TEXTS)
            elif name == "threads" and after:
                assert isinstance(json.loads(after["metadata"]), dict)
        assert plan.run_id is None or plan.run_id in numbers["runs"]
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        raise UsageError("the plan was changed by hand; make it anew") from error


def _dated(row: RowChange, now: str) -> RowChange:
    table, number, before, after = row
    if after is not None and before is None and table in ("operations", "memories"):
        column = "at" if table == "operations" else "created_at"
        after = {**after, column: now}
    return table, number, before, after


def _rows(plan: Plan, table: str) -> list[dict[str, Any]]:
    return [after for name, _, _, after in plan.rows if name == table and after]


def _lend_answers(copy: sqlite3.Connection, plan: Plan) -> None:
    """Put a former plan's answers where the same questions will be looked up."""
    answers, rulings = _rows(plan, "extractions"), _rows(plan, "judgements")
    if not answers and not rulings:
        return
    copy.execute("PRAGMA foreign_keys = OFF")  # their threads are not read yet
    with transaction(copy):
        run_id = runs.start_by_hand(copy, from_text(plan.made_at), "reflect")
        copy.execute("UPDATE runs SET outcome = 'done' WHERE id = ?", (run_id,))
        for one in answers:
            one = {**one, "run_id": run_id, "consolidated_in": run_id, "replaced": 1}
            one.pop("id")
            _insert(copy, "extractions", one)
        for one in rulings:
            _insert(copy, "judgements", {**one, "run_id": run_id})
    copy.execute("PRAGMA foreign_keys = ON")


def _carry_costs(copy: sqlite3.Connection, plan: Plan, run_id: int) -> None:
    """What a former plan had to pay for belongs to this one's run now."""
    with transaction(copy):
        for one in _rows(plan, "requests"):
            one = {**one, "run_id": run_id, "extraction_id": None}
            one.pop("id")
            _insert(copy, "requests", one)
        runs.count_costs(copy, run_id)


def _insert(db: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> None:
    marks = ", ".join("?" * len(row))
    db.execute(
        f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({marks})",
        list(row.values()),
    )


def _write(file: Path, document: Mapping[str, Any]) -> None:
    """Readable by its owner only, for it holds messages; as a whole or not at all."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    text = json.dumps(document, ensure_ascii=False, indent=1)
    try:
        with os.fdopen(
            os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            "w",
            encoding="utf-8",
        ) as out:
            out.write(text)
        part.replace(file)
    except OSError as error:
        raise UsageError(f"{file}: {(error.strerror or str(error)).lower()}") from error
    finally:
        part.unlink(missing_ok=True)
