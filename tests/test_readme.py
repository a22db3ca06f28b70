"""The README prints what the program prints.

Run with UPDATE_README=1 to write the program's output into it.
"""

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n\$ (?P<command>[^\n]+)\n(?P<output>.*?)```", re.DOTALL)


def test_every_example_prints_what_the_readme_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sample_transcripts", tmp_path / "sample_transcripts")
    (tmp_path / "sample_transcripts/chats/still-going.jsonl").touch()
    text = README.read_text()
    shown, printed = [], []
    for block in BLOCK.finditer(text):
        shown.append((block["command"], block["output"]))
        printed.append((block["command"], run(block["command"], tmp_path)))
    assert len(shown) >= 8
    if os.environ.get("UPDATE_README"):
        outputs = iter(printed)
        README.write_text(
            BLOCK.sub(lambda b: "```console\n$ {}\n{}```".format(*next(outputs)), text)
        )
    else:
        assert printed == shown


def run(command: str, folder: Path) -> str:
    """What a reader would see, both streams, in a pipe."""
    bin = Path(sys.executable).parent
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": f"{bin}:{os.environ['PATH']}",
             "MEMCLI_DB": str(folder / "memories.db")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    # In how many minutes the conversation that still goes on is due depends on
    # how long ago the file was touched.
    out = re.sub(r"due in (?:29|30)m", "due in 30m", done.stdout)
    # Runs are of now; the README was written on this day.
    today = datetime.now(UTC).date().isoformat()
    out = re.sub(rf"{today} \d\d:\d\d", f"{today} 12:00", out)
    out = out.replace(today, "2026-11-22")
    # Where this is, and where the program is.
    out = out.replace(str(bin), "/home/you/.venv/bin")
    return out.replace(os.environ["HOME"], "/home/you").replace(
        str(folder), "/home/you"
    )


def test_the_readme_names_every_command() -> None:
    from memcli.cli.app import COMMANDS

    text = README.read_text()
    assert len(COMMANDS) >= 9
    for command in COMMANDS:
        assert f"memcli {command}" in text
