"""The file itself: private, copied before it is changed, whole whatever happens."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from memcli.store import database, schema
from memcli.store.database import connect, connect_to_read, transaction
from tests.conftest import Cli, said, write_lines

DB = Path("memories.db")


@pytest.fixture
def store(cli: Cli) -> Cli:
    write_lines(Path("a.jsonl"), said("I live in Ghent.", id="1"))
    assert cli("reflect", "a.jsonl", "--extractor", "offline").code == 0
    return cli


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def one_line(text: str) -> bool:
    return text.startswith("memcli: ") and text.count("\n") == 1


def test_a_backup_is_a_whole_private_store(store: Cli) -> None:
    done = store("backup", "copy.db", "--json")
    assert done.json == {"file": "copy.db", "bytes": Path("copy.db").stat().st_size}
    assert mode(Path("copy.db")) == 0o600
    assert store("show", "--db", "copy.db").out == store("show").out
    assert not list(Path().glob(".copy.db*"))
    Path("folder").mkdir()
    assert store("backup", "folder").code == 0
    assert Path("folder/memories.db").exists()


def test_a_backup_replaces_nothing_unless_told(store: Cli) -> None:
    Path("copy.db").write_text("mine")
    refused = store("backup", "copy.db")
    assert (refused.code, "--force" in refused.err) == (2, True)
    assert Path("copy.db").read_text() == "mine"
    assert store("backup", "copy.db", "--force").code == 0
    assert store("backup", "memories.db", "--force").code == 2
    assert store("backup", "nowhere/copy.db").code == 2


def test_a_backup_goes_on_beside_a_writer(store: Cli) -> None:
    with closing(connect(DB)) as db, transaction(db):
        db.execute("UPDATE memories SET text = 'half done'")
        assert store("backup", "copy.db").code == 0
    assert "Ghent" in store("show", "--db", "copy.db").out


def test_an_older_file_is_copied_before_it_is_brought_up_to_date(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = schema.STEPS
    with monkeypatch.context() as before:
        before.setattr(schema, "STEPS", steps[:-1])
        connect(DB).close()
    done = cli("status")
    kept = Path(f"memories.db.before-{len(steps)}.bak")
    assert (done.code, str(kept) in done.err) == (0, True)
    assert mode(kept) == 0o600
    with closing(sqlite3.connect(kept)) as old:
        assert old.execute("PRAGMA user_version").fetchone()[0] == len(steps) - 1
    assert cli("status").err == ""


def test_without_room_for_the_copy_nothing_is_changed(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "STEPS", schema.STEPS[:-1])
        connect(DB).close()
    bytes_before = DB.read_bytes()

    def full(*args: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(database, "backup", full)
    refused = cli("status")
    assert (refused.code, one_line(refused.err)) == (2, True)
    assert DB.read_bytes() == bytes_before


@pytest.mark.parametrize("ahead", [["--dry-run"], ["--plan", "p.json"]])
def test_looking_ahead_does_not_bring_an_older_file_up_to_date(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, ahead: list[str]
) -> None:
    write_lines(Path("a.jsonl"), said("I live in Ghent.", id="1"))
    with monkeypatch.context() as before:
        before.setattr(schema, "STEPS", schema.STEPS[:-1])
        connect(DB).close()
    bytes_before = DB.read_bytes()
    done = cli("reflect", "a.jsonl", *ahead, "--extractor", "offline")
    assert done.code == 0, done.err
    assert DB.read_bytes() == bytes_before
    assert not list(Path().glob("*.bak"))


@pytest.mark.parametrize("where", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_damaged_file_is_told_and_not_made_worse(store: Cli, where: float) -> None:
    broken = bytearray(DB.read_bytes())
    start = int(len(broken) * where) // 4096 * 4096
    broken[start : start + 4096] = b"\xa5" * 4096
    DB.write_bytes(broken)
    for command in (["audit"], ["show"], ["search", "Ghent"], ["status"],
                    ["reflect", "a.jsonl", "--extractor", "offline"]):  # fmt: skip
        done = store(*command)
        assert done.code in (0, 1, 2), command
        if done.code == 2:
            assert one_line(done.err), done.err
    audited = store("audit")
    assert audited.code in (1, 2)
    assert "backup" in audited.out + audited.err


def test_a_file_cut_short_is_told(store: Cli) -> None:
    DB.write_bytes(DB.read_bytes()[:-9000])
    audited = store("audit")
    assert audited.code in (1, 2)
    assert "backup" in audited.out + audited.err


def test_files_are_private_even_where_they_were_not(store: Cli) -> None:
    os.umask(0o022)
    DB.chmod(0o644)
    with closing(connect(DB)) as db:
        db.execute("UPDATE threads SET title = 'x'")
        for path in Path().glob("memories.db*"):
            assert mode(path) == 0o600, path
    assert mode(Path("memories.db.lock")) == 0o600


def test_a_network_drive_is_refused_before_anything_is_made(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounts = f"/dev/sda / ext4 rw 0 0\nserver:/export {tmp_path} nfs4 rw 0 0\n"
    monkeypatch.setattr(database, "_mounts", lambda: mounts)
    refused = cli("add", "The build runs on Fridays.")
    assert (refused.code, "network drive (nfs4)" in refused.err) == (2, True)
    assert not DB.exists()
    local = mounts.replace("nfs4", "ext4")
    monkeypatch.setattr(database, "_mounts", lambda: local)
    assert cli("add", "The build runs on Fridays.").code == 0


@pytest.fixture
def read_only(store: Cli) -> Iterator[Path]:
    """A folder with a store that its user can read and not write."""
    folder = Path(tempfile.mkdtemp(prefix="memcli-test-"))
    shutil.copy(DB, folder / "memories.db")
    (folder / "memories.db").chmod(0o444)
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


# Permissions do not bind root, until it lays down its capabilities.
PLAIN_USER = """
import ctypes, os, sys
if os.geteuid() == 0:
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    assert ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()) == 0
from memcli.__main__ import main
main()
"""


def as_a_plain_user(*args: str) -> subprocess.CompletedProcess[str]:
    """A process of a user whom permissions bind."""
    return subprocess.run(
        [sys.executable, "-c", PLAIN_USER, *args], capture_output=True, text=True
    )


def test_a_store_that_may_only_be_read_is_read(read_only: Path) -> None:
    path = str(read_only / "memories.db")
    found = as_a_plain_user("search", "home town", "--db", path)
    assert (found.returncode, "Ghent" in found.stdout) == (0, True), found.stderr
    for command in (["show"], ["status"], ["history", "1"], ["audit"], ["export"]):
        done = as_a_plain_user(*command, "--db", path)
        assert done.returncode == 0, done.stderr
    for command in (["add", "x y z"], ["forget", "1"], ["reflect", "/etc/hostname"],
                    ["undo", "1"], ["audit", "--fix"]):  # fmt: skip
        done = as_a_plain_user(*command, "--db", path)
        assert (done.returncode, one_line(done.stderr)) == (2, True), done.stderr
    assert [path.name for path in read_only.iterdir()] == ["memories.db"]


def test_a_reader_sees_one_state_from_first_to_last(store: Cli) -> None:
    with closing(connect_to_read(DB)) as reader:
        count = "SELECT count(*) FROM memories WHERE deleted_in IS NULL"
        assert reader.execute(count).fetchone()[0] == 1
        store("add", "The build runs on Fridays.")
        assert reader.execute(count).fetchone()[0] == 1
        assert reader.execute("SELECT count(*) FROM runs").fetchone()[0] == 1
    assert len(store("show", "--json").json) == 2
