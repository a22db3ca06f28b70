"""Two at once: one works, the other leaves or waits, and nobody works unclaimed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memcli.errors import LeaseLost, Locked
from memcli.store import lease
from memcli.store.database import connect
from memcli.when import to_text
from tests.conftest import Cli, Serve, said, write_lines

DB = Path("memories.db")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOLD = """
import sys, time
from pathlib import Path
from memcli.store.database import run_lock
with run_lock(Path("memories.db")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(cli: Cli) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the database until its input is closed."""
    write_lines(Path("a.jsonl"), said("I live in Ghent.", id="1"))
    cli("add", "The build runs on Fridays.")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


def test_the_second_run_leaves_at_once_with_3(
    cli: Cli, holder: subprocess.Popen[str]
) -> None:
    done = cli("reflect", "a.jsonl", "--extractor", "offline")
    assert (done.code, "--wait" in done.err) == (3, True)
    assert cli("undo", "1").code == 3
    assert cli("audit", "--fix").code == 3


def test_meanwhile_everything_else_works(
    cli: Cli, holder: subprocess.Popen[str]
) -> None:
    for command in (["search", "build"], ["show"], ["export"], ["status"], ["audit"],
                    ["history", "1"], ["add", "The user lives in Ghent."],
                    ["edit", "1", "The build runs on Mondays."],
                    ["forget", "1"], ["backup", "b.db"]):  # fmt: skip
        done = cli(*command)
        assert done.code == 0, (command, done.err)


def test_or_it_waits_as_told(holder: subprocess.Popen[str]) -> None:
    command = [sys.executable, "-m", "memcli", "reflect", "a.jsonl", "--wait",
               "--extractor", "offline"]  # fmt: skip
    waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert waiting.stderr is not None
    assert "waiting for another run" in waiting.stderr.readline()
    assert waiting.poll() is None
    assert holder.stdin is not None
    holder.stdin.close()
    assert waiting.wait(60) == 0
    waiting.stderr.close()
    with closing(connect(DB)) as db:
        assert db.execute("SELECT count(*) FROM memories").fetchone()[0] == 2


def test_waiting_ends_with_ctrl_c(holder: subprocess.Popen[str]) -> None:
    command = [sys.executable, "-m", "memcli", "reflect", "a.jsonl", "--wait"]
    waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert waiting.stderr is not None
    waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(30) == 130
    assert "Traceback" not in waiting.stderr.read()
    waiting.stderr.close()


def claim_elsewhere(expires: datetime) -> None:
    with closing(connect(DB)) as db:
        db.execute(
            "INSERT OR REPLACE INTO leases (name, owner, host, pid, stage, since, "
            "beat_at, expires_at) VALUES ('run', 'x', 'elsewhere', 7, 'extract', "
            "?, ?, ?)",
            (to_text(expires), to_text(expires), to_text(expires)),
        )


def test_a_run_on_another_machine_is_respected_while_its_heart_beats(
    cli: Cli,
) -> None:
    write_lines(Path("a.jsonl"), said("I live in Ghent.", id="1"))
    soon = datetime.now(UTC) + timedelta(seconds=90)
    claim_elsewhere(soon)
    done = cli("reflect", "a.jsonl", "--extractor", "offline")
    assert (done.code, "elsewhere" in done.err) == (3, True)
    assert "process 7 on elsewhere" in cli("status").out
    claim_elsewhere(datetime.now(UTC) - timedelta(seconds=1))
    assert cli("reflect", "a.jsonl", "--extractor", "offline").code == 0
    assert cli("status", "--json").json["under_way"] is None


def test_a_claim_of_this_machine_is_a_dead_ones() -> None:
    with closing(connect(DB)) as db:
        with lease.hold(db, lambda: NOW) as held:
            held.check()
            assert lease.current(db, NOW) is not None
            # Killed here: what it held stays. The next one has the system's lock.
            row = db.execute("SELECT host, pid FROM leases").fetchone()
            assert tuple(row) == (socket.gethostname(), os.getpid())
            with lease.hold(db, lambda: NOW), pytest.raises(LeaseLost):
                held.check()
        assert lease.current(db, NOW) is None


def test_a_lease_is_renewed_while_the_run_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lease, "_BEAT_SECONDS", 0.01)
    times = iter(NOW + timedelta(seconds=n) for n in range(100_000))
    with closing(connect(DB)) as db, lease.hold(db, lambda: next(times)):
        first = db.execute("SELECT expires_at FROM leases").fetchone()[0]
        for _ in range(1000):
            if db.execute("SELECT expires_at FROM leases").fetchone()[0] > first:
                break
            time.sleep(0.01)
        else:
            raise AssertionError("the heart does not beat")


def test_a_run_that_was_taken_over_commits_no_more(cli: Cli, serve: Serve) -> None:
    from tests.asking.conftest import attentive

    def answer(request: dict[str, object]) -> object:
        claim_elsewhere(datetime.now(UTC) + timedelta(seconds=90))
        return attentive(request)

    serve(answer)
    write_lines(Path("a.jsonl"), said("I prefer dark mode", id="1"))
    done = cli("reflect", "a.jsonl", "--extractor", "claude")
    assert (done.code, "taken over" in done.err) == (3, True)
    with closing(connect(DB)) as db:
        assert db.execute("SELECT count(*) FROM extractions").fetchone()[0] == 0
        assert lease.current(db, datetime.now(UTC)) is not None  # the other one's


def test_a_lease_is_free_when_it_was_released() -> None:
    with closing(connect(DB)) as db:
        with lease.hold(db, lambda: NOW):
            pass
        claim_elsewhere(NOW + timedelta(seconds=5))
        with pytest.raises(Locked), lease.hold(db, lambda: NOW):
            pass
