"""The classifier of turns, and the one candidate that it may add to the rules'."""

import hashlib
import json
import math
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcli.extractors.base import Extraction
from memcli.extractors.offline import features, worth
from memcli.extractors.offline.extractor import OfflineExtractor
from memcli.models import Candidate, Message, Role, Thread, ThreadPart
from memcli.reflection.checks import check
from tests.conftest import Cli, write_lines

AT = datetime(2026, 8, 29, 9, 0, tzinfo=UTC)
DATA = Path(worth.__file__).with_name("worth.json")
CONVERSATIONS = Path(__file__).parents[2] / "benchmarks" / "conversations"


def said(*turns: tuple[str, str]) -> tuple[Message, ...]:
    """Messages of (who, text); `assistant` and `user` are roles, others names."""
    found = []
    for at, (who, text) in enumerate(turns):
        role: Role = "assistant" if who == "assistant" else "user"
        name = None if who in ("assistant", "user") else who
        when = AT + timedelta(minutes=at)
        found.append(Message(f"k{at}", "t", f"m{at}", role, text, when, name))
    return tuple(found)


def part(messages: tuple[Message, ...], *, vectors: bool = False) -> ThreadPart:
    thread = Thread("t", "generic", {}, AT, AT, len(messages), len(messages))
    return ThreadPart(
        thread, (), messages, vectors=some_vectors(messages) if vectors else None
    )


def some_vectors(messages: tuple[Message, ...]) -> dict[str, Any]:
    """Unit vectors that follow from the texts alone."""
    found: dict[str, Any] = {}
    for message in messages:
        seed = hashlib.sha256(message.text.encode("utf-8", "replace")).digest()[:8]
        raw = np.random.default_rng(int.from_bytes(seed, "big")).normal(size=384)
        found[message.key] = (raw / np.linalg.norm(raw)).astype(np.float32)
    return found


def kept(messages: tuple[Message, ...], at_least: float = 0.0) -> list[Candidate]:
    """What passes the checks, as in a run."""
    whole = part(messages)
    candidates = OfflineExtractor().extract(whole).candidates
    return check(candidates, whole, at_least, hearsay=True)[0]


CHAT = said(
    ("Imke", "are you alive?"),
    ("Ronan", "barely! how was the weekend"),
    ("Imke", "My sister Greta moved to Lyon on Saturday with her cello and both cats"),
    ("Ronan", "haha nice"),
    ("Imke", "We carried 40 boxes down to the van in Leith, my back is done"),
    ("Ronan", "ok got to go, speak soon"),
)
ASSISTED = said(
    ("user", "What is the capital of Peru?"),
    ("assistant", "The capital of Peru is Lima."),
    ("user", "ok thanks"),
)

texts = st.text(max_size=300) | st.sampled_from(
    [
        "",
        " ",
        "\n\n",
        "```\n",
        "?" * 400,
        "我住在柏林。",
        "I" * 5000,
        "- a\n- b",
        "\ud83d",
    ]
)


@given(
    turns=st.lists(
        st.tuples(st.sampled_from(["user", "assistant", "Ann", "Bob"]), texts),
        min_size=1,
        max_size=6,
    ),
    vectors=st.booleans(),
)
def test_any_text_has_a_probability_and_makes_no_trouble(
    turns: list[tuple[str, str]], vectors: bool
) -> None:
    messages = said(*turns)
    whole = part(messages, vectors=vectors)
    found = worth.worth(messages, whole.vectors)
    assert len(found) == len(messages)
    assert all(0 <= probability <= 1 for probability in found)
    for candidate in OfflineExtractor().extract(whole).candidates:
        assert 0 <= candidate.confidence <= 1
        assert candidate.quotes[0].text


def test_a_turn_that_tells_something_is_likelier_than_small_talk() -> None:
    found = worth.worth(CHAT, None)
    assert min(found[2], found[4]) > max(found[0], found[1], found[3], found[5])


def test_some_vectors_may_be_missing() -> None:
    vectors = some_vectors(CHAT)
    some = {key: vectors[key] for key in ("k2", "k3")}
    rows = features.rows(CHAT, some, lambda _: 1.0)
    at = features.COLUMNS.index
    assert math.isnan(rows[0][at("score")])
    assert rows[2][at("score")] == rows[1][at("score_next")] == 1.0
    assert math.isnan(rows[2][at("like_previous")])
    assert not math.isnan(rows[2][at("like_next")])
    assert len(worth.worth(CHAT, some)) == len(CHAT)


def test_only_what_depends_on_vectors_is_told_by_them() -> None:
    bare, rich = features.rows(CHAT), features.rows(CHAT, some_vectors(CHAT), len)
    for one, other in zip(bare, rich, strict=True):
        for name, a, b in zip(features.COLUMNS, one, other, strict=True):
            same = a == b or (math.isnan(a) and math.isnan(b))
            assert same or name in features.OF_VECTORS


def test_the_fingerprint_tells_which_vectors_were_there() -> None:
    offline = OfflineExtractor()
    bare, rich = part(CHAT), part(CHAT, vectors=True)
    assert offline.fingerprint(bare) != offline.fingerprint(rich)
    empty = ThreadPart(bare.thread, (), CHAT, vectors={})
    assert offline.fingerprint(bare) == offline.fingerprint(empty)


def test_without_a_bar_every_turn_with_words_gives_something() -> None:
    messages = (
        *CHAT,
        *said(*[("user", "")] * 6, ("user", "!!!"), ("user", "```\nx=1")),
    )
    messages = said(*((m.name or m.role, m.text) for m in messages))
    cited = {q.message_id for c in kept(messages) for q in c.quotes}
    assert {f"m{at}" for at in range(6)} <= cited
    assert "m12" not in cited  # has no words
    everything = OfflineExtractor().extract(part(messages)).candidates
    assert "m13" in {c.quotes[0].message_id for c in everything}


def test_what_only_an_assistant_said_says_so_and_stays_below_the_default() -> None:
    found = {c.quotes[0].message_id: c for c in kept(ASSISTED)}
    assert found["m1"].text == "The assistant said: The capital of Peru is Lima."
    assert found["m1"].confidence <= 0.55
    assert kept(ASSISTED, 0.6) == []
    whole = part(ASSISTED)
    claims = OfflineExtractor().extract(whole).candidates
    passed, set_aside = check(claims, whole, 0.0)  # as a model's answers are checked
    assert "m1" not in {c.quotes[0].message_id for c in passed}
    assert set_aside["only the assistant said it"] == 1


def test_a_turn_has_one_more_candidate_at_most_and_none_beside_a_rule() -> None:
    messages = said(("user", "I live in Ghent. My sister Greta moved to Lyon in May."))
    found = [c.signal for c in kept(messages)]
    assert "worth keeping" not in found
    assert len({c.quotes[0].message_id for c in kept(CHAT)}) == len(kept(CHAT))


def test_dates_are_resolved_and_people_named() -> None:
    texts_of = {c.quotes[0].message_id: c.text for c in kept(CHAT)}
    assert texts_of["m2"].startswith("Imke's sister Greta moved to Lyon on ")
    assert "2026" in texts_of["m2"]


def test_a_thread_gives_the_same_whatever_else_is_read(cli: Cli) -> None:
    def lines(thread: str, messages: tuple[Message, ...]) -> list[dict[str, str]]:
        return [
            {
                "thread_id": thread, "role": m.role, "content": m.text,
                "timestamp": m.sent_at.isoformat(), "name": m.name or m.role,
            }
            for m in messages
        ]  # fmt: skip

    write_lines(Path("a.jsonl"), *lines("a", CHAT))
    write_lines(Path("b.jsonl"), *lines("b", ASSISTED))
    ask = ("--extractor", "offline", "--min-confidence", "0", "--db")
    cli("reflect", "a.jsonl", *ask, "alone.db")
    cli("reflect", "a.jsonl", "b.jsonl", *ask, "both.db")

    def of_a(db: str) -> set[tuple[str, float]]:
        memories = cli("show", "--json", "--db", db).json
        return {
            (memory["text"], memory["confidence"])
            for memory in memories
            if {source["thread_id"] for source in memory["sources"]} == {"a"}
        }

    assert of_a("alone.db") == of_a("both.db") != set()


def test_messages_are_embedded_before_they_are_extracted_unless_it_is_planned(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[set[str] | None] = []
    extract = OfflineExtractor.extract

    def watched(self: OfflineExtractor, part: ThreadPart) -> Extraction:
        given.append(None if part.vectors is None else set(part.vectors))
        return extract(self, part)

    monkeypatch.setattr(OfflineExtractor, "extract", watched)
    write_lines(
        Path("a.jsonl"),
        *({"thread_id": "a", "role": m.role, "content": m.text} for m in CHAT),
    )
    ask = ("reflect", "a.jsonl", "--extractor", "offline", "--quiet-period", "0")
    assert cli(*ask, "--plan", "a.plan").code == 0
    assert given == [None]
    assert cli(*ask).code == 0
    assert given[1] is not None and len(given[1]) == len(CHAT)
    with sqlite3.connect("memories.db") as db:
        stages = [stage for (stage,) in db.execute("SELECT stage FROM journal")]
    assert stages[:3] == ["read", "embed", "extract"]


def test_the_data_file_is_small_and_tells_what_it_was_made_of() -> None:
    assert DATA.stat().st_size < 32_000
    content = json.loads(DATA.read_text())
    assert content["columns"] == list(features.COLUMNS)
    assert content["steps"] == sorted(set(content["steps"]))
    assert content["levels"] == sorted(set(content["levels"]))
    sets = {one["set"]: one for one in content["trained_on"]}
    ours = {p.stem for p in CONVERSATIONS.glob("*.txt") if "questions" not in p.name}
    assert ours <= set(sets)
    for name in ours:
        said, wanted = [], []
        for line in (CONVERSATIONS / f"{name}.txt").read_text("utf-8").splitlines():
            if not line.startswith("= "):
                _, label, who, text = line.split("|")
                role = "assistant" if who == "assistant" else "user"
                named = None if who in ("user", "assistant") else who
                said.append((role, named, text))
                wanted.append(label == "1")
        digest = hashlib.sha256(repr((said, wanted)).encode()).hexdigest()[:16]
        assert sets[name]["sha256"] == digest
    for name in set(sets) - ours:
        assert sets[name]["source"] == "RealMem, arXiv 2601.06966, Apache-2.0"
    assert "Kim_Ji_young" not in sets


def test_another_models_features_are_refused() -> None:
    content = json.loads(DATA.read_text())
    content["columns"] = content["columns"][1:]
    with pytest.raises(ValueError, match="train it anew"):
        worth.parsed(content)
