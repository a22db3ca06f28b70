"""LangMem's guide to delayed processing: wait until the conversation is over."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import wait
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import memcli
from memcli.errors import MemcliError
from tests.asking.conftest import extractions
from tests.background.conftest import Enricher, Executor, Gate, of, turns
from tests.conftest import Cli, Serve, said, write_lines


def test_a_new_message_starts_the_wait_anew_and_nothing_is_lost(
    serve: Serve, executor: Executor
) -> None:
    server, running = serve(), executor()
    first = running.submit(turns("I prefer tea."), of("t1"), after_seconds=60)
    second = running.submit(turns("I prefer jazz."), of("t1"), after_seconds=0.2)
    assert first.cancelled()
    assert [memory.text for memory in second.result(20)] == [
        "The user prefers tea.",
        "The user prefers jazz.",
    ]
    assert len(extractions(server)) == 1


def test_it_is_not_done_before_it_is_due(serve: Serve, executor: Executor) -> None:
    server = serve()
    future = executor().submit(turns("I prefer tea."), of("t1"), after_seconds=0.6)
    time.sleep(0.3)
    assert not future.done() and not server.requests
    future.result(20)


def test_submissions_without_a_thread_never_cancel_each_other(
    serve: Serve, executor: Executor
) -> None:
    serve()
    running = executor()
    futures = [
        running.submit(turns(f"I prefer {drink}."), of(), after_seconds=0.2)
        for drink in ("tea", "coffee", "water")
    ]
    assert [future.result(20)[0].text for future in futures] == [
        "The user prefers tea.",
        "The user prefers coffee.",
        "The user prefers water.",
    ]


def test_many_workers_work_at_once(serve: Serve, executor: Executor) -> None:
    latency, asked = 2.0, list[float]()
    serve(latency=latency, fault=lambda request, time_: asked.append(time.monotonic()))
    running = executor(workers=8)
    futures = [
        running.submit(turns(f"I prefer {drink}."), of(drink))
        for drink in ("tea", "coffee", "water", "milk")
    ]
    assert not wait(futures, 20).not_done
    assert asked[3] - asked[0] < latency  # the fourth before the first was answered


def test_a_future_that_is_cancelled_waits_for_the_next_submission(
    serve: Serve, executor: Executor, cli: Cli
) -> None:
    server, running = serve(), executor()
    running.submit(turns("I prefer tea."), of("t1"), after_seconds=30).cancel()
    status = cli("status", "--json").json
    assert (status["due"], status["put_off"]) == ([], ["t1"])
    assert "put off  1 thread" in cli("status").out
    assert "nothing that was submitted is due" in cli("reflect", "--submitted").out
    assert not server.requests
    future = running.submit(turns("I prefer jazz."), of("t1"))
    assert len(future.result(20)) == 2


def test_leaving_does_what_is_due_and_leaves_the_rest_in_the_file(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    server = serve(latency=0.1)
    with memcli.ReflectionExecutor(enricher()) as running:
        due = running.submit(turns("I prefer tea."), of("t1"))
        later = running.submit(turns("I prefer jazz."), of("t2"), after_seconds=1800)
    assert due.result(0)[0].text == "The user prefers tea."
    assert later.cancelled()
    assert len(extractions(server)) == 1
    (waiting,) = cli("status", "--json").json["waiting"]
    assert waiting["thread_id"] == "t2"
    with pytest.raises(RuntimeError):
        running.submit(turns("I prefer chess."), of("t3"))


def test_leaving_without_what_is_due_leaves_that_in_the_file_too(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    gate = Gate()
    serve(gate)
    running = memcli.ReflectionExecutor(enricher(), workers=1)
    first = running.submit(turns("I prefer tea."), of("t0"))
    assert gate.asked.wait(20)
    others = [running.submit(turns("I prefer jazz."), of(f"t{n}")) for n in range(1, 5)]
    running.shutdown(wait=False, cancel_futures=True)
    gate.open.set()
    assert len(first.result(20)) == 1
    running.shutdown()
    left = [future for future in others if future.cancelled()]
    due = cli("status", "--json").json["due"]
    assert len(due) == len(left)
    assert cli("reflect", "--submitted").code == 0
    assert cli("status", "--json").json["due"] == []


def test_a_run_of_another_process_does_what_is_due_and_the_future_knows(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    serve()
    made = enricher()
    running = memcli.ReflectionExecutor(made)
    future = running.submit(turns("I prefer tea."), of("t1"), after_seconds=0.4)
    time.sleep(0.41)
    cli("reflect", "--submitted", "--wait")
    assert [memory.text for memory in future.result(20)] == ["The user prefers tea."]
    running.shutdown()
    assert len(cli("runs", "--json").json) == 1


def test_reflect_does_it_the_way_it_was_submitted(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    server = serve()
    with memcli.ReflectionExecutor(
        enricher(instructions="Mind the drinks.", namespace="agents/{user_id}")
    ) as running:
        running.submit(turns("I prefer tea."), of("t1"), after_seconds=1800)
    write_lines(Path("logs/a.jsonl"), said("I prefer mornings.", thread="own"))
    _time_passes()
    done = cli("reflect", "logs", "--extractor", "offline", "--json").json
    assert done["threads"]["reflected"] == ["own"]
    (submitted,) = done["submissions"]
    assert submitted["threads"]["reflected"] == ["t1"]
    (request,) = extractions(server)
    assert "Mind the drinks." in str(request["system"])
    assert {m["namespace"] for m in cli("show", "--json").json} == {
        "agents/ana",
        "memories/me",
    }


def test_a_missing_key_makes_reflect_say_so_and_keep_what_was_submitted(
    serve: Serve, enricher: Enricher, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve()
    with memcli.ReflectionExecutor(enricher()) as running:
        running.submit(turns("I prefer tea."), of("t1"), after_seconds=1800)
    _time_passes()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.delenv("ANTHROPIC_BASE_URL")
    found = cli("reflect", "--submitted")
    assert found.code == 2
    assert "ANTHROPIC_API_KEY" in found.err and found.err.count("\n") == 1
    assert cli("status", "--json").json["due"] == ["t1"]
    serve()
    assert cli("reflect", "--submitted").code == 0


def test_an_undone_run_is_done_again_the_way_it_was_submitted(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    serve()
    enricher().process(turns("I prefer tea."), of("t1"))
    assert cli("undo", "1").code == 0
    write_lines(Path("logs/a.jsonl"), said("Hello.", thread="own"))
    assert cli("reflect", "logs", "--extractor", "offline").code == 0
    (memory,) = cli("show", "--json").json
    assert memory["namespace"] == "memories/ana"


def test_stale_leaves_what_was_submitted_to_its_enricher(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    server = serve()
    enricher().process(turns("I prefer tea."), of("t1"))
    write_lines(Path("logs/a.jsonl"), said("Hello.", thread="own"))
    assert cli("reflect", "logs", "--stale", "--extractor", "claude").code == 0
    assert len(extractions(server)) == 2  # "Hello." and tea, once each


def test_forgetting_a_thread_forgets_that_it_was_submitted(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    serve()
    enricher().process(turns("I prefer tea."), of("secret-thread"))
    assert cli("forget", "--thread", "secret-thread", "--yes").code == 0
    assert b"secret-thread" not in Path("memories.db").read_bytes()


PROGRAM = """
import os, signal, sys, time
import memcli
enricher = memcli.create_memory_store_enricher(
    "anthropic:claude-haiku-5-5", namespace="memories/ana",
    store=memcli.open("memories.db"))
executor = memcli.ReflectionExecutor(enricher)
messages = [{"role": "user", "content": sys.argv[1]}]
executor.submit(messages, {"configurable": {"thread_id": "t1"}},
                after_seconds=float(sys.argv[2]))
if sys.argv[3] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[3] == "wait":
    time.sleep(60)
"""


def _program(text: str, after: float, end: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, text, str(after), end],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_process_killed_before_the_time_came_is_taken_over_once(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    server = serve()
    killed = _program("I prefer tea.", 0.5, "kill")
    killed.communicate(timeout=30)
    assert killed.returncode == -signal.SIGKILL
    assert not server.requests
    made = enricher(namespace="memories/ana")
    with memcli.ReflectionExecutor(made), memcli.ReflectionExecutor(made):
        _until(lambda: made.search("tea"))
    assert "nothing that was submitted is due" in cli("reflect", "--submitted").out
    assert len(extractions(server)) == 1
    assert len(cli("show", "--json").json) == 1


def test_a_process_killed_in_the_middle_is_taken_over_by_reflect(
    serve: Serve, cli: Cli
) -> None:
    gate = Gate()
    server = serve(gate)
    program = _program("I prefer tea.", 0, "wait")
    assert gate.asked.wait(30)
    program.kill()
    program.communicate()
    gate.open.set()
    assert cli("reflect", "--submitted").code == 0
    assert cli("reflect", "--submitted").code == 0
    assert len(extractions(server)) == 2  # the one whose answer nobody was there for
    assert [m["text"] for m in cli("show", "--json").json] == ["The user prefers tea."]


def test_the_interpreter_exits_without_a_shutdown_and_quietly(
    serve: Serve, cli: Cli
) -> None:
    serve()
    for after, end in ((1800, "exit"), (0, "exit")):
        program = _program("I prefer tea.", after, end)
        _, err = program.communicate(timeout=30)
        assert (program.returncode, err) == (0, "")
    due = cli("status", "--json").json
    assert due["memories"] + len(due["due"]) >= 1


def test_an_outage_is_told_and_tried_again_later_but_not_all_the_time(
    serve: Serve,
    enricher: Enricher,
    executor: Executor,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEMCLI_PATIENCE", "0")
    serve(fault=lambda request, time: "529")
    running = executor(enricher())
    future = running.submit(turns("I prefer tea."), of("t1"))
    with pytest.raises(MemcliError):
        future.result(20)
    time.sleep(0.5)
    assert len(cli("runs", "--json").json) == 1
    serve()
    again = running.submit(turns("I prefer jazz."), of("t2"))
    again.result(20)
    assert len(cli("show", "--json").json) == 2  # what had failed was due, too


def _time_passes() -> None:
    """What waits is due now."""
    with closing(sqlite3.connect("memories.db")) as db, db:
        db.execute("UPDATE submissions SET due_at = '2026-01-01T00:00:00.000Z'")


def _until(true: Any) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_dry_run_also_tells_the_price_of_what_was_submitted(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    server = serve()
    with memcli.ReflectionExecutor(enricher()) as running:
        running.submit(turns("I prefer tea."), of("t1"), after_seconds=1800)
    write_lines(Path("logs/a.jsonl"), said("I prefer jazz.", thread="own"))
    _time_passes()
    found = cli("reflect", "logs", "--dry-run", "--json").json
    assert [thread["thread_id"] for thread in found["threads"]] == ["own"]
    (submitted,) = found["submissions"]
    assert [thread["thread_id"] for thread in submitted["threads"]] == ["t1"]
    assert submitted["dollars"] > 0
    assert "submitted, for claude-haiku-5-5" in cli("reflect", "logs", "--dry-run").out
    assert not server.requests


def test_what_was_undone_stays_undone_beside_a_living_executor(
    serve: Serve, executor: Executor, cli: Cli
) -> None:
    serve()
    running = executor()
    running.submit(turns("I prefer tea."), of("t1")).result(20)
    assert cli("undo", "1").code == 0
    running.submit(turns("I prefer jazz."), of("t2")).result(20)
    assert [m["text"] for m in cli("show", "--json").json] == ["The user prefers jazz."]
    running.submit(turns("I prefer tea."), of("t1")).result(20)
    assert len(cli("show", "--json").json) == 2
