"""`--stale`: what an older prompt, another model or the offline rules did."""

from pathlib import Path

import pytest

from memcli.extractors.claude import ClaudeExtractor
from tests.asking.conftest import chats, extractions, shown
from tests.conftest import Cli, Serve, said, write_lines


def texts(cli: Cli, *options: str) -> list[str]:
    return sorted(m["text"] for m in cli("show", "--json", *options).json)


def test_what_the_offline_rules_did_is_replaced(cli: Cli, serve: Serve) -> None:
    write_lines(
        Path("a.jsonl"),
        said("I prefer tea over coffee.", thread="a", at="2026-08-01T10:00:00Z"),
        said("I live in Ghent and I prefer figs.", thread="b",
             at="2026-08-02T10:00:00Z"),
    )  # fmt: skip
    server = serve()
    cli("reflect", "a.jsonl", "--extractor", "offline")
    before = texts(cli)
    assert "The user lives in Ghent." in " ".join(before) or len(before) >= 2
    assert cli("reflect", "a.jsonl").code == 0
    assert extractions(server) == []  # without --stale nothing is done again
    done = cli("reflect", "a.jsonl", "--stale", "--json")
    assert done.code == 0, done.err
    assert len(extractions(server)) == 2
    assert texts(cli) == ["The user prefers figs.", "The user prefers tea over coffee."]
    assert done.json["memories"]["deleted"] >= 1
    assert cli("reflect", "a.jsonl", "--stale", "--json").json["run"] is None
    assert len(extractions(server)) == 2
    offline = cli("reflect", "a.jsonl", "--stale", "--extractor", "offline", "--json")
    assert offline.json["memories"]["deleted"] == 0
    assert len(texts(cli)) == 2


def test_new_instructions_make_old_extractions_stale(cli: Cli, serve: Serve) -> None:
    chats(3)
    server = serve()
    cli("reflect", "logs")
    ids = {m["text"]: m["id"] for m in cli("show", "--json").json}
    Path("more.md").write_text("Only drinks, please.")
    cli("reflect", "logs", "--stale", "--instructions", "more.md")
    assert len(extractions(server)) == 6
    assert "Only drinks, please." in extractions(server)[-1]["system"][0]["text"]
    assert {m["text"]: m["id"] for m in cli("show", "--json").json} == ids
    # Back to the old prompt: its answers are still there, and cost nothing.
    done = cli("reflect", "logs", "--stale", "--json").json
    assert done["answers_reused"] == 3
    assert len(extractions(server)) == 6


def test_what_was_superseded_by_a_memory_that_goes_holds_again(
    cli: Cli, serve: Serve
) -> None:
    write_lines(
        Path("a.jsonl"),
        said("I prefer dark mode.", thread="a", at="2026-08-01T10:00:00Z"),
        said("I've switched to light mode.", thread="b", at="2026-09-01T10:00:00Z"),
    )
    cli("reflect", "a.jsonl", "--extractor", "offline")
    assert texts(cli) == ["The user has switched to light mode."]
    serve()  # this model does not think much of the second thread
    cli("reflect", "a.jsonl", "--stale")
    assert texts(cli) == ["The user prefers dark mode."]
    assert cli("show", "1", "--json").json["valid_to"] is None


def test_half_done_again_changes_nothing_yet(cli: Cli, serve: Serve) -> None:
    chats(6)
    cli("reflect", "logs", "--extractor", "offline")
    before = texts(cli)
    server = serve()
    server.fault = lambda request, nth: "529" if len(server.requests) > 3 else None
    stopped = cli(
        "reflect", "logs", "--stale", "--patience", "1s", "--workers", "1", "--quiet"
    )
    assert stopped.code == 1
    server.fault = None
    assert cli("reflect", "logs").code == 0
    after = texts(cli)
    assert len(after) == len(before) == 6
    assert all(text.endswith(".") for text in after)
    seen = [shown(request) for request in extractions(server)]
    assert {text for text in seen if seen.count(text) > 1} <= {seen[3]}


@pytest.mark.parametrize("batch", [[], ["--batch"]])
def test_stale_threads_can_be_done_in_batches(
    cli: Cli, serve: Serve, batch: list[str]
) -> None:
    chats(4)
    cli("reflect", "logs", "--extractor", "offline")
    server = serve(batches_end=True)
    assert cli("reflect", "logs", "--stale", *batch).code == 0
    assert cli("reflect", "logs", *batch).code == 0
    assert texts(cli) == [f"The user prefers drink number {n}." for n in range(4)]
    total = len(extractions(server)) + sum(len(b["requests"]) for b in server.batches)
    assert total == 4


def test_a_long_thread_half_done_again_changes_nothing_yet(
    cli: Cli, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        said(f"I prefer tea number {n}. " + "So it goes, on and on. " * 20, id=f"u{n}",
             at=f"2026-09-01T10:{n:02}:00Z")
        for n in range(12)
    ]  # fmt: skip
    write_lines(Path("long.jsonl"), *lines)
    cli("reflect", "long.jsonl", "--extractor", "offline")
    before = cli("show", "--json").json
    assert before
    defaults = ClaudeExtractor.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "part_characters", 3_000)
    server = serve()
    server.fault = lambda request, nth: "529" if len(server.requests) > 1 else None
    stopped = cli("reflect", "long.jsonl", "--stale", "--patience", "1s")
    assert stopped.code == 1
    assert cli("show", "--json").json == before
    server.fault = None
    assert cli("reflect", "long.jsonl").code == 0
    assert texts(cli) == sorted(f"The user prefers tea number {n}." for n in range(12))
    # What an earlier time gave is not shown as remembered.
    later = next(t for r in extractions(server) if "Remembered" in (t := shown(r)))
    remembered = later.split("[c1]")[0]
    assert "tea number 0." in remembered
    assert "tea number 11." not in remembered


def test_a_login_of_another_program_is_no_wish_to_spend(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats(1)
    (Path.home() / ".config" / "anthropic" / "configs").mkdir(parents=True)
    assert "extractor: offline" in cli("reflect", "logs").err
    refused = cli("reflect", "logs", "--batch")
    assert refused.code == 2
    assert "Batches need a model" in refused.err
