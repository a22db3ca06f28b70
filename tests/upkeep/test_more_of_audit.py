"""What an audit tells, what it leaves alone, and what `--fix` takes care of."""

from pathlib import Path

from tests.conftest import Cli
from tests.upkeep.conftest import Say, change, rows
from tests.upkeep.test_audit import KEY, found

_COPY = (
    "INSERT INTO memories (id, namespace, kind, text, confidence, valid_from,"
    " created_at, updated_at, text_key, embedded)"
    " SELECT 7, namespace, kind, text, confidence, '2025-01-01T00:00:00.000Z',"
    " created_at, updated_at, text_key, 0 FROM memories WHERE id = 1"
)


def test_two_people_who_say_nearly_the_same_are_no_duplicates(
    cli: Cli, say: Say
) -> None:
    say("a", "My dog is called Rex.")
    say("b", "Good morning.")
    cli("add", "The user's dog is called  Rex now")
    change("INSERT INTO sources SELECT 2, id, text FROM messages WHERE id = 2")
    assert found(cli)["duplicate"] == ["memories 1, 2"]
    change("UPDATE messages SET name = 'Anna' WHERE id = 1")
    change("UPDATE messages SET name = 'Bob' WHERE id = 2")
    assert "duplicate" not in found(cli)


def test_what_ended_with_a_memory_that_is_joined_ends_with_the_one_that_stays(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    say("b", "My dog is called Rex.")
    change(_COPY)
    change("UPDATE memories SET valid_to = '2026-09-01T00:00:00.000Z', "
           "superseded_by = 7 WHERE id = 2")  # fmt: skip
    assert "duplicate" in found(cli)
    assert cli("audit", "--fix").code == 0
    assert rows("SELECT superseded_by FROM memories WHERE id = 2") == [(1,)]
    # It holds since the earlier of the two.
    assert cli("show", "1", "--json").json["valid_from"].startswith("2025-01-01")
    assert cli("audit").code == 0


def test_forgetting_what_ended_another_is_nothing_wrong(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    say("b", "I live in Lisbon.", at="2026-06-01")
    cli("forget", "2")
    assert cli("audit").code == 0, cli("audit").out


def test_an_end_before_the_beginning_is_told(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    change("UPDATE memories SET valid_to = '2020-01-01T00:00:00.000Z'")
    assert found(cli)["undated"] == ["memory 1"]


def test_a_secret_goes_from_quotes_answers_and_former_texts_too(
    cli: Cli, say: Say
) -> None:
    say("a", "My dog is called Rex.")
    secret = f"|| ' {KEY}'"
    change(f"UPDATE memories SET text = text {secret}, text_key = text_key {secret}")
    change(f"UPDATE messages SET text = text {secret}")
    change(f"UPDATE sources SET quote = quote {secret}")
    change("INSERT INTO past_texts SELECT namespace, lower(text), id FROM memories")
    change(f"INSERT INTO judgements VALUES ('f', 1, '2026', '[\"{KEY}\"]')")
    cli("audit", "--fix")
    kept = b"".join(path.read_bytes() for path in Path().glob("memories.db*"))
    assert KEY.lower().encode() not in kept.lower()
    (source,) = cli("show", "1", "--json").json["sources"]
    assert source["quote"].startswith("My dog is called Rex.")
    assert found(cli) == {}


def test_a_slot_of_nothing_is_found_and_removed(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.", "My dog is called Rex.")
    change("DELETE FROM memories_vectors WHERE id = 2")
    change("UPDATE memories SET embedded = 0 WHERE id = 2")
    assert "memories" in found(cli)["vector"]
    assert cli("audit", "--fix").code == 0
    assert found(cli) == {}
