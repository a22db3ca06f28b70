"""What a run tells while it works; who listens decides how it looks."""

from typing import Protocol


class Listener(Protocol):
    """Receives what happens, in order, always from the run's own thread."""

    def notice(self, text: str) -> None:
        """Something the user should know, in one line."""

    def stage(self, name: str, total: int | None) -> None:
        """A new stage of the run begins, with so many steps if that is known."""

    def step(self, amount: int = 1) -> None:
        """So many steps of the stage are done."""


class Silence:
    """A listener for callers that want none."""

    def notice(self, text: str) -> None: ...
    def stage(self, name: str, total: int | None) -> None: ...
    def step(self, amount: int = 1) -> None: ...
