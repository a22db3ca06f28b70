"""`reflect --plan FILE` and `apply FILE`: exactly that, or not at all."""

import hashlib
import json
from contextlib import closing
from pathlib import Path

import pytest

from memcli.store.database import connect
from tests.conftest import Cli, Serve, said, write_lines
from tests.upkeep.conftest import Say, rows, texts


def transcript(thread: str, text: str, day: str = "2026-03-01") -> str:
    path = Path(f"{thread}.jsonl")
    write_lines(path, said(text, thread=thread, id="1", at=f"{day}T10:00:00Z"))
    return str(path)


def folder() -> dict[str, str]:
    """What is in the working folder, file by file."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path().iterdir()
        if path.is_file() and path.name != "plan.json" and path.suffix != ".lock"
    }


def everything() -> list[str]:
    """The store as SQL."""
    with closing(connect(Path("memories.db"))) as db:
        return list(db.iterdump())


def exported(cli: Cli, *args: str) -> list[dict[str, object]]:
    found = cli("show", "--superseded", "--json", *args).json
    moving = ("created_at", "updated_at")
    return [{k: v for k, v in one.items() if k not in moving} for one in found]


def test_a_plan_says_what_would_change_and_changes_nothing(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    new = transcript("b", "I live in Lisbon.", "2026-06-01")
    before = folder()
    done = cli("reflect", new, "--plan", "plan.json", "--extractor", "offline")
    assert done.code == 0, done.err
    assert "+ The user lives in Lisbon." in done.out
    assert folder() == before
    plan = json.loads(Path("plan.json").read_text())
    kinds = {change["memory"]: change["change"] for change in plan["changes"]}
    assert kinds == {1: "ended", 2: "added"}
    (added,) = [c for c in plan["changes"] if c["change"] == "added"]
    assert added["evidence"][0]["quote"] == "I live in Lisbon."
    assert Path("plan.json").stat().st_mode & 0o077 == 0


def test_apply_does_exactly_what_a_run_would_have_done(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    new = transcript("b", "I live in Lisbon.", "2026-06-01")
    cli("backup", "unplanned.db")
    cli("reflect", new, "--plan", "plan.json", "--extractor", "offline")
    applied = cli("apply", "plan.json")
    assert applied.code == 0, applied.err
    cli("reflect", new, "--extractor", "offline", "--db", "unplanned.db")
    assert exported(cli) == exported(cli, "--db", "unplanned.db")
    # All of a run: it is known as read, found, undone.
    assert cli("reflect", new, "--extractor", "offline", "--json").json["run"] is None
    assert cli("search", "Lisbon", "--json").json[0]["id"] == "2"
    assert cli("search", "Lisbon", "--in", "messages", "--json").json
    assert cli("audit").code == 0, cli("audit").out
    assert cli("undo", "2").code == 0
    assert texts(cli) == ["The user lives in Ghent."]


def test_a_store_that_has_moved_on_is_left_alone(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    new = transcript("b", "I live in Lisbon.", "2026-06-01")
    cli("reflect", new, "--plan", "plan.json", "--extractor", "offline")
    cli("forget", "1")
    before = everything()
    refused = cli("apply", "plan.json")
    assert refused.code == 1
    assert "moved on" in refused.err
    assert everything() == before
    # Made anew, it fits.
    cli("reflect", new, "--plan", "plan.json", "--extractor", "offline")
    assert cli("apply", "plan.json").code == 0
    assert texts(cli) == ["The user lives in Lisbon."]
    assert cli("apply", "plan.json").code == 1


def test_a_plan_for_a_store_that_is_not_there_makes_none(cli: Cli) -> None:
    new = transcript("a", "I live in Ghent.")
    cli("reflect", new, "--plan", "plan.json", "--extractor", "offline")
    assert not Path("memories.db").exists()
    assert cli("apply", "plan.json").code == 0
    assert texts(cli) == ["The user lives in Ghent."]
    assert Path("memories.db").stat().st_mode & 0o077 == 0


def test_what_a_plan_paid_for_is_not_asked_again(cli: Cli, serve: Serve) -> None:
    server = serve(meter=True)
    new = transcript("a", "I prefer dark mode")
    cli("reflect", new, "--plan", "plan.json", "--extractor", "claude")
    asked = len(server.requests)
    assert asked == 1
    cli("add", "Something else entirely.")
    assert cli("apply", "plan.json").code == 1
    again = cli(
        "reflect", new, "--plan", "plan.json", "--extractor", "claude", "--json"
    )
    assert again.json["answers_reused"] == 1
    assert cli("apply", "plan.json").code == 0
    assert len(server.requests) == asked
    assert "The user prefers dark mode." in texts(cli)
    # The bill of the first attempt is in the books all the same.
    assert cli("status", "--json").json["dollars"] > 0
    assert len(rows("SELECT * FROM requests")) == 1


def test_applied_is_believed_from_then_on(cli: Cli, at: object, say: Say) -> None:
    assert callable(at)
    at("2026-04-01")
    new = transcript("a", "I live in Ghent.")
    cli("reflect", new, "--plan", "plan.json", "--extractor", "offline")
    at("2026-05-01")
    cli("apply", "plan.json")
    assert texts(cli, "--known-at", "2026-04-15") == []
    assert texts(cli, "--known-at", "2026-05-02") == ["The user lives in Ghent."]


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"memcli_plan": 1}', '{"memcli_plan": 99}', "\x00\xff",
     '{"memcli_plan": 1, "made_at": "x", "schema": 9, "run": 1, "rows": [["a"]]}'],
)  # fmt: skip
def test_what_is_no_plan_is_refused(cli: Cli, content: str) -> None:
    Path("plan.json").write_bytes(content.encode("latin-1"))
    refused = cli("apply", "plan.json")
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    new = transcript("a", "I live in Ghent.")
    kept = cli("reflect", new, "--plan", "plan.json", "--extractor", "offline")
    assert kept.code == 2  # some other file of the user's
    assert Path("plan.json").read_bytes() == content.encode("latin-1")


def test_a_plan_of_forged_rows_touches_no_other_table(cli: Cli, say: Say) -> None:
    say("a", "I live in Ghent.")
    for table in ("sqlite_master", "memories_fts", "leases", 'memories" --'):
        Path("plan.json").write_text(json.dumps({
            "memcli_plan": 1, "made_at": "2026-11-22T00:00:00.000Z", "run": None,
            "schema": rows("PRAGMA user_version")[0][0],
            "rows": [[table, 99, None, {"x": 1}]],
        }))  # fmt: skip
        assert cli("apply", "plan.json").code == 1
    assert texts(cli) == ["The user lives in Ghent."]


def test_plan_and_other_ways_do_not_mix(cli: Cli) -> None:
    new = transcript("a", "I live in Ghent.")
    for other in ("--dry-run", "--batch"):
        done = cli("reflect", new, "--plan", "p.json", other, "--extractor", "claude")
        assert done.code == 2
    assert cli("apply", "nowhere.json").code == 2
