"""What a schedule must not show, hang on, or take away."""

import os
from pathlib import Path

import pytest

from memcli.asking.keyfile import save_key
from memcli.errors import UsageError
from memcli.schedule import crontab, systemd
from memcli.schedule.job import Job
from tests.conftest import Cli, said, write_lines
from tests.schedule.conftest import Machine


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "me:pw-1@proxy:3128"),
        ("all_proxy", "//me:pw-1@proxy"),
        ("ANTHROPIC_BASE_URL", "https://example.org/v1?key=pw-1"),
    ],
)
def test_no_password_gets_into_a_schedule_however_it_is_written(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k-1")
    monkeypatch.setenv(name, value)
    done = machine.run(
        "schedule", "install", "chat.jsonl", "--extractor", "claude", "--save-key",
        "--as", "crontab", "--print",
    )  # fmt: skip
    assert done.code == 2
    assert f"{name} holds a password" in done.err
    assert "pw-1" not in done.out + done.err


def test_a_key_overwrites_only_a_key() -> None:
    profile = "export ANTHROPIC_API_KEY=k-0\nPATH=/bin\n"
    for name, text in (("profile", profile), ("note", "hello you\n")):
        Path(name).write_text(text)
        with pytest.raises(UsageError, match="holds something else"):
            save_key(Path(name), "k-1")
        assert Path(name).read_text() == text
    os.mkfifo("pipe")
    Path("folder").mkdir()
    for other in (Path("pipe"), Path("folder")):
        with pytest.raises(UsageError, match="holds something else"):
            save_key(other, "k-1")
    for name, text in (("empty", ""), ("old", "k-0\n"), ("set", "ANTHROPIC_API_KEY=k")):
        Path(name).write_text(text)
        save_key(Path(name), "k-1")
        assert Path(name).read_text() == "k-1\n"
    with pytest.raises(UsageError, match="is no key") as told:
        save_key(Path("new"), "k-1\nk-2")
    assert "k-1" not in str(told.value) and not Path("new").exists()


def test_a_mark_that_is_there_twice_takes_no_line_of_others_with_it() -> None:
    job = Job("nightly", 3, 30, "/", ("/bin/memcli",))
    torn = "# >>> memcli nightly >>>\n5 5 * * * mine\n" + crontab.render(job)
    with pytest.raises(UsageError, match="not one pair"):
        crontab.cut(torn, "nightly")
    with pytest.raises(UsageError, match="not one pair"):
        crontab.splice(torn, job)


def test_a_unit_of_somebody_else_is_left_alone(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    machine.bus.touch()
    systemd.folder().mkdir(parents=True)
    unit = systemd.folder() / "memcli-backup.service"
    unit.write_text("[Service]\nExecStart=/bin/mine\n")
    done = machine.run(
        "schedule", "install", "chat.jsonl", "--extractor", "offline", "--name",
        "backup", "--as", "systemd",
    )  # fmt: skip
    assert done.code == 2
    assert "was not written by memcli" in done.err
    removed = machine.run("schedule", "remove", "--name", "backup")
    assert "nothing was installed" in removed.out
    assert unit.read_text() == "[Service]\nExecStart=/bin/mine\n"


def test_a_log_that_is_a_pipe_without_a_reader_is_refused(cli: Cli) -> None:
    os.mkfifo("pipe")
    write_lines(Path("chat.jsonl"), said("I prefer tea."))
    done = cli("reflect", "chat.jsonl", "--log", "pipe")
    assert done.code == 2
    assert done.err.startswith("memcli: log pipe: ")
