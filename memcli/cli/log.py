"""What a run says, in a file: for runs that nobody watches."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from io import TextIOBase
from pathlib import Path
from typing import TextIO

from memcli.cli.progress import Lines
from memcli.errors import MemcliError, UsageError
from memcli.reflection.progress import Listener
from memcli.when import utc_now

# A log that is longer makes room for a new one; the one before it is kept.
_MOST_BYTES = 1_000_000


class Log(TextIOBase):
    """A stream that puts the time before each line and writes it at once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        at = f"{utc_now().astimezone():%Y-%m-%d %H:%M:%S%z}"
        with suppress(OSError):  # the run matters more than what is told of it
            for line in lines:
                self._stream.write(f"{at} {line}\n")
            self._stream.flush()
        return len(text)


class Heard:
    """A listener that passes on to two others."""

    def __init__(self, one: Listener, other: Listener) -> None:
        self._both = one, other

    def notice(self, text: str) -> None:
        for listener in self._both:
            listener.notice(text)

    def stage(self, name: str, total: int | None) -> None:
        for listener in self._both:
            listener.stage(name, total)

    def step(self, amount: int = 1) -> None:
        for listener in self._both:
            listener.step(amount)


@contextmanager
def logged(file: Path | None) -> Iterator[Log | None]:
    """The log, if one is wanted. What goes to stderr meanwhile goes there, too, and
    so does the error that ends it. Raises UsageError for a file that cannot be had.
    """
    if file is None:
        yield None
        return
    with _opened(file) as stream:
        log = Log(stream)
        with redirect_stderr(_Both(sys.stderr, log)):
            print("begins", file=log)
            try:
                yield log
            except MemcliError as error:
                print(f"ends with exit code {error.exit_code}: {error}", file=log)
                raise
            except Exception as error:
                # Its text may hold words of a conversation.
                print(f"ends with {type(error).__name__}", file=log)
                raise


def listening(listener: Listener, log: Log | None) -> Listener:
    """The listener, and the log if there is one."""
    return listener if log is None else Heard(listener, Lines(log))


class _Both(TextIOBase):
    """A stream to two others."""

    def __init__(self, *streams: TextIO | Log) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        for stream in self._streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self._streams:
            stream.flush()


def _opened(file: Path) -> TextIO:
    try:
        file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            if file.stat().st_size > _MOST_BYTES:
                file.replace(f"{file}.1")
        # A pipe that nobody reads would keep us waiting.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        number = os.open(file, flags, 0o600)
        if stat.S_ISREG(os.fstat(number).st_mode):
            os.fchmod(number, 0o600)
    except OSError as error:
        raise UsageError(f"log {file}: {error.strerror or error}") from error
    return os.fdopen(number, "a", encoding="utf-8", errors="backslashreplace")
