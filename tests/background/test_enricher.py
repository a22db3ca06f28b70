"""What a program says to an enricher is what happens."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import memcli
from memcli.errors import BudgetSpent, ExtractorError, NamespaceError
from memcli.store.database import run_lock
from tests.asking.conftest import extractions
from tests.asking.test_consolidation import CATS, KNOWN, LATER, scripted
from tests.background.conftest import Enricher, of, turns
from tests.conftest import Cli, Serve, said, write_lines

USER = UUID("0b9f6a1e-1111-4222-8333-444455556666")


def thread_of(memory: memcli.Memory) -> str:
    return memory.sources[0].thread_id


def test_threads_namespaces_and_stores_are_those_that_a_call_names(
    enricher: Enricher,
) -> None:
    made = enricher(namespace="agents/{thread_id}/{user_id}")
    (memory,) = made.process(turns("I prefer tea."), of("t1"), thread_id="t9")
    assert (thread_of(memory), memory.namespace) == ("t9", "agents/t9/ana")
    config = {"configurable": {"thread_id": USER, "user_id": USER}}
    (memory,) = made.process(turns("I prefer jazz."), config, store="other.db")
    assert (thread_of(memory), memory.namespace) == (str(USER), f"agents/{USER}/{USER}")

    def found(**more: Any) -> list[str]:
        return [hit.text for hit in made.search("what?", **more)]

    assert found(namespace=("agents", "t9")) == ["The user prefers tea."]
    assert found(namespace=f"agents/{USER}") == []
    assert found(namespace="agents", store="other.db") == ["The user prefers jazz."]
    with pytest.raises(NamespaceError, match="thread_id"):
        made.process(turns("I prefer chess."), of())


def test_messages_keep_their_ids_and_times_and_an_edit_is_no_second_message(
    enricher: Enricher, cli: Cli
) -> None:
    made = enricher()

    def told(text: str) -> list[dict[str, Any]]:
        return [
            {"role": "user", "content": "Hello."},
            {"id": "m7", "role": "user", "content": text, "created_at": "2026-03-01"},
        ]

    (memory,) = made.process(told("I prefer tea."), of("t1"))
    (source,) = memory.sources
    assert source.message_id == "m7"
    assert memory.valid_from.date().isoformat() == "2026-03-01"
    made.process(told("I prefer jazz."), of("t1"))
    assert cli("status", "--json").json["messages"] == 2
    (memory,) = made.process(["I prefer rain."], of("t2"))
    assert memory.created_at - memory.valid_from < timedelta(minutes=10)


def test_a_thread_of_a_transcript_or_of_another_enricher_is_not_touched(
    enricher: Enricher, cli: Cli
) -> None:
    made = enricher()
    write_lines(Path("logs/a.jsonl"), said("Hello.", thread="t1"))
    assert cli("reflect", "logs").code == 0
    (memory,) = made.process(turns("I prefer tea."), of("t1"))
    assert thread_of(memory) == "t1~2"
    other = enricher(instructions="Mind the drinks.")
    (memory,) = other.process(turns("I prefer jazz."), of("t1"))
    assert thread_of(memory) == "t1~3"


def test_what_failed_too_often_is_tried_again_when_it_is_submitted_again(
    serve: Serve, enricher: Enricher
) -> None:
    well = threading.Event()
    server = serve(fault=lambda request, time: None if well.is_set() else "nonsense")
    made = enricher()
    with pytest.raises(ExtractorError):
        made.process(turns("I prefer tea."), of("t1"))
    assert len(extractions(server)) >= 3
    well.set()
    assert len(made.process(turns("I prefer tea."), of("t1"))) == 1


@pytest.mark.parametrize(
    ("options", "left"),
    [({"enable_deletes": False}, [KNOWN]), ({"enable_updates": False}, [])],
)
def test_what_may_be_deleted_is_asked_for_by_its_own_name(
    serve: Serve, enricher: Enricher, options: dict[str, bool], left: list[str]
) -> None:
    serve(scripted(CATS, lambda number: {"operation": "delete", "target": 1}))
    made = enricher(**options)
    made.process(["I have a cat, Miso."], of("t1"))
    made.process(["Miso hates it."], of("t2"))
    assert [hit.text for hit in made.search("cat", config=of())] == left
    assert LATER not in left


def test_only_what_is_sure_enough_is_kept(enricher: Enricher) -> None:
    made = enricher(min_confidence=0.95)
    assert made.process(turns("I prefer tea."), of("t1")) == []


def test_an_enricher_spends_no_more_than_its_budget_in_all_its_runs(
    serve: Serve, enricher: Enricher
) -> None:
    server = serve(meter=True)
    made = enricher(budget=0.0025)
    with pytest.raises(BudgetSpent):
        for number in range(20):
            made.process(turns(f"I prefer drink {number}."), of(f"t{number}"))
    assert 1 < len(extractions(server)) < 20
    asked = len(server.requests)
    with pytest.raises(BudgetSpent):
        made.process(turns("I prefer tea."), of("t"))
    assert len(server.requests) == asked
    with pytest.raises(BudgetSpent):
        enricher(budget="0").process(turns("I prefer tea."), of("t"))


def test_process_waits_while_another_run_works(enricher: Enricher) -> None:
    made = enricher(model="offline")
    made.process(["I prefer tabs over spaces."], of("t1"))
    with ThreadPoolExecutor() as pool:
        with run_lock(Path("memories.db")):
            future = pool.submit(made.process, ["I prefer dark mode."], of("t2"))
            with pytest.raises(TimeoutError):
                future.result(0.5)
        assert len(future.result(20)) == 1


def test_without_a_place_it_is_the_platform_s_own(
    enricher: Enricher, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.delenv("MEMCLI_DB")
    made = enricher(model="offline", store=None)
    assert len(made.process(["I prefer tabs over spaces."], of("t1"))) == 1
    assert len(cli("show", "--json").json) == 1


def test_of_a_config_only_who_the_user_is_is_kept(enricher: Enricher) -> None:
    config = {"configurable": {"user_id": "ana", "token": "hush", "thread_id": "t1"}}
    enricher(model="offline", namespace="team").process(["Hello."], config)
    with closing(sqlite3.connect("memories.db")) as db:
        (found,) = db.execute("SELECT metadata FROM threads").fetchall()
    assert json.loads(found[0]) == {"user_id": "ana"}


FORKS = """
import os, sys, threading
import memcli
store = memcli.open("memories.db")
enricher = memcli.create_memory_store_enricher("offline", namespace="me", store=store)
executor = memcli.ReflectionExecutor(enricher)
executor.submit(["I prefer tabs over spaces."]).result(30)
assert len(store.search("tabs")) == 1
held, done = threading.Event(), threading.Event()

def busy():
    # Other threads of the parent are in the middle of something while it forks.
    with enricher.file(store.path), store._lock, executor._changed:
        held.set()
        done.wait(30)

threading.Thread(target=busy, daemon=True).start()
held.wait(30)
child = os.fork()
if not child:
    import faulthandler
    faulthandler.dump_traceback_later(20, exit=True)
    future = executor.submit(["I prefer dark mode in every editor."])
    found = [memory.text for memory in future.result(15)]
    print(found, len(store.search("dark mode")), len(enricher.search("tabs")))
    sys.stdout.flush()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
done.set()
print(len(store.search("dark mode")))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_worker_that_was_forked_works_on_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKS],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    own, after = done.stdout.splitlines()
    assert "dark mode" in own and own.endswith("] 2 2")
    assert after == "2"
