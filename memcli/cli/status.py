"""`memcli status`: what is due, what waits, what failed, what there is."""

from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from memcli.cli import options
from memcli.cli.render import console
from memcli.cli.runs import run_line
from memcli.cli.wording import ago, dollars, plural, print_json, size
from memcli.reflection.due import not_yet, split_by_quiet
from memcli.store import (
    batches,
    files,
    lease,
    runs,
    search,
    submissions,
    threads,
    tombstones,
    vectors,
)
from memcli.when import format_duration, from_text, parse_duration, to_text

_LISTED = 5


def status(db: options.Db = None, json_: options.Json = False) -> None:
    """Show threads due, waiting and failed, the last runs, and sizes."""
    values = options.settings(db=db)
    path = options.database_path(values)
    now = datetime.now(UTC)
    with options.opened(path) as store:
        new = threads.unreflected(store)
        sent = submissions.pending(store)
        read = [thread for thread in new if thread.id not in sent]
        quiet = parse_duration(values["quiet-period"])
        due, waiting = split_by_quiet(read, quiet, now)
        times = {id: one.due_at for id, one in sent.items()}
        waiting += not_yet(new, times, now)
        due += [t for t in new if (at := times.get(t.id)) is not None and at <= now]
        found: dict[str, Any] = {
            "db": str(path),
            "bytes": path.stat().st_size,
            "files": files.count(store),
            **search.counts(store),
            "embedding_model": vectors.model(store),
            "due": [thread.id for thread in due],
            "waiting": [
                {"thread_id": w.thread.id, "due_at": to_text(w.due_at)} for w in waiting
            ],
            "put_off": [id for id, one in sent.items() if one.due_at is None],
            "failed": [
                {"thread_id": id, "error": error, "attempts": attempts}
                for id, error, attempts in threads.failed(store)
            ],
            "in_batches": batches.under_way(store),
            "dollars": runs.dollars_in_all(store),
            "under_way": lease.current(store, now),
            "forgotten": tombstones.count(store),
            "runs": runs.last(store, _LISTED),
        }
    if json_:
        print_json(found)
        return
    _print(found, now)


def _print(found: dict[str, Any], now: datetime) -> None:
    out = console()
    out.print(Text.assemble((found["db"], "bold"), f"  ({size(found['bytes'])})"))
    held = plural(found["memories"], "memory", "memories")
    if found["superseded"]:
        held += f" and {found['superseded']:,} superseded"
    messages, read = (
        plural(found["messages"], "message"),
        plural(found["files"], "file"),
    )
    out.print(f"  {held}, from {messages} in {plural(found['threads'], 'thread')}")
    out.print(f"  {read} read")
    out.print(f"  due      {plural(len(found['due']), 'thread')}")
    out.print(f"  waiting  {plural(len(found['waiting']), 'thread')}")
    for waiting in found["waiting"][:_LISTED]:
        left = format_duration(from_text(waiting["due_at"]) - now)
        out.print(Text(f"             {waiting['thread_id']}, due in {left}", "dim"))
    if found["put_off"]:
        what = plural(len(found["put_off"]), "thread")
        out.print(f"  put off  {what}, until submitted again")
    out.print(f"  failed   {plural(len(found['failed']), 'thread')}")
    for failed in found["failed"][:_LISTED]:
        out.print(Text(f"             {failed['thread_id']}: {failed['error']}", "red"))
    given_up = [f for f in found["failed"] if f["attempts"] >= threads.MAX_ATTEMPTS]
    if given_up:
        out.print(Text(
            f"             {plural(len(given_up), 'thread')} failed "
            f"{threads.MAX_ATTEMPTS} times and is left alone; `memcli retry` makes "
            "it due" if len(given_up) == 1 else
            f"             {plural(len(given_up), 'thread')} failed "
            f"{threads.MAX_ATTEMPTS} times and are left alone; `memcli retry` makes "
            "them due", "dim",
        ))  # fmt: skip
    if found["forgotten"]:
        count = plural(found["forgotten"], "statement")
        out.print(f"  forgotten  {count} that would not be learned again")
    if found["in_batches"]:
        out.print(f"  batches  {plural(found['in_batches'], 'thread')} under way")
    if (run := found["under_way"]) is not None:
        out.print(
            f"  a run is under way: {run['stage'] or 'starting'}, "
            f"since {ago(from_text(run['since']), now)}, "
            f"process {run['pid']} on {run['host']}"
        )
    if found["dollars"] != 0:
        out.print(f"  spent    {dollars(found['dollars'])}")
    if found["runs"]:
        out.print("  runs")
    for run in found["runs"]:
        out.print(Text("    ").append_text(run_line(run, now)))
