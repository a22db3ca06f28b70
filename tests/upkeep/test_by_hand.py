"""`add`, `edit`, `forget ID`: a person's own hand is not overruled by a machine."""

import os
from pathlib import Path

import pytest

from tests.conftest import Cli, Serve, said, write_lines
from tests.messages_api import tool_call
from tests.upkeep.conftest import Say, rows, texts


def test_what_is_added_is_found_and_said_to_be_a_persons(cli: Cli) -> None:
    added = cli("add", "The", "build", "runs", "on", "Fridays.")
    assert (added.code, added.out) == (0, "memory 1 in memories/me\n")
    (hit,) = cli("search", "when does CI run", "--json").json
    assert (hit["text"], hit["confidence"]) == ("The build runs on Fridays.", 1.0)
    assert hit["by_hand"] is not None
    assert "a person wrote it" in cli("show", "1").out
    assert "add" in cli("runs").out


def test_the_same_is_not_added_twice(cli: Cli) -> None:
    cli("add", "The build runs on Fridays.")
    again = cli("add", "the build runs on fridays")
    assert "known already, as memory 1" in again.out
    assert len(texts(cli)) == 1


def test_an_added_memory_may_end_another(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    cli("add", "The user lives in Bern.", "--replaces", "1", "--since", "2026-05-01")
    assert texts(cli) == ["The user lives in Bern."]
    assert rows("SELECT valid_to FROM memories WHERE id = 1") == [
        ("2026-05-01T00:00:00.000Z",)
    ]
    assert cli("add", "Nowhere.", "--replaces", "1").code == 2
    assert cli("add", "Nowhere.", "--replaces", "77").code == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [("  ", "no text"), ("x " * 600, "at most"),
     ("The key is sk-ant-api03-" + "A1b2" * 24, "secret")],
)  # fmt: skip
def test_what_cannot_be_a_memory_is_refused(cli: Cli, text: str, why: str) -> None:
    refused = cli("add", text)
    assert (refused.code, why in refused.err) == (2, True)
    assert cli("show", "--json").code == 2 or texts(cli) == []


def test_a_namespace_that_cannot_be_filled_says_what_to_give(cli: Cli) -> None:
    refused = cli("add", "x y z", "-n", "memories/{team}")
    assert (refused.code, "team" in refused.err) == (2, True)
    assert cli("add", "x y z", "-n", "memories/ops").out.endswith("memories/ops\n")


def test_an_edit_stays_whatever_is_reflected_later(cli: Cli, say: Say) -> None:
    say("a", "My dog is called Rex.")
    assert "memcli undo 2" in cli("edit", "1", "The user's dog is called Max.").out
    say("b", "My dog is called Rex.", at="2026-04-01")
    cli("undo", "1")  # refused: the edit stands on it
    assert texts(cli) == ["The user's dog is called Max."]
    assert cli("search", "Max", "--json").json[0]["id"] == "1"
    assert [e["reason"] for e in cli("history", "1", "--json").json] == [
        "new", "edited by hand"
    ]  # fmt: skip


def test_an_edit_can_be_undone(cli: Cli, say: Say) -> None:
    say("a", "My dog is called Rex.")
    before = cli("export").out
    cli("edit", "1", "The user's dog is called Max.", "--kind", "event",
        "--since", "2026-01-01", "--day", "2026-02-02")  # fmt: skip
    (edited,) = cli("show", "--json").json
    assert (edited["kind"], edited["happens_on"]) == ("event", "2026-02-02")
    assert edited["valid_from"].startswith("2026-01-01")
    cli("undo", "2")
    assert cli("export").out == before
    say("b", "My dog is called Rex.", at="2026-04-01")
    assert cli("show", "--json").json[0]["strength"] == 2


def test_edit_ends_a_memory_and_refuses_what_cannot_be(cli: Cli, say: Say) -> None:
    say("a", "My dog is called Rex.")
    assert cli("edit", "1", "--until", "2020-01-01").code == 2
    assert cli("edit", "1", "--until", "2026-05-01").code == 0
    assert texts(cli) == []
    assert cli("edit", "9", "x y").code == 2
    assert "so already" in cli("edit", "1", "The user's dog is called Rex.").out
    assert cli("edit", "1").code == 2  # no terminal for an editor


def test_the_editor_is_opened_on_the_text(
    cli: Cli, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("a", "My dog is called Rex.")
    script = Path("editor.sh")
    script.write_text('#!/bin/sh\nsed -i s/Rex/Max/ "$1"\n')
    script.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(script.absolute()))
    monkeypatch.setattr("memcli.cli.edit._at_a_terminal", lambda: True)
    assert cli("edit", "1").code == 0
    assert texts(cli) == ["The user's dog is called Max."]


def test_what_was_forgotten_does_not_come_back(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.", "My dog is called Rex.")
    done = cli("forget", "1")
    assert (done.code, "memcli undo 2" in done.out) == (0, True)
    assert texts(cli) == ["The user's dog is called Rex."]
    assert cli("search", "Ghent", "--json").json == []
    # The same thread anew, a copy under other ids, a later chat with the same words.
    cli("reflect", "logs", "--extractor", "offline", "--stale")
    say("copy", "I live in Ghent.", "My dog is called Rex.")
    say("later", "Hi! I live in Ghent.", at="2026-09-01")
    assert texts(cli) == ["The user's dog is called Rex."]
    done = cli("reflect", "logs", "--extractor", "offline", "--json")
    assert "Ghent" not in cli("export", "--superseded").out


def test_the_set_aside_count_says_that_it_was_forgotten(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    cli("forget", "1")
    write_lines(Path("b.jsonl"), said("I live in Ghent.", thread="b", id="1"))
    done = cli("reflect", "b.jsonl", "--extractor", "offline", "--json").json
    assert done["candidates"]["set_aside"] == {"forgotten before": 1}


def test_another_statement_of_the_same_message_is_still_learned(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent. My dog is called Rex.")
    cli("forget", "1")
    cli("undo", "1")  # refused, since the forgetting stands on it
    say("copy", "I live in Ghent. My dog is called Rex. I work for Siemens.")
    assert "The user works for Siemens." in texts(cli)
    assert "The user lives in Ghent." not in texts(cli)


def test_a_model_that_puts_it_in_other_words_is_not_believed_either(
    cli: Cli,
    serve: Serve,
) -> None:
    wording = ["The user has coeliac disease."]

    def answer(request: object) -> tuple[int, dict[str, object]]:
        quote = {"message": "m1", "text": "I get ill from gluten, coeliac"}
        return tool_call([
            {"text": wording[0], "kind": "fact", "quotes": [quote], "confidence": 0.9}
        ])  # fmt: skip

    serve(answer)
    told = said("I get ill from gluten, coeliac, the doctor says.", id="1")
    write_lines(Path("a.jsonl"), told)
    cli("reflect", "a.jsonl", "--extractor", "claude")
    assert texts(cli) == ["The user has coeliac disease."]
    cli("forget", "1")
    wording[0] = "Eating wheat is a medical problem."
    write_lines(Path("b.jsonl"), {**told, "thread_id": "t2"})
    cli("reflect", "b.jsonl", "--extractor", "claude")
    assert texts(cli) == []


def test_tombstones_keep_no_readable_text(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    cli("forget", "1")
    for table in ("tombstones", "tombstone_quotes"):
        assert rows(f"SELECT * FROM {table}")
        assert "ghent" not in str(rows(f"SELECT * FROM {table}")).lower()


def test_forgetting_can_be_undone_and_then_it_may_be_learned(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    before = cli("export").out
    cli("forget", "1")
    cli("undo", "2")
    assert cli("export").out == before
    say("b", "I live in Ghent.", at="2026-04-01")
    assert cli("show", "--json").json[0]["strength"] == 2


def test_what_was_forgotten_may_be_added_by_hand(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    cli("forget", "1")
    assert "had been forgotten" in cli("add", "The user lives in Ghent.").out
    say("b", "I live in Ghent.", at="2026-04-01")
    assert texts(cli) == ["The user lives in Ghent."]


def test_forget_names_what_it_cannot_find_and_does_nothing_then(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    assert cli("forget", "1", "99").code == 2
    assert cli("forget").code == 2
    assert cli("forget", "1", "--thread", "a").code == 2
    assert "would be forgotten" in cli("forget", "1", "--dry-run").out
    assert texts(cli) == ["The user lives in Ghent."]


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_a_machine_neither_rewrites_nor_deletes_a_persons_words(
    cli: Cli, serve: Serve, operation: str
) -> None:
    from tests.asking.conftest import attentive, decide

    def answer(request: dict[str, object]) -> tuple[int, dict[str, object]]:
        if request["tools"][0]["name"] == "decide":  # type: ignore[index]
            wanted = {"operation": operation, "target": 1,
                      "text": "The user prefers dark mode in terminals."}  # fmt: skip
            return decide(request, lambda number: wanted)
        return attentive(request)

    server = serve(answer)
    cli("add", "The user prefers dark mode, always.")
    later = said("I prefer dark mode in terminals", id="1", at="2098-01-01T00:00:00Z")
    write_lines(Path("a.jsonl"), later)
    cli("reflect", "a.jsonl", "--extractor", "claude", "--quiet-period", "0")
    assert len(server.requests) == 2  # the model was asked, and said so
    assert sorted(texts(cli)) == [
        "The user prefers dark mode in terminals.",
        "The user prefers dark mode, always.",
    ]
    reasons = [entry["reason"] for entry in cli("history", "2", "--json").json]
    assert reasons == ["new; memory 1 is a person's own words and stays"]


def test_files_that_are_made_are_private(cli: Cli) -> None:
    os.umask(0o022)
    cli("add", "The build runs on Fridays.")
    assert Path("memories.db").stat().st_mode & 0o077 == 0
