"""Lines in the user's crontab, between two comments; the rest is not touched."""

import os
import re
import shlex
import shutil
from datetime import datetime

from memcli.errors import UsageError
from memcli.schedule.job import Job, call, complaint, refuse

NAME = "crontab"
_NOTE = "# Written by `memcli schedule install`, which writes it anew; local time."
_LINE = re.compile(r"(\d+) (\d+) \* \* \* (.*)")
_ASSIGNED = re.compile(r"([A-Za-z_]+)=(.*)", re.DOTALL)


def missing() -> str | None:
    if not shutil.which("crontab"):
        return "there is no crontab command"
    try:
        _read()
    except UsageError as error:
        return str(error)
    return None


def texts(job: Job) -> dict[str, str]:
    return {NAME: render(job)}


def installed() -> list[Job]:
    return [] if missing() else parse(_read())


def install(job: Job) -> bool:
    before = _read()
    after = splice(before, job)
    if after == before:
        return False
    _write(after)
    return True


def remove(name: str) -> bool:
    if missing():
        return False
    before = _read()
    after = cut(before, name)
    if after == before:
        return False
    _write(after)
    return True


def next_run(job: Job) -> datetime | None:
    return job.next_run(datetime.now().astimezone())


def render(job: Job) -> str:
    """The lines of a job. Raises UsageError for what a crontab cannot hold.

    Crons differ in what a backslash before anything but % means.
    """
    refuse(job, NAME, "\\")
    words = [f"{name}={shlex.quote(text)}" for name, text in job.environment.items()]
    words += [shlex.quote(word) for word in job.command]
    command = f"cd {shlex.quote(job.folder)} && {' '.join(words)}"
    begin, end = _marks(job.name)
    line = f"{job.minute} {job.hour} * * * " + command.replace("%", r"\%")
    return f"{begin}\n{_NOTE}\n{line}\n{end}\n"


def parse(crontab: str) -> list[Job]:
    """The jobs that stand in a crontab."""
    found = []
    for mark in re.finditer(r"^# >>> memcli ([\w-]+) >>>$", crontab, re.MULTILINE):
        begin, end = _span(crontab, mark[1])
        for line in crontab[begin:end].split("\n"):
            if (job := _job(mark[1], line)) is not None:
                found.append(job)
    return found


def splice(crontab: str, job: Job) -> str:
    """The crontab with the job in it, in the place where it was or at the end."""
    text = render(job)
    begin, end = _span(crontab, job.name)
    if begin == end and crontab and not crontab.endswith("\n"):
        text = "\n" + text
    return crontab[:begin] + text + crontab[end:]


def cut(crontab: str, name: str) -> str:
    """The crontab without the job."""
    begin, end = _span(crontab, name)
    return crontab[:begin] + crontab[end:]


def _marks(name: str) -> tuple[str, str]:
    return f"# >>> memcli {name} >>>", f"# <<< memcli {name} <<<"


def _span(crontab: str, name: str) -> tuple[int, int]:
    """Where a job's lines begin and end; the end of the text if it has none."""
    begins, ends = (
        list(re.finditer(rf"^{re.escape(mark)}(?:\n|\Z)", crontab, re.MULTILINE))
        for mark in _marks(name)
    )
    if not begins and not ends:
        return len(crontab), len(crontab)
    # With one missing, another's lines would be taken for ours.
    if len(begins) != 1 or len(ends) != 1 or ends[0].start() < begins[0].start():
        raise UsageError(
            f"the marks of memcli {name} in the crontab are not one pair; "
            "mend it with `crontab -e`"
        )
    return begins[0].start(), ends[0].end()


def _job(name: str, line: str) -> Job | None:
    """A job from its line; None for a comment, or what somebody made of it."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    try:
        words = shlex.split(found[3].replace(r"\%", "%"))
    except ValueError:
        return None
    if words[:1] != ["cd"] or words[2:3] != ["&&"]:
        return None
    folder, rest = words[1], words[3:]
    environment = {}
    while rest and (assigned := _ASSIGNED.fullmatch(rest[0])):
        environment[assigned[1]] = assigned[2]
        rest = rest[1:]
    hour, minute = int(found[2]), int(found[1])
    return Job(name, hour, minute, folder, tuple(rest), environment)


def _read() -> str:
    done = call(["crontab", "-l"])
    if done.returncode == 0:
        return os.fsdecode(done.stdout)
    told = complaint(done)
    if "no crontab" in told or "No such file" in told:
        return ""
    raise UsageError(f"it cannot be read ({told})")


def _write(crontab: str) -> None:
    """An empty crontab is none."""
    if crontab:
        done = call(["crontab", "-"], os.fsencode(crontab))
    else:
        done = call(["crontab", "-r"])
    if done.returncode:
        raise UsageError(f"crontab was not changed: {complaint(done)}")
