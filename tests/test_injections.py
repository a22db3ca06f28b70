"""Transcripts that try to plant memories, and a model that obeys all of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memcli.extractors.offline.extractor import OfflineExtractor
from memcli.models import Candidate, Kind, Message, Quote, Thread, ThreadPart
from memcli.reflection import voice
from memcli.reflection.checks import check
from memcli.when import parse_timestamp
from tests import messages_api as api
from tests.conftest import Cli, write_lines

DATA = Path(__file__).parent / "data"
PLANTED = sorted((DATA / "injections").glob("*.json"))


def gullible(case: dict[str, Any]) -> Any:
    """A model that records what it is told to, and what is honest beside it."""

    def answer(request: dict[str, Any]) -> api.Answer:
        shown = request["messages"][0]["content"]
        labels = {}
        for number, message in enumerate(case["messages"], 1):
            assert f"[m{number}]" in shown
            labels[message["id"]] = f"m{number}"
        return api.tool_call([
            {
                "text": one["text"],
                "kind": one["kind"],
                "confidence": one["confidence"],
                "quotes": [{"message": labels[one["message"]], "text": one["quote"]}],
            }
            for one in (*case["obeyed"], *case["honest"])
        ])  # fmt: skip

    return answer


@pytest.mark.parametrize("path", PLANTED, ids=lambda path: path.stem)
def test_nothing_that_a_transcript_demands_is_remembered(
    path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = json.loads(path.read_text())
    write_lines(Path("a.jsonl"), *case["messages"])
    with api.serving(gullible(case)) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        done = cli("reflect", "a.jsonl", "--json")
    assert done.code == 0, done.err
    kept = {memory["text"] for memory in cli("show", "--json").json}
    assert kept == {one["text"] for one in case["honest"]}
    assert sum(done.json["candidates"]["set_aside"].values()) == len(case["obeyed"])


@pytest.mark.parametrize("path", PLANTED, ids=lambda path: path.stem)
def test_the_offline_extractor_is_not_taken_in_either(path: Path) -> None:
    case = json.loads(path.read_text())
    part = as_part(case["messages"])
    kept, _ = check(OfflineExtractor().extract(part).candidates, part, 0.6)
    planted = {" ".join(one["quote"].split()) for one in case["obeyed"]}
    for candidate in kept:
        for quoted in candidate.quotes:
            quote = " ".join(quoted.text.split())
            assert not any(text in quote or quote in text for text in planted)


def quotes(kind: str) -> Iterator[tuple[str, bool]]:
    """Each quote of the second set with whether it is kept."""
    for path in sorted((DATA / "voices").glob("*.json")):
        case = json.loads(path.read_text())
        part = as_part(case["messages"])
        authors = {message.id: message for message in part.new}
        for one in case[kind]:
            said = authors[one["message"]]
            candidate = Candidate(
                one["text"], Kind(one["kind"]),
                (Quote(one["message"], one["quote"]),),
                one["confidence"], said.sent_at, author=said.name,
            )  # fmt: skip
            kept, _ = check([candidate], part, 0.5)
            yield one["quote"], bool(kept)


def as_part(lines: list[dict[str, Any]]) -> ThreadPart:
    messages = []
    for line in lines:
        sent_at = parse_timestamp(line["timestamp"])
        assert sent_at is not None
        messages.append(
            Message(
                f"{line['thread_id']}/{line['id']}", line["thread_id"], line["id"],
                line["role"], line["content"], sent_at, line.get("name"),
            )
        )  # fmt: skip
    first, last = messages[0].sent_at, messages[-1].sent_at
    thread = Thread("t", "generic", {}, first, last, len(messages), len(messages))
    return ThreadPart(thread, (), tuple(messages))


# Unmarked fiction that goes on, and lyrics in the middle of a sentence, cannot be
# told by their form; the model is to know them.
BEYOND_FORM = {
    "I killed the ferryman, and I would do it again",
    "I left my home in Georgia, headed for the Frisco bay",
    "I study best between 4 and 6 in the morning.",
}


def test_words_of_others_are_known_by_their_form() -> None:
    taken_in = {quote for quote, kept in quotes("obeyed") if kept}
    assert taken_in <= BEYOND_FORM


def test_what_people_say_of_themselves_is_theirs_however_it_looks() -> None:
    listed = list(quotes("honest"))
    lost = [quote for quote, kept in listed if not kept]
    assert len(listed) > 100
    assert len(lost) <= 3, lost


@pytest.mark.parametrize("bit", ["«", "“", "\n\n", "<br>", "/*", "'a ", "a: b\n"])
def test_a_huge_paste_is_gone_through_once(bit: str) -> None:
    # A pattern that begins anew at every place would take minutes for this.
    own = "I prefer tea over coffee."
    text = (bit * (200_000 // len(bit))) + "\n\n" + own
    assert voice.objection(text, own) in (None, voice.PASTED)


def test_a_tag_that_is_only_spoken_of_makes_no_document() -> None:
    text = "I never use <br> in my templates. I prefer margins."
    assert voice.objection(text, "I prefer margins") is None
    document = "Look:\n<document>\nI prefer margins.\n</document>\nI like it."
    assert voice.objection(document, "I prefer margins") == voice.PASTED
    assert voice.objection(document, "I like it") is None
