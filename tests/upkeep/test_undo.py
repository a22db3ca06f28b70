"""`history`, `diff` and `undo`: what a run did can be seen, and taken back."""

from pathlib import Path

from tests.conftest import Cli, Serve, said, write_lines
from tests.upkeep.conftest import Say, change, rows, texts


def test_history_shows_every_operation_with_run_reason_before_and_after(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    say("b", "I live in Lisbon.", at="2026-06-01")
    first, second = cli("history", "1", "--json").json
    assert (first["run"], first["operation"], first["before"]) == (1, "insert", None)
    assert second["run"] == 2
    assert second["before"]["valid_to"] is None
    assert second["after"]["valid_to"].startswith("2026-06-01")
    shown = cli("history", "1").out
    assert "+ The user lives in Ghent." in shown
    assert "~ until none → 2026-06-01" in shown
    assert cli("history", "99").code == 2


def test_diff_shows_what_a_run_came_to(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    say("b", "I live in Lisbon.", at="2026-06-01")
    found = {c["memory"]: c for c in cli("diff", "2", "--json").json["changes"]}
    assert {id: c["change"] for id, c in found.items()} == {1: "ended", 2: "added"}
    assert found[2]["evidence"][0]["quote"] == "I live in Lisbon."
    assert "+ The user lives in Lisbon." in cli("diff", "2").out
    assert cli("diff", "7").code == 2


def test_undo_takes_a_run_back_and_its_threads_are_due_again(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    before = cli("export", "--superseded").out
    say("b", "I live in Lisbon.", at="2026-06-01")
    after = cli("export", "--superseded").out
    done = cli("undo", "2", "--json").json
    assert done["due"] == ["b"]
    assert cli("export", "--superseded").out == before
    assert cli("search", "where does the user live", "--json").json[0]["id"] == "1"
    assert cli("status", "--json").json["due"] == ["b"]
    assert "undone by run 3" in cli("runs").out
    # The undo is a run, and is undone in turn.
    assert cli("undo", "3").code == 0
    assert cli("export", "--superseded").out == after
    assert cli("status", "--json").json["due"] == []
    assert cli("search", "Lisbon", "--json").json[0]["id"] == "2"


def test_what_was_undone_is_reflected_again_to_the_same_memories(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.", "My dog is called Rex.")
    before = texts(cli)
    cli("undo", "1")
    assert texts(cli) == []
    cli("reflect", "logs", "--extractor", "offline")
    assert texts(cli) == before


def test_undo_can_leave_the_threads_alone(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    assert cli("undo", "1", "--not-again", "--json").json["due"] == []
    assert (
        cli("reflect", "logs", "--extractor", "offline", "--json").json["run"] is None
    )
    assert texts(cli) == []
    cli("undo", "2")
    assert texts(cli) == ["The user lives in Ghent."]


def test_a_run_in_the_middle_is_undone_if_nothing_stands_on_it(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    say("b", "I prefer dark mode.")
    say("c", "My dog is called Rex.")
    assert cli("undo", "2").code == 0
    assert texts(cli) == ["The user lives in Ghent.", "The user's dog is called Rex."]


def test_else_it_is_said_which_run_is_in_the_way(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    say("b", "I live in Lisbon.", at="2026-06-01")
    before = cli("export", "--superseded").out
    refused = cli("undo", "1")
    assert refused.code == 2
    assert "run 2 (memory 1)" in refused.err
    assert "undo 2 first" in refused.err
    assert cli("export", "--superseded").out == before
    # With the later one undone the way is free.
    assert cli("undo", "2").code == 0
    assert cli("undo", "1").code == 0
    assert texts(cli, "--superseded") == []


def test_a_memory_that_another_ended_with_is_in_the_way_too(cli: Cli, say: Say) -> None:
    say("b", "I live in Lisbon.", at="2026-06-01")
    say("a", "I live in Ghent.", at="2026-03-01")  # told later, of an earlier time
    assert rows("SELECT superseded_by FROM memories WHERE id = 2") == [(1,)]
    refused = cli("undo", "1")
    assert (refused.code, "run 2" in refused.err) == (2, True)


def test_what_is_undone_cannot_be_undone_again(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    cli("undo", "1")
    refused = cli("undo", "1")
    assert refused.code == 2
    assert "memcli undo 2" in refused.err
    assert cli("undo", "99").code == 2


def test_a_run_that_died_is_undone_as_far_as_it_came(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    change("UPDATE runs SET outcome = 'running', inserted = NULL")
    assert cli("undo", "1").code == 0
    assert texts(cli) == []
    dead = cli("runs", "1", "--json").json
    assert (dead["outcome"], dead["inserted"]) == ("interrupted", 1)


def test_undo_and_redo_many_times(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    for run in range(1, 6):
        assert cli("undo", str(run)).code == 0
        assert bool(texts(cli)) == (run % 2 == 0)
    # Five undoings: the run does not hold, and its thread is due.
    assert cli("status", "--json").json["due"] == ["a"]


def test_an_undo_is_not_undone_over_what_was_reflected_since(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    cli("undo", "1")
    cli("reflect", "logs", "--extractor", "offline")
    refused = cli("undo", "2")
    assert (refused.code, "by run 3" in refused.err) == (2, True)
    assert texts(cli) == ["The user lives in Ghent."]


def test_undo_knows_a_change_made_outside_of_memcli(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    change("UPDATE memories SET text = 'The user lives in Bruges.'")
    assert cli("undo", "1").code == 2
    assert texts(cli) == ["The user lives in Bruges."]


def test_a_quote_does_not_come_back_from_a_message_that_says_something_else(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    cli("undo", "1", "--not-again")
    change("UPDATE messages SET text = 'Nothing of the sort.'")
    cli("undo", "2")
    assert cli("show", "--json").json[0]["sources"] == []


def test_undone_answers_are_not_asked_for_again(cli: Cli, serve: Serve) -> None:
    server = serve()
    write_lines(Path("a.jsonl"), said("I prefer dark mode.", id="1"))
    cli("reflect", "a.jsonl", "--extractor", "claude")
    before, asked = texts(cli), len(server.requests)
    assert before == ["The user prefers dark mode."]
    cli("undo", "1")
    done = cli("reflect", "a.jsonl", "--extractor", "claude", "--json").json
    assert (texts(cli), done["answers_reused"]) == (before, 1)
    assert len(server.requests) == asked


def test_undoing_a_stale_run_brings_back_what_was_there_before(
    cli: Cli,
    serve: Serve,
) -> None:
    write_lines(Path("a.jsonl"), said("I prefer dark mode.", id="1"))
    cli("reflect", "a.jsonl", "--extractor", "offline")
    before = cli("export").out
    recipes = rows("SELECT replaced FROM extractions")
    serve(lambda request: __import__("tests.messages_api").messages_api.tool_call([]))
    cli("reflect", "a.jsonl", "--extractor", "claude", "--stale")
    assert texts(cli) == []
    assert cli("undo", "2", "--json").json["due"] == []
    assert cli("export").out == before
    assert rows("SELECT replaced FROM extractions WHERE run_id = 1") == recipes


def test_runs_shows_the_stages_of_a_run(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    stages = cli("runs", "1", "--json").json["stages"]
    assert [stage["stage"] for stage in stages] == [
        "read", "embed", "extract", "consolidate"
    ]  # fmt: skip
    assert all(stage["ended_at"] for stage in stages)
