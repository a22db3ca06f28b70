"""What goes wrong between memcli and a model, seen from the command line."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests import messages_api as api
from tests.asking.conftest import attentive, chats, extractions, shown
from tests.conftest import Cli, Serve, said, write_lines

FAULTS = (
    "429", "529", "500", "reset", "hang", "garbage", "nonsense", "refusal", "truncated",
)  # fmt: skip


def one_in_three(request: dict[str, Any], seen: Counter[str]) -> str | None:
    """The same faults for the same conversation, whichever worker asks."""
    text = shown(request)
    seen[text] += 1
    rng = random.Random(f"{text} {seen[text]}")
    return rng.choice(FAULTS) if rng.random() < 0.3 else None


def memories(cli: Cli, *args: str) -> list[tuple[str, str]]:
    return sorted(
        (memory["text"], source["thread_id"])
        for memory in cli("show", "--json", *args).json
        for source in memory["sources"]
    )


def test_with_a_third_of_all_requests_failing_500_threads_end_as_without(
    cli: Cli, serve: Serve
) -> None:
    chats(500)
    seen: Counter[str] = Counter()
    server = serve(fault=lambda request, nth: one_in_three(request, seen))
    options = ("--workers", "32", "--timeout", "2s", "--json", "--quiet")
    broken = cli("reflect", "logs", *options).json
    assert len(extractions(server)) > 600
    failed = broken["threads"]["failed"]
    assert len(broken["threads"]["reflected"]) + len(failed) == 500
    assert all(failed.values())
    given_up = cli("status", "--json").json
    assert given_up["due"] == []
    assert {f["thread_id"] for f in given_up["failed"]} == set(failed)
    server.fault = None
    cli("retry")
    assert cli("reflect", "logs", *options).code == 0
    assert cli("reflect", "logs", "--db", "calm.db", *options).code == 0
    assert memories(cli) == memories(cli, "--db", "calm.db")
    assert len(memories(cli)) == 500


@pytest.mark.parametrize("fault", ["429", "529", "500", "reset", "hang"])
def test_what_passes_is_waited_out_and_is_no_attempt(
    cli: Cli, serve: Serve, fault: str
) -> None:
    chats(1)
    server = serve(fault=lambda request, nth: fault if nth <= 2 else None)
    done = cli("reflect", "logs", "--timeout", "1s", "--json")
    assert done.code == 0, done.err
    assert len(extractions(server)) == 3
    assert done.json["requests"] == 1  # one was answered, and is paid for


def test_a_server_that_is_not_there_is_not_waited_for_long(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    chats(3)
    done = cli("reflect", "logs", "--patience", "1s")
    assert done.code == 1
    assert "http://127.0.0.1:9 cannot be reached" in done.err
    assert "stays due" in done.err
    status = cli("status", "--json").json
    assert (len(status["due"]), status["failed"]) == (3, [])


def test_an_address_without_its_scheme_is_told_before_anything_is_read(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats(1)
    for address in ("localhost:11434", ""):
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
        done = cli("reflect", "logs")
        assert (done.code, done.out) == (2, "")
        assert "ANTHROPIC_BASE_URL must begin with http://" in done.err
        assert cli("reflect", "logs", "--extractor", "offline", "--dry-run").code == 0


def test_an_outage_ends_the_run_and_no_thread_is_to_blame(
    cli: Cli, serve: Serve
) -> None:
    chats(20)
    server: api.Server = serve()

    def overloaded_after_five(request: dict[str, Any], nth: int) -> str | None:
        return None if len(server.requests) <= 5 else "529"

    server.fault = overloaded_after_five
    done = cli("reflect", "logs", "--workers", "2", "--patience", "1s")
    assert done.code == 1
    assert "is overloaded (529)" in done.err
    status = cli("status", "--json").json
    assert len(status["due"]) == 15
    assert status["failed"] == []
    server.fault = None
    assert cli("reflect", "logs").code == 0
    assert len(memories(cli)) == 20


def test_a_wait_can_be_interrupted(serve: Serve) -> None:
    chats(3)
    serve(fault=lambda request, nth: "529", retry_after=30)
    command = [sys.executable, "-m", "memcli", "reflect", "logs"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert run.stderr is not None
    for line in run.stderr:
        if "waiting" in line:
            break
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    rest = run.stderr.read()
    assert run.wait() == 130
    run.stderr.close()
    assert time.monotonic() - began < 10
    assert "run it again for the rest" in rest


def test_a_bad_request_is_its_threads_own_failure(cli: Cli, serve: Serve) -> None:
    chats(5)

    def answer(request: dict[str, Any]) -> api.Answer:
        if "number 3" in shown(request):
            return api.error(400, "invalid_request_error")
        return attentive(request)

    server = serve(answer)
    for run in range(3):
        done = cli("reflect", "logs")
        assert done.code == 1, run
        assert "thread t3" in done.err
    assert len(extractions(server)) == 4 + 3
    assert cli("reflect", "logs").code == 0
    assert len(memories(cli)) == 4
    (failed,) = cli("status", "--json").json["failed"]
    assert failed["thread_id"] == "t3"


def test_an_account_without_credit_ends_the_run(cli: Cli, serve: Serve) -> None:
    chats(30)
    body = {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "Your credit balance is too low to access the API.",
        },
    }
    server = serve(lambda request: (400, body))
    done = cli("reflect", "logs", "--workers", "1")
    assert done.code == 2
    assert "no credit left" in done.err
    assert len(extractions(server)) == 1


def test_a_model_that_cannot_do_it_is_not_asked_about_every_thread(
    cli: Cli, serve: Serve
) -> None:
    chats(100)
    prose = api.message([{"type": "text", "text": "What a nice chat!"}])
    server = serve(lambda request: prose)
    done = cli("reflect", "logs", "--workers", "4")
    assert done.code == 2
    assert "prose instead of memories; does it support tools?" in done.err
    assert len(extractions(server)) < 100
    assert len(cli("status", "--json").json["due"]) > 75


def test_an_answer_that_does_not_fit_is_asked_again_once_with_the_error(
    cli: Cli, serve: Serve
) -> None:
    chats(1)
    wrong = api.tool_call([{"text": "x", "kind": "whim", "quotes": []}])
    server = serve(
        lambda request: wrong if len(request["messages"]) == 1 else attentive(request)
    )
    done = cli("reflect", "logs", "--json")
    assert done.code == 0, done.err
    first, second = server.requests
    assert second["messages"][0] == first["messages"][0]
    assert second["messages"][1]["content"] == wrong[1]["content"]
    (told,) = second["messages"][2]["content"]
    assert told["type"] == "tool_result" and told["is_error"]
    assert "memories.0.kind" in told["content"] or "memories.0" in told["content"]
    assert done.json["requests"] == 2
    assert len(memories(cli)) == 1


def test_an_answer_cut_off_is_asked_again_in_halves(cli: Cli, serve: Serve) -> None:
    lines = []
    for number in range(40):
        lines += [
            said(f"I prefer tea number {number}, " + "so it goes, " * 30,
                 id=f"u{number}", at=f"2026-09-01T10:{number:02}:00Z"),
            said("Noted.", role="assistant", id=f"a{number}",
                 at=f"2026-09-01T10:{number:02}:30Z"),
        ]  # fmt: skip
    write_lines(Path("long.jsonl"), *lines)

    def answer(request: dict[str, Any]) -> api.Answer:
        said_there = len(re.findall(r"\[m\d+\]", shown(request)))
        if said_there > 25:
            return api.tool_call([], "max_tokens")
        return attentive(request)

    server = serve(answer)
    done = cli("reflect", "long.jsonl", "--json")
    assert done.code == 0, done.err
    assert len(memories(cli)) == 40
    parts = [
        re.findall(r"tea number (\d+)", _new(shown(r))) for r in extractions(server)
    ]
    answered = [part for part in parts if len(part) <= 13]
    assert sorted(int(n) for part in answered for n in part) == list(range(40))
    # A later part is shown what came before it, and what that gave.
    assert "Remembered from earlier in it" in shown(extractions(server)[-1])
    assert "[c1]" in shown(extractions(server)[-1])


def _new(text: str) -> str:
    return text[text.index("[m1]") :]


@pytest.mark.parametrize(("header", "least", "most"), [("2", 2.0, 9.0), ("0", 0, 2.0)])
def test_who_is_told_when_to_come_back_comes_back_then_and_so_do_the_others(
    cli: Cli, serve: Serve, header: str, least: float, most: float
) -> None:
    chats(6)
    arrived: list[float] = []

    def answer(request: dict[str, Any]) -> api.Answer:
        arrived.append(time.monotonic())
        if len(arrived) == 1:
            return api.error(429, "rate_limit_error")
        return attentive(request)

    serve(answer, retry_after=float(header))
    assert cli("reflect", "logs", "--workers", "1", "--quiet").code == 0
    assert least <= arrived[1] - arrived[0] <= most


def test_a_key_in_a_servers_own_words_is_not_passed_on(cli: Cli, serve: Serve) -> None:
    chats(1)
    key = "AKIA" + "QUAYSIDE7BOATS42"
    serve(lambda request: api.error(400, "invalid_request_error", f"not for {key}"))
    done = cli("reflect", "logs")
    assert "answered 400" in done.err
    assert key not in done.err + cli("status").out


def test_a_grown_thread_is_shown_what_came_before(cli: Cli, serve: Serve) -> None:
    chats(1)
    server = serve()
    cli("reflect", "logs")
    write_lines(
        Path("logs/0.jsonl"),
        said("I prefer drink number 0, please.", thread="t0"),
        said("Noted.", thread="t0", role="assistant", at="2026-09-01T10:01:00Z"),
        said("And I prefer cake.", thread="t0", at="2026-09-03T10:01:00Z"),
    )
    cli("reflect", "logs")
    text = shown(extractions(server)[-1])
    assert "[c1] Tuesday 2026-09-01 10:00 UTC, user:\n  I prefer drink number 0" in text
    assert (
        "Remembered from earlier in it:\n  - The user prefers drink number 0." in text
    )
    assert "[m1] Thursday 2026-09-03 10:01 UTC, user:\n  And I prefer cake." in text


def test_a_thread_cut_off_once_is_sent_whole_when_it_grows(
    cli: Cli, serve: Serve
) -> None:
    def turns(count: int) -> list[dict[str, Any]]:
        return [
            said(f"I prefer tea number {n}, " + "so it goes, " * 20, id=f"u{n}",
                 at=f"2026-09-01T{10 + n // 60}:{n % 60:02}:00Z")
            for n in range(count)
        ]  # fmt: skip

    write_lines(Path("long.jsonl"), *turns(20))
    cut = iter([api.tool_call([], "max_tokens")])
    server = serve(lambda request: next(cut, attentive(request)))
    assert cli("reflect", "long.jsonl").code == 0
    asked = len(extractions(server))
    assert asked > 2
    write_lines(Path("long.jsonl"), *turns(60))
    assert cli("reflect", "long.jsonl").code == 0
    assert len(extractions(server)) == asked + 1
