"""Which scheduler has a job, or is to have it."""

import sys

from memcli.errors import UsageError
from memcli.schedule import crontab, launchd, systemd
from memcli.schedule.job import Job, Scheduler

ALL: tuple[Scheduler, ...] = (crontab, systemd, launchd)


def everything() -> list[tuple[Scheduler, Job]]:
    """All that is installed, wherever it is."""
    return [(scheduler, job) for scheduler in ALL for job in scheduler.installed()]


def named(name: str) -> Scheduler:
    """Raises UsageError for one that memcli does not know."""
    known = {scheduler.NAME: scheduler for scheduler in ALL}
    if name not in known:
        raise UsageError(f"--as {name!r}: write one of {', '.join(known)}")
    return known[name]


def usual() -> Scheduler:
    """The one for a person who names none: a timer makes up for a night in which
    the machine was off, which cron does not."""
    if sys.platform == "darwin":
        return launchd
    return systemd if systemd.missing() is None else crontab


def having(name: str) -> Scheduler | None:
    """The one that has a job of this name."""
    return next((found for found, job in everything() if job.name == name), None)


def check_usable(scheduler: Scheduler) -> None:
    """Raise UsageError with what to use instead."""
    why = scheduler.missing()
    if why is None:
        return
    other = next((each.NAME for each in ALL if each.missing() is None), None)
    instead = f"use --as {other}" if other else "--print shows what it would be given"
    raise UsageError(f"{scheduler.NAME} cannot be used here: {why}; {instead}")
