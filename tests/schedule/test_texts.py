"""What is written for a scheduler means to it what was meant."""

import os
import plistlib
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from memcli.errors import UsageError
from memcli.schedule import crontab, launchd, systemd
from memcli.schedule.job import Job, parse_time
from tests.schedule.conftest import FOLDER, Machine

# Any text of one line; crontab has no backslashes.
WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), max_size=20
)
LINES = st.lists(st.sampled_from(["", "# a note", "MAILTO=me", "5 5 * * 1 x %y"]))


def a_job(*words: str, folder: str = "/home/me", name: str = "nightly") -> Job:
    return Job(name, 3, 30, folder, ("/bin/memcli", *words), {})


@given(LINES, LINES, st.lists(WORDS), st.booleans())
def test_the_rest_of_a_crontab_is_not_touched(
    before: list[str], after: list[str], words: list[str], ended: bool
) -> None:
    old = "".join(line + "\n" for line in before)
    rest = "".join(line + "\n" for line in after) + ("" if ended else "# no newline")
    job = a_job(*words)
    whole = crontab.splice(old, job) + rest
    assert whole.startswith(old)
    assert crontab.parse(whole) == [job]
    later = Job("nightly", 4, 5, "/", ("/bin/memcli", "other"))
    changed = crontab.splice(whole, later)
    assert crontab.parse(changed) == [later]
    assert crontab.cut(changed, "nightly") == old + rest
    assert crontab.splice(changed, later) == changed
    both = crontab.splice(whole, a_job(name="weekly"))
    assert [job.name for job in crontab.parse(both)] == ["nightly", "weekly"]
    assert crontab.cut(both, "nightly") == crontab.splice(
        old + rest, a_job(name="weekly")
    )


def test_a_crontab_with_half_of_the_marks_is_left_to_its_owner() -> None:
    whole = crontab.render(a_job())
    for half in (whole.replace("# >>>", "#"), whole.replace("# <<<", "#")):
        with pytest.raises(UsageError, match="not one pair"):
            crontab.splice(half, a_job())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, min_size=1, max_size=4))
@example([FOLDER, "`id`", "$(id)", "!x", "~", "*", "a\\nb".replace("\\", "/"), ""])
def test_cron_runs_the_very_words(tmp_path: Path, words: list[str]) -> None:
    """By way of its own rule for %, and of a real shell."""
    folder = tmp_path / FOLDER
    folder.mkdir(exist_ok=True)
    program = folder / "show"
    program.write_text(
        '#!/bin/sh\npwd; echo "$V"; for a; do printf "%s\\n" "$a"; done\n'
    )
    program.chmod(0o755)
    job = Job("n", 3, 30, str(folder), (str(program), *words), {"V": FOLDER})
    line = crontab.render(job).split("\n")[2]
    assert line.startswith("30 3 * * * ")
    command = line.split(" ", 5)[5]
    assert "%" not in command.replace(r"\%", "")  # a bare one would end the command
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace(r"\%", "%")], capture_output=True, check=True
    )
    assert done.stdout.decode().split("\n")[:-1] == [str(folder), FOLDER, *words]


@pytest.mark.parametrize("scheduler", [crontab, systemd, launchd])
def test_a_line_break_is_refused(scheduler: object) -> None:
    with pytest.raises(UsageError, match="cannot hold '\\\\n'"):
        scheduler.texts(a_job("two\nlines"))  # type: ignore[attr-defined]


def test_a_crontab_can_hold_no_backslash() -> None:
    with pytest.raises(UsageError, match="crontab cannot hold"):
        crontab.render(a_job("a\\b"))


def test_the_real_crontab_program_takes_the_lines() -> None:
    if not shutil.which("crontab"):
        pytest.skip("there is no crontab program here")
    told = subprocess.run(["crontab", "-h"], capture_output=True, text=True)
    usage = told.stdout + told.stderr
    check = "-T" if " -T" in usage else "-n" if "dry run" in usage else None
    if check is None:  # elsewhere -n is something else
        pytest.skip("this crontab does not just check")

    def checked(text: str) -> int:
        return subprocess.run(
            ["crontab", check, "-"], input=text, capture_output=True, text=True
        ).returncode

    lines = crontab.render(a_job(FOLDER, folder="/"))
    assert checked(lines) == 0
    assert checked(lines.replace("30 3 *", "30 25 *")) != 0


@given(st.lists(st.one_of(WORDS, st.just("a\\b\\"))), WORDS.filter(str.strip))
def test_systemd_units_say_what_was_meant(words: list[str], folder: str) -> None:
    job = Job("n", 3, 5, "/" + folder.strip(), ("/bin/memcli", *words), {"URL": folder})
    again = systemd.parse("n", systemd.render_service(job), systemd.render_timer(job))
    assert again == job


def test_systemd_takes_the_units(machine: Machine) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze here")
    job = Job(
        "nightly", 3, 30, str(Path.cwd()), (str(machine.program), "reflect", FOLDER),
        {"ANTHROPIC_BASE_URL": "http://localhost:1/%x"},
    )  # fmt: skip
    texts = systemd.texts(job)
    assert len(texts) == 2
    Path(next(iter(texts))).parent.mkdir(parents=True)
    for path, text in texts.items():
        Path(path).write_text(text)

    def verified() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *texts],
            capture_output=True, text=True, check=False,
            env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        )  # fmt: skip

    done = verified()
    told = [line for line in done.stderr.splitlines() if "memcli" in line]
    assert (done.returncode, told) == (0, [])
    machine.program.unlink()  # and it does look at the program
    assert verified().returncode != 0
    with pytest.raises(UsageError, match="no program whose name has quotes"):
        systemd.texts(Job("n", 3, 30, "/", ("/it's",)))


@given(st.lists(WORDS), WORDS)
def test_a_launchd_agent_says_what_was_meant(words: list[str], folder: str) -> None:
    job = Job("n", 3, 5, folder, ("/bin/memcli", *words, "--log", "/l"), {"A": "b"})
    text = launchd.render(job)
    agent = plistlib.loads(text.encode())
    assert agent["ProgramArguments"] == ["/bin/memcli", *words, "--log", "/l"]
    assert agent["StartCalendarInterval"] == {"Hour": 3, "Minute": 5}
    assert agent["Umask"] == 0o077
    assert launchd.parse("n", text) == job


@pytest.mark.parametrize("text", ["", "<plist/>", "<plist><dict/></plist>", "no"])
def test_what_is_no_agent_of_ours_is_not_shown(text: str) -> None:
    assert launchd.parse("n", text) is None


def test_times_of_day() -> None:
    assert (parse_time("3:05"), parse_time("23:59")) == ((3, 5), (23, 59))
    for wrong in ("24:00", "3", "03:60", "", "-1:00", "03:30:00", "٣:٣٠"):
        with pytest.raises(UsageError, match="03:30"):
            parse_time(wrong)


def test_the_next_run_is_today_or_tomorrow() -> None:
    noon = datetime(2026, 12, 31, 12)
    assert Job("n", 13, 0, "/", ()).next_run(noon) == datetime(2026, 12, 31, 13)
    assert Job("n", 12, 0, "/", ()).next_run(noon) == datetime(2027, 1, 1, 12)
