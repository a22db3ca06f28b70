"""What most tests need: a memcli to call, an isolated home, files to read."""

import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from memcli.__main__ import main
from memcli.store import schema
from tests import messages_api as api

# A slow machine is no fault of the code.
settings.register_profile("memcli", deadline=None, max_examples=60)
settings.load_profile("memcli")


@dataclass
class Result:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Result]
Serve = Callable[..., api.Server]


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting, key or database of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("MEMCLI_", "ANTHROPIC_", "XDG_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("MEMCLI_DB", str(work / "memories.db"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(work)
    yield


@pytest.fixture(autouse=True, scope="session")
def made_once() -> Iterator[None]:
    """A new database is a copy of one that had its migrations: for a thousand tests
    they would take longer than all else. Older files are migrated as ever, and a test
    that changes the migrations gets its own."""
    steps, migrate = schema.STEPS, schema.migrate
    with sqlite3.connect(
        ":memory:", isolation_level=None, check_same_thread=False
    ) as made:
        migrate(made)

    def copied(db: sqlite3.Connection) -> None:
        if schema.STEPS is steps and schema.version(db) == 0:
            made.backup(db)
        else:
            migrate(db)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(schema, "migrate", copied)
        yield
    made.close()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs `memcli ARGS…` in this process, the way the command does."""

    def run(*args: str | Path) -> Result:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["memcli", *map(str, args)])
        code: object = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return Result(code if isinstance(code, int) else 0, out, err)

    return run


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a server that the client finds by itself; options as `api.serving`. The
    model behind it remembers what people say they prefer, unless told otherwise."""
    from tests.asking.conftest import attentive

    with ExitStack() as stack:

        def start(
            answer: Callable[[dict[str, Any]], api.Answer] = attentive, **options: Any
        ) -> api.Server:
            server = stack.enter_context(api.serving(answer, **options))
            monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
            monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
            return server

        yield start


def said(
    text: str,
    *,
    thread: str = "t1",
    id: str | None = None,
    role: str = "user",
    at: str = "2026-09-01T10:00:00Z",
    **more: Any,
) -> dict[str, Any]:
    """One line of a generic transcript."""
    line = {"thread_id": thread, "role": role, "content": text, "timestamp": at, **more}
    return {"id": id, **line} if id else line


def write_lines(path: Path, *lines: dict[str, Any] | bytes | str) -> Path:
    """A JSONL file; bytes and text go in as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for line in lines:
            if isinstance(line, dict):
                line = json.dumps(line, ensure_ascii=False)
            file.write(line.encode() if isinstance(line, str) else line)
            file.write(b"\n")
    return path


def minutes_ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
