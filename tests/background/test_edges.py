"""What goes wrong around an executor, and must not cost anybody a conversation."""

import _thread
import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import wait
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from memcli import ReflectionExecutor, create_memory_store_enricher
from memcli.background.enricher import MemoryStoreEnricher
from memcli.errors import StoreError
from memcli.store.database import connect
from tests.asking.conftest import extractions
from tests.conftest import Serve

_DB = Path("memories.db")


def _offline(**more: Any) -> MemoryStoreEnricher:
    return create_memory_store_enricher("offline", store=_DB, **more)


def _asking(**more: Any) -> MemoryStoreEnricher:
    return create_memory_store_enricher("anthropic:claude-haiku-4-5", store=_DB, **more)


def _user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def _elsewhere(statement: str) -> str:
    """What another process sees, which then closes the database."""
    code = (
        f"import sqlite3; db = sqlite3.connect({str(_DB)!r}); "
        f"print(db.execute({statement!r}).fetchall()); db.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_what_a_process_with_two_connections_commits_is_there_for_others() -> None:
    with closing(connect(_DB)) as first, closing(connect(_DB)):
        # Who takes itself for the last one takes the log away with it.
        assert _elsewhere("SELECT count(*) FROM keys") == "[(0,)]"
        first.execute("INSERT INTO keys VALUES ('kept', '')")
        assert _elsewhere("SELECT name FROM keys") == "[('kept',)]"


def test_who_waits_for_a_submission_that_was_replaced_or_cancelled_learns_of_it() -> (
    None
):
    with ReflectionExecutor(_offline()) as executor:
        replaced = executor.submit(_user("One"), thread_id="t", after_seconds=60)
        second = executor.submit(_user("Two"), thread_id="t", after_seconds=60)
        second.cancel()
        done, _ = wait([replaced, second], timeout=10)
        assert done == {replaced, second}


def test_what_comes_while_its_thread_is_under_way_is_no_error(serve: Serve) -> None:
    server = serve(latency=1.0)
    with ReflectionExecutor(_asking()) as executor:
        first = executor.submit(_user("I prefer green tea."), thread_id="t")
        while not server.requests:
            time.sleep(0.01)
        second = executor.submit(_user("I prefer dark bread."), thread_id="t")
        assert [memory.text for memory in first.result(20)] == [
            "The user prefers green tea."
        ]
        assert "The user prefers dark bread." in [m.text for m in second.result(20)]
    assert len(extractions(server)) == 2


def test_cancelling_in_an_event_loop_does_not_wait_for_a_writer() -> None:
    released = threading.Event()

    async def run(executor: ReflectionExecutor) -> bool:
        waiting = await executor.asubmit(_user("Hi"), thread_id="t", after_seconds=60)
        with closing(sqlite3.connect(_DB, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            waiting.cancel()
            await asyncio.sleep(0.05)
            writer.execute("ROLLBACK")  # only once this loop has gone on
        released.set()
        return waiting.cancelled()

    with ReflectionExecutor(_offline()) as executor:
        worker = threading.Thread(
            target=lambda: asyncio.run(run(executor)), daemon=True
        )
        worker.start()
        assert released.wait(20)
        worker.join()
    with closing(sqlite3.connect(_DB)) as db:
        assert db.execute("SELECT due_at FROM submissions").fetchall() == [(None,)]


def test_a_file_that_was_deleted_is_made_again_and_not_written_to_in_vain() -> None:
    with ReflectionExecutor(_offline()) as executor:
        executor.submit(_user("I prefer green tea."), thread_id="a").result(30)
        for file in Path().glob("memories.db*"):
            file.unlink()
        kept = executor.submit(_user("I prefer dark bread."), thread_id="b")
        assert kept.result(30)
    assert _elsewhere("SELECT id FROM threads") == "[('b',)]"


def test_an_executor_outlives_a_folder_that_was_away() -> None:
    folder = Path("away")
    folder.mkdir()
    enricher = create_memory_store_enricher("offline", store=folder / "memories.db")
    with ReflectionExecutor(enricher) as executor:
        lost = executor.submit(_user("One"), thread_id="a", after_seconds=0.5)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        assert isinstance(lost.exception(20), StoreError)
        folder.mkdir()
        again = executor.submit(_user("I prefer green tea."), thread_id="a")
        assert again.result(30)


def test_messages_that_share_an_id_are_all_kept() -> None:
    shared = [
        {"role": "user", "id": "m", "content": "I prefer green tea."},
        {"role": "user", "id": "m", "content": "I prefer dark bread."},
    ]
    _offline().process(shared, thread_id="t")
    assert _elsewhere("SELECT text FROM messages ORDER BY id") == (
        "[('I prefer green tea.',), ('I prefer dark bread.',)]"
    )


def test_names_that_are_odd_keep_threads_and_people_apart() -> None:
    enricher = _offline(namespace="memories/{user_id}")
    for thread_id in (0, "\x00", "  "):
        enricher.process(
            _user("I prefer green tea."),
            {"configurable": {"user_id": "half \ud83d", "thread_id": thread_id}},
        )
    given = _elsewhere("SELECT namespace, given FROM submissions ORDER BY rowid")
    assert given == str([("memories/half ?", name) for name in ("0", None, None)])


def test_ctrl_c_in_process_also_ends_what_is_asked(serve: Serve) -> None:
    server = serve(fault=lambda request, count: "500")
    enricher = _asking()

    def interrupt() -> None:
        while not server.requests:
            time.sleep(0.01)
        _thread.interrupt_main()

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        enricher.process(_user("I prefer green tea."), thread_id="t")
    time.sleep(0.2)  # what was sent by then
    asked = len(server.requests)
    time.sleep(2)
    assert len(server.requests) == asked


def test_aprocess_that_is_cancelled_does_not_keep_the_event_loop(serve: Serve) -> None:
    server = serve(fault=lambda request, count: "500")
    enricher = _asking()

    async def run() -> None:
        waiting = asyncio.create_task(enricher.aprocess(_user("Hi."), thread_id="t"))
        while not server.requests:
            await asyncio.sleep(0.01)
        waiting.cancel()

    # It would go on for as long as the patience of a run, ten minutes.
    ended = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    ended.start()
    ended.join(30)
    assert not ended.is_alive()


def test_a_file_of_a_few_letters_is_no_database_and_is_left_as_it_is() -> None:
    _DB.write_text("note")
    with pytest.raises(StoreError, match="is not a SQLite database"):
        _offline().process(_user("Hi"))
    assert _DB.read_text() == "note"
