"""`memcli reflect --log FILE`: what a run said, for those who were asleep."""

import stat
from pathlib import Path

from tests.conftest import Cli, said, write_lines


def test_a_quiet_run_tells_the_log(cli: Cli) -> None:
    write_lines(Path("chat.jsonl"), said("I prefer dark mode."), b"{no")
    done = cli("reflect", "chat.jsonl", "--quiet", "--log", "logs/run.log")
    assert (done.code, done.out, done.err) == (0, "", "")
    lines = Path("logs/run.log").read_text().splitlines()
    assert all(line[:2] == "20" and line[10] == " " for line in lines)
    told = "\n".join(lines)
    assert "chat.jsonl:2: not valid JSON" in told
    assert "1 memory added" in told
    assert "dark mode" not in told
    assert stat.S_IMODE(Path("logs/run.log").stat().st_mode) == 0o600
    assert stat.S_IMODE(Path("logs").stat().st_mode) == 0o700


def test_a_run_that_is_watched_tells_both(cli: Cli) -> None:
    write_lines(Path("chat.jsonl"), said("I prefer dark mode."))
    done = cli("reflect", "chat.jsonl", "--log", "run.log")
    assert "1 memory added" in done.out
    assert "extractor: offline" in done.err
    text = Path("run.log").read_text()
    assert text.count("1 memory added") == text.count("extractor: offline") == 1
    assert (
        cli("reflect", "chat.jsonl", "--log", "run.log", "--json").json["run"] is None
    )


def test_an_error_reaches_the_log_and_the_person(cli: Cli) -> None:
    done = cli("reflect", "nowhere", "--quiet", "--log", "run.log")
    assert (done.code, done.err) == (2, "memcli: nowhere: no such file or directory\n")
    text = Path("run.log").read_text()
    assert "ends with exit code 2: nowhere: no such file or directory\n" in text


def test_a_log_that_cannot_be_had_is_an_error(cli: Cli) -> None:
    write_lines(Path("chat.jsonl"), said("I prefer dark mode."))
    done = cli("reflect", "chat.jsonl", "--log", "chat.jsonl/run.log")
    assert done.code == 2
    assert done.err.startswith("memcli: log chat.jsonl/run.log: ")
    assert not Path("memories.db").exists()


def test_a_long_log_makes_room(cli: Cli) -> None:
    write_lines(Path("chat.jsonl"), said("I prefer dark mode."))
    log = Path("run.log")
    log.write_text("old\n" * 300_000)
    log.chmod(0o644)
    cli("reflect", "chat.jsonl", "--log", "run.log")
    assert "old" not in log.read_text()
    assert "old" in Path("run.log.1").read_text()
    cli("reflect", "chat.jsonl", "--log", "run.log")
    assert log.read_text().count("begins") == 2
