"""`memcli schedule`: installed by the real program, run as cron would."""

import json
import os
import shlex
import stat
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from memcli.schedule import schedulers, systemd
from tests.conftest import Cli, Serve, said, write_lines
from tests.schedule.conftest import Machine

MINE = "# mine\n5 5 * * 1 backup 100\\%\n"
# Not a key of anybody's.
KEY = "sk-" + "night-owl"


def private(path: Path) -> bool:
    return stat.S_IMODE(path.stat().st_mode) == 0o600


def saved_key(path: str | Path = "key", text: str = KEY + "\n") -> Path:
    file = Path(path)
    file.touch(mode=0o600)
    file.write_text(text)
    return file


def log() -> Path:
    return Path.home() / ".local/state/memcli/log/nightly.log"


def test_what_cron_is_given_works(machine: Machine) -> None:
    machine.crontab.write_text(MINE)
    done = machine.run("schedule", "install", "chat.jsonl", "--as", "crontab",
                       "--db", "my own.db", "--extractor", "offline",
                       "--at", "4:05")  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert machine.crontab.read_text().startswith(MINE)
    assert "\n5 4 * * * cd " in machine.crontab.read_text()
    night = machine.at_night()
    assert (night.code, night.out, night.err) == (0, "", "")  # cron sends no mail
    assert "dark mode" in machine.run("show", "--db", "my own.db").out
    assert "1 memory added" in log().read_text()
    assert private(log())
    assert "dark mode" not in log().read_text()
    again = machine.at_night()
    assert again.code == 0
    assert log().read_text().count("begins") == 2


def test_installing_twice_changes_nothing_and_removing_all(
    machine: Machine, cli: Cli
) -> None:
    assert cli("schedule").out.startswith("nothing is installed")
    machine.crontab.write_text(MINE)
    given = ("schedule", "install", "chat.jsonl", "--as", "crontab", "--extractor",
             "offline")  # fmt: skip
    assert cli(*given).out.startswith("installed\n")
    once = machine.crontab.read_bytes()
    assert cli(*given).out.startswith("already so")
    assert cli(*given, "--json").json["changed"] is False
    assert machine.crontab.read_bytes() == once
    assert cli(*given, "--at", "05:00").out.startswith("installed\n")
    assert machine.crontab.read_bytes() == once.replace(b"30 3 *", b"0 5 *")
    cli(*given, "--name", "other")
    shown = cli("schedule", "show", "--json").json
    assert cli("schedule", "--json").json == shown
    assert cli("schedule", "--json", "remove").code == 2
    assert [(job["name"], job["at"]) for job in shown] == [
        ("nightly", "05:00"), ("other", "03:30"),
    ]  # fmt: skip
    assert cli("schedule", "remove").out == "nightly was removed from crontab\n"
    assert cli("schedule", "remove").out == "nothing was installed as nightly\n"
    assert cli("schedule", "remove", "--name", "other", "--json").json == {
        "name": "other", "removed": ["crontab"],
    }  # fmt: skip
    assert machine.crontab.read_text() == MINE


def test_a_crontab_with_nothing_else_goes_with_the_job(
    machine: Machine, cli: Cli
) -> None:
    cli(
        "schedule", "install", "chat.jsonl", "--as", "crontab", "--extractor", "offline"
    )
    assert machine.crontab.exists()
    cli("schedule", "remove")
    assert not machine.crontab.exists()


def test_printing_writes_nothing(machine: Machine, cli: Cli) -> None:
    given = ("schedule", "install", "chat.jsonl", "--extractor", "offline", "--print")
    printed = cli(*given, "--as", "crontab").out
    units = cli(*given, "--as", "systemd")
    assert "ExecStart=" in units.out
    assert "OnCalendar=*-*-* 03:30:00" in units.out
    agent = cli(*given, "--as", "launchd", "--json").json["texts"]
    assert [Path(path).name for path in agent] == ["memcli.nightly.plist"]
    assert not machine.crontab.exists()
    assert not (Path.home() / ".config/systemd").exists()
    cli(
        "schedule", "install", "chat.jsonl", "--extractor", "offline", "--as", "crontab"
    )
    assert machine.crontab.read_text() == printed


def test_without_a_key_the_run_is_offline_and_that_is_said(
    machine: Machine, cli: Cli
) -> None:
    done = cli("schedule", "install", "chat.jsonl", "--as", "crontab")
    assert "no API key was found" in done.err
    assert "--key-file" in done.err
    assert "--extractor offline" in machine.crontab.read_text()
    assert "none needed" in done.out


def test_a_key_of_this_shell_alone_is_refused(
    machine: Machine, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["schedule", "install", "chat.jsonl", "--as", "crontab"]
    refused = cli(*given, "--extractor", "claude")
    assert refused.code == 2
    assert "--key-file" in refused.err
    assert cli(*given, "--save-key").code == 2
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    for extractor in ("auto", "claude"):
        refused = cli(*given, "--extractor", extractor)
        assert refused.code == 2
        assert refused.err.count("\n") == 1
        assert "does not see the ANTHROPIC_API_KEY of this shell" in refused.err
        assert "--save-key" in refused.err
    assert not machine.crontab.exists()
    assert cli(*given, "--extractor", "offline").code == 0


def test_the_saved_key_reaches_the_model_and_nothing_else(
    machine: Machine, cli: Cli, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    given = ("schedule", "install", "chat.jsonl", "--as", "crontab", "--save-key")
    assert cli(*given, "--print").code == 0
    file = Path.home() / ".config/memcli/key"
    assert not file.exists()
    done = cli(*given)
    assert (done.code, done.err) == (0, "")
    assert private(file)
    night = machine.at_night()
    assert (night.code, night.out, night.err) == (0, "", "")
    assert server.requests
    assert all(KEY in str(headers) for headers in server.headers)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("MEMCLI_KEY_FILE", str(file))
    shown = [cli(*words) for words in (["schedule"], ["config"], ["schedule", "show"])]
    texts = [done.out, machine.crontab.read_text(), log().read_text()]
    assert str(file) in texts[0]
    assert KEY not in "".join(texts + [each.out + each.err for each in shown])


def test_a_run_without_its_key_fails_and_says_so(machine: Machine, cli: Cli) -> None:
    key = saved_key()
    done = cli("schedule", "install", "chat.jsonl", "--as", "crontab", "--key-file",
               "key", "--db", "m.db")  # fmt: skip
    assert done.code == 0
    assert "--extractor claude" in machine.crontab.read_text()
    for spoil in (lambda: key.chmod(0o644), lambda: saved_key(text="\n"), key.unlink):
        spoil()
        night = machine.at_night()
        assert (night.code, night.out) == (2, "")
        assert night.err.count("\n") == 1
        assert str(key.absolute()) in night.err
        assert night.err.removeprefix("memcli: ") in log().read_text()
        assert "PROBLEM: key file" in cli("schedule").out
        key.touch(mode=0o600)
        key.chmod(0o600)
    assert not Path("m.db").exists()


def test_claude_without_key_or_file_fails_at_night(
    machine: Machine, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the line is one's own."""
    line = f"1 1 * * * {shlex.quote(str(machine.program))} reflect / --extractor claude"
    night = machine.at_night(line)
    assert (night.code, night.out) == (2, "")
    assert night.err == (
        "memcli: the claude extractor needs ANTHROPIC_API_KEY in the environment, or "
        "a file that holds the key, named by --key-file or the setting key-file\n"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["chat.jsonl", "--extracter", "offline"], "--extracter"),
        (["chat.jsonl", "--workers", "many"], "--workers"),
        (["chat.jsonl", "--quiet-period", "soon"], "'soon'"),
        (["chat.jsonl", "--set", "user_id"], "KEY=VALUE"),
        (["chat.jsonl", "--schema", "shapes.py:Dish"], "shapes.py"),
        (["chat.jsonl", "--extractor", "gpt"], "'gpt'"),
        (["chat.jsonl", "--dry-run"], "--dry-run"),
        (["chat.jsonl", "--plan", "p.json"], "--plan"),
        (["chat.jsonl", "--at", "25:00"], "'25:00'"),
        (["chat.jsonl", "--name", "a b"], "'a b'"),
        (["chat.jsonl", "--as", "anacron"], "'anacron'"),
        (["chat.jsonl", "--key-file", "none", "--extractor", "claude"], "none"),
        (["chat.jsonl", "--db", "nowhere/m.db"], "nowhere: no such folder"),
        (["chats.jsonl"], "chats.jsonl: no such file"),
        (["-"], "standard input"),
        (["--extractor", "offline"], "--submitted"),
        (["chat.jsonl", "--submitted"], "PATH"),
        (["chat.jsonl", "two\nlines"], "two\nlines"),
    ],
)
def test_a_slip_shows_at_once(
    machine: Machine, cli: Cli, words: list[str], told: str
) -> None:
    done = cli("schedule", "install", "--as", "crontab", *words)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "Traceback" not in done.err
    assert not machine.crontab.exists()


def test_what_holds_here_holds_at_night(
    machine: Machine, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`memcli.toml` of the folder, and what the shell's profile says."""
    Path("memcli.toml").write_text('namespace = "memories/x-{who}"\n')
    monkeypatch.setenv("MEMCLI_MIN_CONFIDENCE", "0.5")
    monkeypatch.setenv("MEMCLI_DB", "../of the shell.db")
    done = cli("schedule", "install", "chat.jsonl", "--as", "crontab",
               "--extractor", "offline", "--set", "who=me", "--log", "run.log",
               "--no-deletes")  # fmt: skip
    assert done.code == 0
    assert "--min-confidence 0.5" in done.out
    assert "--no-deletes" in done.out
    assert machine.at_night().code == 0
    shown = cli("show", "--json", "--db", "../of the shell.db").json
    assert [memory["namespace"] for memory in shown] == ["memories/x-me"]
    assert private(Path("run.log"))


def test_the_address_of_a_server_goes_along_unless_it_is_secret(
    machine: Machine, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a run at night would send the conversations somewhere else."""
    given = ("schedule", "install", "chat.jsonl", "--as", "crontab", "--extractor",
             "claude", "--json")  # fmt: skip
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://me:secret@localhost:9")
    refused = cli(*given)
    assert refused.code == 2
    assert "ANTHROPIC_BASE_URL holds a password" in refused.err
    assert "secret@" not in refused.err
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://localhost:9")
    found = cli(*given).json["environment"]
    assert found["ANTHROPIC_BASE_URL"] == "http://localhost:9"
    assert "ANTHROPIC_BASE_URL=http://localhost:9" in machine.crontab.read_text()


def test_a_machine_without_crontab(
    machine: Machine, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    done = cli("schedule", "install", "chat.jsonl", "--as", "crontab", "--extractor",
               "offline")  # fmt: skip
    assert done.code == 2
    assert "there is no crontab command; --print shows" in done.err
    assert cli("schedule").code == 0
    assert cli("schedule", "remove").code == 0


def test_a_crontab_that_cannot_be_read_is_left(machine: Machine, cli: Cli) -> None:
    program = Path(os.environ["PATH"].split(":")[0]) / "crontab"
    program.write_text("#!/bin/sh\necho you are not allowed >&2\nexit 1\n")
    given = ("schedule", "install", "chat.jsonl", "--extractor", "offline")
    done = cli(*given, "--as", "crontab")
    assert done.code == 2
    assert "crontab cannot be used here: it cannot be read (you are not" in done.err
    machine.bus.touch()
    assert cli(*given, "--as", "systemd").code == 0
    assert "nightly: systemd" in cli("schedule").out
    assert cli("schedule", "remove").out == "nightly was removed from systemd\n"


def test_a_timer_is_installed_and_removed(machine: Machine, cli: Cli) -> None:
    machine.bus.touch()
    given = ("schedule", "install", "chat.jsonl", "--extractor", "offline")
    if sys.platform == "darwin":
        given += ("--as", "systemd")
    done = cli(*given)
    assert done.out.startswith("installed\nnightly: systemd, every day at 03:30\n")
    assert "enable-linger" in done.err
    service = Path.home() / ".config/systemd/user/memcli-nightly.service"
    assert service.with_suffix(".timer").exists()
    calls = machine.calls.read_text()
    assert "daemon-reload" in calls
    assert "--user enable memcli-nightly.timer" in calls
    assert cli(*given).out.startswith("already so")
    assert [job["name"] for job in cli("schedule", "show", "--json").json] == [
        "nightly"
    ]
    assert "next run  2026-11-24 03:30" in cli("schedule").out
    elsewhere = cli(*given, "--as", "crontab")
    assert elsewhere.code == 2
    assert "nightly is in systemd already" in elsewhere.err
    machine.bus.unlink()  # a session that is over
    assert cli("schedule", "remove").out == "nightly was removed from systemd\n"
    assert not service.exists()
    assert "nothing was installed" in cli("schedule", "remove").out


def test_without_a_systemd_of_the_user_nothing_is_written(
    machine: Machine, cli: Cli
) -> None:
    given = ("schedule", "install", "chat.jsonl", "--extractor", "offline")
    done = cli(*given, "--as", "systemd")
    assert done.code == 2
    assert "no systemd of this user answers" in done.err
    assert "use --as crontab" in done.err
    assert not systemd.folder().exists()
    if sys.platform != "darwin":
        assert schedulers.usual().NAME == "crontab"
        assert "launchd is a part of macOS" in cli(*given, "--as", "launchd").err


def test_paths_are_written_in_full_and_flags_kept(machine: Machine, cli: Cli) -> None:
    write_lines(Path("logs/a.jsonl"), said("I live in Oslo."))
    Path("more.md").write_text("Leave out the weather.")
    saved_key()
    done = cli(
        "schedule", "install", "logs", "chat.jsonl", "--as", "crontab", "--key-file",
        "key", "--instructions", "more.md", "--batch", "--budget", "2.50", "--quiet",
        "--wait", "--json", "-n", "memories/me", "--print",
    )  # fmt: skip
    line = json.loads(done.out)["texts"]["crontab"].splitlines()[2].split(" && ")[1]
    here = str(Path.cwd())
    words = [word.replace(here + "/", "./") for word in
             shlex.split(line.replace(r"\%", "%"))]  # fmt: skip
    assert words[:6] == [str(machine.program), "reflect", "./logs", "./chat.jsonl",
                         "--db", os.environ["MEMCLI_DB"]]  # fmt: skip
    pairs = set(pairwise(words))
    assert pairs >= {
        ("--extractor", "claude"), ("--key-file", "./key"), ("--budget", "2.50"),
        ("--instructions", "./more.md"), ("--namespace", "memories/me"),
        ("--wait", "--quiet"),
    }  # fmt: skip
    assert words.count("--batch") == words.count("--quiet") == 1
