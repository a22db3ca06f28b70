"""`memcli diff RUN`: what a run changed, memory by memory."""

import sqlite3
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from memcli.cli import options
from memcli.cli.changes import differences
from memcli.cli.render import console, print_row
from memcli.cli.wording import print_json
from memcli.errors import UsageError
from memcli.store import history
from memcli.store import runs as store_runs
from memcli.store.history import NetChange


def diff(
    run: Annotated[
        int,
        typer.Argument(max=2**63 - 1, metavar="RUN", help="As `memcli runs` lists."),
    ],
    db: options.Db = None,
    json_: options.Json = False,
) -> None:
    """Show what a run did to memories: what it added, changed, ended or took away."""
    path = options.database_path(options.settings(db=db))
    with options.opened(path) as store:
        row = store_runs.get(store, run)
        if row is None:
            raise UsageError(f"no run {run}; `memcli runs` lists them")
        changes = history.of_run(store, run)
        if json_:
            print_json({
                "run": run, "kind": row["kind"], "outcome": row["outcome"],
                "undone_by": row["undone_by"], "changes": changes_json(store, changes),
            })  # fmt: skip
            return
    if row["undone_by"] is not None:
        print(f"run {run} is undone, by run {row['undone_by']}", file=sys.stderr)
    print_changes(changes)
    if not changes:
        print(f"run {run} changed no memory", file=sys.stderr)


def print_changes(changes: Sequence[NetChange]) -> None:
    """A diff of the store, a few lines a memory."""
    out = console()
    for change in changes:
        lines = list(differences(change.before, change.after))
        if not lines:
            continue
        lead = Text(f"{change.memory_id:>4}", "cyan")
        why = "; ".join(dict.fromkeys(change.reasons))
        print_row(out, lead, Text(f"  {change.after['namespace']}  {why}", "dim"))
        for sign, text, style in lines:
            print_row(out, Text(f"      {sign} ", style), Text(text, style))


def changes_json(
    db: sqlite3.Connection, changes: Sequence[NetChange]
) -> list[dict[str, Any]]:
    """The same for programs, with the evidence."""
    return [
        {
            "memory": change.memory_id,
            "change": _word(change),
            "reasons": list(change.reasons),
            "before": change.before,
            "after": change.after,
            "evidence": [_evidence(db, *source) for source in change.after["sources"]],
        }
        for change in changes
    ]


def _word(change: NetChange) -> str:
    if change.exists and not change.existed:
        return "added"
    if change.existed and not change.exists:
        return "deleted"
    if not change.exists:
        return "none"
    before = change.before or {}
    if before.get("valid_to") is None and change.after.get("valid_to") is not None:
        return "ended"
    return "changed"


def _evidence(db: sqlite3.Connection, message: int, quote: str) -> dict[str, Any]:
    row = db.execute(
        "SELECT thread_id, message_id, role, name, sent_at FROM messages WHERE id = ?",
        (message,),
    ).fetchone()
    if row is None:
        return {"quote": quote}
    return {
        "thread_id": row["thread_id"],
        "message_id": row["message_id"],
        "quote": quote,
        "said_at": row["sent_at"],
        "role": row["role"],
        "author": row["name"],
    }
