"""What goes wrong around an executor, and must not cost anybody a conversation."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import wait
from contextlib import closing
from pathlib import Path
from typing import Any

from memcli import ReflectionExecutor, create_memory_store_enricher
from memcli.enricher import MemoryStoreEnricher
from memcli.errors import StoreError
from memcli.store.database import connect
from tests.asking.conftest import attentive, extractions
from tests.conftest import Serve

_DB = Path("memories.db")


def _offline(**more: Any) -> MemoryStoreEnricher:
    return create_memory_store_enricher("offline", store=_DB, **more)


def _asking(**more: Any) -> MemoryStoreEnricher:
    return create_memory_store_enricher(
        "anthropic:claude-haiku-4-5", store=_DB, **more
    )


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
