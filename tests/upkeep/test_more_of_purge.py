"""Removing conversations for good: what must go with them, and what must not."""

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from memcli.store.database import connect_to_read
from tests.conftest import Cli, Serve, said, write_lines
from tests.messages_api import Answer, tool_call
from tests.upkeep.conftest import Say, change, rows, texts
from tests.upkeep.test_purge import bytes_on_disk


def test_what_a_person_wrote_stays_when_one_of_two_conversations_goes(
    cli: Cli, say: Say
) -> None:
    say("a", "My dog is called Rex.")
    say("b", "My dog is called Rex.", at="2026-04-01")
    cli("edit", "1", "The user's dog is called Max.")
    cli("forget", "--thread", "a", "--yes")
    assert texts(cli) == ["The user's dog is called Max."]


def test_what_is_left_of_a_joined_text_is_what_the_other_conversation_said_of_it(
    cli: Cli, serve: Serve
) -> None:
    from tests.asking.conftest import decide, shown

    joined = "The user prefers dark mode at night and the Solarized palette."
    told = {
        "a": [("dark mode at night", 0.9)],
        "b": [("dark mode and the Solarized palette", 0.9), ("Earl Grey", 1.0)],
    }

    def answer(request: dict[str, Any]) -> Answer:
        if request["tools"][0]["name"] == "decide":
            wanted = {"operation": "update", "target": 1, "text": joined}
            return decide(request, lambda number: wanted)
        name = "b" if "palette" in shown(request) else "a"
        return tool_call([
            {"text": f"The user prefers {what}.", "kind": "preference",
             "quotes": [{"message": "m1", "text": f"I prefer {what}"}],
             "confidence": sure}
            for what, sure in told[name]
        ])  # fmt: skip

    serve(answer)
    for name, day in (("a", "2026-03-01"), ("b", "2026-04-01")):
        words = " ".join(f"I prefer {what}." for what, _ in told[name])
        line = said(words, thread=name, id="1", at=f"{day}T10:00:00Z")
        write_lines(Path(f"{name}.jsonl"), line)
        cli("reflect", f"{name}.jsonl", "--extractor", "claude")
    assert joined in texts(cli)
    cli("forget", "--thread", "a", "--yes")
    assert sorted(texts(cli)) == [
        "The user prefers Earl Grey.",
        "The user prefers dark mode and the Solarized palette.",
    ]


def test_the_name_of_a_removed_conversation_is_nowhere_in_the_file(
    cli: Cli, serve: Serve
) -> None:
    serve()
    line = said("I prefer dark mode", thread="xylophone", id="1")
    write_lines(Path("a.jsonl"), line)
    cli("reflect", "a.jsonl", "--extractor", "claude")
    assert texts(cli) == ["The user prefers dark mode."]
    more = said("I prefer figs", thread="xylophone", id="2")
    write_lines(Path("a.jsonl"), line, more)
    write_lines(Path("b.jsonl"), said("I prefer dates", thread="b", id="1"))
    for _ in "ab":  # one is asked at once, the other in a batch, which stays open
        cli("reflect", "a.jsonl", "b.jsonl", "--extractor", "claude", "--batch")
    assert rows("SELECT thread_id FROM batch_requests") == [("xylophone",)]
    change("UPDATE runs SET error = 'thread xylophone: refused' WHERE id = 1")
    change("UPDATE files SET memo = '[\"xylophone\"]'")
    spent = cli("status", "--json").json["dollars"]
    done = cli("forget", "--thread", "xylophone", "--yes")
    assert done.code == 0, done.err
    assert b"xylophone" not in bytes_on_disk()
    assert cli("status", "--json").json["dollars"] == spent


def test_a_message_that_was_edited_can_be_removed(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    say("a", "I live in Ghent, by the river.")
    assert rows("SELECT count(*) FROM message_edits") == [(1,)]
    done = cli("forget", "--thread", "a", "--yes")
    assert (done.code, rows("SELECT 1 FROM message_edits")) == (0, [])


def test_a_conversation_of_which_a_part_was_removed_goes_on(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    cli("forget", "--thread", "a", "--before", "2026-05-01", "--yes")
    line = said("My dog is called Rex.", thread="a", id="7")
    write_lines(Path("logs/a.jsonl"), line)
    cli("reflect", "logs", "--extractor", "offline")
    assert texts(cli) == ["The user's dog is called Rex."]


def test_a_conversation_that_two_namespaces_share_stays_with_either(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    lines = [said("I live in Ghent.", thread="a", id="0", at="2026-03-01T10:00:00Z"),
             said("My dog is called Rex.", thread="a", id="1")]  # fmt: skip
    write_lines(Path("logs/a.jsonl"), *lines)
    cli("reflect", "logs", "--extractor", "offline", "-n", "memories/work")
    cli("forget", "-n", "memories/work", "--yes")
    assert texts(cli) == ["The user lives in Ghent."]
    assert rows("SELECT count(*) FROM messages") == [(2,)]


def test_a_namespace_named_like_the_beginning_of_another_takes_nothing_of_it(
    cli: Cli,
) -> None:
    for user in ("anna", "annabel"):
        line = said("I live in Rome.", thread=user, user_id=user)
        write_lines(Path("logs", f"{user}.jsonl"), line)
    cli("reflect", "logs", "--quiet-period", "99999d")  # read, but not due yet
    cli("forget", "-n", "memories/anna", "--yes")
    assert rows("SELECT DISTINCT thread_id FROM messages") == [("annabel",)]


def test_a_message_whose_secret_was_redacted_is_not_read_again(
    cli: Cli, say: Say
) -> None:
    key = "sk-ant-api03-" + "Ab1Cd2Ef3" * 10
    told = f"My dog is called Rex and all of the builds use the key {key} these days."
    say("a", told)
    cli("forget", "--thread", "a", "--yes")
    say("a-copy", told)
    assert rows("SELECT count(*) FROM messages") == [(0,)]


def test_what_a_removed_part_of_a_conversation_gave_to_a_profile_goes(
    cli: Cli, serve: Serve
) -> None:
    schema = {"title": "Person", "type": "object", "properties": {
        "city": {"type": "string"}, "dog": {"type": "string"}}}  # fmt: skip
    Path("person.json").write_text(json.dumps(schema))
    patches = {"Rex": {"dog": "Rex"}, "Ghent": {"city": "Ghent"}}

    def answer(request: dict[str, Any]) -> Answer:
        shown = request["messages"][0]["content"]
        word = next(word for word in patches if f"me {word} me" in shown)
        label = re.findall(r"\[(m\d+)\]", shown.split(f"me {word} me")[0])[-1]
        status, body = tool_call([])
        quote = {"message": label, "text": f"me {word} me"}
        item = {"value": patches[word], "quotes": [quote], "confidence": 0.9}
        body["content"][0]["input"] = {"Person": [item]}
        return status, body

    serve(answer)
    lines = []
    for word, day in (("Ghent", "2026-03-01"), ("Rex", "2026-07-01")):
        told = said(f"me {word} me", id=day, at=f"{day}T10:00:00Z")
        lines.append(told)
        write_lines(Path("a.jsonl"), *lines)
        cli("reflect", "a.jsonl", "--extractor", "claude", "--profile", "person.json")
    assert cli("show", "--json").json[0]["value"] == {"city": "Ghent", "dog": "Rex"}
    cli("forget", "--before", "2026-05-01", "--yes")
    assert cli("show", "--json").json[0]["value"] == {"dog": "Rex"}
    assert b"Ghent" not in bytes_on_disk()


def test_a_reader_that_keeps_removed_words_alive_is_told_of(
    cli: Cli, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("a", "I live in Ghent.")
    monkeypatch.setattr("memcli.store.database._BUSY_SECONDS", 0.1)
    with closing(connect_to_read(Path("memories.db"))) as reader:
        assert len(reader.execute("SELECT * FROM memories").fetchall()) == 1
        failed = cli("forget", "--thread", "a", "--yes")
        assert (failed.code, "memcli audit --fix" in failed.err) == (2, True)
    assert cli("audit", "--fix").code == 0
    assert b"Ghent" not in bytes_on_disk()
