"""What an executor does when others submit, cancel, fail or leave at the same time."""

import asyncio
import gc
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import memcli
from memcli.background import executor as module
from memcli.errors import ExtractorError, MemcliError, UsageError
from memcli.store.database import run_lock
from tests import messages_api as api
from tests.asking.conftest import extractions
from tests.background.conftest import Enricher, Executor, of, turns
from tests.conftest import Cli, Serve

DB = Path("memories.db")


def asked(server: api.Server, times: int = 1) -> None:
    """Wait until a model was asked so often."""
    end = time.monotonic() + 20
    while len(server.requests) < times:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_waits_is_not_begun_once_it_was_cancelled_by_leaving(
    serve: Serve, enricher: Enricher, cli: Cli
) -> None:
    server = serve(latency=0.8)
    running = memcli.ReflectionExecutor(enricher(), workers=1)
    first = running.submit(turns("I prefer tea."), of("t0"))
    asked(server)
    others = [running.submit(turns("I prefer jazz."), of(f"t{n}")) for n in range(1, 4)]
    running.shutdown(cancel_futures=True)
    assert len(first.result(0)) == 1
    left = [future for future in others if future.cancelled()]
    assert len(left) >= 2  # the next one may have been taken up by then
    assert len(cli("status", "--json").json["due"]) == len(left)


def test_arguments_that_cannot_work_are_told(enricher: Enricher) -> None:
    made = enricher(model="offline")
    for workers in (0, 257):
        with pytest.raises(UsageError, match="workers"):
            memcli.ReflectionExecutor(made, workers=workers)
    with memcli.ReflectionExecutor(made) as running:
        for seconds in (-1, float("nan"), 10**9):
            with pytest.raises(UsageError, match="after_seconds"):
                running.submit(turns("I prefer tea."), of(), after_seconds=seconds)
    assert not DB.exists()


def test_a_store_of_its_own_is_where_it_keeps_and_finds(
    enricher: Enricher, executor: Executor
) -> None:
    running = executor(enricher(model="offline", store=None), store="own.db")
    assert len(running.submit(["I prefer tabs over spaces."], of("t1")).result(20)) == 1
    assert len(running.search("tabs", config=of())) == 1
    assert Path("own.db").exists() and not DB.exists()


def test_what_is_submitted_while_a_run_works_becomes_part_of_it(
    serve: Serve, executor: Executor, cli: Cli
) -> None:
    server, running = serve(latency=0.8), executor()
    first = running.submit(turns("I prefer tea."), of("t1"))
    asked(server)
    second = running.submit(turns("I prefer jazz."), of("t2"))
    assert len(first.result(20)) == len(second.result(20)) == 1
    assert len(cli("runs", "--json").json) == 1
    assert len(extractions(server)) == 2  # what is under way is not asked again


def test_what_was_submitted_again_for_later_is_left_by_a_run_that_had_listed_it(
    serve: Serve, executor: Executor
) -> None:
    server, running = serve(latency=0.6), executor(workers=1)
    futures = {
        name: running.submit(turns("I prefer tea."), of(name), after_seconds=0.3)
        for name in ("t1", "t2", "t3", "t4")
    }
    asked(server)
    time.sleep(0.1)
    begun = [name for name in futures if futures[name].running()]
    assert len(server.requests) == 1  # that is what one worker means
    assert len(begun) <= 2  # one is asked about, one is next
    later = [
        running.submit(turns("I prefer jazz."), of(name), after_seconds=60)
        for name in set(futures) - set(begun)
    ]
    done = [future for future in futures.values() if not future.cancelled()]
    for future in done:
        future.result(20)
    assert later and not any(future.running() or future.done() for future in later)
    assert len(extractions(server)) == len(done)


def test_another_s_later_submission_is_waited_for_and_not_cancelled_with_ours(
    enricher: Enricher, executor: Executor
) -> None:
    ours, theirs = (
        executor(enricher(model="offline")),
        executor(enricher(model="offline")),
    )
    first = ours.submit(["I prefer tabs over spaces."], of("t1"), after_seconds=0.3)
    second = theirs.submit(["I prefer dark mode."], of("t1"), after_seconds=1)
    time.sleep(0.5)
    assert not first.done()
    assert first.cancel()
    assert len(second.result(20)) == 2
    third = ours.submit(["I prefer quiet mornings."], of("t2"), after_seconds=0.2)
    theirs.submit(["I prefer chess."], of("t2"), after_seconds=60).cancel()
    with pytest.raises(MemcliError, match="not done in this run"):
        third.result(20)


def test_what_was_cancelled_is_not_done_when_its_time_comes(
    enricher: Enricher, executor: Executor, cli: Cli
) -> None:
    running = executor(enricher(model="offline"))
    future = running.submit(["I prefer dark mode."], of("t1"), after_seconds=0.3)
    assert future.cancel()
    time.sleep(0.5)
    found = cli("status", "--json").json
    assert (found["due"], found["waiting"], found["memories"]) == ([], [], 0)


def test_what_another_process_left_later_is_found(
    enricher: Enricher, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.1)
    made = enricher(model="offline")
    running = executor(made)
    running.submit(["I prefer tabs over spaces."], of("t1")).result(20)
    gone = memcli.ReflectionExecutor(enricher(model="offline"))
    gone.submit(["I prefer dark mode."], of("t2"), after_seconds=0.4)
    gone.shutdown(cancel_futures=True)
    end = time.monotonic() + 20
    while len(made.search("dark mode", config=of())) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_leaving_does_not_wait_for_the_run_of_another(
    enricher: Enricher, cli: Cli
) -> None:
    made = enricher(model="offline")
    made.process(["Hello."], of("t0"))
    running = memcli.ReflectionExecutor(made)
    with run_lock(DB):
        future = running.submit(["I prefer tabs over spaces."], of("t1"))
        leaving = threading.Thread(target=running.shutdown, daemon=True)
        leaving.start()
        leaving.join(15)
        assert not leaving.is_alive()
    assert future.cancelled()
    assert cli("status", "--json").json["due"] == ["t1"]


def test_a_key_that_is_gone_is_told_and_what_comes_after_it_came_back_is_done(
    enricher: Enricher, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = enricher()
    with monkeypatch.context() as gone:
        gone.delenv("ANTHROPIC_API_KEY")
        gone.delenv("ANTHROPIC_BASE_URL")
        running = executor(made)
        future = running.submit(turns("I prefer tea."), of("t1"))
        with pytest.raises(UsageError, match="ANTHROPIC_API_KEY"):
            future.result(20)
    assert len(running.submit(turns("I prefer jazz."), of("t2")).result(20)) == 1


def test_an_error_nobody_thought_of_ends_one_run_and_not_the_executor(
    enricher: Enricher, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = enricher(model="offline")
    running = executor(made)
    with monkeypatch.context() as broken:
        broken.setattr(made, "reflect", lambda *args, **more: os.environ["NO"])
        future = running.submit(["I prefer tabs over spaces."], of("t1"))
        with pytest.raises(MemcliError, match="KeyError"):
            future.result(20)
    assert len(running.submit(["I prefer dark mode."], of("t2")).result(20)) == 1


def test_a_failure_nobody_awaits_is_no_warning_of_the_loop(
    serve: Serve, enricher: Enricher, caplog: pytest.LogCaptureFixture
) -> None:
    serve(lambda request: api.error(400, "invalid_request_error", "no such thing"))

    async def program() -> None:
        async with memcli.ReflectionExecutor(enricher()) as running:
            ignored = await running.asubmit(turns("I prefer tea."), of("t1"))
            with pytest.raises(ExtractorError):
                await (await running.asubmit(turns("I prefer jazz."), of("t2")))
            assert ignored.done()
            del ignored
            gc.collect()

    with caplog.at_level(logging.ERROR, "asyncio"):
        asyncio.run(program())
    assert not [one for one in caplog.records if one.name == "asyncio"]


LEAVES = """
import sys, time
import memcli
enricher = memcli.create_memory_store_enricher(
    "anthropic:claude-haiku-5-5", namespace="memories/ana", store="memories.db")
executor = memcli.ReflectionExecutor(enricher)
executor.submit(["I prefer tea."])
while input() != "leave":
    pass
"""


def test_a_program_that_leaves_keeps_the_answer_that_it_waits_for(
    serve: Serve, cli: Cli
) -> None:
    server = serve(latency=0.5)
    program = subprocess.Popen(
        [sys.executable, "-c", LEAVES],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        asked(server)
        program.communicate("leave\n", timeout=40)
    finally:
        program.kill()
    assert program.returncode == 0
    assert cli("reflect", "--submitted").code == 0
    assert len(cli("show", "--json").json) == len(extractions(server)) == 1
