"""What `reflect` and `watch` need before a run: the request, the file, the signals."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from memcli import namespaces
from memcli.cli import options
from memcli.cli.progress import Lines
from memcli.config import default_db
from memcli.errors import Interrupted, StoreError, UsageError
from memcli.extractors.base import Extractor
from memcli.extractors.choose import check, choose
from memcli.reflection.progress import Listener, Silence
from memcli.reflection.reflect import Request
from memcli.when import parse_duration


def request(
    values: Mapping[str, Any], paths: Sequence[str], pairs: Sequence[str]
) -> Request:
    """What a run is asked to do, checked. Raises UsageError."""
    check(values["extractor"])
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


def prepared_database(values: Mapping[str, Any]) -> Path:
    """Where the database is. The platform's data folder is ours to make; any
    other is the user's."""
    path = options.database_path(values)
    if path == default_db():
        try:
            path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path.parent}: {error.strerror}") from error
    return path


def listener(stream: TextIO, *, quiet: bool) -> Listener:
    """Who is told of progress: nobody, a log, or a person at a terminal."""
    if quiet:
        return Silence()
    if not stream.isatty():
        return Lines(stream)
    from memcli.cli.bar import Bar  # brings rich

    return Bar(stream)


def chooser(values: Mapping[str, Any], listener: Listener) -> Callable[[], Extractor]:
    """Chooses the extractor when the first thread is due, and says which and why."""

    def chosen() -> Extractor:
        found, why = choose(values["extractor"], values["model"])
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
