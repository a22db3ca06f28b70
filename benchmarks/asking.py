"""`make bench-asking`: how long a model is waited for, and what it is sent.

A server on this machine answers each request after half a second. With as many
workers as W, T threads cannot take less than T × 0.5 / W; the ratio is to that.
The server takes its share of the same processors.
"""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.process import once  # noqa: E402
from tests import messages_api as api  # noqa: E402

WORK = HERE / "work"
MEMCLI = Path(sys.executable).parent / "memcli"
LATENCY = 0.5
THREADS = 400
TALK = (
    "We talked about the harbour crane again, and about what the wind did to it. "
    "There is a gust sensor on the boom, and I prefer its readings to the forecast."
)


def main() -> None:
    """Reflect the same threads with more and more workers; print two tables."""
    times = Table(box=None, header_style="bold")
    for column in ("workers", "ideal", "requests", "ratio", "whole process", "ratio"):
        times.add_column(column, justify="right")
    sent: list[dict[str, Any]] = []
    for workers in (16, 32, 64):
        asked, whole, sent = _measured(workers)
        ideal = THREADS * LATENCY / workers
        times.add_row(
            str(workers), f"{ideal:.2f} s", f"{asked:.2f} s", f"{asked / ideal:.2f}",
            f"{whole:.2f} s", f"{whole / ideal:.2f}",
        )  # fmt: skip
    Console().print(times)
    Console().print(_bytes(sent))


def _measured(workers: int) -> tuple[float, float, list[dict[str, Any]]]:
    """Seconds from the first request to the last answer, and of the whole process."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    logs = WORK / "logs.jsonl"
    with logs.open("w") as file:
        for number in range(THREADS):
            for turn, role in enumerate(("user", "assistant")):
                line = {
                    "thread_id": f"t{number}", "role": role, "id": f"{number}-{turn}",
                    "content": f"{number}: {TALK}",
                    "timestamp": f"2026-09-01T10:0{turn}:00Z",
                }  # fmt: skip
                file.write(json.dumps(line) + "\n")
    arrived: list[float] = []

    def answer(request: dict[str, Any]) -> api.Answer:
        arrived.append(time.perf_counter())
        return api.tool_call([])

    with api.serving(answer, latency=LATENCY) as server:
        cost = once(
            [MEMCLI, "reflect", logs, "--db", WORK / "m.db", "--workers", str(workers)],
            ANTHROPIC_API_KEY="none", ANTHROPIC_BASE_URL=server.url,
        )  # fmt: skip
        requests = list(server.requests)
    assert len(requests) == THREADS
    shutil.rmtree(WORK)
    return arrived[-1] + LATENCY - arrived[0], cost.seconds, requests


def _bytes(requests: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in ("a request", "bytes"):
        table.add_column(column, justify="left" if column == "a request" else "right")
    mean = sum(len(json.dumps(request)) for request in requests) / len(requests)
    first = requests[0]
    fixed = len(json.dumps({"system": first["system"], "tools": first["tools"]}))
    said = 2 * len(TALK)
    table.add_row("all of it", f"{mean:,.0f}")
    table.add_row("the prefix that is cached", f"{fixed:,}")
    table.add_row("the rest", f"{mean - fixed:,.0f}")
    table.add_row("what was said", f"{said:,}")
    return table


if __name__ == "__main__":
    main()
