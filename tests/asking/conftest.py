"""A model that remembers what people say they prefer, and what it was shown."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import messages_api as api
from tests.conftest import said, write_lines

_FENCE = re.compile(r"-[0-9a-f]{8}>")


def attentive(request: dict[str, Any]) -> api.Answer:
    """Remembers every sentence that says what somebody prefers; in consolidation it
    adds whatever it is asked about."""
    if request["tools"][0]["name"] == "decide":
        return decide(request, lambda number: {"operation": "insert"})
    found = []
    for label, text in re.findall(
        r"\[(m\d+)\] [^\n]*\n((?:  [^\n]*\n?)+)", shown(request)
    ):
        for sentence in re.findall(r"I prefer [\w ]+", text):
            found.append({
                "text": sentence.replace("I prefer", "The user prefers") + ".",
                "kind": "preference",
                "quotes": [{"message": label, "text": sentence}],
                "confidence": 0.9,
            })  # fmt: skip
    return api.tool_call(found)


def decide(
    request: dict[str, Any], decision: Callable[[int], dict[str, Any]]
) -> api.Answer:
    """A decision for each new statement of a consolidation request."""
    statements = shown(request).split("New statements")[1]
    numbers = [int(n) for n in re.findall(r"^\[(\d+)\]", statements, re.MULTILINE)]
    decisions = [{"new": n, "reason": "so it is", **decision(n)} for n in numbers]
    call = {
        "type": "tool_use",
        "id": "toolu_2",
        "name": "decide",
        "input": {"decisions": decisions},
    }
    return api.message([call], "tool_use")


def extractions(server: api.Server) -> list[dict[str, Any]]:
    """The requests that are about a conversation."""
    return [
        request
        for request in server.requests
        if request["tools"][0]["name"] == "record_memories"
    ]


def shown(request: dict[str, Any]) -> str:
    """The conversation of a request, whose fence is another one each time."""
    text: str = request["messages"][0]["content"]
    return _FENCE.sub(">", text)


def chats(count: int, folder: str = "logs") -> Path:
    """So many threads in as many files, each with a preference of its own."""
    for number in range(count):
        write_lines(
            Path(f"{folder}/{number}.jsonl"),
            said(f"I prefer drink number {number}, please.", thread=f"t{number}"),
            said("Noted.", thread=f"t{number}", role="assistant",
                 at="2026-09-01T10:01:00Z"),
        )  # fmt: skip
    return Path(folder)
