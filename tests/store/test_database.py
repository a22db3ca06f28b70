"""The file: ours or nobody's, migrated, all or nothing."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from memcli.errors import StoreError
from memcli.store import schema
from memcli.store.database import connect, run_lock, transaction
from tests.conftest import Cli, said, write_lines


def test_a_new_file_has_every_migration(tmp_path: Path) -> None:
    db = connect(tmp_path / "x.db")
    assert schema.version(db) == len(schema.STEPS)
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert db.execute("PRAGMA foreign_keys").fetchone()[0] == 1
    db.close()


@pytest.mark.parametrize("done", range(len(schema.STEPS)))
def test_a_file_of_any_earlier_version_is_brought_up_to_date(
    tmp_path: Path, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = schema.STEPS
    monkeypatch.setattr(schema, "STEPS", steps[:done])
    connect(tmp_path / "x.db").close()
    monkeypatch.setattr(schema, "STEPS", steps)
    upgraded = connect(tmp_path / "x.db")
    fresh = connect(tmp_path / "y.db")

    def tables(db: sqlite3.Connection) -> list[tuple[str, str]]:
        rows = db.execute("SELECT name, sql FROM sqlite_master ORDER BY name")
        return [(row["name"], row["sql"]) for row in rows]

    assert tables(upgraded) == tables(fresh)
    upgraded.close()
    fresh.close()


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(db: object) -> None:
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS[:2], broken))
    with pytest.raises(StoreError, match="disk full"):
        connect(tmp_path / "x.db")
    monkeypatch.undo()
    db = connect(tmp_path / "x.db")
    assert schema.version(db) == len(schema.STEPS)
    db.close()


def test_a_file_of_a_newer_memcli_is_left_alone(tmp_path: Path) -> None:
    db = connect(tmp_path / "x.db")
    db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(StoreError, match="newer memcli"):
        connect(tmp_path / "x.db")


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    db = connect(tmp_path / "x.db")
    with pytest.raises(ValueError, match="stop"), transaction(db):
        db.execute("INSERT INTO threads (id, format, metadata) VALUES ('t', 'x', '{}')")
        raise ValueError("stop")
    assert db.execute("SELECT count(*) FROM threads").fetchone()[0] == 0
    db.close()


KILLED_AT = """
import os, signal, sys
import memcli.reflection.reflect as story
from memcli.__main__ import main
def die(*args, **kwargs): os.kill(os.getpid(), signal.SIGKILL)
story.{stage} = die
sys.argv = ["memcli", "reflect", "logs", "--quiet"]
main()
"""


@pytest.mark.parametrize(
    "stage", ["due_threads", "_embed", "_consolidate", "_close_run"]
)
def test_a_run_that_was_killed_is_taken_up_where_it_stopped(
    cli: Cli, stage: str
) -> None:
    for number in range(5):
        write_lines(
            Path(f"logs/{number}.jsonl"),
            said(f"I live in Ghent and I own {number + 2} dogs.", thread=f"t{number}"),
        )
    dead = subprocess.run(
        [sys.executable, "-c", KILLED_AT.format(stage=stage)], env=dict(os.environ)
    )
    assert dead.returncode == -signal.SIGKILL
    done = cli("reflect", "logs")
    assert done.code == 0, done.err
    killed = cli("show", "--json").json
    assert done.code == 0
    assert cli("reflect", "logs", "--json").json["run"] is None
    cli("reflect", "logs", "--db", "unbroken.db")
    whole = cli("show", "--json", "--db", "unbroken.db").json
    assert [m["text"] for m in killed] == [m["text"] for m in whole]
    assert [m["sources"] for m in killed] == [m["sources"] for m in whole]
    outcomes = {run["outcome"] for run in cli("status", "--json").json["runs"]}
    assert outcomes <= {"done", "interrupted"}


def test_a_database_of_the_first_release_is_read_on(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(Path("a.jsonl"), said("I prefer tea.", id="1"))
    path = Path("memories.db")
    with monkeypatch.context() as before:
        before.setattr(schema, "STEPS", schema.STEPS[:6])
        connect(path).close()
    facts = Path("a.jsonl").stat()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "INSERT INTO threads (id, format, metadata) VALUES ('t1', 'x', '{}')"
        )
        db.execute(
            "INSERT INTO messages (key, thread_id, message_id, role, text, sent_at) "
            "VALUES ('t1/0', 't1', '0', 'user', 'before', '2026-01-01T00:00:00.000Z')"
        )
        # A file in a format that was not known then, and has not changed since.
        db.execute(
            "INSERT INTO files (path, size, mtime_ns, inode, read_at) "
            "VALUES (?, ?, ?, ?, '2026')",
            (str(Path("a.jsonl").absolute()), facts.st_size, facts.st_mtime_ns,
             facts.st_ino),
        )  # fmt: skip
    done = cli("reflect", "a.jsonl", "--db", path, "--json")
    assert (done.code, done.json["messages"]["added"]) == (0, 1)
    found = cli("search", "tea", "--in", "messages", "--db", path, "--json").json
    assert found[0]["text"] == "I prefer tea."


def test_a_second_connection_does_not_give_up_the_locks_of_the_first(
    tmp_path: Path,
) -> None:
    """Another process would take the log for nobody's, and remove it under us."""
    path = tmp_path / "x.db"
    first = connect(path)
    first.execute("INSERT INTO keys VALUES ('one', '')")
    connect(path).close()
    with run_lock(path):
        pass
    other = (
        "from pathlib import Path; from memcli.store.database import connect\n"
        f"db = connect(Path({str(path)!r}))\n"
        "db.execute(\"INSERT INTO keys VALUES ('two', '')\"); db.close()"
    )
    subprocess.run([sys.executable, "-c", other], check=True)
    assert Path(f"{path}-wal").exists()
    first.execute("INSERT INTO keys VALUES ('three', '')")
    assert first.execute("SELECT count(*) FROM keys").fetchone()[0] == 3
    first.close()
