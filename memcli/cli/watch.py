"""`memcli watch PATH…`: reflect in the foreground, as conversations go quiet."""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

from memcli.cli import options
from memcli.errors import UnreadableInput, UsageError
from memcli.reflection.progress import Listener, Silence
from memcli.when import utc_now


def watch(
    paths: options.Paths,
    db: options.Db = None,
    namespace: options.Template = None,
    set_: options.Set = None,
    quiet_period: options.QuietPeriod = None,
    workers: options.Workers = None,
    extractor: options.ExtractorName = None,
    model: options.Model = None,
    provider: options.Provider = None,
    key_file: options.KeyFile = None,
    instructions: options.Instructions = None,
    schema: options.Schemas = None,
    profile: options.Profiles = None,
    budget: options.Budget = None,
    timeout: options.Timeout = None,
    patience: options.Patience = None,
    no_inserts: options.NoInserts = False,
    no_updates: options.NoUpdates = False,
    no_deletes: options.NoDeletes = False,
    min_confidence: options.MinConfidence = None,
    embedding_model: options.EmbeddingModel = None,
    quiet: options.Quiet = False,
) -> None:
    """Watch files and folders, and reflect on each thread once it has gone quiet.

    The same as `reflect` from cron, but at once: new and grown files are read as
    they change, and a new message starts its thread's quiet period anew. Ctrl-C
    ends it; nothing is lost, and the next run goes on from there.
    """
    values = options.settings(
        db=db, namespace=namespace, quiet_period=quiet_period, workers=workers,
        extractor=extractor, model=model, provider=provider,
        key_file=key_file, instructions=instructions, budget=budget,
        timeout=timeout, patience=patience, min_confidence=min_confidence,
        embedding_model=embedding_model,
    )  # fmt: skip
    from memcli.cli import running
    from memcli.cli.progress import Lines
    from memcli.cli.report import complain, print_report
    from memcli.extractors.choose import check
    from memcli.reflection import watch as watching
    from memcli.reflection.consolidate import Allowed
    from memcli.reflection.recipes import means
    from memcli.reflection.reflect import Report
    from memcli.reflection.reflect import reflect as reflect_once
    from memcli.reflection.takeover import reflect_submitted

    _check(paths)
    allowed = Allowed(not no_inserts, not no_updates, not no_deletes)
    request = running.request(values, paths, set_ or [], allowed=allowed)
    asked = running.wanted(values, schema or (), profile or ())
    check(asked)
    database = running.prepared_database(values)
    listener = running.listener(sys.stderr, quiet=quiet)

    def run(paths: Sequence[str]) -> Report:
        choose = running.chooser(asked, _Once(listener), stop)
        with running.working(database, stop) as (store, lease):
            this = replace(request, paths=paths, may_find_nothing=True)
            report = reflect_once(store, this, choose, utc_now, listener, stop, lease)
            by = means(values).without(report.cost.dollars)
            taken = reflect_submitted(store, by, utc_now, listener, stop, lease)
        for one in taken:
            if one.report is not None:
                tell(one.report, submitted=True)
            else:
                options.notice(str(one.error))
        return report

    def tell(report: Report, *, submitted: bool = False) -> None:
        complain(report)
        done = report.reading.added or report.reading.edited or report.reflected
        if done and not quiet:
            print(f"{utc_now().astimezone():%Y-%m-%d %H:%M:%S}")
            print_report(report, submitted=submitted)
            sys.stdout.flush()

    with (
        running.stoppable() as stop,
        closing(listener) if isinstance(listener, Lines) else nullcontext(),
    ):
        if not quiet:
            print("watching; Ctrl-C ends it", file=sys.stderr, flush=True)
        watching.watch(paths, _changes(paths, database, stop), run, utc_now, tell)


class _Once(Silence):
    """Tells each notice once: which extractor it is does not change in a watch."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._told: set[str] = set()

    def notice(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._listener.notice(text)


def _check(paths: Sequence[str]) -> None:
    for path in paths:
        if path == "-":
            raise UsageError("watch needs files or folders; `reflect -` reads stdin")
        if not Path(path).exists():
            raise UnreadableInput(f"{path}: no such file or directory")


def _changes(
    paths: Sequence[str], database: Path, stop: threading.Event
) -> Iterator[set[str]]:
    """What changed, as it changes; an empty set when nothing did for a while.

    The database may lie in a watched folder; what a run writes to it (and to
    the files SQLite keeps beside it) must not start the next one.
    """
    own = str(database.resolve())
    from watchfiles import Change, watch

    from memcli.reflection.watch import TICK

    tick = int(TICK.total_seconds() * 1000)
    for changed in watch(
        *paths,
        watch_filter=None,
        stop_event=stop,
        rust_timeout=tick,
        yield_on_timeout=True,
        raise_interrupt=False,
    ):
        yield {
            path
            for change, path in changed
            if change is not Change.deleted
            and not os.path.realpath(path).startswith(own)
        }
