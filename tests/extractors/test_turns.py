"""The offline extractor on 408 turns written for this project.

Each line of `tests/data/turns.jsonl` has a turn, the one before it, and what a careful
reader would remember of it: nothing, in 220 of them, on purpose tempting ones. The
rules were written with the even ids in view, and the misses of the odd ones have been
read since, so this guards against steps back rather than measuring anything unseen.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from memcli.extractors.offline.extractor import OfflineExtractor
from memcli.models import Candidate, Message, Role, Thread, ThreadPart

TURNS = Path(__file__).resolve().parent.parent / "data" / "turns.jsonl"
DEFAULT_CONFIDENCE = 0.6


def turns() -> list[dict[str, Any]]:
    return [json.loads(line) for line in TURNS.read_text().split("\n") if line]


def kept(turn: dict[str, Any]) -> list[Candidate]:
    at = datetime.fromisoformat(turn["timestamp"])
    thread = Thread("t", "generic", {}, at, at, 2, 1)
    other: Role = "assistant" if turn["role"] == "user" else "user"
    before = Message("p", "t", "p", other, turn["previous"], at)
    now = Message("n", "t", "n", turn["role"], turn["text"], at)
    found = OfflineExtractor().extract(ThreadPart(thread, (before,), (now,)))
    return [c for c in found.candidates if c.confidence >= DEFAULT_CONFIDENCE]


def test_turns_with_nothing_to_remember_give_nothing() -> None:
    junk = [c.text for turn in turns() if not turn["expect"] for c in kept(turn)]
    assert junk == []


def test_a_good_part_of_the_others_is_found() -> None:
    worth = [turn for turn in turns() if turn["expect"]]
    found = sum(bool(kept(turn)) for turn in worth)
    assert found / len(worth) > 1 / 3
