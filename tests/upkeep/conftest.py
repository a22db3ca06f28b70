"""A store with a little history, and a clock that can be set."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memcli.store.database import connect
from tests.conftest import Cli, said, write_lines

Say = Callable[..., None]
At = Callable[[str], None]

_CLOCKS = ("add", "edit", "forget", "undo", "apply", "audit", "reflect", "options",
           "running")  # fmt: skip


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """Sets the clock of every command to a day."""

    def set_to(day: str) -> None:
        now = datetime.fromisoformat(f"{day}T12:00:00+00:00").astimezone(UTC)
        for name in _CLOCKS:
            monkeypatch.setattr(f"memcli.cli.{name}.utc_now", lambda: now)

    return set_to


@pytest.fixture
def say(cli: Cli) -> Say:
    """Writes a thread of one file and reflects it: sentences, or (role, text)."""

    def reflect(
        thread: str, *sentences: str, at: str = "2026-03-01", **more: Any
    ) -> None:
        lines = [
            said(text, thread=thread, id=str(n), at=f"{at}T10:{n:02d}:00Z", **more)
            for n, text in enumerate(sentences)
        ]
        write_lines(Path(f"logs/{thread}.jsonl"), *lines)
        done = cli("reflect", f"logs/{thread}.jsonl", "--extractor", "offline")
        assert done.code == 0, done.err

    return reflect


def texts(cli: Cli, *args: str) -> list[str]:
    """What the memories say that `show` lists."""
    return [memory["text"] for memory in cli("show", "--json", *args).json]


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of the test's database."""
    with closing(connect(Path("memories.db"))) as db:
        return [tuple(row) for row in db.execute(sql, values)]


def change(sql: str, *values: Any) -> None:
    """Do something to the database behind memcli's back."""
    with closing(connect(Path("memories.db"))) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute(sql, values)
