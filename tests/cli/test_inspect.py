"""`memcli inspect` and `memcli formats`: what would be read, without a database."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Cli, said, write_lines

ROOT = Path(__file__).resolve().parents[2]
CLAUDE = {"type": "summary", "summary": "x", "leafUuid": "y"}


def test_every_file_is_told_with_its_format_threads_span_and_skips(cli: Cli) -> None:
    write_lines(
        Path("logs/a.jsonl"),
        said("hello", at="2026-05-01T10:00:00Z"),
        said("you are brief", role="system"),
        said("bye", thread="t2", at="2026-05-02T11:30:00Z"),
        b"broken",
    )
    write_lines(Path("logs/notes.txt"), "Dear diary,", "nothing today")
    done = cli("inspect", "logs")
    assert done.code == 0
    assert done.out.splitlines() == [
        "logs/a.jsonl",
        "    generic: 2 messages in 2 threads, 2026-05-01 10:00 to 2026-05-02 11:30",
        "    left out: 1 system message, 1 not valid JSON",
        "    logs/a.jsonl:4: not valid JSON",
        "",
        "1 file, 2 messages in 2 threads, 2026-05-01 10:00 to 2026-05-02 11:30",
        "formats: 1 generic",
        "left out: 1 system message, 1 not valid JSON",
        "no transcripts: 1 text, but no transcript format memcli knows",
    ]


def test_no_database_is_made_or_touched(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("hello"))
    cli("inspect", "a.jsonl", "--messages")
    assert [path.name for path in Path().iterdir()] == ["a.jsonl"]


def test_inspect_and_reflect_come_to_the_same(cli: Cli) -> None:
    samples = ROOT / "sample_transcripts"
    seen = cli("inspect", samples, "--json").json["total"]
    kept = cli("reflect", samples, "--json", "--quiet-period", "5200w").json
    assert kept["messages"]["added"] == seen["messages"] > 100
    assert kept["messages"]["skipped"] == seen["skipped"]
    assert kept["formats"] == seen["formats"]


def test_copies_are_counted_once(cli: Cli) -> None:
    for name in ("a", "b"):
        write_lines(Path(f"{name}.jsonl"), said("hello", id="1"), said("x", id=name))
    found = cli("inspect", "a.jsonl", "b.jsonl", "--json").json
    assert found["total"]["messages"] == 3
    assert [file["copies"] for file in found["files"]] == [0, 1]


def test_messages_are_shown_as_they_would_be_stored(cli: Cli) -> None:
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    write_lines(Path("a.jsonl"), said(f"my token is {secret}", name="Ana"))
    done = cli("inspect", "-m", "a.jsonl")
    assert "Ana: my token is [redacted" in done.out
    as_json = cli("inspect", "-m", "a.jsonl", "--json")
    (message,) = as_json.json["files"][0]["shown"]
    assert (message["name"], message["thread_id"]) == ("Ana", "t1")
    assert secret not in done.out + as_json.out


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("new.jsonl", {"type": "event_msg", "payload": {"type": "item_v9"}}, "codex"),
        ("cut.json", b'[{"mapping": {"a": {"id": ', "broken JSON that looks like"),
        (
            "x.jsonl",
            {"thread_id": "t", "role": "oracle", "content": "x"},
            "unknown role",
        ),
    ],
)
def test_a_transcript_that_gives_no_message_is_a_failure_that_says_why(
    cli: Cli, name: str, content: bytes | dict[str, object], said: str
) -> None:
    unknown = {"type": "new_thing", "payload": {}}
    write_lines(Path(name), content, *([unknown] * 3 if said == "codex" else []))
    write_lines(Path("good.jsonl"), globals()["said"]("hello"))
    seen = cli("inspect", ".")
    assert seen.code == 1
    assert said in seen.out
    assert "gave no message" in seen.out
    kept = cli("reflect", ".")
    assert kept.code == 1
    assert name in kept.err
    assert said in kept.err


def test_sessions_of_summaries_or_subagents_alone_are_no_failure(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), CLAUDE)
    assert cli("inspect", "a.jsonl").code == 0


def test_what_is_no_transcript_is_an_error_that_says_so(cli: Cli) -> None:
    Path("cat.png").write_bytes(b"\x89PNG\x00\x00" * 40)
    done = cli("inspect", "cat.png")
    assert (done.code, "Traceback" in done.err) == (2, False)
    assert "no transcripts in 1 file: 1 binary file" in done.err
    assert cli("inspect", "nowhere").code == 2


def test_formats_are_listed(cli: Cli) -> None:
    listed = {format["name"] for format in cli("formats", "--json").json}
    golden = ROOT / "tests/transcripts/golden"
    expected = {
        json.loads(path.read_text())["format"]
        for path in golden.glob("*/*/expected.json")
    }
    assert listed == expected
    assert "codex" in cli("formats").out


def test_the_format_in_the_readme_works_when_it_is_installed(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    code = re.search(r"```python\n(# desk\.py\n.*?)```", readme, re.DOTALL)
    entry = re.search(
        r"```toml\n\[project\.(entry-points[^\n]+)\]\n(.*?)```", readme, re.S
    )
    assert code is not None
    assert entry is not None
    site = tmp_path / "site"
    info = site / "desk-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "desk.py").write_text(code[1])
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: desk\nVersion: 1.0\n")
    line = entry[2].strip().replace('"', "")
    (info / "entry_points.txt").write_text(f"[memcli.formats]\n{line}\n")
    lines = [
        {"ticket": 7, "by": "customer", "said": "I prefer mail.", "at": 1767345000},
        {"ticket": 7, "by": "us", "said": "Noted.", "at": 1767345060},
        {"ticket": 7, "by": "us", "said": "grumpy", "at": 1767345061, "internal": True},
    ]
    log = write_lines(tmp_path / "desk.jsonl", *lines)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "memcli", *args],
            env={**os.environ, "PYTHONPATH": f"{site}:{ROOT}"},
            capture_output=True,
            text=True,
        )

    assert "Our support desk's log" in run("formats").stdout
    seen = json.loads(run("inspect", "-m", "--json", str(log)).stdout)
    (file,) = seen["files"]
    assert (file["format"], file["skipped"]) == ("desk", {"internal note": 1})
    assert [(m["thread_id"], m["role"], m["text"]) for m in file["shown"]] == [
        ("desk-7", "user", "I prefer mail."),
        ("desk-7", "assistant", "Noted."),
    ]

    # A mistake in it is told in one line, and costs no other file.
    (site / "desk.py").write_text(code[1].replace("line['ticket']", "line['tickets']"))
    write_lines(tmp_path / "other.jsonl", said("hello"))
    broken = run("inspect", str(tmp_path))
    assert broken.returncode == 1
    assert "reading it failed: KeyError in desk.py:" in broken.stdout
    assert "1 message in 1 thread" in broken.stdout
    (site / "desk.py").write_text("import nothing_like_it\n")
    gone = run("inspect", str(log))
    assert gone.returncode == 2
    assert "the format 'desk' (desk:Desk) cannot be loaded" in gone.stderr
    assert "Traceback" not in gone.stderr + broken.stderr


def test_only_the_files_that_were_named_are_told_when_they_are_nothing(
    cli: Cli,
) -> None:
    for name in ("a.txt", "b.txt"):
        write_lines(Path("logs") / name, "nothing of interest")
    write_lines(Path("logs/c.jsonl"), said("hello"))
    assert "a.txt" not in cli("inspect", "logs").out
    assert (
        "logs/a.txt\n    no transcript: text"
        in cli("inspect", "logs/a.txt", "logs/c.jsonl").out
    )


def test_lists_that_come_with_an_export_do_not_sound_like_a_failure(cli: Cli) -> None:
    write_lines(Path("slack/users.json"), '[{"id": "U1", "name": "ana"}]')
    line = (
        '[{"type": "message", "user": "U1", "ts": "1767345000.000100", "text": "hi"}]'
    )
    write_lines(Path("slack/general/2026-01-02.json"), line)
    done = cli("inspect", "-m", "slack")
    assert "no transcripts: 1 list that comes with an export" in done.out
    assert "thread general\n    2026-01-02 09:10 ana: hi" in done.out


def test_a_zip_on_standard_input_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jsonl", '{"role": "user", "content": "x"}')
    done = subprocess.run(
        [sys.executable, "-m", "memcli", "inspect", "-"],
        input=path.read_bytes(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert b"a zip on standard input: save it as a file first" in done.stdout
