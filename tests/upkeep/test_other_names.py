"""What a text can also be found by is kept as long as the text, and no longer."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from memcli.store import schema
from memcli.store.database import connect
from memcli.store.schema import _add_terms
from memcli.store.search import Query, search_messages
from tests.conftest import Cli, said, write_lines
from tests.durability.soundness import faults
from tests.upkeep.conftest import At, Say, change, rows
from tests.upkeep.test_audit import KEY

DB = Path("memories.db")


def sound() -> bool:
    with closing(connect(DB)) as db:
        return faults(db) == []


def kept() -> str:
    """The other names in the file: in the rows, and as the full-text indexes have
    them, apart from the texts."""
    names = [
        row[0]
        for t in ("memories", "messages")
        for row in rows(f"SELECT terms FROM {t}")
    ]
    with closing(connect(DB)) as db:
        for table in ("memories_fts", "messages_fts"):
            db.execute(
                f"CREATE VIRTUAL TABLE temp.v USING fts5vocab(main, {table}, col)"
            )
            found = db.execute("SELECT term FROM temp.v WHERE col = 'terms'")
            names += [row["term"] for row in found]
            db.execute("DROP TABLE temp.v")
    return " ".join(names)


def on_disk() -> bytes:
    return b"".join(path.read_bytes() for path in Path().glob("memories.db*"))


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("骨折", "我爸上周二在菜市场摔了一跤,左手腕骨折了。"),
        ("茶トラ", "うちの猫、むぎっていう茶トラなんですけど、腎臓の数値が高いって。"),
        ("แพ้กุ้ง", "เราแพ้กุ้งมากนะ อย่าสั่งอาหารทะเลให้เรา"),
        ("부산", "지은이는 부산에서 만난 친구야."),
        ("parseConfig", "The option is read by parse_config at the start."),
        ("config", "The option is read by parseConfig at the start."),
        ("auth.ts", "It fails in src/api/auth.ts on Mondays."),
        ("2.3", "Since v2.3.1 it fails."),
    ],
)
def test_a_message_is_found_by_a_part_of_it(cli: Cli, part: str, text: str) -> None:
    write_lines(
        Path("a.jsonl"),
        said("What a day, the sun was out at last.", id="1"),
        said(text, id="2"),
        said(
            "今日はいい天気ですね。 오늘은 날씨가 좋네. 今天天气不错。 อากาศดี", id="3"
        ),
    )
    assert cli("reflect", "a.jsonl").code == 0
    with closing(connect(DB)) as db:
        (hit, *others) = search_messages(db, Query(part, None))
    assert (
        hit.text,
        [other.score for other in others if other.parts.get("words")],
    ) == (
        text,
        [],
    )
    found = cli("search", part, "--in", "messages", "--json").json
    assert found[0]["text"] == text
    assert sound()


def test_an_edited_or_forgotten_memory_leaves_no_other_names(cli: Cli) -> None:
    cli("add", "The loader is called parse_config.")
    cli("add", "Die Straße heißt openDoor.")
    assert cli("search", "parseConfig", "--json").json[0]["id"] == "1"
    for name in ("parseconfig", "open door", "strasse"):
        assert name in kept()
    cli("edit", "1", "The loader is called load_settings.")
    cli("forget", "2")
    assert rows("SELECT terms FROM memories") == [("loadsettings",), ("",)]
    assert kept().split() == ["loadsettings", "loadset"]
    assert sound()
    assert cli("undo", "4").code == 0
    assert cli("undo", "3").code == 0
    assert "loadsettings" not in kept()
    for name in ("parseconfig", "open door", "strasse"):
        assert name in kept()
    assert sound()


def test_an_edited_message_leaves_no_other_names(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("It is parse_config.", id="1"))
    cli("reflect", "a.jsonl")
    assert "parseconfig" in kept()
    write_lines(Path("a.jsonl"), said("It is load_settings.", id="1"))
    cli("reflect", "a.jsonl")
    assert kept().split() == ["loadsettings", "loadset"]
    assert sound()


def test_what_is_removed_for_good_takes_its_other_names_along(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent-Brugge.", "I prefer parse_config to loadSettings.")
    say("b", "I live in Lisbon.", at="2026-06-01")
    assert b"parseconfig" in on_disk()
    assert cli("forget", "--thread", "a", "--yes").code == 0
    for name in (b"parseconfig", b"load settings", b"ghentbrugge"):
        assert name not in on_disk()
    assert kept().split() == []
    assert sound()


def test_a_redacted_secret_leaves_no_other_names(cli: Cli, say: Say) -> None:
    say("a", "I prefer tea.")
    for table in ("memories", "messages"):
        change(f"UPDATE {table} SET text = text || ' {KEY}', terms = 'skantapi03'")
    assert cli("audit", "--fix").code in (0, 1)
    assert b"skantapi03" not in on_disk()
    assert kept().split() == []


def test_the_past_is_searched_by_its_names(cli: Cli, at: At) -> None:
    at("2026-03-01")
    cli("add", "The loader is called parse_config.")
    at("2026-04-01")
    cli("edit", "1", "The loader is called load_settings.")
    then = cli("search", "parseConfig", "--known-at", "2026-03-15", "--json").json
    assert then[0]["text"] == "The loader is called parse_config."


def test_a_plan_carries_the_names(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("I prefer parse_config to loadSettings.", id="1"))
    cli("reflect", "a.jsonl", "--plan", "plan.json")
    assert cli("apply", "plan.json").code == 0
    assert "parseconfig" in kept()
    assert sound()


def test_a_file_from_before_the_names_gets_them(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "STEPS", schema.STEPS[: schema.STEPS.index(_add_terms)])
        connect(DB).close()
    monkeypatch.setattr(schema, "_ROWS_AT_ONCE", 2)
    with closing(sqlite3.connect(DB)) as db, db:
        db.execute("INSERT INTO threads (id, format, metadata) VALUES ('t', 'x', '{}')")
        db.executemany(
            "INSERT INTO messages (key, thread_id, message_id, role, text, sent_at) "
            "VALUES (?1, 't', ?1, 'user', ?1, '2026-01-01T00:00:00.000Z')",
            [("plain",), ("parse_config",), ("also plain",), ("骨折了",), ("aB",)],
        )
    assert cli("status").code == 0
    assert rows("SELECT terms FROM messages") == [
        ("",), ("parseconfig",), ("",), ("骨折 骨 折了 折 了",), ("a b",),
    ]  # fmt: skip
    found = rows(
        "SELECT rowid FROM messages_fts WHERE messages_fts MATCH 'parseconfig'"
    )
    assert found == [(2,)]
    assert sound()


def test_an_index_written_anew_has_the_names(cli: Cli) -> None:
    cli("add", "The loader is called parse_config.")
    with closing(connect(DB)) as db:
        db.execute("INSERT INTO memories_fts(memories_fts) VALUES ('delete-all')")
    assert cli("audit", "--fix").code in (0, 1)
    assert "parseconfig" in kept()
    assert sound()
