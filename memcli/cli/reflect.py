"""`memcli reflect PATH…`: transcripts → memories."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from memcli import namespaces
from memcli.cli import options
from memcli.cli.render import plural, print_json
from memcli.errors import Interrupted, StoreError, UsageError
from memcli.extractors.base import Extractor
from memcli.extractors.choose import check, choose
from memcli.models import Op
from memcli.reflection.progress import Listener, Silence
from memcli.store.database import connect, explain_errors, run_lock
from memcli.when import format_duration, parse_duration, to_text


def reflect(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Files and folders of transcripts; - is stdin."
        ),
    ],
    db: options.Db = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            metavar="TEMPLATE",
            help="Where memories go, such as 'memories/{user_id}/{project}'.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Metadata for every thread."),
    ] = None,
    quiet_period: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Leave younger threads alone: 0, 30m, 6h, 1d."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Threads extracted at once.")
    ] = None,
    extractor: Annotated[
        str | None, typer.Option(metavar="NAME", help="auto, claude or offline.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="For the claude extractor.")
    ] = None,
    min_confidence: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Set aside what is below.")
    ] = None,
    embedding_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name or folder of a model.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
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
    from memcli.cli.progress import Lines, listener_for  # the others do not need it
    from memcli.reflection.reflect import reflect as run

    check(values["extractor"])
    request = _request(values, paths, set_ or [])
    path = options.database_path(values)
    if path == Path(values["db"]) and not path.parent.exists():
        _make_default_folder(path)
    listener: Listener = Silence() if quiet else listener_for(sys.stderr)

    def chosen() -> Extractor:
        found, why = choose(values["extractor"], values["model"])
        listener.notice(why)
        return found

    with (
        run_lock(path),
        explain_errors(path),
        closing(connect(path)) as store,
        _stoppable() as stop,
        closing(listener) if isinstance(listener, Lines) else _nothing(),
    ):
        report = run(store, request, chosen, _clock, listener, stop)
    if json_:
        print_json(_report_json(report))
    elif not quiet:
        _print_report(report)
    if report.interrupted:
        raise Interrupted(
            "stopped; what was finished is kept, run it again for the rest"
        )
    for path_, why in report.reading.silent.items():
        print(f"memcli: {path_}: {why}", file=sys.stderr)
    if report.failed or report.reading.unreadable or report.reading.silent:
        for thread_id, reason in report.failed.items():
            print(f"memcli: thread {thread_id}: {reason}", file=sys.stderr)
        raise typer.Exit(1)


def _request(values: dict[str, Any], paths: list[str], pairs: list[str]) -> Any:
    from memcli.reflection.reflect import Request

    namespaces.check_template(values["namespace"])
    metadata = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UsageError(f"--set {pair!r}: write it as KEY=VALUE")
        metadata[key.strip()] = value.strip()
    return Request(
        paths=paths,
        namespace=values["namespace"],
        quiet=parse_duration(values["quiet-period"]),
        workers=values["workers"],
        embedding_model=values["embedding-model"],
        min_confidence=values["min-confidence"],
        set_metadata=metadata,
    )


def _make_default_folder(path: Path) -> None:
    """The platform's data folder is ours to make; any other is the user's."""
    from memcli.config import default_db

    if path == default_db():
        try:
            path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path.parent}: {error.strerror}") from error


def _clock() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Ctrl-C or SIGTERM asks the run to stop; a second Ctrl-C stops it at once."""
    stop = threading.Event()

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, ask)
    try:
        yield stop
    except KeyboardInterrupt:
        raise Interrupted("stopped at once; what was committed is kept") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report_json(report: Any) -> dict[str, Any]:
    reading = report.reading
    return {
        "run": report.run_id,
        "files": {
            "read": reading.files_read,
            "unchanged": reading.unchanged,
            "not_transcripts": dict(reading.unrecognised),
            "unreadable": reading.unreadable,
            "without_messages": list(reading.silent),
        },
        "formats": dict(reading.formats),
        "messages": {
            "added": reading.added,
            "edited": reading.edited,
            "withdrawn": reading.withdrawn,
            "secrets_redacted": reading.redacted,
            "skipped": dict(reading.skipped),
        },
        "problems": reading.problems,
        "threads": {
            "reflected": report.reflected,
            "waiting": [
                {"thread_id": w.thread.id, "due_at": to_text(w.due_at)}
                for w in report.waiting
            ],
            "failed": report.failed,
        },
        "candidates": {"kept": report.candidates, "set_aside": dict(report.set_aside)},
        "memories": {
            "inserted": report.operations[Op.INSERT],
            "strengthened": report.operations[Op.STRENGTHEN],
            "superseded": report.operations[Op.SUPERSEDE],
        },
        "tokens": {"input": report.input_tokens, "output": report.output_tokens},
        "interrupted": report.interrupted,
    }


def _print_report(report: Any) -> None:
    """What a person wants to know after a run, in a few lines."""
    reading = report.reading
    files = plural(reading.files_read, "file") + " read"
    if reading.unchanged:
        files += f", {reading.unchanged:,} unchanged"
    files += f", {plural(reading.added, 'new message')}"
    if reading.edited:
        files += f", {reading.edited:,} edited"
    if reading.withdrawn:
        files += f", {reading.withdrawn:,} taken back"
    print(files)
    if reading.formats:
        print("formats: " + _counts(reading.formats))
    if reading.skipped:
        print("skipped: " + _counts(reading.skipped))
    if reading.unrecognised:
        print("no transcripts: " + _counts(reading.unrecognised))
    if reading.redacted:
        print(plural(reading.redacted, "secret") + " redacted")
    if report.reflected or report.failed or not report.waiting:
        threads = plural(len(report.reflected), "thread") + " reflected"
        if report.failed:
            threads += f", {len(report.failed)} failed"
        print(threads)
    for waiting in report.waiting[:5]:
        left = format_duration(waiting.due_at - _clock())
        print(f"waiting: {waiting.thread.id}, due in {left}")
    if len(report.waiting) > 5:
        print(f"waiting: {len(report.waiting) - 5} more; `memcli status` lists them")
    done = report.operations
    if report.reflected or sum(done.values()):
        parts = [f"{plural(done[Op.INSERT], 'memory', 'memories')} added"]
        if done[Op.STRENGTHEN]:
            parts.append(f"{done[Op.STRENGTHEN]} strengthened")
        if done[Op.SUPERSEDE]:
            parts.append(f"{done[Op.SUPERSEDE]} superseded")
        print(", ".join(parts))


def _counts(counter: Any) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counter.most_common(8))
