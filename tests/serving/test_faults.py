"""A fault of our own must not carry what it was working on into an answer or a log."""

import logging
from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client

from memcli.serving.answers import SearchResult
from memcli.serving.bounds import Bounds
from memcli.serving.desk import Desk
from memcli.serving.server import build
from memcli.serving.transports import _log_briefly
from tests.serving.clients import Answer, call


class Broken(Desk):
    """Fails over a memory, as no memcli should."""

    def search(self, query: str, **more: object) -> SearchResult:
        raise RuntimeError("cannot parse: the user plays the oboe")


def test_what_goes_wrong_inside_is_named_without_its_words(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    desk = Broken(Path("memories.db"), Bounds(), "all-MiniLM-L6-v2")
    server = build(desk, write=False)

    async def ask() -> Answer:
        async with Client(server) as client:
            return await call(client, "search_memories", query="music")

    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.WARNING)
    _log_briefly()
    answer = anyio.run(ask)
    told = capfd.readouterr().err
    assert (answer.refused, answer.text) == (
        True,
        "Error executing tool search_memories",
    )
    assert "RuntimeError at " in told and "test_faults.py:" in told
    assert "oboe" not in told + answer.text
