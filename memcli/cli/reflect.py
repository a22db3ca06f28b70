"""`memcli reflect PATH…`: transcripts → memories."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memcli.cli import options
from memcli.cli.wording import print_json
from memcli.errors import Interrupted, UsageError
from memcli.store import submissions
from memcli.store.database import copied, is_up_to_date, run_lock
from memcli.when import utc_now

if TYPE_CHECKING:
    from memcli.cli.log import Log
    from memcli.extractors.choose import Wanted
    from memcli.reflection.progress import Listener
    from memcli.reflection.run import Report, Request
    from memcli.reflection.takeover import Taken


def reflect(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Files and folders to read; - is stdin. All that is due is reflected.",
        ),
    ] = None,
    db: options.Db = None,
    namespace: options.Template = None,
    set_: options.Set = None,
    quiet_period: options.QuietPeriod = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would be sent and its price; send nothing."
        ),
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write what would change to FILE, for `memcli apply`; change nothing.",
        ),
    ] = None,
    budget: options.Budget = None,
    extractor: options.ExtractorName = None,
    model: options.Model = None,
    provider: options.Provider = None,
    key_file: options.KeyFile = None,
    instructions: options.Instructions = None,
    schema: options.Schemas = None,
    profile: options.Profiles = None,
    batch: Annotated[
        bool,
        typer.Option(
            "--batch", help="Half the price: submit now, the next run has the answers."
        ),
    ] = False,
    stale: Annotated[
        bool,
        typer.Option(
            "--stale",
            help="Also do again what another model, prompt or the offline rules did.",
        ),
    ] = False,
    submitted: Annotated[
        bool,
        typer.Option(
            "--submitted", help="Read nothing; do what programs submitted and is due."
        ),
    ] = False,
    no_inserts: options.NoInserts = False,
    no_updates: options.NoUpdates = False,
    no_deletes: options.NoDeletes = False,
    workers: options.Workers = None,
    timeout: options.Timeout = None,
    patience: options.Patience = None,
    min_confidence: options.MinConfidence = None,
    embedding_model: options.EmbeddingModel = None,
    wait: options.Wait = False,
    log: options.LogFile = None,
    quiet: options.Quiet = False,
    json_: options.Json = False,
) -> None:
    """Read transcripts, and turn the threads that have gone quiet into memories.

    Nothing is extracted twice: a second run over the same files does no work.
    Exit codes: 0 done, 1 some threads failed, 2 nothing could be read, 3 another
    run holds the database, 4 the budget ended the run, 130 interrupted.
    """
    from memcli.cli.log import logged

    terminal = sys.stderr
    with logged(None if log is None else log.expanduser()) as file:
        values = options.settings(
            db=db, namespace=namespace, quiet_period=quiet_period, workers=workers,
            extractor=extractor, model=model, provider=provider,
            key_file=key_file, instructions=instructions, budget=budget,
            timeout=timeout, patience=patience, min_confidence=min_confidence,
            embedding_model=embedding_model,
        )  # fmt: skip
        from memcli.cli import running  # the other commands do not need it
        from memcli.extractors.choose import check
        from memcli.reflection.consolidate import Allowed

        allowed = Allowed(not no_inserts, not no_updates, not no_deletes)
        otherwise = dry_run or plan is not None or batch or stale
        running.check_paths(paths or [], submitted, otherwise)
        request = running.request(
            values, paths or [], set_ or [], allowed=allowed, stale=stale, batch=batch
        )
        asked = running.wanted(values, schema or (), profile or ())
        if not submitted:
            check(asked, dry=dry_run, batch=batch)
        told = _Told(running.listener(terminal, quiet=quiet), file, quiet, json_)
        if plan is not None:
            if dry_run or batch:
                raise UsageError("--plan asks the model now; leave out the other")
            path = options.database_path(values)
            planned = replace(request, embed_messages=False)
            _plan(path, plan.expanduser(), planned, asked, told, wait)
        elif dry_run:
            path = options.database_path(values)
            _preview(path, request, asked, values, told.listener, json_)
        else:
            path = running.prepared_database(values)
            wished = None if submitted else request
            _run(path, wished, asked, values, told, wait)


@dataclass(frozen=True, slots=True)
class _Told:
    """Who is told what: of progress, in the log, and at the end."""

    listener: "Listener"
    log: "Log | None"
    quiet: bool
    as_json: bool


def _run(
    path: Path,
    request: "Request | None",
    asked: "Wanted",
    values: Mapping[str, Any],
    told: _Told,
    wait: bool,
) -> None:
    from memcli.cli import running
    from memcli.cli.log import listening
    from memcli.cli.progress import Lines
    from memcli.cli.report import print_reports, reports_json
    from memcli.reflection.reflect import reflect as run
    from memcli.reflection.run import Report

    taken: list[Taken] = []
    with (
        running.stoppable() as stop,
        running.working(path, stop, wait=wait) as (store, lease),
        closing(told.listener) if isinstance(told.listener, Lines) else nullcontext(),
    ):
        heard = listening(told.listener, told.log)
        report = Report()
        if request is not None:
            choose = running.chooser(asked, heard, stop)
            report = run(store, request, choose, utc_now, heard, stop, lease)
        if submissions.enrichers_due(store, utc_now()):
            from memcli.reflection.recipes import means
            from memcli.reflection.takeover import reflect_submitted

            by = means(values).without(report.cost.dollars)
            taken = reflect_submitted(store, by, utc_now, heard, stop, lease)
    own = None if request is None else report
    if told.log is not None:
        with redirect_stdout(told.log):
            print_reports(own, taken)
    if told.as_json:
        print_json(reports_json(report, taken))
    elif not told.quiet:
        print_reports(own, taken)
    _end(report, taken)


def _end(report: "Report", taken: "Sequence[Taken]" = ()) -> None:
    """End as the run did, and those over what was submitted."""
    from memcli.cli.report import complain

    reports = [report, *(one.report for one in taken if one.report is not None)]
    if any(one.interrupted for one in reports):
        raise Interrupted(
            "stopped; what was finished is kept, run it again for the rest"
        )
    failed = [one for one in reports if complain(one)]
    errors = [error for one in reports if (error := one.ended_by) is not None]
    errors += [one.error for one in taken if one.error is not None]
    for error in errors[1:]:
        options.notice(str(error))
    if errors:
        raise errors[0]
    if failed:
        raise typer.Exit(1)


def _plan(
    path: Path,
    file: Path,
    request: "Request",
    asked: "Wanted",
    told: _Told,
    wait: bool,
) -> None:
    """The run is made on a copy; two of them must not pay for the same all the same."""
    from memcli.cli import running
    from memcli.cli.diff import changes_json, print_changes
    from memcli.cli.log import listening
    from memcli.cli.report import print_report, report_json
    from memcli.reflection.reflect import reflect as run
    from memcli.upkeep import plan

    there = path.exists()
    with (
        running.stoppable() as stop,
        run_lock(path, wait=wait, stopping=stop.is_set, notice=options.notice)
        if there
        else nullcontext(),
        copied(path) as copy,
    ):
        heard = listening(told.listener, told.log)
        choose = running.chooser(asked, heard, stop)
        made = plan.make(
            copy,
            file,
            lambda store: run(store, request, choose, utc_now, heard, stop),
            changes_json,
            utc_now(),
        )
    if told.log is not None:
        with redirect_stdout(told.log):
            print_report(made.report)
    if told.as_json:
        print_json(report_json(made.report) | {"plan": str(file)})
    elif not told.quiet:
        print_report(made.report)
        print_changes(made.changes)
        print(f"nothing was changed; `memcli apply {file}` does it")
    _end(made.report)


def _preview(
    path: Path,
    request: "Request",
    asked: "Wanted",
    values: Mapping[str, Any],
    listener: "Listener",
    as_json: bool,
) -> None:
    """A database that is not there yet is not made for this."""
    from memcli.cli import running
    from memcli.cli.preview import preview_json, print_preview
    from memcli.cli.progress import Lines
    from memcli.extractors.choose import choose
    from memcli.reflection.preview import preview
    from memcli.reflection.recipes import means
    from memcli.reflection.takeover import preview_submitted

    with (
        run_lock(path) if path.exists() else nullcontext(),
        # What a dry run does is rolled back; an older file is not brought up to date.
        options.opened_to_write(path) if is_up_to_date(path) else copied(path) as store,
        running.stoppable() as stop,
        closing(listener) if isinstance(listener, Lines) else nullcontext(),
    ):
        extractor, _ = choose(asked, stop, dry=True)
        found = preview(store, request, extractor, utc_now, listener, stop)
        also = preview_submitted(store, means(values), utc_now, listener, stop)
    if as_json:
        more = {"submissions": [preview_json(one) for one in also]} if also else {}
        print_json(preview_json(found) | more)
        return
    print_preview(found, request.budget)
    for one in also:
        print(f"submitted, for {one.model}:")
        print_preview(one, request.budget)
