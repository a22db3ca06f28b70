"""A timer and a service of the user's own systemd."""

import os
import re
import shlex
import shutil
from datetime import datetime
from pathlib import Path

from memcli.errors import UsageError
from memcli.schedule.job import Job, call, complaint, read_text, refuse

NAME = "systemd"
_NOTE = "# Written by `memcli schedule install`, which writes it anew.\n"
_SERVICE = (
    _NOTE
    + """\
[Unit]
Description=memcli: memories out of transcripts ({name})

[Service]
Type=oneshot
WorkingDirectory={folder}
{environment}ExecStart={command}
UMask=0077
NoNewPrivileges=yes
Nice=10
IOSchedulingClass=idle
"""
)
_TIMER = (
    _NOTE
    + """\
[Unit]
Description=memcli: when its {name} run is due

[Timer]
OnCalendar=*-*-* {at}:00
Persistent=true

[Install]
WantedBy=timers.target
"""
)


def missing() -> str | None:
    if not shutil.which("systemctl"):
        return "there is no systemctl command"
    if call(["systemctl", "--user", "show-environment"]).returncode:
        return "no systemd of this user answers (`systemctl --user status` says why)"
    return None


def texts(job: Job) -> dict[str, str]:
    service, timer = _files(job.name)
    return {str(service): render_service(job), str(timer): render_timer(job)}


def installed() -> list[Job]:
    found = []
    for file in sorted(folder().glob("memcli-*.timer")):
        name = file.stem.removeprefix("memcli-")
        job = parse(name, read_text(_files(name)[0]) or "", read_text(file) or "")
        if job is not None:
            found.append(job)
    return found


def install(job: Job) -> bool:
    wanted = texts(job)
    for file in _files(job.name):
        if file.exists() and not _is_ours(file):
            raise UsageError(f"{file} was not written by memcli; choose another --name")
    unit = _files(job.name)[1].name
    same = all(read_text(Path(path)) == text for path, text in wanted.items())
    if (
        same
        and not _systemctl("is-enabled", unit)
        and not _systemctl("is-active", unit)
    ):
        return False
    folder().mkdir(parents=True, exist_ok=True)
    for path, text in wanted.items():
        Path(path).write_text(text, encoding="utf-8")
    # A timer that runs already takes its new time only when it is started anew.
    for told in (["daemon-reload"], ["enable", unit], ["restart", unit]):
        if why := _systemctl(*told):
            raise UsageError(f"systemctl --user {' '.join(told)}: {why}")
    return True


def remove(name: str) -> bool:
    """What systemd thinks of it does not matter: without the files it is gone."""
    files = [file for file in _files(name) if _is_ours(file)]
    if not files:
        return False
    there = missing() is None
    if there:
        _systemctl("disable", "--now", _files(name)[1].name)
    for file in files:
        file.unlink()
    if there:
        _systemctl("daemon-reload")
    return True


def next_run(job: Job) -> datetime | None:
    if not shutil.which("systemctl"):
        return None
    unit = _files(job.name)[1].name
    asked = ["show", unit, "--property=NextElapseUSecRealtime", "--value"]
    done = call(["systemctl", "--user", *asked])
    # Such as `Tue 2026-11-24 03:30:00 CET`; the zone is the local one.
    found = re.search(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", done.stdout)
    if done.returncode or found is None:
        return None
    return datetime.fromisoformat(found[0].decode()).astimezone()


def lingers() -> bool:
    """Whether the user's systemd runs while the user is not logged in."""
    import getpass

    try:
        return Path("/var/lib/systemd/linger", getpass.getuser()).exists()
    except (KeyError, OSError):  # a user that has no name
        return False


def folder() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "systemd" / "user"


def render_service(job: Job) -> str:
    """The service. Raises UsageError for what a unit file cannot hold."""
    refuse(job, NAME, "")
    if job.folder != job.folder.strip() or job.folder.endswith("\\"):
        raise UsageError(f"systemd cannot work in a folder named {job.folder!r}")
    program, *words = job.command
    if any(character in program for character in "'\"\\"):
        raise UsageError(
            f"systemd starts no program whose name has quotes or backslashes: {program}"
        )
    # Variables are put into the words, but not into the name of the program.
    command = [_quoted(program), *(_quoted(word).replace("$", "$$") for word in words)]
    variables = [_quoted(f"{name}={text}") for name, text in job.environment.items()]
    return _SERVICE.format(
        name=job.name,
        folder=job.folder.replace("%", "%%"),
        environment="".join(f"Environment={text}\n" for text in variables),
        command=" ".join(command),
    )


def render_timer(job: Job) -> str:
    return _TIMER.format(name=job.name, at=job.at)


def parse(name: str, service: str, timer: str) -> Job | None:
    """A job from its two files, or None for what somebody made of them."""
    at = re.search(r"^OnCalendar=\*-\*-\* (\d\d):(\d\d):00$", timer, re.MULTILINE)
    command = _values(service, "ExecStart")
    folders = _values(service, "WorkingDirectory")
    if at is None or len(command) != 1 or len(folders) != 1:
        return None
    program, *words = _words(command[0])
    environment = {}
    for text in _values(service, "Environment"):
        variable, _, value = "".join(_words(text)).partition("=")
        environment[variable] = value
    return Job(
        name,
        int(at[1]),
        int(at[2]),
        folders[0].replace("%%", "%"),
        (program, *(word.replace("$$", "$") for word in words)),
        environment,
    )


def _files(name: str) -> tuple[Path, Path]:
    return folder() / f"memcli-{name}.service", folder() / f"memcli-{name}.timer"


def _is_ours(file: Path) -> bool:
    return (read_text(file) or "").startswith(_NOTE)


def _values(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def _quoted(word: str) -> str:
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


def _words(text: str) -> list[str]:
    try:
        return [word.replace("%%", "%") for word in shlex.split(text)] or [""]
    except ValueError:
        return [text]


def _systemctl(*args: str) -> str:
    """Why it failed, or nothing."""
    done = call(["systemctl", "--user", *args])
    return complaint(done) if done.returncode else ""
