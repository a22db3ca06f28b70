"""What `reflect` and `watch` need before a run: the request, the file, the signals."""

import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO

from memcli import config, namespaces
from memcli.cli import options
from memcli.cli.progress import Lines
from memcli.config import prepared
from memcli.errors import Interrupted, UsageError
from memcli.extractors.base import Extractor
from memcli.extractors.choose import Wanted, choose
from memcli.reflection.progress import Listener, Silence
from memcli.reflection.reflect import Request
from memcli.store.database import connect, explain_errors, run_lock
from memcli.store.lease import Lease, hold
from memcli.when import parse_duration, utc_now


def wanted(
    values: Mapping[str, Any],
    schemas: Sequence[str] = (),
    profiles: Sequence[str] = (),
) -> Wanted:
    """What the run was told about its extractor. Raises UsageError."""
    budget, asked_for = config.dollars(values["budget"])
    loaded = []
    if schemas or profiles:
        from memcli.extractors.schemas import load

        loaded = [load(spec, profile=False) for spec in schemas]
        loaded += [load(spec, profile=True) for spec in profiles]
        names = [schema.name for schema in loaded]
        if len(set(names)) < len(names):
            raise UsageError("two schemas have one name: " + ", ".join(names))
    return Wanted(
        name=values["extractor"],
        model=values["model"],
        provider=values["provider"],
        instructions=_instructions(values["instructions"]),
        schemas=tuple(loaded),
        budget=budget,
        asked_for_budget=asked_for,
        prices=config.prices(),
        timeout=parse_duration(values["timeout"]),
        patience=parse_duration(values["patience"]),
        key_file=values["key-file"],
    )


def _instructions(name: str) -> str:
    if not name:
        return ""
    try:
        text = Path(name).expanduser().read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"instructions {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"instructions {name}: not text in UTF-8") from error
    if not text:
        raise UsageError(f"instructions {name}: the file is empty")
    return text


def request(
    values: Mapping[str, Any],
    paths: Sequence[str],
    pairs: Sequence[str],
    **more: Any,
) -> Request:
    """What a run is asked to do, checked. Raises UsageError."""
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
        budget=config.dollars(values["budget"])[0],
        **more,
    )


def check_paths(paths: Sequence[str], submitted: bool, otherwise: bool) -> None:
    """A run reads something, or does what was submitted. Raises UsageError for both or
    neither; `otherwise` are options that are about reading."""
    if submitted and (paths or otherwise):
        raise UsageError(
            "--submitted reads nothing: leave out PATH, --dry-run, --plan, --batch "
            "and --stale"
        )
    if not (paths or submitted):
        raise UsageError(
            "what is there to read? name files or folders, or give --submitted for "
            "what programs submitted"
        )


def prepared_database(values: Mapping[str, Any]) -> Path:
    """Where the database is, in a folder that is there if it is ours to make."""
    return prepared(options.database_path(values))


def listener(stream: TextIO, *, quiet: bool) -> Listener:
    """Who is told of progress: nobody, a log, or a person at a terminal."""
    if quiet:
        return Silence()
    if not stream.isatty():
        return Lines(stream)
    from memcli.cli.bar import Bar  # brings rich

    return Bar(stream)


@contextmanager
def working(
    path: Path,
    stop: threading.Event,
    *,
    wait: bool = False,
) -> Iterator[tuple[sqlite3.Connection, Lease]]:
    """The database of a run, made if need be, and the claim on it. Raises Locked."""
    with (
        run_lock(path, wait=wait, stopping=stop.is_set, notice=options.notice),
        explain_errors(path),
        closing(connect(path, notice=options.notice)) as db,
        hold(db, utc_now) as lease,
    ):
        yield db, lease


def chooser(
    asked: Wanted, listener: Listener, stop: threading.Event
) -> Callable[[], Extractor]:
    """Chooses the extractor when the first thread is due, and says which and why."""

    def chosen() -> Extractor:
        found, why = choose(asked, stop)
        listener.notice(why)
        return found

    return chosen


@contextmanager
def stoppable() -> Iterator[threading.Event]:
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
