"""Answers that no model should give, and some do."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import messages_api as api
from tests.asking.conftest import chats, extractions
from tests.conftest import Cli, Serve, said, write_lines

TEA: dict[str, Any] = {
    "text": "The user prefers tea.",
    "kind": "preference",
    "quotes": [{"message": "m1", "text": "I prefer tea"}],
    "confidence": 0.9,
}

THOUGHT = {"type": "thinking", "thinking": "Hm."}


def text(answer: str) -> api.Answer:
    return api.message([{"type": "text", "text": answer}])


def call(given: Any, id: str = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "record_memories", "input": given}


@pytest.mark.parametrize(
    "answer",
    [
        text("{} and then " + json.dumps({"memories": [TEA]})),
        api.message([THOUGHT, call({"memories": [TEA]})]),
        api.message([call({"memories": json.dumps([TEA])})]),
        api.message([call({"memories": []}), call({"memories": [TEA]}, "toolu_2")]),
        api.tool_call([{**TEA, "kind": "Preference", "confidence": "90%"}]),
        api.tool_call([{**TEA, "confidence": 90}]),
        api.tool_call([{**TEA, "quotes": json.dumps(TEA["quotes"])}]),
        api.tool_call([{**TEA, "quotes": [{**TEA["quotes"][0], "message": "[M1]:"}]}]),
        api.tool_call([{**TEA, "happens_on": "unknown", "about": "null"}]),
        api.tool_call([{**TEA, "text": "The user prefers tea\x1b\x00."}]),
        api.tool_call([{**TEA, "text": "The user prefers \ud83dtea."}]),
        text(json.dumps({"memories": [TEA | {"text": "The user prefers \ud83dtea."}]})),
    ],
)  # fmt: skip
def test_what_is_meant_is_understood(
    cli: Cli, serve: Serve, answer: api.Answer
) -> None:
    server = serve(lambda request: answer)
    write_lines(Path("a.jsonl"), said("I prefer tea."))
    done = cli("reflect", "a.jsonl")
    assert done.code == 0, done.err
    assert len(server.requests) == 1
    (memory,) = cli("show", "--json").json
    assert memory["text"] == TEA["text"]


@pytest.mark.parametrize(
    "answer",
    [
        text('{"memories": ' + "1" * 5000 + "}"),
        text('{"memories": [' * 3000),
        text('{"memories": [NaN]}'),
        (200, {"content": "tea", "usage": {"input_tokens": 5}}),
        (200, {"content": [], "usage": {"input_tokens": 2**70}}),
        (200, {"content": [None, 3], "usage": "none", "stop_reason": 7}),
        (200, {}),
    ],
)
def test_what_cannot_be_understood_fails_its_thread_and_no_other(
    cli: Cli, serve: Serve, answer: api.Answer
) -> None:
    chats(3)
    good = api.tool_call([])
    serve(
        lambda request: (
            answer if "number 1" in json.dumps(request["messages"]) else good
        )
    )
    done = cli("reflect", "logs", "--json")
    assert done.code == 1, done.err
    assert list(done.json["threads"]["failed"]) == ["t1"]
    assert len(done.json["threads"]["reflected"]) == 2
    assert cli("status", "--json").json["due"] == []
    assert cli("runs").code == 0


def test_a_paid_answer_of_no_use_is_booked_and_held_to_the_budget(
    cli: Cli, serve: Serve
) -> None:
    chats(30)
    body = {"content": "tea", "usage": {"input_tokens": 4_000, "output_tokens": 4_000}}
    server = serve(lambda request: (200, body))
    done = cli("reflect", "logs", "--budget", "0.02", "--workers", "4", "--json")
    cost = 4_000 * 0.1e-6 + 4_000 * 0.5e-6
    assert len(server.requests) * cost <= 0.02
    assert cli("runs", "--json").json[0]["dollars"] == pytest.approx(
        len(server.requests) * cost
    )
    assert done.code in (2, 4)


def test_an_answer_that_does_not_come_in_time_may_have_cost_all_it_could(
    cli: Cli, serve: Serve
) -> None:
    chats(4)
    server = serve(latency=1.5, meter=True)
    done = cli("reflect", "logs", "--timeout", "1s", "--patience", "8s",
               "--budget", "0.004", "--workers", "2")  # fmt: skip
    assert done.code == 4, done.err
    assert sum(used["output_tokens"] for used in server.used) * 0.5e-6 < 0.004
    assert len(cli("status", "--json").json["due"]) == 4


def test_a_server_that_quotes_the_conversation_is_not_quoted(
    cli: Cli, serve: Serve
) -> None:
    write_lines(
        Path("a.jsonl"), said("My diary: I kissed Marloes behind the boathouse.")
    )
    serve(lambda request: api.error(
        400, "invalid_request_error",
        "bad input: My diary: I kissed Marloes behind the boathouse.",
    ))  # fmt: skip
    done = cli("reflect", "a.jsonl")
    assert "answered 400" in done.err
    assert "Marloes" not in done.err + cli("status").out + cli("runs").out


def test_a_failed_thread_that_grows_is_due_again(cli: Cli, serve: Serve) -> None:
    chats(1)
    server = serve(lambda request: api.error(400, "invalid_request_error"))
    for _ in range(3):
        cli("reflect", "logs")
    assert cli("status", "--json").json["due"] == []
    write_lines(
        Path("logs/0.jsonl"),
        said("I prefer drink number 0, please.", thread="t0"),
        said("Noted.", thread="t0", role="assistant", at="2026-09-01T10:01:00Z"),
        said("And cake.", thread="t0", at="2026-09-03T10:01:00Z"),
    )
    server.answer = lambda request: api.tool_call([])
    assert cli("reflect", "logs").code == 0
    assert len(extractions(server)) == 4
    assert cli("status", "--json").json["failed"] == []
