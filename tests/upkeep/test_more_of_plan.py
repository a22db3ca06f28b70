"""Plans of another version, and what is known of a plan's making."""

import json
from pathlib import Path

from tests.conftest import Cli, Serve
from tests.upkeep.conftest import At, rows, texts
from tests.upkeep.test_plan import transcript


def test_a_plan_for_another_version_of_the_store_is_refused(cli: Cli) -> None:
    new = transcript("a", "I live in Ghent.")
    cli("reflect", new, "--plan", "plan.json", "--extractor", "offline")
    plan = json.loads(Path("plan.json").read_text())
    Path("plan.json").write_text(json.dumps({**plan, "schema": plan["schema"] - 1}))
    refused = cli("apply", "plan.json")
    assert (refused.code, "another version" in refused.err) == (1, True)
    assert texts(cli) == []


def test_what_a_plan_made_is_of_the_day_it_was_applied(cli: Cli, at: At) -> None:
    at("2026-04-01")
    new = transcript("a", "I live in Ghent.")
    cli("reflect", new, "--plan", "plan.json", "--extractor", "offline")
    at("2026-05-01")
    cli("apply", "plan.json")
    ((made,),) = rows("SELECT created_at FROM memories")
    assert made.startswith("2026-05-01")


def test_the_run_of_a_plan_made_twice_costs_what_both_did(
    cli: Cli, serve: Serve
) -> None:
    serve(meter=True)
    new = transcript("a", "I prefer dark mode")
    for _ in range(2):
        cli("reflect", new, "--plan", "plan.json", "--extractor", "claude")
    cli("apply", "plan.json")
    assert cli("runs", "--json").json[0]["dollars"] > 0
