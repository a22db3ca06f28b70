"""What a person does by hand: its edges."""

import json
from pathlib import Path
from typing import Any

from tests.conftest import Cli, Serve, said, write_lines
from tests.messages_api import Answer, tool_call
from tests.upkeep.conftest import Say, texts

Given = list[tuple[str, str]]  # what a memory says, and the words it is taken from


def tell(cli: Cli, serve: Serve, given: Given, thread: str, words: str) -> None:
    """One message, and what a model makes of it."""

    def answer(request: dict[str, Any]) -> Answer:
        from tests.asking.conftest import decide

        if request["tools"][0]["name"] == "decide":
            return decide(request, lambda number: {"operation": "insert"})
        return tool_call([
            {"text": text, "kind": "fact", "confidence": 0.9,
             "quotes": [{"message": "m1", "text": quote}]}
            for text, quote in given
        ])  # fmt: skip

    serve(answer)
    write_lines(Path(f"{thread}.jsonl"), said(words, thread=thread, id="1"))
    done = cli("reflect", f"{thread}.jsonl", "--extractor", "claude")
    assert done.code == 0, done.err


def test_a_memory_of_another_namespace_is_not_ended(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    refused = cli("add", "Moved.", "-n", "memories/ops", "--replaces", "1")
    assert (refused.code, "memories/me" in refused.err) == (2, True)
    assert texts(cli) == ["The user lives in Ghent."]


def test_nothing_is_ended_by_what_was_so_before_it(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.", at="2026-03-01")
    old = ("add", "The user lives in Bern.", "--replaces", "1", "--since", "2026-01-01")
    refused = cli(*old)
    assert (refused.code, "--since" in refused.err) == (2, True)
    assert texts(cli) == ["The user lives in Ghent."]


def test_what_has_ended_can_be_added_as_what_holds_again(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    cli("edit", "1", "--until", "2026-05-01")
    assert cli("add", "The user lives in Ghent.").out.startswith("memory 2 in")
    assert texts(cli) == ["The user lives in Ghent."]


def test_what_a_person_edits_a_memory_to_may_be_learned_again(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    cli("forget", "1")
    cli("add", "The user's home is Bruges.", "--since", "2026-03-01")
    cli("edit", "2", "The user lives in Ghent.")
    cli("edit", "2", "--until", "2026-05-01")
    write_lines(Path("b.jsonl"), said("I live in Ghent.", thread="b", id="1"))
    done = cli("reflect", "b.jsonl", "--extractor", "offline", "--json").json
    assert done["candidates"]["set_aside"] == {}
    assert texts(cli) == ["The user lives in Ghent."]


def test_words_that_others_stand_on_are_buried_with_the_last_of_them(
    cli: Cli, serve: Serve
) -> None:
    words = "I get ill from gluten, coeliac, the doctor says."
    quote = "I get ill from gluten, coeliac"
    one, two = "The user has coeliac disease.", "Bread is off the menu."
    tell(cli, serve, [(one, quote), (two, quote)], "a", words)
    assert cli("forget", "1", "2").code == 0
    tell(cli, serve, [("Eating wheat is a medical problem.", quote)], "b", words)
    assert texts(cli) == []


def test_forgetting_a_part_of_a_sentence_leaves_the_rest_of_it(
    cli: Cli, serve: Serve
) -> None:
    words = "I get ill from gluten, coeliac, the doctor says."
    whole, part = "I get ill from gluten, coeliac", "from gluten"
    given = [("The user has coeliac disease.", whole), ("Gluten came up.", part)]
    tell(cli, serve, given, "a", words)
    assert cli("forget", "2").code == 0
    tell(cli, serve, [("Eating wheat is a medical problem.", whole)], "b", words)
    assert "Eating wheat is a medical problem." in texts(cli)


def test_what_a_forgotten_memory_said_before_a_machine_rewrote_it_is_forgotten_too(
    cli: Cli, serve: Serve
) -> None:
    from tests.asking.conftest import decide

    statement = ["The user prefers dark mode at night."]
    joined = "The user prefers dark mode at night and the Solarized palette."

    def answer(request: dict[str, Any]) -> Answer:
        from tests.asking.conftest import shown

        if request["tools"][0]["name"] == "decide":
            wanted = {"operation": "update", "target": 1, "text": joined}
            return decide(request, lambda number: wanted)
        (quote,) = (q for q in quotes if q in shown(request))
        return tool_call([
            {"text": statement[0], "kind": "preference", "confidence": 0.9,
             "quotes": [{"message": "m1", "text": quote}]}
        ])  # fmt: skip

    quotes = ["Dark mode at night is best", "dark mode and the Solarized palette",
              "Nothing beats a black screen"]  # fmt: skip
    serve(answer)
    wordings = [statement[0], "The user prefers dark mode and the Solarized palette."]
    for thread, wording in zip("abc", (*wordings, wordings[0]), strict=True):
        statement[0] = wording
        words = f"{quotes['abc'.index(thread)]} for the eyes, I find."
        write_lines(Path(f"{thread}.jsonl"), said(words, thread=thread, id="1"))
        if thread == "c":
            assert texts(cli) == [joined]
            cli("forget", "1")
        cli("reflect", f"{thread}.jsonl", "--extractor", "claude")
    assert texts(cli) == []


def test_the_text_of_a_profile_is_not_edited(cli: Cli, serve: Serve) -> None:
    schema = {"title": "Person", "type": "object",
              "properties": {"city": {"type": "string"}}}  # fmt: skip
    Path("person.json").write_text(json.dumps(schema))

    def answer(request: object) -> Answer:
        status, body = tool_call([])
        quote = {"message": "m1", "text": "I live in Ghent"}
        item = {"value": {"city": "Ghent"}, "quotes": [quote], "confidence": 0.9}
        body["content"][0]["input"] = {"Person": [item]}
        return status, body

    serve(answer)
    write_lines(Path("a.jsonl"), said("I live in Ghent now.", id="1"))
    cli("reflect", "a.jsonl", "--extractor", "claude", "--profile", "person.json")
    before = cli("export").out
    assert "Ghent" in before
    refused = cli("edit", "1", "The user lives in Bruges.")
    assert (refused.code, "forget it instead" in refused.err) == (2, True)
    assert cli("export").out == before


def test_a_store_is_sound_after_something_was_forgotten(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.", "My dog is called Rex.")
    cli("forget", "2")
    audited = cli("audit")
    assert audited.code == 0, audited.out


def test_the_same_in_nearly_the_same_words_is_forgotten_too(
    cli: Cli, serve: Serve
) -> None:
    first = ("The user's dog Rex is brown.", "He is called Rex and is brown")
    tell(cli, serve, [first], "a", "My dog? He is called Rex and is brown, mostly.")
    cli("forget", "1")
    again = ("The user's dog is Rex, brown.", "Rex has brown fur")
    tell(cli, serve, [again], "b", "Rex has brown fur, all of it, and ours he is.")
    assert texts(cli) == []


def test_what_was_allowed_again_is_not_when_that_is_undone(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    cli("forget", "1")
    cli("add", "The user lives in Ghent.")
    cli("undo", "3")
    say("b", "I live in Ghent.", at="2026-04-01")
    assert texts(cli) == []


def test_an_older_memory_of_the_same_does_not_bring_back_what_was_forgotten(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.", at="2026-03-01")
    cli("edit", "1", "--until", "2026-04-01")
    say("b", "I live in Ghent.", at="2026-05-01")
    cli("forget", "2")
    say("c", "I live in Ghent.", at="2026-06-01")
    assert texts(cli) == []


def test_what_was_said_before_an_edit_does_not_end_it(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.", at="2026-03-01")
    cli("edit", "1", "The user lives in Ghent, in the old town.")
    say("b", "I live in Lisbon.", at="2026-06-01")
    assert texts(cli) == ["The user lives in Ghent, in the old town."]


def test_nothing_is_put_beside_a_persons_words_when_nothing_may_be_added(
    cli: Cli, serve: Serve
) -> None:
    from tests.asking.conftest import attentive, decide

    def answer(request: dict[str, Any]) -> Answer:
        if request["tools"][0]["name"] == "decide":
            wanted = {"operation": "update", "target": 1,
                      "text": "The user prefers dark mode in terminals."}  # fmt: skip
            return decide(request, lambda number: wanted)
        return attentive(request)

    server = serve(answer)
    cli("add", "The user prefers dark mode, always.")
    later = said("I prefer dark mode in terminals", id="1", at="2098-01-01T00:00:00Z")
    write_lines(Path("a.jsonl"), later)
    cli("reflect", "a.jsonl", "--extractor", "claude", "--quiet-period", "0",
        "--no-inserts")  # fmt: skip
    assert len(server.requests) == 2
    assert texts(cli) == ["The user prefers dark mode, always."]
