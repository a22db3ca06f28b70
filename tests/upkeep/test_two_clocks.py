"""When it was true and when it was believed: `--as-of` and `--known-at`."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

import memcli
from memcli.errors import UsageError
from memcli.when import parse_moment
from tests.conftest import Cli
from tests.upkeep.conftest import At, Say, texts


@pytest.fixture
def moved(cli: Cli, say: Say, at: At) -> Cli:
    """Lived in Ghent from March, told on 1 April; in Lisbon from June, told on 1
    July; the text of the first put right on 1 August."""
    at("2026-04-01")
    say("a", "I live in Ghent.", at="2026-03-01")
    at("2026-07-01")
    say("b", "I live in Lisbon.", at="2026-06-01")
    at("2026-08-01")
    cli("edit", "1", "The user lives in Ghent, in the old town.")
    return cli


def test_as_of_asks_what_was_true(moved: Cli) -> None:
    assert texts(moved, "--as-of", "2026-05-01") == [
        "The user lives in Ghent, in the old town."
    ]
    assert texts(moved, "--as-of", "2026-06-01") == ["The user lives in Lisbon."]
    assert texts(moved, "--as-of", "2026-06-01T09:00:00Z") == [
        "The user lives in Ghent, in the old town."
    ]
    assert texts(moved, "--as-of", "2026-02-01") == []
    hits = moved("search", "home town", "--as-of", "2026-05-01", "--json").json
    assert [hit["id"] for hit in hits] == ["1"]


def test_known_at_asks_what_was_believed(moved: Cli) -> None:
    assert texts(moved, "--known-at", "2026-03-15") == []
    assert texts(moved, "--known-at", "2026-04-01") == ["The user lives in Ghent."]
    assert texts(moved, "--known-at", "2026-06-15") == ["The user lives in Ghent."]
    assert texts(moved, "--known-at", "2026-07-01") == ["The user lives in Lisbon."]
    both = ("--known-at", "2026-07-15", "--as-of", "2026-05-01")
    assert texts(moved, *both) == ["The user lives in Ghent."]


def test_the_past_is_searched_by_the_words_it_had(moved: Cli) -> None:
    then = ("--known-at", "2026-05-01")
    (hit,) = moved("search", "where does the user live", *then, "--json").json
    assert (hit["text"], hit["valid_to"]) == ("The user lives in Ghent.", None)
    assert hit["sources"][0]["quote"] == "I live in Ghent."
    assert moved("search", "old town", *then).out.count("old town") == 0


def test_the_past_is_searched_by_the_meaning_it_had(cli: Cli, say: Say, at: At) -> None:
    at("2026-04-01")
    say("a", "My dog is called Rex.")
    at("2026-08-01")
    cli("edit", "1", "The user keeps bees.")
    assert cli("search", "honey insects", "--json").json
    then = ("--known-at", "2026-05-01")
    assert cli("search", "honey insects", *then, "--json").json == []
    assert cli("search", "name of the pet", *then, "--json").json


def test_one_memory_is_shown_as_it_was_known(moved: Cli) -> None:
    then = moved("show", "1", "--known-at", "2026-05-01", "--json").json
    assert (then["text"], len(then["history"])) == ("The user lives in Ghent.", 1)
    assert moved("show", "2", "--known-at", "2026-05-01").code == 2
    refused = moved("show", "1", "--as-of", "2026-07-01")
    assert (refused.code, "did not hold" in refused.err) == (2, True)
    assert moved("export", "--known-at", "2026-05-01").out.count("\n") == 1


def test_what_was_forgotten_was_believed_before(moved: Cli, at: At) -> None:
    at("2026-09-01")
    moved("forget", "2")
    assert texts(moved, "--known-at", "2026-08-15") == ["The user lives in Lisbon."]
    assert texts(moved, "--known-at", "2026-09-02") == []
    hits = moved("search", "Lisbon", "--known-at", "2026-08-15", "--json").json
    assert [hit["id"] for hit in hits] == ["2"]


def test_of_messages_neither_is_known(moved: Cli) -> None:
    for option in ("--as-of", "--known-at"):
        refused = moved("search", "x", "--in", "messages", option, "2026-05-01")
        assert (refused.code, "memories" in refused.err) == (2, True)
        assert moved("show", "msg-1", option, "2026-05-01").code == 2
    assert moved("show", "--as-of", "yesterday").code == 2


def test_the_python_api_has_both(moved: Cli) -> None:
    may = datetime(2026, 5, 1, tzinfo=UTC)
    with memcli.open(Path("memories.db")) as store:
        assert store.search("home", as_of=may)[0].id == "1"
        (hit,) = store.search("home", known_at=may)
        assert hit.text == "The user lives in Ghent."
        assert store.search("home")[0].text == "The user lives in Lisbon."
        with pytest.raises(UsageError):
            store.search("home", scope="messages", known_at=may)


def test_a_day_is_meant_to_its_end() -> None:
    assert parse_moment("2026-05-01") == datetime(2026, 5, 1, 23, 59, 59, 999000, UTC)
    assert parse_moment("2026-05-01T10:00:00Z") == datetime(2026, 5, 1, 10, tzinfo=UTC)
