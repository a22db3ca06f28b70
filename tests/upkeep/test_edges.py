"""Where one promise could be kept at the cost of another."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from memcli.store.database import connect
from memcli.textkey import gist, text_key
from memcli.upkeep import audit
from tests.conftest import Cli, Serve, said, write_lines
from tests.messages_api import tool_call
from tests.upkeep.conftest import Say, change, rows, texts


def reflect(cli: Cli, name: str, text: str, *args: str, **more: Any) -> None:
    write_lines(Path(f"{name}.jsonl"), said(text, thread=name, id="1", **more))
    done = cli("reflect", f"{name}.jsonl", "--extractor", "offline", *args)
    assert done.code == 0, done.err


def test_one_persons_forgetting_is_not_anothers(cli: Cli) -> None:
    reflect(cli, "a", "I prefer dark mode in my editor.", user_id="anna")
    cli("forget", "1")
    reflect(cli, "b", "I prefer dark mode in my editor.", user_id="ben")
    reflect(cli, "c", "I prefer dark mode in my editor.", "-n", "x/me", user_id="anna")
    assert [m["namespace"] for m in cli("show", "--json").json] == ["memories/ben"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("The freezer stays at -5 degrees.", "The freezer stays at 5 degrees."),
     ("The share is 50% now.", "The share is 50 now."),
     ("It costs $5.", "It costs 5€."),
     ("हर दिन चाय", "हर दान चाय")],
)  # fmt: skip
def test_signs_and_vowel_signs_make_another_statement(one: str, other: str) -> None:
    assert text_key(one) != text_key(other)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("The user likes tea.", "The user loves tea.", True),
     ("The user flew from Rome to Oslo.", "The user flew to Rome from Oslo.", False),
     ("The user hates spiders.", "The user never hates spiders.", False)],
)  # fmt: skip
def test_the_gist_knows_directions_and_denials(
    one: str, other: str, same: bool
) -> None:
    assert (gist(one) == gist(other)) == same


def test_a_script_without_spaces_is_forgotten_too(cli: Cli, serve: Serve) -> None:
    wording = ["The user lives in Ghent."]
    told = "我住在根特，我的狗叫雷克斯。"

    def answer(request: object) -> tuple[int, dict[str, object]]:
        quote = {"message": "m1", "text": "我住在根特"}
        return tool_call([
            {"text": wording[0], "kind": "fact", "quotes": [quote], "confidence": 0.9}
        ])  # fmt: skip

    serve(answer)
    for name, text in (("a", wording[0]), ("b", "Ghent is home.")):
        wording[0] = text
        write_lines(Path(f"{name}.jsonl"), said(told, thread=name, id="1"))
        cli("reflect", f"{name}.jsonl", "--extractor", "claude")
        if name == "a":
            cli("forget", "1")
    assert texts(cli) == []


def test_what_else_is_said_beside_a_known_memory_is_learned(cli: Cli) -> None:
    cli("add", "Ben prefers dark mode")
    later = {"at": "2098-01-01T00:00:00Z"}
    said_too = "I know Ben prefers dark mode, he said. I live in Ghent."
    reflect(cli, "a", said_too, "--quiet-period", "0", **later)
    assert "The user lives in Ghent." in texts(cli)


def test_a_namespace_is_forgotten_though_a_conversation_stays_for_another(
    cli: Cli,
) -> None:
    reflect(cli, "a", "I live in Ghent.", "-n", "work/me")
    reflect(cli, "a", "I live in Ghent.", "-n", "home/me")
    write_lines(
        Path("a.jsonl"), said("I live in Ghent.", thread="a", id="1"),
        said("My dog is called Rex.", thread="a", id="2"),
    )  # fmt: skip
    cli("reflect", "a.jsonl", "-n", "home/me", "--extractor", "offline")
    assert len(texts(cli)) == 2
    done = cli("forget", "-n", "work", "--yes")
    assert "2 messages stay, since another namespace" in done.out
    assert texts(cli) == ["The user's dog is called Rex."]
    assert rows("SELECT count(*) FROM extractions WHERE namespace = 'work/me'") == [
        (0,)
    ]
    change("UPDATE extractions SET recipe = 'old', fingerprint = NULL")
    cli("reflect", "a.jsonl", "-n", "work/me", "--extractor", "offline", "--stale")
    assert "The user lives in Ghent." not in texts(cli)


def test_history_goes_on_after_a_removal(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    say("b", "I live in Lisbon.", at="2026-06-01")
    cli("forget", "--thread", "b", "--yes")
    assert cli("audit").code == 0, cli("audit").out
    assert texts(cli, "--known-at", "2098-01-01") == ["The user lives in Ghent."]
    assert cli("undo", "2").code == 0  # nothing is left of it
    assert cli("undo", "1").code == 0
    assert texts(cli, "--superseded") == []


def test_dates_of_a_persons_own_stay(cli: Cli, say: Say) -> None:
    say("a", "My dog is called Rex.")
    say("b", "My dog is called Rex.", at="2026-04-01")
    cli("edit", "1", "--since", "2020-01-01")
    cli("forget", "--thread", "a", "--yes")
    assert cli("show", "1", "--json").json["valid_from"].startswith("2020-01-01")


def test_evidence_stays_though_its_message_was_edited(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    say("b", "I live in Lisbon.", at="2026-06-01")
    say("a", "I live near Ghent.")
    cli("undo", "2")
    cli("undo", "4")
    assert cli("show", "1", "--json").json["sources"] != []


def test_an_edit_to_nearly_the_same_words_keeps_its_own_tombstone(
    cli: Cli, say: Say
) -> None:
    say("a", "I live in Ghent.")
    cli("edit", "1", "The user lived in Ghent.")
    say("b", "I live in Ghent.", at="2026-09-01")
    assert texts(cli) == ["The user lived in Ghent."]


def test_a_secret_that_only_history_has_is_found(cli: Cli, say: Say) -> None:
    key = "sk-ant-api03-" + "Ab1Cd2Ef3" * 10
    say("a", "I live in Ghent.")
    change(f"UPDATE operations SET after = replace(after, 'Ghent', 'Ghent {key}')")
    change(f"UPDATE memories SET text = text || ' {key}'")
    cli("edit", "1", "The user lives in Ghent now.")
    assert "secret" in cli("audit").out
    cli("audit", "--fix")
    kept = b"".join(path.read_bytes() for path in Path().glob("memories.db*"))
    assert key.encode() not in kept


@pytest.mark.parametrize(
    ("column", "value"),
    [("kind", "nonsense"), ("valid_from", "x"), ("text", {"base64": "AAAA"}),
     ("text", {"base64": "$$$"}), ("happens_on", "x"), ("value", "{"), ("text", 10**30),
     ("text", "\ud800")],
)  # fmt: skip
def test_a_plan_that_somebody_changed_does_no_harm(
    cli: Cli, say: Say, column: str, value: object
) -> None:
    say("a", "I live in Ghent.")
    write_lines(Path("b.jsonl"), said("My dog is called Rex.", thread="b", id="1"))
    cli("reflect", "b.jsonl", "--plan", "p.json", "--extractor", "offline")
    plan = json.loads(Path("p.json").read_text())
    (row,) = [row for row in plan["rows"] if row[0] == "memories"]
    row[3][column] = value
    Path("p.json").write_text(json.dumps(plan))
    refused = cli("apply", "p.json")
    assert refused.code in (1, 2)
    assert refused.err.count("\n") == 1
    assert texts(cli) == ["The user lives in Ghent."]
    assert cli("audit").code == 0


@pytest.mark.parametrize("run", ["x", -1, 10**30, [], True])
def test_a_plan_names_a_run_of_its_own(cli: Cli, say: Say, run: object) -> None:
    say("a", "I live in Ghent.")
    write_lines(Path("b.jsonl"), said("My dog is called Rex.", thread="b", id="1"))
    cli("reflect", "b.jsonl", "--plan", "p.json", "--extractor", "offline")
    plan = json.loads(Path("p.json").read_text()) | {"run": run}
    Path("p.json").write_text(json.dumps(plan))
    assert cli("apply", "p.json").code == 2
    assert texts(cli) == ["The user lives in Ghent."]


def test_a_plan_nested_without_end_is_none(cli: Cli) -> None:
    Path("p.json").write_text("[" * 100_000)
    assert cli("apply", "p.json").code == 2


@pytest.mark.parametrize(
    "command",
    [["undo", "9" * 25], ["diff", "9" * 25], ["runs", "9" * 25],
     ["add", "x y z", "--replaces", "9" * 25], ["history", "9" * 25],
     ["show", "-n", "\udcff"], ["forget", "--thread", "\udcff"],
     ["backup", "n" * 300], ["show", "--db", "n" * 300], ["show", "1", "--as-of", ""],
     ["inspect", "n" * 300]],
)  # fmt: skip
def test_odd_arguments_are_refused_in_words(
    cli: Cli, say: Say, command: list[str]
) -> None:
    say("a", "I live in Ghent.")
    refused = cli(*command)
    assert refused.code == 2
    assert "Traceback" not in refused.err
    assert refused.out == ""


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">/dev/full"])
def test_closed_streams_are_no_traceback(cli: Cli, say: Say, closed: str) -> None:
    say("a", "I live in Ghent.")
    for command in ("show", "edit 1", "forget --thread a"):
        done = subprocess.run(
            f"{sys.executable} -m memcli {command} {closed}", shell=True,
            capture_output=True, text=True,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr


def test_many_items_that_are_alike_do_not_hold_up_an_audit(cli: Cli) -> None:
    from langgraph.store.base import PutOp

    from memcli.langgraph import MemoryStore

    cli("add", "Ana keeps bees in Delft.", "-n", "n")
    cli("add", "Ana keeps her bees in Delft.", "-n", "n")
    same = {"content": "Ana keeps bees in Delft."}
    with MemoryStore("memories.db") as store:
        store.batch([PutOp(("n",), str(number), same) for number in range(200)])
    asked: list[str] = []
    with closing(connect(Path("memories.db"))) as db:
        db.set_trace_callback(asked.append)
        found = [finding.where for finding in audit.duplicates(db)]
    assert "memories 1, 2" in found
    assert len(asked) < 50  # and not some for each pair
