"""Progress as a bar, on a terminal."""

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

from memcli.cli.progress import Lines


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
