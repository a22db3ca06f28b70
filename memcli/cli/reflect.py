"""`memcli reflect PATH…`: transcripts → memories."""

import sys
from contextlib import closing, nullcontext

import typer

from memcli.cli import options
from memcli.cli.wording import print_json
from memcli.errors import Interrupted
from memcli.store.database import connect, explain_errors, run_lock
from memcli.when import utc_now


def reflect(
    paths: options.Paths,
    db: options.Db = None,
    namespace: options.Template = None,
    set_: options.Set = None,
    quiet_period: options.QuietPeriod = None,
    workers: options.Workers = None,
    extractor: options.ExtractorName = None,
    model: options.Model = None,
    min_confidence: options.MinConfidence = None,
    embedding_model: options.EmbeddingModel = None,
    quiet: options.Quiet = False,
    json_: options.Json = False,
) -> None:
    """Read transcripts, and turn the threads that have gone quiet into memories.

    Nothing is extracted twice: a second run over the same files does no work.
    Exit codes: 0 done, 1 some threads failed, 2 nothing could be read, 3 another
    run holds the database, 130 interrupted.
    """
    values = options.settings(
        db=db, namespace=namespace, quiet_period=quiet_period, workers=workers,
        extractor=extractor, model=model, min_confidence=min_confidence,
        embedding_model=embedding_model,
    )  # fmt: skip
    from memcli.cli import running  # the other commands do not need it
    from memcli.cli.progress import Lines
    from memcli.cli.report import complain, print_report, report_json
    from memcli.reflection.reflect import reflect as run

    request = running.request(values, paths, set_ or [])
    path = running.prepared_database(values)
    listener = running.listener(sys.stderr, quiet=quiet)
    with (
        run_lock(path),
        explain_errors(path),
        closing(connect(path)) as store,
        running.stoppable() as stop,
        closing(listener) if isinstance(listener, Lines) else nullcontext(),
    ):
        choose = running.chooser(values, listener)
        report = run(store, request, choose, utc_now, listener, stop)
    if json_:
        print_json(report_json(report))
    elif not quiet:
        print_report(report)
    if report.interrupted:
        raise Interrupted(
            "stopped; what was finished is kept, run it again for the rest"
        )
    if complain(report):
        raise typer.Exit(1)
