"""`--batch`: one run submits, a later one has the answers."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memcli.asking import batch as batch_api
from tests import messages_api as api
from tests.asking.conftest import attentive, chats, extractions, shown
from tests.conftest import Cli, Serve, said, write_lines


def asked(server: api.Server) -> list[str]:
    """Every conversation that was sent, at once or in a batch."""
    batched = [
        shown(request["params"])
        for batch in server.batches
        for request in batch["requests"]
    ]
    return [shown(request) for request in extractions(server)] + batched


def test_one_run_submits_and_the_next_harvests(cli: Cli, serve: Serve) -> None:
    chats(20)
    server = serve(meter=True)
    first = cli("reflect", "logs", "--batch", "--json")
    assert first.code == 0, first.err
    assert len(extractions(server)) == 1  # the probe, whose answer counts
    assert len(server.batches[0]["requests"]) == 19
    assert len(first.json["threads"]["submitted"]) == 19
    assert "19 threads under way" in cli("status").out
    assert cli("reflect", "logs", "--batch", "--json").json["memories"][
        "inserted"
    ] == 0  # fmt: skip
    server.end_batches()
    write_lines(Path("logs/new.jsonl"), said("I prefer figs", thread="new"))
    write_lines(Path("logs/new2.jsonl"), said("I prefer dates", thread="new2"))
    second = cli("reflect", "logs", "--batch", "--json")
    assert second.code == 0, second.err
    assert len(second.json["threads"]["reflected"]) == 20
    assert len(cli("show", "--json").json) == 21
    assert len(second.json["threads"]["submitted"]) == 1
    server.end_batches()
    assert cli("reflect", "logs").code == 0  # without --batch it is fetched, too
    assert len(cli("show", "--json").json) == 22
    assert len(asked(server)) == len(set(asked(server))) == 22
    runs = cli("runs", "--json").json
    halved = next(run for run in runs if run["threads_reflected"] == 20)
    detail = cli("runs", str(halved["id"]), "--json").json["threads"]
    probe, batched = (
        next(t for t in detail if t["thread_id"] in ("new", "new2")),
        next(t for t in detail if t["thread_id"] not in ("new", "new2")),
    )
    assert batched["dollars"] < probe["dollars"]


@pytest.mark.parametrize("fault", ["errored", "expired", "canceled", "overloaded"])
def test_requests_that_came_to_nothing_are_due_again(
    cli: Cli, serve: Serve, fault: str
) -> None:
    chats(6)
    faults = {"number 4": fault}
    server = serve(
        batch_fault=lambda params, id: next(
            (f for words, f in faults.items() if words in shown(params)), None
        )
    )
    cli("reflect", "logs", "--batch")
    server.end_batches()
    faults.clear()
    done = cli("reflect", "logs", "--batch", "--json")
    assert done.code == 0, done.err  # it was the one probed this time
    assert len(cli("show", "--json").json) == 6


def test_more_than_a_batch_holds_become_several(
    cli: Cli, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_api, "MOST_REQUESTS", 7)
    chats(21)
    server = serve()
    server.batch_requests_limit = 7
    assert cli("reflect", "logs", "--batch").code == 0
    assert [len(batch["requests"]) for batch in server.batches] == [7, 7, 6]
    server.end_batches()
    assert cli("reflect", "logs", "--batch").code == 0
    assert len(cli("show", "--json").json) == 21


def test_bytes_are_counted_too(
    cli: Cli, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_api, "MOST_BYTES", 30_000)
    chats(21)
    server = serve()
    server.batch_bytes_limit = 30_000
    assert cli("reflect", "logs", "--batch").code == 0
    assert len(server.batches) > 2
    assert sum(len(batch["requests"]) for batch in server.batches) == 20


def test_a_bad_prompt_is_known_before_anything_is_submitted(
    cli: Cli, serve: Serve
) -> None:
    chats(9)
    server = serve(lambda request: api.error(400, "invalid_request_error"))
    done = cli("reflect", "logs", "--batch")
    assert done.code == 2
    assert "nothing was submitted" in done.err
    assert server.batches == []
    assert len(cli("status", "--json").json["due"]) == 9


def test_a_server_without_batches_is_named(cli: Cli, serve: Serve) -> None:
    chats(3)
    serve(without=("batches",))
    done = cli("reflect", "logs", "--batch")
    assert done.code == 2
    assert "has no Message Batches; leave out --batch" in done.err
    assert len(cli("status", "--json").json["due"]) == 2  # one was probed


def test_a_thread_that_grew_meanwhile_is_not_lost(cli: Cli, serve: Serve) -> None:
    chats(3)
    server = serve()
    cli("reflect", "logs", "--batch")
    write_lines(
        Path("logs/2.jsonl"),
        said("I prefer drink number 2, please.", thread="t2"),
        said("Noted.", thread="t2", role="assistant", at="2026-09-01T10:01:00Z"),
        said("And I prefer cake.", thread="t2", at="2026-09-02T10:01:00Z"),
    )
    cli("reflect", "logs")  # the batch has it still
    server.end_batches()
    cli("reflect", "logs")
    cli("reflect", "logs")
    texts = [memory["text"] for memory in cli("show", "--json").json]
    assert sorted(texts) == [
        "The user prefers cake.",
        "The user prefers drink number 0.",
        "The user prefers drink number 1.",
        "The user prefers drink number 2.",
    ]


def test_the_budget_holds_for_batches(cli: Cli, serve: Serve) -> None:
    chats(30)
    server = serve(meter=True)
    done = cli("reflect", "logs", "--batch", "--budget", "0.015")
    assert done.code == 4
    (batch,) = server.batches
    assert 0 < len(batch["requests"]) < 29
    assert len(cli("status", "--json").json["due"]) == 29 - len(batch["requests"])


KILLED_WHILE = """
import os, signal, sys
from memcli.asking import batch as api
from memcli.__main__ import main
submit = api.submit
def die(*args):
    if {sent}:
        submit(*args)
    os.kill(os.getpid(), signal.SIGKILL)
api.submit = die
sys.argv = ["memcli", "reflect", "logs", "--batch", "--quiet"]
main()
"""


@pytest.mark.parametrize("sent", [True, False])
def test_a_run_killed_while_it_submits_forgets_no_batch(
    cli: Cli, serve: Serve, sent: bool
) -> None:
    chats(8)
    server = serve()
    dead = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE.format(sent=sent)], env=dict(os.environ)
    )
    assert dead.returncode == -signal.SIGKILL
    assert len(server.batches) == sent
    before = cli("reflect", "logs", "--batch")
    assert before.code == 0, before.err
    server.end_batches()
    for _ in range(2):
        assert cli("reflect", "logs", "--batch").code == 0
        server.end_batches()
    assert len(cli("show", "--json").json) == 8
    assert len(asked(server)) == len(set(asked(server))) == 8


def test_an_answer_lost_on_the_way_is_not_paid_twice(cli: Cli, serve: Serve) -> None:
    chats(8)
    server = serve()
    real = api._reply
    lost: list[Any] = []

    def losing(server: api.Server, call: Any) -> Any:
        reply = real(server, call)
        if call.method == "POST" and call.path.endswith("/batches") and not lost:
            lost.append(call)
            return reply._replace(silence="reset")
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "_reply", losing)
        first = cli("reflect", "logs", "--batch")
    assert first.code == 1, first.err
    for _ in range(3):
        server.end_batches()
        cli("reflect", "logs", "--batch")
    assert len(cli("show", "--json").json) == 8
    assert len(asked(server)) == len(set(asked(server))) == 8


def test_batches_hold_no_secret(cli: Cli, serve: Serve) -> None:
    chats(2)
    key = "AKIA" + "QUAYSIDE7BOATS42"
    write_lines(Path("logs/s.jsonl"), said(f"I prefer {key}", thread="secret"))
    server = serve()
    cli("reflect", "logs", "--batch")
    assert key not in json.dumps([server.batches, server.requests])
    assert attentive(server.requests[0])


def test_one_odd_result_does_not_hold_up_the_others(cli: Cli, serve: Serve) -> None:
    chats(5)

    def answer(request: dict[str, Any]) -> api.Answer:
        if "number 3" in shown(request):
            return 200, {"hello": "world", "content": []}
        return attentive(request)

    server = serve(answer)
    cli("reflect", "logs", "--batch")
    for batch in server.stored.values():
        assert batch.shown["processing_status"] == "in_progress"
    server.end_batches()
    for batch in server.stored.values():
        batch.results = batch.results.replace(b'"content"', b'"contents"', 1)
    cli("reflect", "logs")
    assert "batches" not in cli("status").out
    assert len(cli("show", "--json").json) >= 3


def test_answers_are_kept_as_they_were_asked_for(cli: Cli, serve: Serve) -> None:
    chats(4)
    server = serve(meter=True)
    cli("reflect", "logs", "--batch")
    server.end_batches()
    done = cli("reflect", "logs", "--model", "claude-opus-5-5", "--json").json
    batched = cli("runs", str(done["run"]), "--json").json["threads"]
    haiku = cli("runs", "1", "--json").json["dollars"]  # the probe, at the full price
    assert sum(thread["dollars"] for thread in batched) < 3 * haiku
    again = cli("reflect", "logs", "--model", "claude-opus-5-5", "--stale", "--json")
    assert len(again.json["threads"]["reflected"]) == 4


def test_a_submission_the_server_failed_on_may_have_been_taken(
    cli: Cli, serve: Serve
) -> None:
    chats(6)
    server = serve()
    real = api._reply
    failed: list[Any] = []

    def failing(server: api.Server, call: Any) -> Any:
        reply = real(server, call)
        if call.method == "POST" and call.path.endswith("/batches") and not failed:
            failed.append(call)
            return reply._replace(status=504)
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "_reply", failing)
        assert cli("reflect", "logs", "--batch").code == 1
    server.end_batches()
    for _ in range(2):
        assert cli("reflect", "logs", "--batch").code == 0
        server.end_batches()
    assert len(server.batches) == 1
    assert len(cli("show", "--json").json) == 6


def test_a_line_that_is_no_json_costs_only_its_own_thread(
    cli: Cli, serve: Serve
) -> None:
    chats(6)
    server = serve()
    cli("reflect", "logs", "--batch")
    server.end_batches()
    for batch in server.stored.values():
        batch.results = b"<html>\n" + batch.results.split(b"\n", 1)[1]
    cli("reflect", "logs")
    assert len(cli("show", "--json").json) >= 5
    cli("reflect", "logs")
    assert len(cli("show", "--json").json) == 6
    assert len(asked(server)) == 7


def test_a_foreign_batch_is_not_taken_for_ours(cli: Cli, serve: Serve) -> None:
    chats(8)
    server = serve()
    subprocess.run(
        [sys.executable, "-c", KILLED_WHILE.format(sent=False)], env=dict(os.environ)
    )
    other = [
        {"custom_id": f"other-{n}", "params": dict(server.requests[0])}
        for n in range(7)
    ]  # of the same size, by somebody else with the same key
    import anthropic

    anthropic.Anthropic().messages.batches.create(requests=other)  # type: ignore[arg-type]
    server.end_batches()
    for _ in range(2):
        assert cli("reflect", "logs", "--batch").code == 0
        server.end_batches()
    assert len(cli("show", "--json").json) == 8
    assert [len(batch["requests"]) for batch in server.batches] == [7, 6]


def test_an_answer_about_a_text_that_was_edited_since_is_not_kept(
    cli: Cli, serve: Serve
) -> None:
    def say(drink: str) -> None:
        for name in "ab":
            line = said(f"I prefer {drink} {name}", thread=name, id=f"1{name}")
            write_lines(Path(f"logs/{name}.jsonl"), line)

    say("tea")
    server = serve(meter=True)
    cli("reflect", "logs", "--batch")
    say("cocoa")
    cli("reflect", "logs")  # reads the edit
    server.end_batches()
    cli("reflect", "logs")
    cli("reflect", "logs")
    texts = {memory["text"] for memory in cli("show", "--json").json}
    assert {f"The user prefers cocoa {name}." for name in "ab"} <= texts
    # One was probed, and its old text was answered about before the edit.
    assert len(texts) == 3
    booked = sum(run["dollars"] for run in cli("runs", "--json").json)
    assert booked > 0
