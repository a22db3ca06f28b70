"""An agent of the user's launchd, on macOS."""

import os
import plistlib
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from memcli.errors import UsageError
from memcli.schedule.job import Job, call, complaint, read_text, refuse

NAME = "launchd"
_PREFIX = "memcli."


def missing() -> str | None:
    return None if sys.platform == "darwin" else "launchd is a part of macOS"


def texts(job: Job) -> dict[str, str]:
    return {str(_file(job.name)): render(job)}


def installed() -> list[Job]:
    found = []
    for file in sorted(_folder().glob(f"{_PREFIX}*.plist")):
        name = file.stem.removeprefix(_PREFIX)
        if (job := parse(name, read_text(file) or "")) is not None:
            found.append(job)
    return found


def install(job: Job) -> bool:
    file, text = _file(job.name), render(job)
    known = not call(["launchctl", "print", _target(job.name)]).returncode
    if known and read_text(file) == text:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    if known:
        call(["launchctl", "bootout", _target(job.name)])
    done = call(["launchctl", "bootstrap", _domain(), str(file)])
    if done.returncode:
        raise UsageError(f"launchctl bootstrap {_domain()}: {complaint(done)}")
    return True


def remove(name: str) -> bool:
    file = _file(name)
    if not file.exists():
        return False
    if missing() is None:
        call(["launchctl", "bootout", _target(name)])
    file.unlink()
    return True


def next_run(job: Job) -> datetime | None:
    return job.next_run(datetime.now().astimezone())


def render(job: Job) -> str:
    """The agent's property list. Raises UsageError for what it cannot hold."""
    refuse(job, NAME, "")
    agent: dict[str, Any] = {
        "Label": _PREFIX + job.name,
        "ProgramArguments": list(job.command),
        "WorkingDirectory": job.folder,
        "StartCalendarInterval": {"Hour": job.hour, "Minute": job.minute},
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "Umask": 0o077,
    }
    if job.environment:
        agent["EnvironmentVariables"] = dict(job.environment)
    if log := job.option("--log"):
        # launchd shows nobody what goes to stderr.
        agent["StandardErrorPath"] = f"{log}.stderr"
    return plistlib.dumps(agent).decode()


def parse(name: str, text: str) -> Job | None:
    """A job from its property list, or None for what somebody made of it."""
    try:
        agent = plistlib.loads(text.encode())
        at = agent["StartCalendarInterval"]
        return Job(
            name,
            int(at["Hour"]),
            int(at["Minute"]),
            str(agent["WorkingDirectory"]),
            tuple(map(str, agent["ProgramArguments"])),
            dict(agent.get("EnvironmentVariables", {})),
        )
    except (ValueError, KeyError, TypeError, AttributeError, ExpatError):
        return None


def _folder() -> Path:
    return Path("~/Library/LaunchAgents").expanduser()


def _file(name: str) -> Path:
    return _folder() / f"{_PREFIX}{name}.plist"


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _target(name: str) -> str:
    return f"{_domain()}/{_PREFIX}{name}"
