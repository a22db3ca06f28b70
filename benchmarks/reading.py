"""`make bench-reading`: what reading costs, against the least it could cost.

Three ratios, each of one run on one machine: a big session against a bare loop
of `orjson.loads` over its lines, its peak memory, and a run with nothing new
over many files against walking and looking at the same tree.
"""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.process import cost, once  # noqa: E402

WORK = HERE / "work-reading"
MEMCLI = Path(sys.executable).parent / "memcli"
BARE_LOOP = """
import sys, orjson
with open(sys.argv[1], "rb") as file:
    for line in file:
        orjson.loads(line)
"""
READER = """
import sys
from datetime import UTC, datetime
from memcli.transcripts.discover import discover
from memcli.transcripts.read import read_file
from memcli.transcripts.report import FileReport
(found,) = discover([sys.argv[1]])
for message in read_file(found, FileReport(found.path), datetime.now(UTC)):
    pass
"""
# Reading alone: the messages count as embedded and reflected, which they would
# be after a whole run, since neither is what is measured here.
INGEST = """
import sys, threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from memcli.reflection.ingest import ingest
from memcli.reflection.progress import Silence
from memcli.store.database import connect
with closing(connect(Path(sys.argv[2]))) as db:
    ingest(db, [sys.argv[1]], datetime.now(UTC), Silence(), threading.Event())
    db.execute(
        "INSERT INTO runs (id, started_at, outcome, extractor, namespace) "
        "VALUES (1, '2026-01-01T00:00:00.000Z', 'done', 'offline', 'memories/me')"
    )
    db.execute("UPDATE messages SET embedded = 1, reflected_in = 1")
"""
WALK = """
import os, sys
def walk(folder):
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            walk(entry.path)
        else:
            entry.stat()
walk(sys.argv[1])
"""


def _generated(what: str, path: Path, size: int) -> int:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; "
        f"from benchmarks.sessions import {what}; "
        f"print({what}(Path(sys.argv[2]), int(sys.argv[3])) or 0)"
    )
    command = [sys.executable, "-c", code, HERE.parent, path, size]
    done = subprocess.run([str(part) for part in command], capture_output=True)
    return int(done.stdout)


def main() -> None:
    """Print the three ratios. Sizes in MB and files may be given."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    files = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    shutil.rmtree(WORK, ignore_errors=True)
    python = sys.executable
    big = WORK / "big.jsonl"
    # In a process of its own: what a parent holds counts as its children's peak.
    messages = _generated("session", big, megabytes << 20)
    bare = cost([python, "-c", BARE_LOOP, big], runs=3)
    read = cost([python, "-c", READER, big], runs=3)
    print(f"a session of {megabytes:,} MB with {messages:,} messages")
    print(f"  orjson.loads of every line  {bare.seconds:.2f} s {bare.megabytes:.0f} MB")
    print(f"  reading it                  {read.seconds:.2f} s {read.megabytes:.0f} MB")
    print(f"  ratio                       {read.seconds / bare.seconds:.2f}")
    big.unlink()

    logs, db = WORK / "logs", WORK / "memories.db"
    _generated("small_files", logs, files)
    reflect: list[str | Path] = [
        MEMCLI,
        "reflect",
        logs,
        "--db",
        db,
        "--extractor",
        "offline",
    ]
    first = once([python, "-c", INGEST, logs, db])
    walk = cost([python, "-c", WALK, logs], runs=5)
    again = cost(reflect, runs=5)
    print(f"{files:,} small files")
    print(f"  first run, read and stored  {first.seconds:.2f} s")
    print(f"  interpreter, scandir, stat  {walk.seconds:.3f} s")
    print(
        f"  a run with nothing new      {again.seconds:.3f} s {again.megabytes:.0f} MB"
    )
    print(f"  ratio                       {again.seconds / walk.seconds:.2f}")
    shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
