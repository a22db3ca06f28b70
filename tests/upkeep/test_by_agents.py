"""What an agent writes for a person: told apart, undoable, and not above evidence."""

from contextlib import closing
from pathlib import Path

from memcli.store.database import connect
from memcli.upkeep import by_hand
from memcli.when import utc_now
from tests.conftest import Cli, Serve
from tests.upkeep.conftest import Say, texts

MODEL = "all-MiniLM-L6-v2"
AGENT = "by claude-code over MCP"
HERE = "memories/me"


def agent_adds(text: str) -> int:
    with closing(connect(Path("memories.db"))) as db:
        return by_hand.add(db, HERE, text, utc_now(), MODEL, by=AGENT).memory_id


def agent_edits(id: int, text: str) -> None:
    with closing(connect(Path("memories.db"))) as db:
        by_hand.edit(db, id, by_hand.Edit(text=text), utc_now(), MODEL, by=AGENT)


def is_put_away(text: str) -> bool:
    with closing(connect(Path("memories.db"))) as db:
        return by_hand.is_put_away(db, HERE, text)


def test_history_says_who_wrote_it_and_nobody_takes_it_for_a_persons(cli: Cli) -> None:
    agent_adds("The build runs on Fridays.")
    assert "insert: added by claude-code over MCP" in cli("history", "1").out
    assert "a person wrote it" not in cli("show", "1").out
    assert cli("show", "1", "--json").json["by_hand"] is None
    agent_edits(1, "The build runs on Mondays.")
    assert "update: edited by claude-code over MCP" in cli("history", "1").out
    with closing(connect(Path("memories.db"))) as db:
        by_hand.forget(db, [1], utc_now(), by=AGENT)
    assert "delete: forgotten by claude-code over MCP" in cli("history", "1").out
    assert cli("undo", "3").code == 0
    assert texts(cli) == ["The build runs on Mondays."]


def test_the_audit_asks_no_agent_for_a_source(cli: Cli) -> None:
    agent_adds("The build runs on Fridays.")
    assert cli("audit").code == 0


def test_a_persons_memory_that_an_agent_edits_is_a_persons_again_after_undo(
    cli: Cli,
) -> None:
    cli("add", "The build runs on Fridays.")
    agent_edits(1, "The build runs on Mondays.")
    assert cli("show", "1", "--json").json["by_hand"] is None
    cli("undo", "2")
    assert cli("show", "1", "--json").json["by_hand"] is not None


def test_what_an_agent_put_right_stays_when_its_thread_is_done_again(
    cli: Cli, say: Say, serve: Serve
) -> None:
    say("a", "I live in Ghent.")
    agent_edits(1, "The user lives in Ghent, near the station.")
    serve()  # a model that finds nothing in it
    done = cli("reflect", "logs", "--stale", "--json")
    assert (done.code, done.json["threads"]["reflected"]) == (0, ["a"]), done.err
    assert texts(cli) == ["The user lives in Ghent, near the station."]


def test_only_what_a_person_put_away_is_theirs_to_allow_again(cli: Cli) -> None:
    cli("add", "The user drinks no tea.")
    assert not is_put_away("The user drinks no tea.")
    cli("forget", "1")
    assert is_put_away("the user drinks no tea")
    cli("add", "The user drinks no tea.")
    assert not is_put_away("The user drinks no tea.")
    cli("edit", "2", "The user drinks green tea.")
    assert is_put_away("The user drinks no tea.")

    agent_edits(2, "The user drinks black tea.")
    assert not is_put_away("The user drinks green tea.")
