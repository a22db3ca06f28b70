"""No room on the disk, or a disk that fails, at any write: one line tells what to do,
what was committed is kept, and the command can be given again."""

import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from memcli.embeddings import choose
from memcli.reflection import embed, merge
from memcli.store import schema
from memcli.store.database import connect
from memcli.upkeep import by_hand
from memcli.upkeep import undo as undoing
from tests.conftest import Cli, Result, said, write_lines
from tests.durability.forks import watched, writes
from tests.durability.kill import damage, exported

# SQLite's own words for it, with its codes.
ERRORS = ("disk I/O error", "database or disk is full")
# Of the writes of a command so many fail, spread evenly, and of the pages that a
# full database may still grow by these.
_TRIED = 4
_PAGES = (0, 6)
# Steps that a database had in the release before.
_FORMER_STEPS = 7
_STORE = Path("memories.db")


@dataclass(frozen=True)
class Command:
    """A command, and what is there before it."""

    args: tuple[str, ...]
    prepare: Callable[[Cli], None]


def base(cli: Cli) -> None:
    """Three conversations were reflected once, and another one waits."""
    for number in range(3):
        write_lines(
            Path(f"logs/{number}.jsonl"),
            said(f"I live in Ghent and I own {number + 2} dogs.", thread=f"t{number}"),
            said(f"I prefer tea number {number}.", thread=f"t{number}",
                 at=f"2026-09-0{number + 1}T11:00:00Z"),
        )  # fmt: skip
    assert cli("reflect", "logs", "--quiet").code == 0
    write_lines(
        Path("logs/more.jsonl"),
        said("I moved to Bruges.", thread="t3", at="2026-09-09T11:00:00Z"),
        *(said(f"I own {n} cups.", id=f"c{n}", thread="t4") for n in range(2, 9)),
    )


def nothing(cli: Cli) -> None:
    base(cli)
    _STORE.unlink()


def planned(cli: Cli) -> None:
    base(cli)
    assert cli("reflect", "logs", "--plan", "plan.json", "--quiet").code == 0


def former(cli: Cli) -> None:
    """A database of a former release, with a file that was read then."""
    with pytest.MonkeyPatch.context() as before:
        before.setattr(schema, "STEPS", schema.STEPS[:_FORMER_STEPS])
        connect(_STORE).close()
    with closing(sqlite3.connect(_STORE)) as db, db:
        db.execute(
            "INSERT INTO threads (id, format, metadata) VALUES ('t9', 'generic', '{}')"
        )
        db.execute(
            "INSERT INTO messages (key, thread_id, message_id, role, text, sent_at) "
            "VALUES ('t9/0', 't9', '0', 'user', 'before', '2026-01-01T00:00:00.000Z')"
        )


COMMANDS = {
    "a first run": Command(("reflect", "logs", "--quiet"), nothing),
    "a run": Command(("reflect", "logs", "--quiet"), base),
    "add": Command(("add", "I like salt.", "--since", "2026-01-01"), base),
    "forget": Command(("forget", "1"), base),
    "forget for good": Command(("forget", "--thread", "t0", "--yes"), base),
    "undo": Command(("undo", "1"), base),
    "apply": Command(("apply", "plan.json", "--quiet"), planned),
    "backup": Command(("backup", "copy.db", "--force"), base),
    "a migration": Command(("add", "I like salt.", "--since", "2026-01-01"), former),
}


@pytest.fixture
def prepared(
    request: pytest.FixtureRequest, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """A command and what comes before it; the model is loaded once."""
    encode = choose.encoder(choose.DEFAULT_MODEL)
    for module in (embed, merge, by_hand, undoing):
        monkeypatch.setattr(module, "encoder", lambda model: encode)
    command: Command = request.param
    command.prepare(cli)
    _keep()
    return command


def _keep() -> None:
    """What is there now is what each try begins with."""
    Path("before").mkdir()
    for path in Path().glob(f"{_STORE}*"):
        shutil.copy(path, "before")


def _begin_anew() -> None:
    for path in (*Path().glob(f"{_STORE}*"), *Path().glob("copy.db*")):
        path.unlink()
    for path in Path("before").iterdir():
        shutil.copy(path, ".")


class Faults:
    """Counts the writes, and makes one of them fail."""

    def __init__(self, fails: int | None = None, error: str = "") -> None:
        self.writes = 0
        self._fails, self._error = fails, error

    def around(
        self, db: sqlite3.Connection, sql: str, call: Callable[[], sqlite3.Cursor]
    ) -> sqlite3.Cursor:
        if writes(sql):
            self.writes += 1
            if self.writes == self._fails:
                raise sqlite3.OperationalError(self._error)
        return call()


def _check(done: Result) -> None:
    """It was told in one line what is wrong, and the file is whole."""
    assert done.code in (0, 2), done.err
    told = [
        line
        for line in done.err.splitlines()
        if "is brought up to date" not in line and "still in copies" not in line
    ]
    assert len(told) == (1 if done.code else 0), done.err
    if done.code:
        assert re.fullmatch(
            r"memcli: \S+: no room on the disk, or it cannot be written to \(.*\); .*",
            told[0],
        ), told[0]
    assert not list(Path().glob(".*.part")), "a part of a copy was left"
    if _STORE.exists():
        with closing(sqlite3.connect(_STORE)) as db:
            if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                assert damage(db) == []


def _given_again(cli: Cli, command: Command, failed: Result, whole: list[Any]) -> None:
    if failed.code:
        again = cli(*command.args)
        # What was committed before the fault is done: there is nothing to undo twice.
        assert again.code == 0 or exported(_STORE) == whole, again.err
    assert exported(_STORE) == whole


def _spread(count: int, tried: int) -> Sequence[int]:
    """Numbers from 1 to count, both among them."""
    if count <= tried:
        return range(1, count + 1)
    return [1 + round(n * (count - 1) / (tried - 1)) for n in range(tried)]


each_command = pytest.mark.parametrize(
    "prepared", COMMANDS.values(), ids=COMMANDS, indirect=True
)


@each_command
def test_a_write_that_fails_costs_nothing_that_was_committed(
    cli: Cli, prepared: Command
) -> None:
    counting = Faults()
    with watched(counting.around):
        done = cli(*prepared.args)
    assert done.code == 0, done.err
    whole = exported(_STORE)
    for n in _spread(counting.writes, _TRIED):
        _begin_anew()
        with watched(Faults(n, ERRORS[n % 2]).around):
            failed = cli(*prepared.args)
        _check(failed)
        _given_again(cli, prepared, failed, whole)


@each_command
def test_a_full_database_is_told_and_work_goes_on_when_there_is_room(
    cli: Cli, prepared: Command
) -> None:
    assert cli(*prepared.args).code == 0
    whole = exported(_STORE)
    for more in _PAGES:
        _begin_anew()
        size = _STORE.stat().st_size if _STORE.exists() else 0
        most = max(1, size // 4096 + more)

        def opened(db: sqlite3.Connection, most: int = most) -> None:
            db.execute(f"PRAGMA max_page_count = {most}")

        with watched(lambda db, sql, call: call(), opened):
            failed = cli(*prepared.args)
        _check(failed)
        _given_again(cli, prepared, failed, whole)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, resource.RLIM_INFINITY))
from memcli.__main__ import main
sys.argv = ["memcli", *{args!r}]
main()
"""


# SQLite copies a database without statements: only here does that fail.
_GROW = ("a run", "backup")


@pytest.mark.parametrize(
    "prepared", [COMMANDS[name] for name in _GROW], ids=_GROW, indirect=True
)
def test_a_file_that_may_not_grow_is_told_and_kept(cli: Cli, prepared: Command) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    assert cli(*prepared.args).code == 0
    whole = exported(_STORE)
    _begin_anew()
    size = _STORE.stat().st_size if _STORE.exists() else 0
    program = LIMITED.format(most=max(100_000, size // 2), args=list(prepared.args))
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ, capture_output=True, text=True
    )
    failed = Result(done.returncode, done.stdout, done.stderr)
    _check(failed)
    assert failed.code == 2
    _given_again(cli, prepared, failed, whole)
