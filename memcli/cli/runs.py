"""`memcli runs [RUN]`: what was done when, and what it cost."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from memcli.cli import options
from memcli.cli.render import console, print_row
from memcli.cli.wording import ago, dollars, plural, print_json
from memcli.errors import UsageError
from memcli.store import runs as store_runs
from memcli.store.runs import Cost
from memcli.when import from_text

_LISTED = 20


def runs(
    run: Annotated[
        int | None,
        typer.Argument(max=2**63 - 1, help="One run, with what each thread cost."),
    ] = None,
    db: options.Db = None,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1)] = _LISTED,
    json_: options.Json = False,
) -> None:
    """List runs, newest first: what came of them, tokens, cache hits, dollars."""
    path = options.database_path(options.settings(db=db))
    with options.opened(path) as store:
        if run is None:
            found = store_runs.last(store, limit)
            by_thread: list[tuple[str, Cost]] = []
        else:
            one = store_runs.get(store, run)
            if one is None:
                raise UsageError(f"no run {run}; `memcli runs` lists them")
            found, by_thread = [one], store_runs.cost_by_thread(store, run)
            between = store_runs.cost(store, run, purpose="consolidate")
            stages = store_runs.stages(store, run)
    if json_:
        listed = [{"thread_id": id, **_cost_json(cost)} for id, cost in by_thread]
        more = {} if run is None else {"threads": listed, "stages": stages}
        print_json(found if run is None else found[0] | more)
        return
    if not found:
        print("no runs yet")
        return
    now = datetime.now(UTC)
    for row in found:
        _print_run(row, now)
    out = console()
    for stage in stages if run is not None else ():
        print_row(out, Text("     "), Text(_stage_line(stage), "dim"))
    for thread_id, cost in by_thread:
        lead = Text(f"       {dollars(cost.dollars):>9}  ", "dim")
        tokens = f"{_tokens(cost)}, {plural(cost.requests, 'request')}"
        print_row(out, lead, Text(f"{thread_id}: {tokens}"))
    if run is not None and between.requests:
        lead = Text(f"       {dollars(between.dollars):>9}  ", "dim")
        requests = plural(between.requests, "request")
        print_row(out, lead, Text(f"consolidation: {_tokens(between)}, {requests}"))


def run_line(row: dict[str, Any], now: datetime) -> Text:
    """A run on one line; status shows the last few, too."""
    when = ago(from_text(row["started_at"]), now)
    reflected = row["kind"] == "reflect"
    changes = [f"{row['inserted'] or 0} added"] if reflected or row["inserted"] else []
    for name in ("updated", "strengthened", "superseded", "deleted"):
        if row[name] or (reflected and name in ("strengthened", "superseded")):
            changes.append(f"{row[name] or 0} {name}")
    if reflected:
        changes.insert(0, plural(row["threads_reflected"] or 0, "thread"))
    if row["undoes"] is not None:
        changes.insert(0, f"of run {row['undoes']}")
    if row["undone_by"] is not None:
        changes.append(f"undone by run {row['undone_by']}")
    what = row["extractor"] if reflected else row["kind"]
    text = (
        f"{row['id']:>3}  {when:<9} {row['outcome']:<12} {what:<8} {', '.join(changes)}"
    )
    if row["input_tokens"] or row["cache_read_tokens"] or row["dollars"]:
        text += f", {dollars(row['dollars'])}"
    return Text(text)


def _stage_line(stage: dict[str, Any]) -> str:
    began = from_text(stage["began_at"])
    if stage["ended_at"] is None:
        return f"{stage['stage']}: did not end"
    took = (from_text(stage["ended_at"]) - began).total_seconds()
    return f"{stage['stage']}: {took:.1f} s"


def _print_run(row: dict[str, Any], now: datetime) -> None:
    out = console()
    out.print(run_line(row, now))
    if row["input_tokens"] or row["output_tokens"]:
        cost = Cost(
            0,
            row["input_tokens"] or 0,
            row["output_tokens"] or 0,
            row["cache_read_tokens"] or 0,
            row["cache_write_tokens"] or 0,
            row["dollars"],
        )
        print_row(out, Text("     "), Text(f"{row['model']}, {_tokens(cost)}", "dim"))
    if row["threads_failed"]:
        print_row(out, Text("     "), Text(f"{row['threads_failed']} failed", "red"))
    if row["error"]:
        print_row(out, Text("     "), Text(str(row["error"]), "red"))


def _tokens(cost: Cost) -> str:
    shown = cost.input_tokens + cost.cache_read_tokens + cost.cache_write_tokens
    hits = f" ({cost.cache_read_tokens / shown:.0%} from the cache)" if shown else ""
    return f"{shown:,} tokens in{hits}, {cost.output_tokens:,} out"


def _cost_json(cost: Cost) -> dict[str, Any]:
    return {
        "requests": cost.requests,
        "input_tokens": cost.input_tokens,
        "output_tokens": cost.output_tokens,
        "cache_read_tokens": cost.cache_read_tokens,
        "cache_write_tokens": cost.cache_write_tokens,
        "dollars": cost.dollars,
    }
