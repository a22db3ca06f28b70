"""A run again and again: when files change, and when a quiet period is over.

What is known of the files and the threads is in the store, so a watch can stop
at any time, and the next run, or the next watch, goes on from there.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from memcli.errors import Locked
from memcli.reflection.reflect import Report

# How often the clock is looked at between changes.
TICK = timedelta(milliseconds=500)
# Another run may hold the database for a while; it does our work meanwhile.
_RETRY = timedelta(seconds=5)

# What changed since the last call, as paths; nothing when a tick went by.
Changes = Iterable[set[str]]


@dataclass(frozen=True, slots=True)
class Wake:
    """When the next run is due without any change, and which paths it reads."""

    at: datetime | None
    paths: frozenset[str] = frozenset()

    def due(self, now: datetime) -> bool:
        return self.at is not None and self.at <= now


def next_wake(report: Report) -> Wake:
    """The first end of a quiet period; a new message moves it."""
    return Wake(min((waiting.due_at for waiting in report.waiting), default=None))


def watch(
    paths: Sequence[str],
    changes: Changes,
    run: Callable[[Sequence[str]], Report],
    clock: Callable[[], datetime],
    tell: Callable[[Report], None],
) -> None:
    """Run once over all paths, then over what changes, until `changes` ends.

    `run` is given the paths to read, none of which need exist any more; it may
    raise Locked, and is then called again later with the same paths.
    """
    wake = Wake(clock(), frozenset(paths))
    for changed in changes:
        if changed:
            wake = Wake(clock(), wake.paths | changed)
        if not wake.due(clock()):
            continue
        there = sorted(path for path in wake.paths if Path(path).exists())
        try:
            report = run(there)
        except Locked:
            wake = Wake(clock() + _RETRY, wake.paths)
            continue
        tell(report)
        wake = next_wake(report)
