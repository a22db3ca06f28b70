"""Logs of Claude Code's shape to measure reading with: mostly tool output.

The proportions are those of real sessions: a few prompts and answers, between
them tool calls whose results (source files, test runs, listings) make nearly
all of the bytes, each result written twice, now and then an image or a line of
many megabytes.
"""

import base64
import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

_WORDS = """
    def return self import class for in if else None True raise value "name" 'key'
    request response error timeout config parser token stream buffer index result
    assert test_case expected actual logger debug path file line column module
"""
WORDS = _WORDS.split()
_LONGEST = 16 << 20


def session(path: Path, size: int, seed: int = 1) -> int:
    """One session of about so many bytes; gives the number of messages in it."""
    draw = random.Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    written, messages = 0, 0
    session_id = _uuid(draw)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    with path.open("wb") as file:
        for kind, event in _events(draw, session_id, at):
            line = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
            written += file.write(line.encode() + b"\n")
            messages += kind == "said"
            if written >= size:
                return messages
    return messages


def small_files(folder: Path, count: int, seed: int = 1) -> None:
    """Many short sessions in many folders, as years of use leave them."""
    draw = random.Random(seed)
    for number in range(count):
        session_id = _uuid(draw)
        path = folder / f"-home-mira-project-{number // 50}" / f"{session_id}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        events = _turn(draw, session_id, datetime(2026, 3, 1, tzinfo=UTC), tools=0)
        lines = [json.dumps(event, separators=(",", ":")) for _, event in events]
        path.write_text("\n".join(lines) + "\n")


def _events(
    draw: random.Random, session_id: str, at: datetime
) -> Iterator[tuple[str, dict[str, object]]]:
    while True:
        at += timedelta(minutes=3)
        yield from _turn(draw, session_id, at, tools=draw.randint(3, 25))


def _turn(
    draw: random.Random, session_id: str, at: datetime, tools: int
) -> Iterator[tuple[str, dict[str, object]]]:
    def event(kind: str, message: object, **more: object) -> dict[str, object]:
        parts = [("type", kind), ("message", message)]
        if kind == "assistant":
            parts = [("message", message), ("requestId", "req_1"), ("type", kind)]
        return {
            "parentUuid": _uuid(draw), "isSidechain": False, "userType": "external",
            "cwd": "/home/mira/code/webshop", "sessionId": session_id,
            "version": "2.1.9", "gitBranch": "main", **dict(parts),
            "uuid": _uuid(draw),
            "timestamp": at.isoformat().replace("+00:00", "Z"), **more,
        }  # fmt: skip

    def said(role: str, content: object) -> dict[str, object]:
        if role == "user":
            return {"role": role, "content": content}
        usage = {"input_tokens": 4, "cache_read_input_tokens": 18_000}
        return {
            "model": "claude-x", "id": f"msg_{draw.getrandbits(60):x}",
            "type": "message", "role": role, "content": content,
            "stop_reason": None, "usage": usage,
        }  # fmt: skip

    yield "said", event("user", said("user", "Please fix " + _prose(draw, 20)))
    for number in range(tools):
        call = f"toolu_{number}_{draw.getrandbits(40):x}"
        use = {
            "type": "tool_use",
            "id": call,
            "name": "Bash",
            "input": {"command": "x"},
        }
        yield "tool", event("assistant", said("assistant", [use]))
        output = _output(draw)
        result = {"tool_use_id": call, "type": "tool_result", "content": output}
        yield (
            "tool",
            event("user", said("user", [result]), toolUseResult={"stdout": output}),
        )
    if draw.random() < 0.02:
        data = base64.b64encode(draw.randbytes(400_000)).decode()
        image = {"type": "image", "source": {"type": "base64", "data": data}}
        text = {"type": "text", "text": "See the picture: " + _prose(draw, 10)}
        yield "said", event("user", said("user", [image, text]))
    answer = {"type": "text", "text": "Done. " + _prose(draw, 60)}
    yield "said", event("assistant", said("assistant", [answer]))


def _output(draw: random.Random) -> str:
    """Mostly some kilobytes, sometimes a megabyte, once in a long while sixteen."""
    luck = draw.random()
    size = draw.randint(500, 20_000)
    if luck < 0.01:
        size = 1 << 20
    if luck < 0.0003:
        size = _LONGEST // 2
    block = "\n".join(
        "    " * draw.randint(0, 4) + " ".join(draw.choices(WORDS, k=8))
        for _ in range(min(200, size // 40 + 1))
    )
    return (block * (size // len(block) + 1))[:size]


def _prose(draw: random.Random, words: int) -> str:
    return " ".join(draw.choices(WORDS, k=words))


def _uuid(draw: random.Random) -> str:
    return str(uuid.UUID(int=draw.getrandbits(128), version=4))
