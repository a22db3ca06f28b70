"""`make bench`: what the main job costs, as one table. Takes some minutes.

Compare the ratios, which come from one run on one machine, rather than seconds.
"""

import shutil
import sqlite3
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks import generate  # noqa: E402
from benchmarks.process import Cost, cost, once  # noqa: E402

WORK = HERE / "work"
MEMCLI = Path(sys.executable).parent / "memcli"


def main() -> None:
    """Make the transcripts, reflect them, search them, print the table."""
    shutil.rmtree(WORK, ignore_errors=True)
    logs, db = WORK / "logs", WORK / "memories.db"
    generate.threads(logs, 1000)
    table = Table(box=None, header_style="bold")
    for column in ("what", "seconds", "MB", "ratio"):
        table.add_column(column, justify="left" if column == "what" else "right")

    def row(what: str, measured: Cost, ratio: str = "") -> None:
        table.add_row(
            what, f"{measured.seconds:.2f}", f"{measured.megabytes:.0f}", ratio
        )

    reflect: list[str | Path] = [
        MEMCLI,
        "reflect",
        logs,
        "--db",
        db,
        "--extractor",
        "offline",
    ]
    row("reflect, 1,000 threads of 20 messages", once(reflect))
    held = sqlite3.connect(db).execute("SELECT count(*) FROM memories").fetchone()[0]
    row("reflect again, nothing new, 1,000 files", cost(reflect))
    bare = cost([sys.executable, "-c", "pass"])
    row("the interpreter alone", bare)
    plain = cost([sys.executable, HERE / "plain_search.py", db, "dark mode"], runs=3)
    row(f"sentence-transformers script, {held:,} memories", plain)
    ours = cost([MEMCLI, "search", "dark mode", "--db", db])
    ratio = f"{plain.seconds / ours.seconds:.0f} times faster"
    row(f"memcli search, cold, {held:,} memories", ours, ratio)
    said = cost([MEMCLI, "search", "dark mode", "--in", "messages", "--db", db])
    row("memcli search --in messages, 20,000 messages", said)
    Console().print(table)
    shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
