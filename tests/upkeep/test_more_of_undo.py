"""Undoing again and again, and what `runs` says of it."""

from tests.conftest import Cli
from tests.upkeep.conftest import Say, texts


def test_a_run_that_came_to_nothing_is_brought_back_once(cli: Cli, say: Say) -> None:
    say("a", "Good morning to you all.")
    assert texts(cli) == []
    for run in (1, 2, 1):
        assert cli("undo", str(run)).code == 0
    # Run 3 brought back what run 4 took away again since.
    refused = cli("undo", "3")
    assert (refused.code, "undo 4` brings it back" in refused.err) == (2, True)


def test_threads_that_were_left_alone_are_left_alone_however_often_it_is_undone(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    cli("undo", "1", "--not-again")
    cli("undo", "2")
    assert cli("undo", "3", "--json").json["due"] == []
    again = cli("reflect", "logs", "--extractor", "offline", "--json").json
    assert again["run"] is None
    assert texts(cli) == []


def test_runs_tells_what_an_undo_came_to(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    say("b", "I live in Lisbon.", at="2026-06-01")
    cli("undo", "2")
    cli("undo", "3")
    redone, undone = cli("runs", "--json").json[:2]
    counts = ("inserted", "updated", "deleted")
    assert [undone[name] for name in counts] == [0, 1, 1]
    assert [redone[name] for name in counts] == [1, 1, 0]


def test_a_reflection_that_is_undone_is_not_in_the_way(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    cli("undo", "1")
    cli("reflect", "logs", "--extractor", "offline")
    cli("undo", "3", "--not-again")
    assert texts(cli) == []
    assert cli("undo", "2").code == 0
    assert texts(cli) == ["The user lives in Ghent."]
