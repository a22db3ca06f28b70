"""What is to run every night, whoever starts it."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from memcli.errors import UsageError

DEFAULT_NAME = "nightly"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Job:
    """One command, once a day at a local time, in a folder; `environment` is what it
    needs beside the little that a scheduler gives."""

    name: str
    hour: int
    minute: int
    folder: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def at(self) -> str:
        return f"{self.hour:02d}:{self.minute:02d}"

    def option(self, name: str) -> str | None:
        """What the command says for an option."""
        for word, value in zip(self.command, (*self.command[1:], ""), strict=True):
            if word == "--":
                break
            if word == name:
                return value
        return None

    def next_run(self, now: datetime) -> datetime:
        """The next time the clock of `now` shows its hour."""
        today = now.replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
        return today if today > now else today + timedelta(days=1)


class Scheduler(Protocol):
    """What each of the modules crontab, systemd and launchd can do."""

    NAME: str

    def missing(self) -> str | None:
        """Why it cannot be used here, as half a sentence, or None."""

    def texts(self, job: Job) -> dict[str, str]:
        """What is written for a job: where, and the text. Raises UsageError."""

    def installed(self) -> list[Job]:
        """The jobs of memcli it has; none where it does not exist."""

    def install(self, job: Job) -> bool:
        """Have the job run; False if it does already. Raises UsageError."""

    def remove(self, name: str) -> bool:
        """Take the job out; False if there was none. Raises UsageError."""

    def next_run(self, job: Job) -> datetime | None:
        """When it runs next, in local time, where that can be told."""


def check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(f"--name {name!r}: write letters, digits, - and _")
    return name


def parse_time(text: str) -> tuple[int, int]:
    """`03:30` → hour and minute. Raises UsageError."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--at {text!r}: write a time of day, such as 03:30")
    return int(found[1]), int(found[2])


def refuse(job: Job, scheduler: str, characters: str) -> None:
    """Raise UsageError for what the scheduler's file cannot hold."""
    values = (job.folder, *job.command, *job.environment.values())
    for text in values:
        text.encode()  # a name that is no UTF-8 is told as such
        bad = next((c for c in text if c in characters or ord(c) < 32), None)
        if bad is not None:
            raise UsageError(f"{scheduler} cannot hold {bad!r}, as in {text!r}")


def call(
    program: Sequence[str], given: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    """Run a scheduler's own program, in no language but its own. Raises UsageError
    when there is no such program."""
    try:
        return subprocess.run(
            program,
            input=given,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except OSError as error:
        raise UsageError(f"{program[0]}: {error.strerror}") from error


def complaint(done: "subprocess.CompletedProcess[bytes]") -> str:
    """What a program said when it failed, in one line."""
    text = " ".join(done.stderr.decode(errors="replace").split())
    return text or f"exit code {done.returncode}"


def read_text(path: Path) -> str | None:
    """A file's text, or None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return ""
