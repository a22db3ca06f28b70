"""What `memcli search` puts first, tells once, and explains."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

import memcli
from memcli.embeddings.choose import DEFAULT_MODEL, model_folder
from tests.conftest import Cli, said, write_lines


@pytest.fixture
def two_friends(cli: Cli) -> Cli:
    lines = [
        ("Maya", "2025-05-03", "I bought an old sailing boat in Leith."),
        ("Tom", "2025-05-03", "A boat! I bought a kayak, it's more my size."),
        ("Maya", "2025-08-10", "The regatta went badly, we came in last of eleven."),
        ("Tom", "2026-05-20", "My regatta went better: second of nine!"),
        ("Tom", "2026-05-20", "ok"),
        ("Tom", "2026-06-20", "ok"),
    ]
    write_lines(
        Path("a.jsonl"),
        *(
            said(text, thread=f"t{day}", id=str(n), name=name, at=f"{day}T10:00:00Z")
            for n, (name, day, text) in enumerate(lines)
        ),
    )
    assert cli("reflect", "a.jsonl").code == 0
    return cli


def first(cli: Cli, *args: str) -> str:
    hits = cli("search", "--in", "messages", "--json", *args).json
    return str(hits[0]["text"])


def test_who_a_question_names_is_who_said_it(two_friends: Cli) -> None:
    assert "kayak" in first(two_friends, "What did Tom buy?")
    assert "sailing" in first(two_friends, "What did Maya buy?")


def test_the_time_that_a_question_names_is_preferred(two_friends: Cli) -> None:
    assert "better" in first(two_friends, "how did the regatta go in 2026")
    assert "badly" in first(two_friends, "how did the regatta go in 2025")
    assert "badly" in first(two_friends, "how did the regatta go in August")


def test_a_time_is_seen_from_the_moment_asked_about(two_friends: Cli) -> None:
    with memcli.open("memories.db") as store:
        then = datetime(2026, 1, 1, tzinfo=UTC)
        question = "how did the regatta go last year"
        hits = store.search(question, scope="messages", before=then)
    assert "badly" in hits[0].text


def test_equal_messages_are_told_once(two_friends: Cli) -> None:
    found = two_friends("search", "ok", "--in", "messages", "--json").json
    (hit,) = [hit for hit in found if hit["text"] == "ok"]
    assert len(hit["also"]) == 1
    assert {source["message_id"] for source in hit["sources"]} == {"4", "5"}
    out = two_friends("search", "ok", "--in", "messages").out
    assert f"; the same: {hit['also'][0]}" in out
    assert two_friends("show", hit["also"][0]).code == 0


def test_explain_tells_what_speaks_for_a_hit(two_friends: Cli) -> None:
    out = two_friends(
        "search", "Which kayak did Tom get?", "--in", "messages", "--explain", "-l1"
    ).out
    why = out.splitlines()[-1].strip()
    assert "person +2.3" in why
    assert "words +" in why
    assert "cosine 0." in why
    args = (
        "search",
        "Which kayak did Tom get?",
        "--in",
        "messages",
        "--json",
        "--explain",
    )
    (hit, *_) = two_friends(*args).json
    assert hit["why"]["person"] == 2.3
    assert "why" not in two_friends(*args[:-1]).json[0]


def test_strength_decides_between_equals_and_can_be_left_out(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(
        Path("a.jsonl"),
        said("I prefer tabs over spaces.", thread="a", user_id="anna",
             at="2026-08-02T09:00:00Z"),
        said("I prefer tabs over spaces!", thread="b", user_id="anna",
             at="2026-08-09T09:00:00Z"),
        said("I prefer tabs to spaces here.", thread="c", user_id="ben",
             at="2026-08-02T09:00:00Z"),
    )  # fmt: skip
    assert cli("reflect", "a.jsonl").code == 0
    args = ("search", "tabs or spaces", "--explain", "--json")
    assert cli(*args, "-n", "memories/anna").json[0]["why"]["strength"] == 0.2
    monkeypatch.setenv("MEMCLI_WEIGH_STRENGTH", "0")
    assert "strength" not in cli(*args, "-n", "memories/anna").json[0]["why"]


def test_what_has_ended_does_not_crowd_out_what_holds(cli: Cli) -> None:
    assert cli("add", "The user's editor is version 500.").code == 0
    with closing(sqlite3.connect("memories.db")) as db:
        row = db.execute("SELECT * FROM memories").description
        rest = ", ".join(name for name, *_ in row if name not in ("id", "valid_to"))
        db.execute(
            "WITH RECURSIVE n (i) AS "
            "(SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 450) "
            f"INSERT INTO memories ({rest}, valid_to) SELECT {rest}, '2026-09-01' "
            "FROM memories, n"
        )
        db.commit()
    (hit,) = cli("search", "editor version", "--json").json
    assert hit["valid_to"] is None
    with memcli.open("memories.db") as store:
        assert len(store.search("editor version", superseded=True)[0].also) == 0


def test_two_people_of_whom_the_same_holds_are_two(cli: Cli) -> None:
    for person in ("ben", "cleo"):
        done = cli("add", "The user prefers tabs.", "-n", f"memories/{person}")
        assert done.code == 0, done.err
    found = cli("search", "tabs", "--json").json
    assert {hit["namespace"] for hit in found} == {"memories/ben", "memories/cleo"}
    assert "memories/cleo" in cli("search", "tabs").out


def test_equal_messages_leave_room_for_others(cli: Cli) -> None:
    write_lines(
        Path("a.jsonl"),
        *(said("is the deploy done?", thread=f"t{n}", id="1") for n in range(300)),
        *(
            said(f"The deploy of {name} is done by now.", thread=name, id="1")
            for name in ("web", "api", "mail", "search")
        ),
    )
    assert cli("reflect", "a.jsonl", "--quiet-period", "0").code == 0
    found = cli("search", "deploy done", "--in", "messages", "-l5", "--json").json
    assert len(found) == 5
    assert sum(len(hit["also"]) for hit in found) > 0


def test_a_question_that_is_only_a_time_finds_what_is_from_then(
    two_friends: Cli,
) -> None:
    out = two_friends("search", "what happened in August 2025", "--in", "messages").out
    assert "regatta went badly" in out
    assert "kayak" not in out


def test_a_store_whose_model_changes_is_searched_with_the_new_one(
    two_friends: Cli,
) -> None:
    folder = model_folder(DEFAULT_MODEL)  # the same one by another name
    with memcli.open("memories.db") as store:
        before = store.search("regatta", scope="messages")
        with closing(sqlite3.connect("memories.db")) as db:
            db.execute("UPDATE embedding_models SET name = ?", (str(folder),))
            db.commit()
        after = store.search("regatta", scope="messages")
        assert set(store._encoders) == {DEFAULT_MODEL, str(folder)}
    assert [hit.id for hit in after] == [hit.id for hit in before]


def test_show_explains_what_made_a_memory(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("I'm allergic to hazelnuts.", thread="a"))
    assert cli("reflect", "a.jsonl", "--quiet-period", "0").code == 0
    assert "signal" not in cli("show", "1").out
    out = cli("show", "1", "--explain").out
    (line,) = (line for line in out.splitlines() if "signal:" in line)
    name, _, confidence = line.partition("signal: ")[2].rpartition(", ")
    assert name
    assert 0.6 <= float(confidence) <= 1
    (source,) = cli("show", "1", "--explain", "--json").json["sources"]
    assert source["why"] == f"{name}, {confidence}"


@pytest.mark.parametrize("weight", ["nan", "inf", "x"])
def test_a_weight_that_is_no_number_is_refused(
    two_friends: Cli, monkeypatch: pytest.MonkeyPatch, weight: str
) -> None:
    monkeypatch.setenv("MEMCLI_WEIGH_RECENCY", weight)
    done = two_friends("search", "regatta")
    assert done.code == 2
    assert "weigh-recency must be a number" in done.err
