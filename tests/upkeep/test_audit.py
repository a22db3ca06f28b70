"""`memcli audit`: what is wrong is found, and what can be is put right."""

import pytest

from tests.conftest import Cli
from tests.upkeep.conftest import Say, change, rows, texts

KEY = "sk-ant-api03-" + "Ab1Cd2Ef3" * 10


@pytest.fixture
def store(cli: Cli, say: Say) -> Cli:
    say("a", "I live in Ghent.", "My dog is called Rex.")
    say("b", "I prefer dark mode.", "I live in Lisbon.", at="2026-06-01")
    assert cli("audit").code == 0, cli("audit").out
    return cli


def found(cli: Cli, *args: str) -> dict[str, list[str]]:
    """What an audit finds: where, by check."""
    listed: dict[str, list[str]] = {}
    for finding in cli("audit", "--json", *args).json["findings"]:
        listed.setdefault(finding["check"], []).append(finding["where"])
    return listed


DEFECTS = {
    "duplicate": (
        "INSERT INTO memories (namespace, kind, text, confidence, valid_from,"
        " created_at, updated_at, text_key, embedded)"
        " SELECT namespace, kind, text, confidence, valid_from, created_at,"
        " updated_at, text_key, 0 FROM memories WHERE id = 2",
        "memories 2, 5",
    ),
    "contradiction": (
        "UPDATE memories SET valid_to = NULL, superseded_by = NULL WHERE id = 1",
        "memories 1, 4",
    ),
    "undated": (
        "UPDATE memories SET valid_from = '1970-01-01' WHERE id = 2", "memory 2"
    ),
    "unsourced": ("DELETE FROM sources WHERE memory_id = 2", "memory 2"),
    "reference": ("UPDATE messages SET text = 'changed' WHERE id = 2", "memory 2"),
    "history": ("UPDATE memories SET text = 'Else.' WHERE id = 2", "memory 2"),
    "vector": ("DELETE FROM memories_vectors WHERE id = 2", "memory 2"),
    "index": (
        "INSERT INTO memories_fts(memories_fts, rowid, text) VALUES "
        "('delete', 2, 'The user''s dog is called Rex.')",
        "memories_fts",
    ),
    "secret": (f"UPDATE messages SET text = text || ' {KEY}' WHERE id = 2", "msg-2"),
    "damage": ("UPDATE messages SET thread_id = 'nowhere' WHERE id = 2", "messages 2"),
}  # fmt: skip


@pytest.mark.parametrize("check", DEFECTS)
def test_each_defect_is_found_and_named(store: Cli, check: str) -> None:
    sql, where = DEFECTS[check]
    change(sql)
    assert where in found(store).get(check, []), found(store)
    done = store("audit")
    assert done.code == 1
    assert check in done.out
    assert where in done.out


@pytest.mark.parametrize("check", ["duplicate", "history", "vector", "index", "secret"])
def test_what_needs_no_judgement_is_put_right(store: Cli, check: str) -> None:
    before = texts(store)
    change(DEFECTS[check][0])
    done = store("audit", "--fix")
    assert done.code == 0, done.out
    assert store("audit").code == 0
    if check not in ("history", "duplicate"):
        assert texts(store) == before
    assert store("search", "what is the dog called", "--json").json


def test_what_needs_a_person_is_left_to_one(store: Cli) -> None:
    change(DEFECTS["contradiction"][0])
    assert store("audit", "--fix").code == 1
    assert "contradiction" in found(store)


def test_duplicates_are_joined_with_all_their_sources_and_that_can_be_undone(
    store: Cli,
) -> None:
    change(DEFECTS["duplicate"][0])
    change("INSERT INTO sources SELECT 5, id, text FROM messages WHERE id = 3")
    store("audit", "--fix")
    (memory,) = [m for m in store("show", "--json").json if m["id"] == 2]
    assert len(memory["sources"]) == 2
    assert 5 not in [m["id"] for m in store("show", "--json").json]
    fix = store("runs", "--json").json[0]
    assert fix["kind"] == "fix"
    assert store("undo", str(fix["id"])).code == 0
    assert 5 in [m["id"] for m in store("show", "--json").json]


def test_near_duplicates_are_told_and_not_touched(store: Cli) -> None:
    store("add", "The user's dog is called  Rex now")
    assert found(store).get("duplicate") == ["memories 2, 5"]
    assert store("audit", "--fix").code == 1
    assert len(texts(store)) == 4


def test_a_secret_is_gone_from_every_corner(store: Cli) -> None:
    from pathlib import Path

    change(f"UPDATE memories SET text = text || ' {KEY}' WHERE id = 2")
    change(f"UPDATE messages SET text = text || ' {KEY}' WHERE id = 2")
    change(f"UPDATE operations SET after = replace(after, 'Rex', 'Rex {KEY}')")
    change(f"UPDATE extractions SET candidates = replace(candidates, 'Rex', '{KEY}')")
    store("audit", "--fix")
    kept = b"".join(path.read_bytes() for path in Path().glob("memories.db*"))
    assert KEY.encode() not in kept
    assert "secret" not in found(store)


def test_pages_of_bits_that_do_not_fit_are_written_anew(store: Cli) -> None:
    before = store("search", "pet", "--json").json
    change("UPDATE memories_vectors SET slot = slot + 1")
    assert found(store)["vector"] == ["memories"]
    assert store("audit", "--fix").code == 0
    assert store("search", "pet", "--json").json == before
    assert rows("SELECT count FROM memories_vector_pages") == [(4,)]


def test_an_audit_of_nothing_says_so(cli: Cli) -> None:
    assert cli("audit").code == 2  # no database
    cli("add", "The build runs on Fridays.")
    assert "nothing found" in cli("audit").err
    assert cli("audit", "--json").json == {"fixed": 0, "run": None, "findings": []}
