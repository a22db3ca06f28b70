"""`memcli watch`: a real process, real files that change, a real quiet period."""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memcli.cli.watch import _changes
from memcli.errors import Locked
from memcli.reflection.due import Waiting
from memcli.reflection.reflect import Report
from memcli.reflection.watch import watch
from tests.conftest import Cli, said

PATIENCE = 40.0


class Watcher:
    """A running `memcli watch logs`."""

    def __init__(self, quiet_period: str) -> None:
        Path("logs").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "memcli", "watch", "logs", "--db", "logs/m.db",
             "--quiet-period", quiet_period, "--extractor", "offline"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def count(self, table: str) -> int:
        try:
            with closing(sqlite3.connect("file:logs/m.db?mode=ro", uri=True)) as db:
                found: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                return found
        except sqlite3.Error:
            return 0

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end, "waited too long"
            time.sleep(0.1)

    def stop(self) -> tuple[int, str, str]:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


@pytest.fixture
def watcher(request: pytest.FixtureRequest) -> Iterator[Watcher]:
    found = Watcher(request.param)
    yield found
    if found.process.poll() is None:
        found.process.kill()
    found.process.communicate()


def now(text: str) -> bytes:
    line = said(text, at=datetime.now(UTC).isoformat())
    return json.dumps(line).encode() + b"\n"


@pytest.mark.parametrize("watcher", ["4s"], indirect=True)
def test_a_thread_is_reflected_when_it_has_gone_quiet(watcher: Watcher) -> None:
    watcher.until(lambda: Path("logs/m.db").exists())
    with Path("logs/chat.jsonl").open("ab") as log:
        log.write(now("I prefer dark mode."))
        log.flush()
        watcher.until(lambda: watcher.count("messages") == 1)
        time.sleep(2.5)
        log.write(now("I live in Oslo."))  # the wait starts anew
        log.flush()
        last = time.monotonic()
    watcher.until(lambda: watcher.count("memories") == 2)
    assert time.monotonic() - last > 3.5
    assert watcher.count("runs") == 1  # both messages in one reflection
    code, out, err = watcher.stop()
    assert code == 0
    assert "2 memories added" in out
    assert out.count("thread reflected") == 1
    assert "Traceback" not in err


def test_what_cannot_be_watched_is_an_error(cli: Cli) -> None:
    missing = cli("watch", "nowhere")
    assert (missing.code, missing.err) == (
        2, "memcli: nowhere: no such file or directory\n",
    )  # fmt: skip
    assert cli("watch", "-").code == 2


START = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_runs_are_due_at_changes_and_at_the_end_of_a_quiet_period(
    tmp_path: Path,
) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.touch()
    b.touch()
    clock = iter(START + timedelta(seconds=n) for n in range(100))
    runs: list[list[str]] = []
    thread = Waiting(None, START + timedelta(seconds=8))  # type: ignore[arg-type]

    def run(paths: object) -> Report:
        runs.append(list(paths))  # type: ignore[call-overload]
        return Report(waiting=[thread] if len(runs) == 2 else [])

    ticks: list[set[str]] = [set(), {str(a)}, set(), set(), set(), set(), set()]
    watch([str(tmp_path)], ticks, run, lambda: next(clock), lambda report: None)
    assert runs == [[str(tmp_path)], [str(a)], []]


def test_while_another_run_works_what_changed_is_not_forgotten(tmp_path: Path) -> None:
    a = tmp_path / "a"
    a.touch()
    clock = iter(START + timedelta(seconds=n) for n in range(100))
    tried: list[list[str]] = []

    def run(paths: object) -> Report:
        tried.append(list(paths))  # type: ignore[call-overload]
        if len(tried) == 2:
            raise Locked("busy")
        return Report()

    ticks: list[set[str]] = [set(), {str(a)}, set(), set(), set(), set(), set()]
    watch([str(tmp_path)], ticks, run, lambda: next(clock), lambda report: None)
    assert tried == [[str(tmp_path)], [str(a)], [str(a)]]


def test_the_first_end_of_a_quiet_period_wakes_it_and_gone_files_are_not_read(
    tmp_path: Path,
) -> None:
    clock = iter(START + timedelta(seconds=n) for n in range(100))
    runs: list[list[str]] = []
    times: list[int] = []
    waits = [Waiting(None, START + timedelta(seconds=n)) for n in (30, 9)]  # type: ignore[arg-type]

    def run(paths: object) -> Report:
        runs.append(list(paths))  # type: ignore[call-overload]
        return Report(waiting=waits if len(runs) == 2 else [])

    def tick() -> Iterator[set[str]]:
        for number in range(12):
            yield {str(tmp_path / "gone")} if number == 1 else set()
            times.append(len(runs))

    watch([str(tmp_path)], tick(), run, lambda: next(clock), lambda report: None)
    assert runs == [[str(tmp_path)], [], []]
    assert times.index(3) < 8


def test_a_busy_database_is_not_asked_at_every_tick(tmp_path: Path) -> None:
    clock = iter(START + timedelta(seconds=0.5 * n) for n in range(100))
    tried = []

    def run(paths: object) -> Report:
        tried.append(paths)
        raise Locked("busy")

    ticks: list[set[str]] = [set()] * 20
    watch([str(tmp_path)], ticks, run, lambda: next(clock), lambda report: None)
    assert 1 < len(tried) < 6


def test_what_a_run_writes_itself_is_no_change(tmp_path: Path) -> None:
    logs, database = tmp_path / "logs", tmp_path / "logs" / "m.db"
    logs.mkdir()
    stop = threading.Event()
    seen: set[str] = set()

    def look() -> None:
        for changed in _changes([str(logs)], database, stop):
            seen.update(Path(path).name for path in changed)
            if "end.jsonl" in seen:
                stop.set()

    looking = threading.Thread(target=look)
    looking.start()
    end = time.monotonic() + PATIENCE
    while looking.is_alive() and time.monotonic() < end:
        for name in ("m.db", "m.db-wal", "m.db.lock", "chat.jsonl"):
            (logs / name).write_text(str(time.monotonic()))
        time.sleep(0.3)
        (logs / "end.jsonl").write_text(str(time.monotonic()))
    stop.set()
    looking.join()
    assert seen == {"chat.jsonl", "end.jsonl"}
