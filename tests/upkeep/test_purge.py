"""`forget --thread`, `--namespace`, `--before`: removed for good, every trace of it."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.conftest import Cli, Serve, said, write_lines
from tests.messages_api import tool_call
from tests.upkeep.conftest import Say, rows, texts


def bytes_on_disk() -> bytes:
    """Everything that is kept, as it stands in the files."""
    return b"".join(path.read_bytes() for path in Path().glob("memories.db*"))


def test_a_conversation_is_removed_with_every_trace(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.", "My dog is called Rex.", title="Moving to Ghent")
    say("b", "I live in Lisbon.", at="2026-06-01")
    cli("edit", "1", "The user's home is in Ghent.")
    cli("forget", "2")
    assert b"Ghent" in bytes_on_disk()
    done = cli("forget", "--thread", "a", "--yes")
    assert done.code == 0, done.err
    assert "2 messages and 2 memories removed for good" in done.out
    for word in (b"Ghent", b"ghent", b"Rex", b"Moving"):
        assert word not in bytes_on_disk()
    assert texts(cli) == ["The user lives in Lisbon."]
    assert rows("PRAGMA foreign_key_check") == []
    assert rows("SELECT count(*) FROM messages_vectors") == [(1,)]
    ids, bits = rows("SELECT ids, bits FROM messages_vector_pages")[0]
    width = len(bits) // (len(ids) // 8)
    assert bits[: 2 * width] == bytes(2 * width)
    assert cli("audit").code == 0, cli("audit").out


def test_it_is_not_read_again_from_the_same_file_a_longer_one_or_a_copy(
    cli: Cli, say: Say
) -> None:
    say("a", "I have worked for Siemens in Munich since 2019.")
    cli("forget", "--thread", "a", "--yes")
    told = "I have worked for Siemens in Munich since 2019."
    say("a", told, "I live in Ghent.")
    say("another-name", told)
    assert texts(cli) == []
    assert rows("SELECT text FROM messages") == []


def test_short_words_of_a_removed_conversation_may_be_said_elsewhere(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    cli("forget", "--thread", "a", "--yes")
    say("b", "I live in Ghent.", at="2026-05-01")
    assert texts(cli) == ["The user lives in Ghent."]


def test_what_others_said_too_stays_in_their_words(cli: Cli, say: Say) -> None:
    say("a", "My dog is called Rex.")
    say("b", "My dog is called Rex.", at="2026-04-01")
    found = cli("forget", "--thread", "a", "--yes", "--json").json
    assert (found["memories"], found["kept_with_less"]) == ([], [1])
    (memory,) = cli("show", "--json").json
    assert [source["thread_id"] for source in memory["sources"]] == ["b"]
    assert memory["valid_from"].startswith("2026-04-01")
    assert len(cli("history", "1", "--json").json) == 1


def test_a_text_joined_of_two_conversations_keeps_only_what_the_other_said(
    cli: Cli,
    serve: Serve,
) -> None:
    from tests.asking.conftest import attentive, decide

    joined = "The user prefers dark mode at night and the Solarized palette."

    def answer(request: dict[str, object]) -> tuple[int, dict[str, object]]:
        if request["tools"][0]["name"] == "decide":  # type: ignore[index]
            wanted = {"operation": "update", "target": 1, "text": joined}
            return decide(request, lambda number: wanted)
        return attentive(request)

    serve(answer)
    for name, text, day in (
        ("a", "I prefer dark mode at night", "2026-03-01"),
        ("b", "I prefer dark mode and the Solarized palette", "2026-04-01"),
    ):
        told = said(text, thread=name, id="1", at=f"{day}T10:00:00Z")
        write_lines(Path(f"{name}.jsonl"), told)
        cli("reflect", f"{name}.jsonl", "--extractor", "claude")
    assert texts(cli) == [joined]
    cli("forget", "--thread", "b", "--yes")
    assert texts(cli) == ["The user prefers dark mode at night."]
    assert b"Solarized" not in bytes_on_disk()
    # It reads anew, so it is found anew.
    cli("reflect", "a.jsonl", "--extractor", "offline")
    assert cli("search", "dark mode", "--json").json[0]["id"] == "1"


def test_a_profile_is_made_anew_of_what_the_others_said(
    cli: Cli,
    serve: Serve,
) -> None:
    schema = {"title": "Person", "type": "object", "properties": {
        "city": {"type": "string"}, "dog": {"type": "string"}}}  # fmt: skip
    Path("person.json").write_text(json.dumps(schema))
    patches = {"Ghent": {"city": "Ghent"}, "Rex": {"dog": "Rex"}}

    def answer(request: object) -> tuple[int, dict[str, object]]:
        shown = json.dumps(request)
        word = next(word for word in patches if word in shown)
        status, body = tool_call([])
        quote = {"message": "m1", "text": f"me {word} me"}
        item = {"value": patches[word], "quotes": [quote], "confidence": 0.9}
        body["content"][0]["input"] = {"Person": [item]}
        return status, body

    serve(answer)
    for name, word in zip("ab", patches, strict=True):
        write_lines(Path(f"{name}.jsonl"), said(f"me {word} me", thread=name, id="1"))
        done = cli("reflect", f"{name}.jsonl", "--extractor", "claude",
                   "--profile", "person.json")  # fmt: skip
        assert done.code == 0, done.err
    found = cli("show", "--json").json
    assert found[0]["value"] == {"city": "Ghent", "dog": "Rex"}
    cli("forget", "--thread", "a", "--yes")
    assert cli("show", "--json").json[0]["value"] == {"dog": "Rex"}
    assert b"Ghent" not in bytes_on_disk()


def test_what_ended_with_a_removed_memory_holds_on(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    say("b", "I live in Lisbon.", at="2026-06-01")
    say("c", "I live in Bern.", at="2026-08-01")
    cli("forget", "--thread", "b", "--yes")
    first, last = cli("show", "--superseded", "--json").json
    assert (first["superseded_by"], first["valid_to"][:10]) == (
        last["id"],
        "2026-08-01",
    )
    cli("forget", "--thread", "c", "--yes")
    assert texts(cli) == ["The user lives in Ghent."]


def test_a_namespace_is_removed_and_no_other(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.", user_id="anna")
    say("b", "I live in Lisbon.", user_id="annabel")
    cli("add", "Likes the sea.", "-n", "memories/anna/notes")
    write_lines(Path("c.jsonl"), said("I live in Rome.", thread="c", user_id="anna"))
    cli("reflect", "c.jsonl", "--quiet-period", "99999d")  # read, but not due yet
    done = cli("forget", "-n", "memories/anna", "--yes", "--json").json
    assert (done["messages"], len(done["memories"])) == (2, 2)
    assert texts(cli) == ["The user lives in Lisbon."]
    for word in (b"Ghent", b"sea", b"Rome"):
        assert word not in bytes_on_disk()


def test_everything_said_before_a_day_is_removed(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.", at="2026-03-01")
    say("b", "My dog is called Rex.", at="2026-03-01")
    say("c", "My dog is called Rex.", at="2026-07-01")
    cli("add", "The build runs on Fridays.")  # said today
    cli("forget", "--before", "2026-05-01", "--yes")
    assert sorted(texts(cli)) == [
        "The build runs on Fridays.", "The user's dog is called Rex."
    ]  # fmt: skip
    assert rows("SELECT thread_id FROM messages") == [("c",)]
    assert b"Ghent" not in bytes_on_disk()
    # The filters together: what fits both.
    say("d", "I prefer dark mode.", at="2026-04-01")
    assert rows("SELECT count(*) FROM messages") == [(2,)]
    cli("forget", "--thread", "d", "--before", "2026-01-01", "--yes")
    assert rows("SELECT count(*) FROM messages") == [(2,)]


def test_nothing_goes_without_consent(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    refused = cli("forget", "--thread", "a")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    planned = cli("forget", "--thread", "a", "--dry-run")
    assert "1 message and 1 memory would be removed" in planned.out
    assert texts(cli) == ["The user lives in Ghent."]
    assert cli("forget", "--thread", "nope", "--yes").code == 2
    assert "nothing" in cli("forget", "-n", "memories/x", "--yes").err


def test_what_was_removed_cannot_be_undone_and_the_rest_can(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    say("b", "My dog is called Rex.")
    cli("forget", "--thread", "a", "--yes")
    refused = cli("undo", "3")
    assert (refused.code, "for good" in refused.err) == (2, True)
    assert cli("undo", "2").code == 0
    assert cli("undo", "1").code == 0  # nothing of it is left
    assert texts(cli, "--superseded") == []


def test_what_a_model_was_asked_and_answered_goes_too(cli: Cli, serve: Serve) -> None:
    serve()
    write_lines(Path("a.jsonl"), said("I prefer dark mode", thread="a", id="1"))
    write_lines(Path("b.jsonl"), said("I prefer dark modes", thread="b", id="1"))
    cli("reflect", "a.jsonl", "b.jsonl", "--extractor", "claude")
    spent = cli("status", "--json").json["dollars"]
    cli("forget", "--thread", "a", "--thread", "b", "--yes")
    assert b"dark" not in bytes_on_disk()
    assert cli("status", "--json").json["dollars"] == spent  # the bill stays


def test_words_that_could_not_be_wiped_are_wiped_later(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    with pytest.MonkeyPatch.context() as full:

        def no_room(db: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        full.setattr("memcli.store.database.wipe_free_space", no_room)
        failed = cli("forget", "--thread", "a", "--yes")
        assert (failed.code, failed.err.count("\n")) == (2, 1)
        assert "memcli audit --fix" in failed.err
    assert "leftover" in cli("audit").out
    assert cli("audit", "--fix").code == 0
    assert b"Ghent" not in bytes_on_disk()


def test_copies_from_before_an_update_are_named(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    Path("memories.db.before-9.bak").write_bytes(b"")
    assert "before-9.bak" in cli("forget", "--thread", "a", "--yes").err
