"""`make bench-durability`: what the journal costs, and what a full store costs.

Compare the ratios, which come from one run on one machine, rather than seconds.
Numbers of memories may be given: a small and a large store, 1,000 and 100,000.
"""

import json
import shutil
import sqlite3
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple
from unittest import mock

import numpy as np
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks import generate, stores  # noqa: E402
from benchmarks.process import once  # noqa: E402
from memcli.cli.running import working  # noqa: E402
from memcli.embeddings.choose import DEFAULT_MODEL, Encoder  # noqa: E402
from memcli.extractors.offline.extractor import OfflineExtractor  # noqa: E402
from memcli.reflection import embed, merge  # noqa: E402
from memcli.reflection.progress import Silence  # noqa: E402
from memcli.reflection.reflect import Request, reflect  # noqa: E402
from memcli.reflection.run import Run  # noqa: E402
from memcli.store import memories, runs, vectors  # noqa: E402
from memcli.store.database import connect, run_lock, transaction  # noqa: E402
from memcli.when import utc_now  # noqa: E402

WORK = HERE / "work"
MEMCLI = Path(sys.executable).parent / "memcli"
THREADS = 300
STATEMENTS = 3  # and as many answers: 6 messages a thread
_UNSAID = 400_000  # from here on, no store has what is stated


def main() -> None:
    """Print the two tables."""
    small, large = (int(n) for n in sys.argv[1:3] or ("1000", "100000"))
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    print(f"reflect, {THREADS} new threads of {2 * STATEMENTS} messages")
    Console().print(_journal())
    print("\nwhole commands, in seconds")
    Console().print(_scale(small, large))
    shutil.rmtree(WORK)


# What the journal costs.


class _Seconds(NamedTuple):
    """By the clock, and of the processor, whatever else the machine did."""

    wall: float
    processor: float


class _FreeEncoder:
    """Stands in for the model: a vector of its own for each text, at once."""

    dimensions = 384

    def encode(self, texts: Sequence[str]) -> vectors.Vectors:
        found = np.empty((len(texts), self.dimensions), np.float32)
        for row, text in zip(found, texts, strict=True):
            draw = np.random.default_rng(zlib.crc32(text.encode()))
            row[:] = draw.standard_normal(self.dimensions, np.float32)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found


def _journal() -> Table:
    logs, empty = WORK / "logs", WORK / "empty.db"
    generate.threads(logs, THREADS, STATEMENTS)
    with closing(connect(empty)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    table = _table("", "with its journal", "without", "ratio", "ratio of CPU")
    for what, free, pairs in (
        ("embedding for free", True, 9),
        ("real embedding", False, 3),
    ):
        with _free_embedding() if free else nullcontext():
            if free:
                _journalled(logs, empty)  # what is imported is imported now
            timed = [_pair(logs, empty, turn % 2 == 1) for turn in range(pairs)]
        table.add_row(
            what,
            f"{median(a.wall for a, _ in timed):.2f} s",
            f"{median(b.wall for _, b in timed):.2f} s",
            f"{median(a.wall / b.wall for a, b in timed):.2f}",
            f"{median(a.processor / b.processor for a, b in timed):.2f}",
        )
    return table


def _pair(logs: Path, empty: Path, swapped: bool) -> tuple[_Seconds, _Seconds]:
    """With the journal and without; in turn one of them goes first."""
    if swapped:
        without = _unjournalled(logs, empty)
        return _journalled(logs, empty), without
    return _journalled(logs, empty), _unjournalled(logs, empty)


def _journalled(logs: Path, empty: Path) -> _Seconds:
    def run(path: Path) -> None:
        stop = threading.Event()
        with working(path, stop) as (db, lease):
            request = _request(logs)
            reflect(db, request, OfflineExtractor, utc_now, Silence(), stop, lease)

    return _timed(run, empty, operations=True)


def _unjournalled(logs: Path, empty: Path) -> _Seconds:
    """One transaction around everything, nobody to claim the store from, and no
    history: neither stages nor operations with snapshots."""

    def run(path: Path) -> None:
        stop = threading.Event()
        with run_lock(path), closing(connect(path)) as db, transaction(db):
            request = _request(logs)
            reflect(db, request, OfflineExtractor, utc_now, Silence(), stop)

    with ExitStack() as patches:
        for where, name in (
            (runs, "begin_stage"), (runs, "end_stage"), (Run, "stage"),
            (memories, "record"), (memories, "snapshot"),
        ):  # fmt: skip
            patches.enter_context(mock.patch.object(where, name, _nothing))
        return _timed(run, empty, operations=False)


def _timed(run: Callable[[Path], None], empty: Path, *, operations: bool) -> _Seconds:
    """A run on a fresh store, to the end of its last write."""
    path = WORK / "run.db"
    shutil.copyfile(empty, path)
    start = _Seconds(time.perf_counter(), time.process_time())
    run(path)
    seconds = _Seconds(
        time.perf_counter() - start.wall, time.process_time() - start.processor
    )
    with closing(sqlite3.connect(path)) as db:
        made, noted = db.execute(
            "SELECT (SELECT count(*) FROM memories), (SELECT count(*) FROM operations)"
        ).fetchone()
    assert made > 0
    assert (noted >= made) if operations else (noted == 0)
    for left in WORK.glob("run.db*"):
        left.unlink()
    return seconds


def _request(logs: Path) -> Request:
    return Request(
        [str(logs)], "memories/{user_id:-me}", timedelta(), 8, DEFAULT_MODEL, 0.6
    )


@contextmanager
def _free_embedding() -> Iterator[None]:
    def encoder(model: str) -> Encoder:
        return _FreeEncoder()

    with (
        mock.patch.object(embed, "encoder", encoder),
        mock.patch.object(merge, "encoder", encoder),
    ):
        yield


def _nothing(*arguments: object) -> None:
    """In place of what is left out."""


# What a full store costs.


def _scale(small: int, large: int) -> Table:
    table = _table("", "namespaces", f"{small:,} memories", f"{large:,}", "ratio")
    for namespaces in (1, 100):
        work = [WORK / f"{count}.db" for count in (small, large)]
        for count, path in zip((small, large), work, strict=True):
            shutil.copyfile(stores.store(count, namespaces), path)
        seconds: dict[str, list[tuple[float, ...]]] = {}
        # The first time warms the disk cache.
        for turn in range(6):
            both = [_commands(path, namespaces, turn) for path in work]
            for what in both[0] if turn else ():
                times = tuple(found[what] for found in both)
                seconds.setdefault(what, []).append(times)
        for what, timed in seconds.items():
            a, b = (median(times) for times in zip(*timed, strict=True))
            table.add_row(
                what, str(namespaces), f"{a:.2f} s", f"{b:.2f} s", f"{b / a:.2f}"
            )
        table.add_section()
        for path in work:
            path.unlink()
    return table


def _commands(path: Path, namespaces: int, turn: int) -> dict[str, float]:
    """Seconds of each command on one store, as whole processes."""
    log = WORK / f"{path.stem}-{namespaces}-{turn}.jsonl"
    where = stores.namespace(turn, namespaces)
    _write_thread(log, turn)

    def seconds(*command: str | Path) -> float:
        return once([MEMCLI, *command, "--db", path]).seconds

    found = {
        "reflect, 20 new messages": seconds(
            "reflect", log, "--extractor", "offline", "--namespace", where
        )
    }
    with closing(sqlite3.connect(path)) as db:
        run, inserted, strengthened = db.execute(
            "SELECT id, inserted, strengthened FROM runs ORDER BY id DESC LIMIT 1"
        ).fetchone()
    assert (inserted, strengthened) == (STATEMENTS, 0), (inserted, strengthened)
    found["undo of that"] = seconds("undo", str(run), "--not-again")
    text = f"The parcels of week {turn} went to the harbour office."
    found["add"] = seconds("add", text, "--namespace", where)
    found["search"] = seconds("search", "dark mode")
    found["status"] = seconds("status")
    return found


def _write_thread(log: Path, turn: int) -> None:
    """A thread of 20 messages that says three things nobody said before."""
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=turn)
    lines = []
    for number in range(stores.TURNS):
        role, text = "assistant", generate.ANSWER
        if number % 2 == 0:
            role, text = "user", generate.CHATTER[number % len(generate.CHATTER)]
        if number in range(0, 6 * STATEMENTS, 6):
            # Of one thing and place only once: to like is as good as to love.
            which = turn * STATEMENTS + number // 6
            which = _UNSAID + which * len(generate.VERBS)
            text += " " + stores.statement(which)
        at = start + timedelta(seconds=number)
        line = {
            "thread_id": f"new {turn}", "id": str(number), "role": role,
            "content": text, "timestamp": at.isoformat(),
        }  # fmt: skip
        lines.append(json.dumps(line) + "\n")
    log.write_text("".join(lines))


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


if __name__ == "__main__":
    main()
