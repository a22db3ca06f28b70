"""What a run costs: told before, held while, booked after."""

import json
from pathlib import Path
from typing import Any

import pytest

from memcli.asking.prices import price_of
from memcli.models import Usage
from tests import messages_api as api
from tests.asking.conftest import chats, extractions, shown
from tests.conftest import Cli, Serve, said, write_lines


def spent(server: api.Server) -> float:
    """What the server would put on the bill."""
    price = price_of("claude-haiku-5-5", {})
    assert price is not None
    total: float = sum(
        used["input_tokens"] * 0.10e-6
        + used["output_tokens"] * 0.50e-6
        + used["cache_creation_input_tokens"] * 0.125e-6
        + used["cache_read_input_tokens"] * 0.01e-6
        for used in server.used
    )
    return total


@pytest.mark.parametrize("budget", ["0", "0.002", "0.004", "0.01"])
def test_the_budget_is_a_ceiling_and_the_rest_stays_due(
    cli: Cli, serve: Serve, budget: str
) -> None:
    chats(60)
    server = serve(meter=True)
    done = cli("reflect", "logs", "--budget", budget, "--workers", "16", "--json")
    assert done.code == (4 if float(budget) < 0.01 else 0), done.err
    assert spent(server) <= float(budget)
    assert done.json["dollars"] == pytest.approx(spent(server))
    due = len(cli("status", "--json").json["due"])
    assert due + len(done.json["threads"]["reflected"]) == 60
    if due:
        assert "the rest stays due" in done.err
        assert cli("reflect", "logs").code == 0
    assert len(cli("show", "--json").json) == 60


def test_a_budget_for_a_model_without_a_price_is_refused(
    cli: Cli, serve: Serve
) -> None:
    chats(1)
    server = serve()
    refused = cli("reflect", "logs", "--model", "llama", "--budget", "1")
    assert refused.code == 2
    assert '[prices."llama"]' in refused.err
    assert server.requests == []
    Path("memcli.toml").write_text('[prices."llama"]\ninput = 100\noutput = 200\n')
    done = cli("reflect", "logs", "--model", "llama", "--budget", "5", "--json")
    assert done.code == 0, done.err
    assert done.json["dollars"] == pytest.approx(100 * 100e-6 + 10 * 200e-6)


def test_without_a_known_price_dollars_are_not_made_up(cli: Cli, serve: Serve) -> None:
    chats(1)
    serve()
    done = cli("reflect", "logs", "--model", "llama", "--json")
    assert done.code == 0, done.err
    assert "its price is not known, so there is no ceiling" in done.err
    assert done.json["dollars"] is None
    assert "$?" in cli("runs").out


def test_what_was_spent_is_told_by_run_thread_and_memory(
    cli: Cli, serve: Serve
) -> None:
    write_lines(
        Path("a.jsonl"),
        said("I prefer tea. And I prefer rye bread.", thread="two"),
        said("What is the time?", thread="none"),
    )
    server = serve(meter=True)
    cli("reflect", "a.jsonl")
    (run,) = cli("runs", "--json").json
    assert run["dollars"] == pytest.approx(spent(server))
    assert run["cache_read_tokens"] > 0
    detail = cli("runs", "1", "--json").json
    assert {t["thread_id"] for t in detail["threads"]} == {"two", "none"}
    by_thread = {t["thread_id"]: t["dollars"] for t in detail["threads"]}
    assert sum(by_thread.values()) == pytest.approx(run["dollars"])
    for id in ("1", "2"):  # two memories share what their thread cost
        cost = cli("show", id, "--json").json["dollars"]
        assert cost == pytest.approx(by_thread["two"] / 2)
    assert "from the cache" in cli("runs").out
    assert "spent" in cli("status").out


def test_a_dry_run_sends_nothing_leaves_nothing_and_knows_the_price(
    cli: Cli, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        write_lines(
            Path(f"logs/{number}.jsonl"),
            *(
                said(f"I prefer tea number {turn}. " + "It has been a long day. " * 20,
                     thread=f"t{number}", id=f"{number}-{turn}",
                     at=f"2026-09-01T10:{turn:02}:00Z")
                for turn in range(6)
            ),
        )  # fmt: skip
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    planned = cli("reflect", "logs", "--dry-run", "--extractor", "claude", "--json")
    assert planned.code == 0, planned.err
    assert not Path("memories.db").exists()
    assert len(planned.json["threads"]) == 8
    server = serve(meter=True)
    cli("reflect", "logs", "--dry-run")
    assert server.calls == []
    done = cli("reflect", "logs", "--json").json
    told = planned.json
    assert done["dollars"] / 2 < told["dollars"] < done["dollars"] * 2
    assert done["dollars"] <= told["dollars_at_most"]
    before = len(extractions(server))
    assert cli("reflect", "logs", "--dry-run", "--json").json["threads"] == []
    assert len(extractions(server)) == before


def test_a_dry_run_does_not_touch_what_is_there(cli: Cli, serve: Serve) -> None:
    chats(2)
    serve()
    cli("reflect", "logs")
    write_lines(Path("logs/new.jsonl"), said("I prefer cocoa", thread="new"))
    before = cli("status", "--json").json
    planned = cli("reflect", "logs", "--dry-run", "--json").json
    assert [t["thread_id"] for t in planned["threads"]] == ["new"]
    assert cli("status", "--json").json == before


def test_what_is_the_same_in_all_requests_is_cached(cli: Cli, serve: Serve) -> None:
    chats(20)
    server = serve(meter=True)
    done = cli("reflect", "logs", "--workers", "1", "--json").json
    tokens = done["tokens"]
    assert tokens["cache_read"] > 5 * tokens["input"]
    (fixed,) = {str((r["tools"], r["system"])) for r in extractions(server)}
    assert "drink number" not in fixed


def test_nothing_is_asked_twice(cli: Cli, serve: Serve) -> None:
    chats(10)
    server = serve()
    cli("reflect", "logs")
    write_lines(
        Path("logs/3.jsonl"),
        said("I prefer drink number 3, please.", thread="t3"),
        said("Noted.", thread="t3", role="assistant", at="2026-09-01T10:01:00Z"),
        said("And I prefer cake.", thread="t3", at="2026-09-02T10:01:00Z"),
    )
    cli("reflect", "logs", "--namespace", "other")
    assert len(extractions(server)) == 11
    assert "cake" in shown(extractions(server)[-1])
    assert len({shown(request) for request in extractions(server)}) == 11


def test_prices_are_told_apart_by_model_and_tier() -> None:
    haiku = price_of("claude-haiku-5-5", {})
    assert haiku is not None
    assert price_of("anthropic.claude-haiku-5-5", {}) == haiku
    assert price_of("us.anthropic.claude-haiku-5-5-20261007-v1:0", {}) == haiku
    assert price_of("claude-haiku-5-5@20261007", {}) == haiku
    assert price_of("claude-haiku-5-6", {}) is None
    assert price_of("claude-fable-5-2", {}) is None
    assert price_of("llama3.2", {}) is None
    assert haiku.most(99_000, 1_000) * 4 < haiku.most(101_000, 1_000)


def test_the_default_is_the_newest_haiku_that_the_package_knows() -> None:
    from typing import get_args

    from anthropic.types.model import Model

    from memcli.config import SETTINGS

    known = [m for arm in get_args(Model) for m in get_args(arm) if "haiku" in m]
    default = next(s.default for s in SETTINGS if s.name == "model")
    newest = max(known, key=lambda m: [int(n) for n in m.split("-")[2:4]])
    assert default == newest


def test_the_keys_of_other_providers_are_asked_for(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats(1)
    refused = cli("reflect", "logs", "--provider", "azure")
    assert refused.code == 2
    assert "anthropic, bedrock or vertex" in refused.err
    batch = cli("reflect", "logs", "--provider", "bedrock", "--batch")
    assert batch.code == 2
    assert "leave out --batch" in batch.err


@pytest.mark.parametrize("provider", ["bedrock", "vertex"])
def test_other_platforms_are_asked_through_their_own_clients(
    cli: Cli, serve: Serve, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    chats(1)
    server = serve()
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "test-key")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("ANTHROPIC_BEDROCK_BASE_URL", server.url)
    monkeypatch.setenv("ANTHROPIC_VERTEX_BASE_URL", server.url)
    monkeypatch.setenv("ANTHROPIC_VERTEX_PROJECT_ID", "ours")
    monkeypatch.setenv("CLOUD_ML_REGION", "europe-west1")
    done = cli("reflect", "logs", "--provider", provider, "--extractor", "claude")
    if provider == "vertex":  # its client wants Google's own package for the key
        assert done.code == 2
        assert "pip install 'memcli[vertex]'" in done.err
        assert len(cli("status", "--json").json["due"]) == 1
        return
    assert done.code == 0, done.err
    (call,) = server.calls
    assert call == "POST /model/anthropic.claude-haiku-5-5/invoke"
    assert len(cli("show", "--json").json) == 1


def test_what_is_cached_counts_towards_the_tier() -> None:
    haiku = price_of("claude-haiku-5-5", {})
    assert haiku is not None
    half_cached = Usage(input_tokens=60_000, cache_read_tokens=60_000)
    assert haiku.cost(half_cached) == pytest.approx(60_000 * (0.5 + 0.05) / 1e6)
    assert haiku.cost(Usage(input_tokens=60_000)) == pytest.approx(60_000 * 0.1 / 1e6)
    # At most, all of it is written to the cache.
    assert haiku.most(1_000, 0) == pytest.approx(1_000 * 0.125 / 1e6)


def test_a_negative_price_is_refused(cli: Cli, serve: Serve) -> None:
    chats(1)
    serve()
    Path("memcli.toml").write_text('[prices."llama"]\ninput = -1\noutput = 2\n')
    done = cli("reflect", "logs", "--model", "llama")
    assert done.code == 2
    assert "prices for 'llama'" in done.err


def test_an_address_alone_does_not_make_auto_ask(
    cli: Cli, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats(1)
    server = serve()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    assert "extractor: offline" in cli("reflect", "logs").err
    assert server.requests == []
    write_lines(Path("more.jsonl"), said("I prefer figs.", thread="more"))
    done = cli("reflect", "more.jsonl", "--extractor", "claude")
    assert done.code == 0, done.err
    assert len(extractions(server)) == 1


def test_only_what_people_and_assistants_said_is_sent(cli: Cli, serve: Serve) -> None:
    samples = Path(__file__).parents[2] / "sample_transcripts"
    sent = json.dumps(serve_and_reflect(cli, serve, samples), ensure_ascii=False)
    left_out = 0
    for path in samples.rglob("*.jsonl"):
        for line in path.read_text().splitlines():
            if not line.startswith("{") or "tool_result" not in line:
                continue
            blocks = json.loads(line).get("message", {}).get("content", [])
            for block in blocks:
                if isinstance(block, dict) and block.get("type") == "tool_result":
                    output = block["content"]
                    words = output if isinstance(output, str) else output[0]["text"]
                    longest = max(words.splitlines(), key=len)
                    if len(longest) > 30:
                        left_out += 1
                        assert json.dumps(longest)[1:-1] not in sent
    assert left_out > 5
    assert "system-reminder" not in sent


def serve_and_reflect(cli: Cli, serve: Serve, path: Path) -> list[dict[str, Any]]:
    server = serve()
    cli("reflect", path)
    return [request["messages"][0] for request in extractions(server)]
