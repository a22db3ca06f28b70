"""Progress on stderr: a bar on a terminal, plain lines anywhere else."""

import time
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from memcli.reflection.progress import Listener

# In a log a line every few seconds is life enough.
_LINE_SECONDS = 10.0


class Lines:
    """Plain lines: notices at once, progress only when a stage takes long."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._stage, self._total, self._done = "", 0, 0
        self._spoke = time.monotonic()

    def notice(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def stage(self, name: str, total: int | None) -> None:
        self._stage, self._total, self._done = name, total or 0, 0
        self._spoke = time.monotonic()

    def step(self, amount: int = 1) -> None:
        self._done += amount
        if time.monotonic() - self._spoke >= _LINE_SECONDS:
            self._spoke = time.monotonic()
            of = f" of {self._total:,}" if self._total else ""
            self.notice(f"{self._stage}: {self._done:,}{of}")

    def close(self) -> None:
        pass


class Bar(Lines):
    """A bar for the stage at hand; it leaves nothing behind."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._progress = Progress(
            TextColumn("{task.description:14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(file=stream),
            transient=True,
        )
        self._task: TaskID | None = None
        self._progress.start()

    def notice(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)

    def stage(self, name: str, total: int | None) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(name, total=total)

    def step(self, amount: int = 1) -> None:
        if self._task is not None:
            self._progress.advance(self._task, amount)

    def close(self) -> None:
        self._progress.stop()


def listener_for(stream: TextIO) -> Listener:
    """A bar where somebody may be watching."""
    return Bar(stream) if stream.isatty() else Lines(stream)
