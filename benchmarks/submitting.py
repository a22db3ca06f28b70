"""`make bench-submitting`: what a program that submits conversations waits for.

LangMem's executor and memcli's reflect on the same conversations, against the same
server on this machine, which answers each request after half a second. Each contender
is a process of its own, and has done one conversation before it is timed. With as many
workers as W, T conversations cannot take less than T × 0.5 / W. What takes seconds
is done three times, and the middle one told: other work on the machine shows in it.
"""

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from tempfile import mkdtemp
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import memcli  # noqa: E402
from benchmarks.process import once  # noqa: E402
from tests import messages_api as api  # noqa: E402

WORK = HERE / "work"
LATENCY = 0.5
MODEL = "anthropic:claude-haiku-5-5"
NAMESPACE = ("memories", "{user_id}")
USER = "ana"
STORED_THREADS = 10_000
SUBMISSIONS = 200
IMPORTS = 15
IMPORTED = ("pass", "import memcli", "from memcli import ReflectionExecutor")
# No two are near enough for a model to be asked which of them holds. The first is
# for warming up.
STATEMENTS = """\
I am allergic to peanuts.
My sister lives in Lisbon.
I keep bees behind the garage.
The old tractor needs a new clutch.
I rehearse with a string quartet.
My passport runs out in March.
We painted the kitchen yellow.
I take the night train to Vienna.
My son is learning to swim.
I never drink coffee after noon.
Our cat is called Pepper.
I write my notes with a fountain pen.
The roof leaks when it storms.
I run a marathon every autumn.
My boss retired last week.
I collect stamps from Japan.
We grow tomatoes on the balcony.
I use Emacs for everything.
My left knee hurts on stairs.
I vote by post.
Our neighbours sing opera.
I bake rye bread on Sundays.
My grandfather was a lighthouse keeper.
I sold the motorcycle.
We are getting married in June.
I read crime novels in bed.
My bank changed its fees.
I speak Finnish with my mother.
The washing machine is under warranty.
I teach chemistry at a school.
My glasses are for distance only.
We go skiing in the Tatra mountains.
I hate being telephoned at work.
My bicycle was stolen from the station.
I support the local football club.
The dentist wants to see me twice a year.
I pay rent on the third.
My favourite dinosaur is the stegosaurus.
I solder my own headphone amplifiers.
We watch eclipses from the hill.
I fast on Mondays.
""".splitlines()


CONVERSATIONS = len(STATEMENTS) - 1
# Gets the server's address and the number of workers; gives the seconds it took, and
# how many memories it kept.
Contender = Callable[[str, int], tuple[float, int]]


@dataclass(frozen=True, order=True)
class Taken:
    """What a contender took for all conversations, and what it kept of them."""

    seconds: float
    requests: int
    memories: int


@dataclass(frozen=True)
class Waited:
    """Milliseconds that one call of `submit` took."""

    usual: float
    seldom: float


def main() -> None:
    """Print three tables."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    try:
        Console().print(_contest(), "")
        Console().print(_submits(), "")
        Console().print(_imports())
    finally:
        shutil.rmtree(WORK)


# Against each other


def _contest() -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column("executor")
    for column in (
        "workers", "ideal", "taken", "to the ideal", "to LangMem", "requests", "kept",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    slowest = 0.0
    for name, run, workers in (
        ("LangMem", _langmem, 1), ("memcli", _memcli, 1),
        ("memcli", _memcli, 8), ("memcli", _memcli, 16),
    ):  # fmt: skip
        times = 1 if workers == 1 else 3
        taken = sorted(_contend(name, run, workers) for _ in range(times))[times // 2]
        ideal = CONVERSATIONS * LATENCY / workers
        slowest = slowest or taken.seconds
        table.add_row(
            name, str(workers), f"{ideal:.2f} s", f"{taken.seconds:.2f} s",
            f"{taken.seconds / ideal:.2f}", f"{taken.seconds / slowest:.3f}",
            str(taken.requests), str(taken.memories),
        )  # fmt: skip
    return table


def _contend(name: str, run: Contender, workers: int) -> Taken:
    """One contender, once. Who did not remember every conversation has not won."""
    with api.serving(_answer, latency=LATENCY) as server:
        seconds, memories = _in_a_process(run, server.url, workers)
        requests = len(server.requests)
    # The first of each was for warming up.
    taken = Taken(seconds, requests - 1, memories - 1)
    if taken.memories != CONVERSATIONS:
        sys.exit(f"{name} kept {taken.memories} memories of {CONVERSATIONS}")
    return taken


def _in_a_process(run: Contender, url: str, workers: int) -> tuple[float, int]:
    """Called in a fresh interpreter, which shares no lock with the server."""
    os.environ |= {
        "ANTHROPIC_API_KEY": "none", "ANTHROPIC_BASE_URL": url,
        "LANGSMITH_TRACING": "false", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(run, url, workers).result()


def _answer(request: dict[str, Any]) -> api.Answer:
    """The one statement of the conversation, by the tool that is offered for it."""
    # What LangMem remembers already stands in its system message.
    asked = str(request["messages"])
    said = [text for text in STATEMENTS if text in asked]
    tools = {tool["name"] for tool in request["tools"]}
    if len(said) != 1 or not tools & {"record_memories", "Memory"}:
        raise ValueError(f"{len(said)} statements in a request with the tools {tools}")
    if "Memory" in tools:
        call = {
            "type": "tool_use", "id": "toolu_1", "name": "Memory",
            "input": {"content": said[0]},
        }  # fmt: skip
        return api.message([call], "tool_use")
    quote = {"message": "m1", "text": said[0]}
    memory = {"text": said[0], "kind": "fact", "quotes": [quote], "confidence": 0.9}
    return api.tool_call([memory])


def _langmem(url: str, workers: int) -> tuple[float, int]:
    from langgraph.store.memory import InMemoryStore
    from langmem import ReflectionExecutor, create_memory_store_manager

    store = InMemoryStore()
    manager = create_memory_store_manager(MODEL, namespace=NAMESPACE, store=store)
    with ReflectionExecutor(manager, store=store) as executor:
        seconds = _timed(executor.submit)
    kept = store.search(("memories", USER), limit=len(STATEMENTS) * 2)
    return seconds, len(kept)


def _memcli(url: str, workers: int) -> tuple[float, int]:
    path = Path(mkdtemp(dir=WORK)) / "memories.db"
    enricher = memcli.create_memory_store_enricher(
        MODEL, namespace=NAMESPACE, store=path
    )
    with memcli.ReflectionExecutor(enricher, workers=workers) as executor:
        seconds = _timed(executor.submit)
    with closing(sqlite3.connect(path)) as db:
        (kept,) = db.execute("SELECT count(*) FROM memories").fetchone()
    return seconds, kept


def _timed(submit: Callable[..., "Future[Any]"]) -> float:
    """Seconds from the first submission to the last result, after one of each."""
    first, *others = range(len(STATEMENTS))
    _submit(submit, first).result()
    start = time.perf_counter()
    for future in [_submit(submit, number) for number in others]:
        future.result()
    return time.perf_counter() - start


def _submit(submit: Callable[..., "Future[Any]"], number: int) -> "Future[Any]":
    config = {"configurable": {"thread_id": f"t{number}", "user_id": USER}}
    return submit(_conversation(number), config=config, after_seconds=0)


def _conversation(number: int) -> dict[str, Any]:
    said = STATEMENTS[number % len(STATEMENTS)]
    return {
        "messages": [
            {"role": "user", "content": said},
            {"role": "assistant", "content": "Good to know, thank you."},
        ]
    }


# What the caller waits for


def _submits() -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column("one call of submit")
    for column in ("half of them in", "95 of 100 in"):
        table.add_column(column, justify="right")
    enricher = memcli.create_memory_store_enricher("offline", store=WORK / "submit.db")
    for stored in (0, STORED_THREADS):
        _fill(enricher, stored)
        waited = _submitting(enricher)
        table.add_row(
            f"{stored:,} threads in the file",
            f"{waited.usual:.1f} ms", f"{waited.seldom:.1f} ms",
        )  # fmt: skip
    return table


def _fill(enricher: Any, threads: int) -> None:
    """Conversations that nobody reflects during the benchmark."""
    for number in range(threads):
        enricher.accept(
            enricher.place(), _conversation(number), {}, f"old-{number}",
            timedelta(days=1),
        )  # fmt: skip


def _submitting(enricher: Any) -> Waited:
    with memcli.ReflectionExecutor(enricher) as executor:
        executor.submit(_conversation(0), after_seconds=3600)
        waits = []
        for number in range(SUBMISSIONS):
            start = time.perf_counter()
            executor.submit(_conversation(number), after_seconds=3600)
            waits.append((time.perf_counter() - start) * 1000)
    return Waited(median(waits), quantiles(waits, n=20)[-1])


def _imports() -> Table:
    """One after the other, so that the machine's load meets all of them alike."""
    runs = [[_interpreter(code) for code in IMPORTED] for _ in range(IMPORTS + 1)][1:]
    table = Table(box=None, header_style="bold")
    table.add_column("a whole process")
    table.add_column("", justify="right")
    table.add_row("the interpreter", f"{median(run[0] for run in runs):.0f} ms")
    for at, code in list(enumerate(IMPORTED))[1:]:
        above = median(run[at] - run[0] for run in runs)
        table.add_row(f"{code}, above it", f"{above:.0f} ms")
    return table


def _interpreter(code: str) -> float:
    """Milliseconds of a process."""
    return once([sys.executable, "-c", code]).seconds * 1000


if __name__ == "__main__":
    main()
