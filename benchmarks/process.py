"""Times a command as a whole process: wall seconds, and peak memory in MB."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Cost:
    """Medians over the runs."""

    seconds: float
    megabytes: float


def cost(command: Sequence[str | Path], runs: int = 5, **env: str) -> Cost:
    """Run a command some times, after one run that warms the disk cache."""
    measured = [once(command, **env) for _ in range(runs + 1)][1:]
    return Cost(
        median(c.seconds for c in measured), median(c.megabytes for c in measured)
    )


def once(command: Sequence[str | Path], **env: str) -> Cost:
    """One run; its own failure ends the benchmark."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # As on a user's machine: modules are compiled once, not at every start.
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "", **env},
    )
    assert process.stderr is not None
    error = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode != 0:
        sys.exit(f"{command}: exit {process.returncode}\n{error}")
    scale = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in kB on Linux
    return Cost(seconds, usage.ru_maxrss * scale / 1e6)
