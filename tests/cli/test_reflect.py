"""`memcli reflect`, as somebody uses it."""

import io
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli, minutes_ago, said, write_lines

OLD = "2026-08-01T09:00:00Z"


def changes(**counted: int) -> dict[str, int]:
    """What a run says it did to memories; what is not named is 0."""
    none = dict.fromkeys(
        ("inserted", "updated", "strengthened", "superseded", "deleted"), 0
    )
    return none | counted


def memories(cli: Cli, *args: str) -> list[str]:
    return [m["text"] for m in cli("show", "--json", *args).json]


def test_from_files_to_memories_and_back_to_the_words(cli: Cli) -> None:
    write_lines(
        Path("logs/a.jsonl"),
        said("What's the weather?", id="1"),
        said("By the way, I prefer dark mode.", id="2", at="2026-09-01T10:01:00Z"),
    )
    done = cli("reflect", "logs")
    assert done.code == 0, done.err
    assert "1 file read, 2 new messages" in done.out
    assert "1 memory added" in done.out
    assert "extractor: offline" in done.err
    (memory,) = cli("show", "--json").json
    assert memory["text"] == "The user prefers dark mode."
    assert memory["namespace"] == "memories/me"
    assert memory["valid_from"] == "2026-09-01T10:01:00.000Z"
    (source,) = memory["sources"]
    assert (source["thread_id"], source["message_id"]) == ("t1", "2")
    assert source["quote"] == "By the way, I prefer dark mode."


def test_a_second_run_with_nothing_new_does_nothing(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("I prefer dark mode."))
    cli("reflect", "a.jsonl")
    before = dump()
    done = cli("reflect", "a.jsonl", "--json")
    assert done.code == 0
    assert done.json["run"] is None
    assert done.json["files"] == {
        "read": 0, "unchanged": 1, "not_transcripts": {}, "unreadable": [],
        "without_messages": [],
    }  # fmt: skip
    assert dump() == before
    assert "extractor" not in done.err


def test_a_touched_file_is_read_again_and_adds_nothing(cli: Cli) -> None:
    path = write_lines(
        Path("a.jsonl"), said("I prefer dark mode."), said("I prefer tea.")
    )
    cli("reflect", path)
    os.utime(path)
    done = cli("reflect", path, "--json").json
    assert done["files"]["read"] == 1
    assert done["messages"]["added"] == 0
    assert done["run"] is None


def test_a_thread_inside_its_quiet_period_waits(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("I prefer dark mode.", at=minutes_ago(20)))
    done = cli("reflect", ".")
    assert done.code == 0
    assert "waiting: t1, due in 10m" in done.out
    assert memories(cli) == []
    assert "t1, due in 10m" in cli("status").out
    assert "1 memory added" in cli("reflect", ".", "--quiet-period", "15m").out


def test_a_thread_that_grew_is_reflected_again_in_its_new_part_only(cli: Cli) -> None:
    path = Path("a.jsonl")
    write_lines(path, said("I prefer dark mode.", id="1", at=OLD))
    cli("reflect", path)
    write_lines(path, said("I prefer dark mode.", id="1", at=OLD),
                said("I live in Ghent.", id="2"))  # fmt: skip
    done = cli("reflect", path, "--json").json
    assert done["messages"]["added"] == 1
    assert done["threads"]["reflected"] == ["t1"]
    assert done["memories"] == changes(inserted=1)
    assert len(memories(cli)) == 2


def test_a_repeat_strengthens_and_a_change_supersedes(cli: Cli) -> None:
    write_lines(
        Path("a.jsonl"),
        said("I prefer dark mode.", thread="a", at="2026-08-01T09:00:00Z"),
        said("I really prefer dark mode", thread="b", at="2026-08-08T09:00:00Z"),
        said("I've switched to light mode.", thread="c", at="2026-09-01T09:00:00Z"),
    )
    done = cli("reflect", "a.jsonl", "--json").json
    assert done["memories"] == changes(inserted=2, strengthened=1, superseded=1)
    assert memories(cli) == ["The user has switched to light mode."]
    dark, light = cli("show", "--json", "--superseded").json
    assert [s["thread_id"] for s in dark["sources"]] == ["a", "b"]
    assert dark["valid_to"] == light["valid_from"] == "2026-09-01T09:00:00.000Z"
    assert dark["superseded_by"] == light["id"]
    history = cli("show", str(dark["id"]), "--json").json["history"]
    assert [h["operation"] for h in history] == ["insert", "strengthen", "supersede"]


def test_the_order_of_files_and_workers_does_not_matter(
    cli: Cli, tmp_path: Path
) -> None:
    lines = [
        said(text, thread=f"t{day}", at=f"2026-08-{day:02}T09:00:00Z")
        for day, text in enumerate(
            ["I live in Ghent.", "I prefer tea.", "I moved to Utrecht.",
             "I prefer tea in the morning.", "I live in Utrecht.", "I prefer tea.",
             "I switched to coffee.", "I'm allergic to nuts.", "I moved to Oslo."],
            1,
        )
    ]  # fmt: skip
    exports = []
    for name, order, workers in (("a", lines, "1"), ("b", lines[::-1], "8")):
        for number, line in enumerate(order):
            write_lines(tmp_path / name / f"{number}.jsonl", line)
        db = tmp_path / f"{name}.db"
        done = cli("reflect", tmp_path / name, "--db", db, "--workers", workers)
        assert done.code == 0, done.err
        exported = cli("export", "--db", db, "--superseded").out.splitlines()
        rows = [json.loads(line) for line in exported]
        for row in rows:
            del row["created_at"], row["updated_at"]
        exports.append(rows)
    assert exports[0] == exports[1]
    assert len(exports[0]) > 5


def test_a_month_old_export_does_not_undo_what_holds_now(cli: Cli) -> None:
    write_lines(Path("new.jsonl"), said("I live in Oslo.", thread="new"))
    cli("reflect", "new.jsonl")
    write_lines(Path("old.jsonl"), said("I live in Ghent.", thread="old", at=OLD))
    cli("reflect", "old.jsonl")
    assert memories(cli) == ["The user lives in Oslo."]
    ghent = cli("show", "--json", "--superseded").json[0]
    assert ghent["valid_to"] == "2026-09-01T10:00:00.000Z"


def test_users_are_kept_apart_by_default(cli: Cli) -> None:
    write_lines(
        Path("a.jsonl"),
        said("I prefer dark mode.", thread="a", user_id="anna"),
        said("I prefer light mode.", thread="b", user_id="ben"),
    )
    cli("reflect", "a.jsonl")
    assert memories(cli, "--namespace", "memories/anna") == [
        "The user prefers dark mode."
    ]
    assert memories(cli, "--namespace", "memories/ben") == [
        "The user prefers light mode."
    ]
    assert len(memories(cli, "--namespace", "memories")) == 2
    assert memories(cli, "--namespace", "memories/an") == []


def test_a_namespace_from_metadata_and_from_set(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("I prefer tea.", project="x"))
    missing = cli("reflect", "a.jsonl", "-n", "m/{team}/{project}")
    assert missing.code == 2
    assert "thread t1" in missing.err
    assert "'team'" in missing.err
    done = cli("reflect", "a.jsonl", "-n", "m/{team}/{project}", "--set", "team=core")
    assert done.code == 0
    assert cli("show", "--json").json[0]["namespace"] == "m/core/x"


def test_an_edited_message_replaces_its_text_and_an_old_copy_does_not(cli: Cli) -> None:
    write_lines(Path("1.jsonl"), said("I live in Gent.", id="1"))
    cli("reflect", "1.jsonl")
    write_lines(Path("2.jsonl"), said("I live in Ghent.", id="1"))
    done = cli("reflect", "2.jsonl", "--json").json
    assert done["messages"]["edited"] == 1
    os.utime("1.jsonl")
    again = cli("reflect", "1.jsonl", "2.jsonl", "--json").json
    assert (again["messages"]["edited"], again["run"]) == (0, None)
    hits = cli("search", "Ghent", "--in", "messages", "--json").json
    assert [hit["text"] for hit in hits] == ["I live in Ghent."]


def test_secrets_do_not_reach_the_file(cli: Cli) -> None:
    key = "AKIA" + "QUAYSIDE7BOATS42"
    write_lines(Path("a.jsonl"), said(f"I prefer tea. The key is {key}, why?"))
    done = cli("reflect", "a.jsonl")
    assert "1 secret redacted" in done.out
    for file in Path().glob("memories.db*"):
        assert key.encode() not in file.read_bytes()


def test_secrets_in_metadata_and_titles_do_not_reach_the_file(cli: Cli) -> None:
    key = "AKIA" + "QUAYSIDE7BOATS42"
    write_lines(
        Path("a.jsonl"),
        said("I prefer tea.", note=f"use {key}", db_password="hunter2-xyz"),
        {"thread_id": "b", "title": f"On {key}", "messages": [said("I like rain.")]},
    )
    assert cli("reflect", "a.jsonl").code == 0
    for file in Path().glob("memories.db*"):
        assert key.encode() not in file.read_bytes()
        assert b"hunter2-xyz" not in file.read_bytes()


def test_what_can_be_true_together_does_not_end_each_other(cli: Cli) -> None:
    sentences = [
        "I live in Ghent.", "I live in a tiny flat with two cats.",
        "I work for Siemens.", "I work from home on most days.",
        "I'm in charge of the backups.", "I'm on the hiring committee.",
    ]  # fmt: skip
    lines = [
        said(text, thread=f"t{day}", at=f"2026-08-0{day}T09:00:00Z")
        for day, text in enumerate(sentences, 1)
    ]
    write_lines(Path("a.jsonl"), *lines)
    done = cli("reflect", "a.jsonl", "--json").json
    assert done["memories"]["superseded"] == 0
    assert len(memories(cli)) == 6


def test_a_conversation_dated_in_the_future_does_not_wait_for_it(cli: Cli) -> None:
    turn = {"role": "user", "content": "I prefer tea."}
    path = write_lines(
        Path("a.jsonl"),
        {"thread_id": "a", "created_at": "2031-01-01", "messages": [turn]},
    )
    os.utime(path, (1_780_000_000, 1_780_000_000))
    assert "1 memory added" in cli("reflect", "a.jsonl").out


def test_stdin_is_read(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.dumps(said("I prefer tea.")).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line)))
    assert "1 memory added" in cli("reflect", "-").out


def test_quiet_says_nothing(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("I prefer tea."))
    done = cli("reflect", "a.jsonl", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_the_file_is_private(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("I prefer tea."))
    before = os.umask(0)
    try:
        cli("reflect", "a.jsonl")
        store = sqlite3.connect("memories.db")
        store.execute("CREATE TABLE x (y)")
        for name in ("memories.db", "memories.db-wal", "memories.db-shm"):
            assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600, name
        store.close()
    finally:
        os.umask(before)


def test_the_rest_of_a_broken_file_is_kept_and_the_line_is_named(cli: Cli) -> None:
    write_lines(
        Path("a.jsonl"),
        said("I prefer tea."),
        "{confidential",
        said("I live in Ghent."),
    )
    done = cli("reflect", "a.jsonl")
    assert done.code == 0
    assert done.err.startswith("a.jsonl:2: not valid JSON\n")
    assert "confidential" not in done.err
    assert len(memories(cli)) == 2


def bad_inputs() -> dict[str, Any]:
    return {
        "missing path": (["nope"], "no such file or directory"),
        "empty folder": (["empty"], "there are no files there"),
        "empty file": (["empty.jsonl"], "1 empty file"),
        "binary file": (["binary"], "1 binary file"),
        "prose": (["prose.txt"], "1 text, but no transcript format memcli knows"),
        "folder as database": (["ok", "--db", "empty"], "is a folder"),
        "text as database": (["ok", "--db", "prose.txt"], "is not a SQLite database"),
        "another program's database": (["ok", "--db", "other.db"], "another program"),
        "no folder for the database": (["ok", "--db", "no/x.db"], "does not exist"),
        "bad duration": (["ok", "--quiet-period", "soon"], "not a duration"),
        "bad set": (["ok", "--set", "x"], "KEY=VALUE"),
        "bad extractor": (["ok", "--extractor", "gpt"], "auto, claude or offline"),
        "claude without a key": (["ok", "--extractor", "claude"], "ANTHROPIC_API_KEY"),
        "bad template": (["ok", "-n", "m/{"], "{name"),
        "no such model": (["ok", "--embedding-model", "no/such"], "cannot be loaded"),
    }


@pytest.mark.parametrize("case", bad_inputs())
def test_bad_input_has_a_clear_message_and_exit_code_2(cli: Cli, case: str) -> None:
    args, message = bad_inputs()[case]
    Path("empty").mkdir()
    Path("empty.jsonl").touch()
    Path("binary").write_bytes(b"\x00\xff" * 500)
    Path("prose.txt").write_text("Dear diary,\ntoday was fine.\n")
    other = sqlite3.connect("other.db")
    other.execute("CREATE TABLE t (x)")
    other.close()
    kept = {p: p.read_bytes() for p in (Path("prose.txt"), Path("other.db"))}
    write_lines(Path("ok/a.jsonl"), said("I prefer tea."))
    done = cli("reflect", *args)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) <= 2
    assert kept == {path: path.read_bytes() for path in kept}


def test_an_unreadable_file_is_named_and_the_rest_is_read(cli: Cli) -> None:
    write_lines(Path("logs/a.jsonl"), said("I prefer tea."))
    if os.geteuid() == 0:  # root may read every file but this one
        Path("logs/b.jsonl").symlink_to("/proc/self/mem")
    else:
        write_lines(Path("logs/b.jsonl"), said("x")).chmod(0)
    done = cli("reflect", "logs")
    assert done.code == 1
    assert "b.jsonl: permission denied" in done.err or "input/output" in done.err
    assert len(memories(cli)) == 1


def test_a_transcript_without_a_message_makes_the_run_fail(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("I prefer tea."))
    unknown = {"role": "oracle", "thread_id": "t", "content": "hi"}
    write_lines(Path("b.jsonl"), *[unknown] * 14)
    done = cli("reflect", "a.jsonl", "b.jsonl")
    assert done.code == 1
    assert "b.jsonl: generic, but no message in it (14 unknown role)" in done.err
    assert "b.jsonl:10: unknown role" in done.err
    assert "b.jsonl: 4 more bad lines" in done.err
    assert len(memories(cli)) == 1


def test_a_file_of_a_subagent_is_no_reason_to_fail(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("I prefer tea."))
    line = {
        "type": "user", "uuid": "u", "sessionId": "s", "isSidechain": True,
        "message": {"role": "user", "content": "Always report absolute paths."},
    }  # fmt: skip
    write_lines(Path("b.jsonl"), line)
    done = cli("reflect", "a.jsonl", "b.jsonl")
    assert done.code == 0
    assert "1 subagent turn" in done.out
    assert len(memories(cli)) == 1


def test_a_resumed_session_adds_only_what_is_new(cli: Cli) -> None:
    def turn(number: int, text: str, session: str) -> dict[str, Any]:
        return {
            "type": "user", "uuid": f"ab835a0b-7294-4e56-b217-{number:012}",
            "sessionId": session, "timestamp": "2026-09-01T10:00:00Z",
            "message": {"role": "user", "content": text},
        }  # fmt: skip

    write_lines(Path("logs/1.jsonl"), turn(1, "I prefer tea.", "first"))
    write_lines(
        Path("logs/2.jsonl"),
        turn(1, "I prefer tea.", "second"),
        turn(2, "I live in Ghent.", "second"),
    )
    done = cli("reflect", "logs", "--json").json
    assert done["messages"]["added"] == 2
    assert [len(m["sources"]) for m in cli("show", "--json").json] == [1, 1]


def test_a_damaged_database_is_said_to_be_damaged(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("I prefer tea."))
    cli("reflect", "a.jsonl")
    path = Path("memories.db")
    content = bytearray(path.read_bytes())
    content[100:5000] = b"\xaa" * 4900
    path.write_bytes(content)
    for args in (["reflect", "a.jsonl"], ["search", "tea"], ["show"], ["status"]):
        done = cli(*args)
        assert done.code == 2
        assert "damaged" in done.err


def test_two_runs_at_once_the_second_leaves_with_3(cli: Cli) -> None:
    from filelock import FileLock

    write_lines(Path("a.jsonl"), said("I prefer tea."))
    with FileLock("memories.db.lock"):
        done = cli("reflect", "a.jsonl")
    assert done.code == 3
    assert "another run" in done.err
    assert cli("reflect", "a.jsonl").code == 0


def dump() -> list[str]:
    db = sqlite3.connect("memories.db")
    lines = list(db.iterdump())
    db.close()
    return lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_what_was_finished(
    cli: Cli, number: signal.Signals
) -> None:
    """A real process, stopped in mid-work; the next one does the rest."""
    for thread in range(3000):
        line = said(f"I prefer tea number {thread}.", thread=f"t{thread}")
        write_lines(Path(f"logs/{thread}.jsonl"), line)
    command = [sys.executable, "-m", "memcli", "reflect", "logs"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    database = Path("memories.db")
    for _ in range(600):
        if database.exists() and b"t5" in database.read_bytes():
            break
        time.sleep(0.02)
    process.send_signal(number)
    error = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 130
    assert "Traceback" not in error
    assert "what was finished is kept" in error
    with sqlite3.connect("memories.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()
    assert cli("status").code == 0


def test_a_database_among_the_transcripts_is_not_read_as_one(cli: Cli) -> None:
    write_lines(Path("logs/a.jsonl"), said("I prefer dark mode in all my editors."))
    assert (
        cli("reflect", "logs", "--db", "logs/m.db", "--extractor", "offline").code == 0
    )
    done = cli("reflect", "logs", "--db", "logs/m.db", "--json").json
    assert sum(done["files"]["not_transcripts"].values()) <= 1  # the lock beside it
