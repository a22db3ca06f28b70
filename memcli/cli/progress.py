"""Progress on stderr, as plain lines."""

import time
from io import TextIOBase
from typing import TextIO

# In a log a line every few seconds is life enough.
_LINE_SECONDS = 10.0


class Lines:
    """Plain lines: notices at once, progress only when a stage takes long."""

    def __init__(self, stream: TextIO | TextIOBase) -> None:
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
