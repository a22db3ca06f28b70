"""What a program submitted and did not come to, done by `memcli reflect`."""

import json
import threading
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import memcli
from memcli.extractors.schemas import given
from memcli.reflection.consolidate import Allowed
from memcli.reflection.recipes import Recipe, from_plain
from memcli.store import submissions
from memcli.when import utc_now
from tests import messages_api as api
from tests.asking.conftest import attentive, extractions, shown
from tests.asking.test_money import spent
from tests.background.conftest import Enricher, of, turns
from tests.conftest import Cli, Serve, said, write_lines

DB = Path("memories.db")


def left(made: memcli.MemoryStoreEnricher, text: str, thread: str = "t1") -> None:
    """Submitted, and due, by a process that is gone."""
    made.accept(DB, turns(text), of(thread), None, timedelta(0))


class Drink(BaseModel):
    """What somebody drinks."""

    name: str


def test_it_is_done_with_the_model_the_schemas_and_the_bounds_of_its_enricher(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    def drinks(request: dict[str, object]) -> api.Answer:
        return api.message([{
            "type": "tool_use", "id": "t", "name": "record_memories",
            "input": {"Drink": [{
                "value": {"name": "tea"}, "confidence": 0.7,
                "quotes": [{"message": "m1", "text": "I prefer tea"}],
            }]},
        }], "tool_use")  # fmt: skip

    server = serve(drinks)
    options: dict[str, Any] = {"schemas": [Drink], "model": "anthropic:claude-opus-5"}
    left(enricher(**options), "I prefer tea.", "t1")
    left(enricher(**options, min_confidence=0.75), "I prefer tea.", "t2")
    options["model"] = "claude-opus-5"  # means the same
    left(enricher(**options, enable_inserts=False, namespace="b"), "I prefer tea.")
    assert cli("reflect", "--submitted").code == 0
    (memory,) = cli("show", "--json").json
    assert (memory["schema"], memory["value"]) == ("Drink", {"name": "tea"})
    assert {source["thread_id"] for source in memory["sources"]} == {"t1"}
    assert [request["model"] for request in server.requests] == ["claude-opus-5"] * 3


def test_nothing_of_what_an_enricher_was_told_is_lost_in_the_file() -> None:
    told = Recipe(
        extractor="claude",
        model="claude-opus-5",
        provider="bedrock",
        instructions="Mind the drinks.",
        schemas=(given(Drink),),
        allowed=Allowed(inserts=False, updates=True, deletes=False),
        min_confidence=0.75,
    )
    usual = Recipe("offline", "", "anthropic")
    assert all(
        getattr(told, one.name) != getattr(usual, one.name) for one in fields(told)
    )
    assert from_plain(json.loads(json.dumps(told.plain()))) == told


def test_what_keeps_one_enricher_from_working_is_nothing_to_the_others(
    serve: Serve, enricher: Enricher, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()
    left(enricher(), "I prefer tea.", "t1")
    left(enricher(model="offline"), "I prefer tabs over spaces.", "t2")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.delenv("ANTHROPIC_BASE_URL")
    done = cli("reflect", "--submitted")
    assert done.code == 2 and "ANTHROPIC_API_KEY" in done.err
    assert len(cli("show", "--json").json) == 1
    assert cli("status", "--json").json["due"] == ["t1"]


def test_a_run_over_transcripts_leaves_what_was_submitted_for_later(
    enricher: Enricher, cli: Cli
) -> None:
    made, later = enricher(model="offline"), timedelta(hours=1)
    made.accept(DB, ["I prefer tabs over spaces."], of("t1"), None, later)
    write_lines(Path("logs/a.jsonl"), said("I prefer mornings.", thread="own"))
    assert cli("reflect", "logs", "--quiet-period", "0").code == 0
    assert {m["namespace"] for m in cli("show", "--json").json} == {"memories/me"}
    (waiting,) = cli("status", "--json").json["waiting"]
    assert waiting["thread_id"] == "t1"


def test_all_enrichers_together_spend_no_more_than_the_budget(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    server = serve(meter=True)
    first, second = enricher(), enricher(instructions="Mind the drinks." * 20)
    for number in range(20):
        left(first, f"I prefer drink {number}.", f"t{number}")
    left(second, "I prefer tea.", "last")
    done = cli("reflect", "--submitted", "--budget", "0.0025", "--workers", "1")
    assert done.code == 4
    assert 0 < spent(server) <= 0.0025
    assert not [one for one in extractions(server) if "Mind the" in str(one["system"])]
    assert "last" in cli("status", "--json").json["due"]
    assert cli("reflect", "--submitted").code == 0
    assert cli("status", "--json").json["due"] == []


def test_an_answer_that_a_process_had_but_did_not_use_is_used_and_not_asked_for_again(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    stop = threading.Event()

    def last_words(request: dict[str, object]) -> api.Answer:
        stop.set()  # the process is told to end while the model answers
        return attentive(request)

    server, made = serve(last_words), enricher()
    left(made, "I prefer tea.")
    assert made.reflect(DB, stop, until=lambda: False).interrupted
    assert cli("show", "--json").json == []
    accepted = made.accept(DB, turns("I prefer tea."), of("t1"), None, timedelta(0))
    assert not made.is_settled(DB, accepted)
    assert cli("reflect", "--submitted").code == 0
    assert len(cli("show", "--json").json) == 1
    assert made.is_settled(DB, accepted)
    assert len(extractions(server)) == 1


def test_a_transcript_of_the_same_name_stays_apart(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    """It may be of another person."""
    serve()
    enricher().process(turns("I prefer tea."), of("t1"))
    write_lines(
        Path("logs/a.jsonl"),
        said("I prefer jazz.", thread="t1", user_id="ben"),
        said("I prefer rain.", thread="t1", user_id="ben", at="2026-09-01T10:05:00Z"),
    )
    for _ in range(2):
        assert cli("reflect", "logs", "--extractor", "claude").code == 0
    kept = {(m["namespace"], m["text"]) for m in cli("show", "--json").json}
    assert kept == {
        ("memories/ana", "The user prefers tea."),
        ("memories/ben", "The user prefers jazz."),
        ("memories/ben", "The user prefers rain."),
    }
    assert cli("status", "--json").json["messages"] == 4


def test_a_run_over_transcripts_leaves_what_is_submitted_the_rest_of_its_budget(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    server = serve(meter=True)
    for number in range(20):
        left(enricher(), f"I prefer drink {number}.", f"t{number}")
    for number in range(20):
        words = f"I prefer meal number {number}, please."
        write_lines(Path(f"logs/{number}.jsonl"), said(words, thread=f"own{number}"))
    done = cli(
        "reflect", "logs", "--extractor", "claude", "--budget", "0.0025",
        "--workers", "1",
    )  # fmt: skip
    assert done.code == 4
    assert 0 < spent(server) <= 0.0025
    assert not [one for one in extractions(server) if "I prefer drink" in shown(one)]


def test_what_was_undone_is_nothing_to_do_for_who_only_looks(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    serve()
    made = enricher()
    made.process(turns("I prefer tea."), of("t1"))
    assert cli("undo", "1").code == 0
    with made.file(Path("memories.db")) as db:
        number = made.number(db)
        assert submissions.next_due(db, number) is None
        assert submissions.enrichers_due(db, utc_now()) == [number]
