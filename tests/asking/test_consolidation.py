"""What a model decides about statements that rules leave in doubt."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import messages_api as api
from tests.asking.conftest import decide, shown
from tests.conftest import Cli, Serve, said, write_lines

# Near enough to each other to be in doubt, and no repeats by their words.
KNOWN = "The user has a cat called Miso."
LATER = "The user has a cat called Miso who is afraid of thunder."


def scripted(
    memories: dict[str, dict[str, Any]],
    decision: Callable[[int], dict[str, Any]],
) -> Callable[[dict[str, Any]], api.Answer]:
    """Extracts the memory written down for a message; decides as told."""

    def answer(request: dict[str, Any]) -> api.Answer:
        if request["tools"][0]["name"] == "decide":
            return decide(request, decision)
        text = shown(request)
        return api.tool_call([
            {"kind": "fact", "confidence": 0.9,
             "quotes": [{"message": label, "text": words}],
             **memories[words]}
            for label, words in re.findall(r"\[(m\d+)\] [^\n]*\n  ([^\n]+)", text)
            if words in memories
        ])  # fmt: skip

    return answer


def two_days(
    first: str = "I have a cat, Miso.", second: str = "Miso hates it."
) -> None:
    write_lines(Path("a.jsonl"), said(first, thread="a", at="2026-08-01T10:00:00Z"))
    write_lines(Path("b.jsonl"), said(second, thread="b", at="2026-09-01T10:00:00Z"))


CATS = {
    "I have a cat, Miso.": {"text": KNOWN},
    "Miso hates it.": {"text": LATER},
}


def known_then(
    cli: Cli, serve: Serve, decision: dict[str, Any], *options: str
) -> tuple[api.Server, list[dict[str, Any]], dict[str, Any]]:
    """One memory is known, and another is decided upon; all memories, the report."""
    two_days()
    server = serve(scripted(CATS, lambda number: decision))
    cli("reflect", "a.jsonl")
    done = cli("reflect", "b.jsonl", "--json", *options)
    assert done.code == 0, done.err
    return server, cli("show", "--json", "--superseded").json, done.json


def test_the_model_is_asked_only_where_rules_are_in_doubt(
    cli: Cli, serve: Serve
) -> None:
    two_days(second="I have a cat, Miso.")
    server = serve(scripted(CATS, lambda number: {"operation": "insert"}))
    cli("reflect", "a.jsonl", "b.jsonl")
    assert len(server.requests) == 2  # a repeat and a novelty: two extractions
    (memory,) = cli("show", "--json").json
    assert memory["strength"] == 2


def test_a_decision_is_shown_numbers_and_times(cli: Cli, serve: Serve) -> None:
    server, _, _ = known_then(cli, serve, {"operation": "insert"})
    (asked,) = [r for r in server.requests if r["tools"][0]["name"] == "decide"]
    text = shown(asked)
    assert f"[1] fact, since 2026-08-01 10:00: {KNOWN}" in text
    assert f"[2] fact, said 2026-09-01 10:00: {LATER}" in text
    assert "near 1" in text


def test_insert_and_strengthen(cli: Cli, serve: Serve) -> None:
    _, memories, _ = known_then(cli, serve, {"operation": "strengthen", "target": 1})
    (memory,) = memories
    assert (memory["text"], memory["strength"]) == (KNOWN, 2)


def test_update_joins_two_into_one(cli: Cli, serve: Serve) -> None:
    _, memories, done = known_then(
        cli, serve,
        {"operation": "update", "target": 1, "reason": "more about Miso",
         "text": "The user has a cat called Miso, who is afraid of thunder."},
    )  # fmt: skip
    (memory,) = memories
    assert memory["text"] == "The user has a cat called Miso, who is afraid of thunder."
    assert len(memory["sources"]) == 2
    assert done["memories"]["updated"] == 1
    history = cli("show", "1", "--json").json["history"]
    assert [entry["operation"] for entry in history] == ["insert", "update"]
    assert history[1]["reason"] == "more about Miso (decided by a model)"
    assert history[1]["before"]["text"] == KNOWN
    assert cli("search", "thunder", "--json").json[0]["id"] == "1"


def test_an_update_that_makes_things_up_is_not_followed(cli: Cli, serve: Serve) -> None:
    _, memories, _ = known_then(
        cli, serve,
        {"operation": "update", "target": 1,
         "text": "The user has 3 cats called Miso and Bruno."},
    )  # fmt: skip
    assert sorted(memory["text"] for memory in memories) == sorted([KNOWN, LATER])


def test_supersede_ends_the_old_one_when_the_new_one_begins(
    cli: Cli, serve: Serve
) -> None:
    _, memories, done = known_then(cli, serve, {"operation": "supersede", "target": 1})
    old, new = memories
    assert old["valid_to"] == new["valid_from"]
    assert old["superseded_by"] == new["id"]
    assert done["memories"]["superseded"] == 1


def test_an_older_statement_never_ends_a_newer_one(cli: Cli, serve: Serve) -> None:
    two_days()
    serve(scripted(CATS, lambda number: {"operation": "supersede", "target": 1}))
    cli("reflect", "b.jsonl")
    cli("reflect", "a.jsonl")
    old, new = cli("show", "--json", "--superseded").json
    assert (old["text"], new["text"]) == (KNOWN, LATER)
    assert (old["superseded_by"], new["valid_to"]) == (new["id"], None)


def test_delete_takes_away_what_was_never_so_and_keeps_its_history(
    cli: Cli, serve: Serve
) -> None:
    _, memories, done = known_then(cli, serve, {"operation": "delete", "target": 1})
    assert memories == []
    assert done["memories"]["deleted"] == 1
    assert cli("search", "Miso", "--superseded", "--json").json == []
    gone = cli("show", "1", "--json").json
    assert gone["history"][-1]["operation"] == "delete"
    assert len(gone["sources"]) == 2  # what was said, and what took it back
    assert "taken away" in cli("show", "1").out


@pytest.mark.parametrize(
    ("option", "decision", "left"),
    [
        ("--no-deletes", {"operation": "delete", "target": 1}, [KNOWN]),
        ("--no-updates", {"operation": "supersede", "target": 1}, [KNOWN, LATER]),
        ("--no-updates",
         {"operation": "update", "target": 1, "text": "The user has a cat."},
         [KNOWN, LATER]),
        ("--no-inserts", {"operation": "insert"}, [KNOWN]),
        ("--no-inserts", {"operation": "strengthen", "target": 1}, [KNOWN]),
    ],
)  # fmt: skip
def test_changes_can_be_switched_off(
    cli: Cli, serve: Serve, option: str, decision: dict[str, Any], left: list[str]
) -> None:
    known_then(cli, serve, decision, option)
    assert sorted(m["text"] for m in cli("show", "--json").json) == sorted(left)


@pytest.mark.parametrize(
    "decision",
    [
        {"operation": "supersede", "target": 9},
        {"operation": "strengthen"},
        {"operation": "merge", "target": 1},
        {"operation": "strengthen", "target": 1, "new": 17},
    ],
)
def test_an_answer_that_makes_no_sense_leaves_it_to_the_rules(
    cli: Cli, serve: Serve, decision: dict[str, Any]
) -> None:
    server, memories, _ = known_then(cli, serve, decision)
    assert sorted(memory["text"] for memory in memories) == sorted([KNOWN, LATER])
    asked = [r for r in server.requests if r["tools"][0]["name"] == "decide"]
    assert len(asked) == 2  # once more, with the error


def test_an_answer_that_takes_away_too_much_is_refused(cli: Cli, serve: Serve) -> None:
    pets = [f"The user has a dog called Rex number {n}." for n in range(6)]
    said_so = {f"I have Rex {n}.": {"text": text} for n, text in enumerate(pets)}
    doubts = {
        f"It is {n} that bites.": {"text": f"{pets[n][:-1]} that bites the postman."}
        for n in range(6)
    }
    for n, words in enumerate([*said_so, *doubts]):
        write_lines(
            Path(f"{'known' if n < 6 else 'new'}/{n}.jsonl"),
            said(words, thread=f"t{n}", at=f"2026-09-{n + 1:02}T10:00:00Z"),
        )
    serve(scripted(said_so, lambda number: {"operation": "insert"}))
    cli("reflect", "known")
    assert len(cli("show", "--json").json) == 6
    targets = iter(range(1, 7))
    serve(
        scripted(
            doubts, lambda number: {"operation": "delete", "target": next(targets, 1)}
        )
    )
    done = cli("reflect", "new", "--json")
    assert "was refused; rules decided instead" in done.err
    assert done.json["memories"]["deleted"] == 0
    assert len(cli("show", "--json").json) == 12


KILLED = """
import os, signal, sys
from memcli.reflection import merge
from memcli.__main__ import main
def die(*args): os.kill(os.getpid(), signal.SIGKILL)
merge.extractions.mark_consolidated = die
sys.argv = ["memcli", "reflect", "b.jsonl", "--quiet"]
main()
"""


def test_what_was_decided_is_not_asked_again(cli: Cli, serve: Serve) -> None:
    two_days()
    server = serve(scripted(CATS, lambda n: {"operation": "strengthen", "target": 1}))
    cli("reflect", "a.jsonl")
    dead = subprocess.run([sys.executable, "-c", KILLED], env=dict(os.environ))
    assert dead.returncode == -signal.SIGKILL
    assert len(server.requests) == 3
    assert cli("reflect", "b.jsonl").code == 0
    assert len(server.requests) == 3
    (memory,) = cli("show", "--json").json
    assert memory["strength"] == 2


def test_a_memory_that_is_pasted_back_is_no_evidence(cli: Cli, serve: Serve) -> None:
    two_days(second="You know this of me: The user has a cat called Miso.")
    pasted = {"You know this of me: The user has a cat called Miso.": {"text": KNOWN}}
    serve(scripted({**CATS, **pasted}, lambda number: {"operation": "insert"}))
    done = cli("reflect", "a.jsonl", "b.jsonl", "--json").json
    (memory,) = cli("show", "--json").json
    assert memory["strength"] == 1
    assert sum(done["candidates"]["set_aside"].values()) == 1


def test_one_person_never_ends_what_another_said(cli: Cli, serve: Serve) -> None:
    for name, day in (("Anna", "01"), ("Ben", "02")):
        write_lines(
            Path(f"{name}.jsonl"),
            said(f"I, {name}, work from the office in Ghent.", thread=name, name=name,
                 at=f"2026-09-{day}T10:00:00Z"),
        )  # fmt: skip
    texts = {
        f"I, {name}, work from the office in Ghent.":
            {"text": f"{name} works from the office in Ghent."}
        for name in ("Anna", "Ben")
    }  # fmt: skip
    serve(scripted(texts, lambda number: {"operation": "supersede", "target": 1}))
    cli("reflect", "Anna.jsonl", "Ben.jsonl")
    assert len(cli("show", "--json").json) == 2


def test_statements_of_one_run_are_compared_with_each_other(
    cli: Cli, serve: Serve
) -> None:
    two_days()
    server = serve(scripted(CATS, lambda n: {"operation": "strengthen", "target": 1}))
    cli("reflect", "a.jsonl", "b.jsonl")
    (asked,) = [r for r in server.requests if r["tools"][0]["name"] == "decide"]
    assert f"[1] fact, since 2026-08-01 10:00: {KNOWN}" in shown(asked)
    (memory,) = cli("show", "--json").json
    assert memory["strength"] == 2


def test_what_was_said_again_later_did_not_end_in_between(
    cli: Cli, serve: Serve
) -> None:
    ghent = {"text": "The user lives in Ghent.", "about": "the user: residence"}
    bruges = {"text": "The user lives in Bruges.", "about": "the user: residence"}
    texts = {"I live in Ghent.": ghent, "I live in Bruges.": bruges}
    for name, words, month in (
        ("jan", "I live in Ghent.", "01"),
        ("may", "I live in Ghent.", "05"),
        ("mar", "I live in Bruges.", "03"),
    ):
        write_lines(
            Path(f"{name}.jsonl"),
            said(words, thread=name, at=f"2026-{month}-01T10:00:00Z"),
        )
    serve(scripted(texts, lambda number: {"operation": "insert"}))
    cli("reflect", "jan.jsonl", "may.jsonl")
    cli("reflect", "mar.jsonl")
    (holding,) = cli("show", "--json").json
    assert holding["text"] == ghent["text"]
    past = [m for m in cli("show", "--json", "--superseded").json if m["valid_to"]]
    assert [m["valid_to"][:7] for m in past] == ["2026-05"]


@pytest.mark.parametrize(
    "joined",
    [
        "Zoe has a cat called Miso who is afraid of thunder.",
        "The user has a cat called Miso (Zoe) who is afraid of thunder.",
        "The user has 2 cats called Miso who is afraid of thunder.",
        "The user has a cat called Miso dog/Zoe.",
        "Nothing is known of it.",
        "用户有一只猫 Miso",
    ],
)
def test_what_is_in_neither_is_not_joined(cli: Cli, serve: Serve, joined: str) -> None:
    _, memories, _ = known_then(
        cli, serve, {"operation": "update", "target": 1, "text": joined}
    )
    assert sorted(memory["text"] for memory in memories) == sorted([KNOWN, LATER])


def test_a_value_of_one_key_ends_only_its_owners(cli: Cli, serve: Serve) -> None:
    texts = {
        f"My editor is {editor}.": {"text": f"{name} uses {editor}.", "about": "editor"}
        for name, editor in (("Anna", "Helix"), ("Ben", "Emacs"))
    }
    for number, (name, editor) in enumerate((("Anna", "Helix"), ("Ben", "Emacs")), 1):
        write_lines(
            Path(f"{name}.jsonl"),
            said(f"My editor is {editor}.", thread=name, name=name,
                 at=f"2026-09-0{number}T10:00:00Z"),
        )  # fmt: skip
    serve(scripted(texts, lambda number: {"operation": "insert"}))
    cli("reflect", "Anna.jsonl", "Ben.jsonl")
    assert len(cli("show", "--json").json) == 2
