"""`memcli search`, `show`, `status`, `export`, `config`, as somebody uses them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import Cli, said, write_lines


@pytest.fixture
def filled(cli: Cli) -> Cli:
    write_lines(
        Path("a.jsonl"),
        said("I prefer dark mode in my editor.", thread="a", id="1", user_id="anna",
             at="2026-08-01T09:00:00Z"),
        said("I'm allergic to hazelnuts.", thread="b", id="1", user_id="anna",
             at="2026-08-02T09:00:00Z"),
        said("I can't stand mushrooms.", thread="c", id="1", user_id="ben",
             at="2026-08-03T09:00:00Z", name="Ben"),
        said("We decided to write the parser in C++.", thread="d", id="1",
             user_id="ben", at="2026-08-04T09:00:00Z"),
        said("The quick brown fox jumped over foo-bar.", thread="d", id="2",
             user_id="ben", at="2026-08-04T09:01:00Z"),
    )  # fmt: skip
    assert cli("reflect", "a.jsonl").code == 0
    return cli


def first(cli: Cli, *args: str) -> str:
    hits = cli("search", "--json", *args).json
    return hits[0]["text"] if hits else ""


def test_words_are_found(filled: Cli) -> None:
    assert first(filled, "dark mode") == "The user prefers dark mode in their editor."
    assert first(filled, "allergies") == "The user is allergic to hazelnuts."


def test_meaning_is_found_without_a_common_word(filled: Cli) -> None:
    assert "hazelnuts" in first(filled, "what food makes her ill")
    assert "mushrooms" in first(filled, "fungi he dislikes to eat")


@pytest.mark.parametrize(
    "query", ['"', "*", "AND", "NOT dark", "dark*", "a OR", "foo-bar", "C++", "(", "^x",
              "text:dark", "NEAR(a b)", "'; DROP TABLE memories", "\x00", "💡", "的"],
)  # fmt: skip
def test_query_syntax_is_text(filled: Cli, query: str) -> None:
    for scope in ("memories", "messages"):
        done = filled("search", "--in", scope, "--", query)
        assert done.code == 0, done.err


def test_signs_in_words_count(filled: Cli) -> None:
    assert "C++" in first(filled, "C++")
    assert "foo-bar" in first(filled, "foo-bar", "--in", "messages")


def test_what_was_said_is_found_though_no_memory_was_made_of_it(filled: Cli) -> None:
    (hit, *_) = filled("search", "brown fox", "--in", "messages", "--json").json
    assert hit["text"] == "The quick brown fox jumped over foo-bar."
    shown = filled("show", hit["id"])
    assert "brown fox" in shown.out
    assert "C++" in shown.out  # the turn before it


def test_filters(filled: Cli) -> None:
    assert "mushrooms" not in filled("search", "food", "-n", "memories/anna").out
    assert first(filled, "dark mode", "--after", "2026-08-02") == ""
    assert "dark" in first(filled, "dark mode", "--before", "2026-08-02")
    assert len(filled("search", "user", "--json", "--limit", "2").json) <= 2


def test_a_hit_shows_when_where_and_who(filled: Cli) -> None:
    out = filled("search", "mushrooms").out
    assert "Ben can't stand mushrooms." in out
    assert "preference, 2026-08-03, Ben in c, memories/ben" in out


def test_nothing_found_is_said_on_stderr(filled: Cli) -> None:
    done = filled("search", "xylophone zeppelin")
    assert (done.code, done.out) == (0, "")
    assert "nothing found" in done.err


def test_show_one_with_its_words_and_history(filled: Cli) -> None:
    out = filled("show", "1").out
    assert "The user prefers dark mode in their editor." in out
    assert "“I prefer dark mode in my editor.”" in out
    assert "2026-08-01, the user in a, message 1" in out
    assert "insert, new" in out


def test_show_by_thread(filled: Cli) -> None:
    (memory,) = filled("show", "--thread", "c", "--json").json
    assert memory["text"] == "Ben can't stand mushrooms."


@pytest.mark.parametrize("id", ["99", "x", "-1", "msg-99", "msg-x", "9" * 30])
def test_an_unknown_id_is_an_error_that_helps(filled: Cli, id: str) -> None:
    done = filled("show", "--", id)
    assert done.code == 2
    assert "memcli s" in done.err


def test_export(filled: Cli) -> None:
    rows = [json.loads(line) for line in filled("export").out.splitlines()]
    assert len(rows) == 4
    assert set(rows[0]) >= {
        "id", "namespace", "kind", "text", "created_at", "updated_at", "valid_from",
        "valid_to", "confidence", "sources",
    }  # fmt: skip
    markdown = filled("export", "--format", "markdown", "-n", "memories/ben").out
    assert markdown.startswith("# memories/ben\n")
    assert "- Ben can't stand mushrooms. (2026-08-03)" in markdown
    assert "hazelnuts" not in markdown


def test_status(filled: Cli) -> None:
    found = filled("status", "--json").json
    assert (found["memories"], found["messages"], found["threads"]) == (4, 5, 4)
    assert (found["due"], found["waiting"], found["failed"]) == ([], [], [])
    assert found["runs"][0]["outcome"] == "done"
    assert "4 memories, from 5 messages in 4 threads" in filled("status").out


@pytest.mark.parametrize("args", [["search", "x"], ["show"], ["status"], ["export"]])
def test_without_a_database_the_way_to_one_is_told(cli: Cli, args: list[str]) -> None:
    done = cli(*args)
    assert done.code == 2
    assert "`memcli reflect PATH` makes one" in done.err
    assert not Path("memories.db").exists()


def test_an_empty_query_is_refused(filled: Cli) -> None:
    assert filled("search", " ").code == 2


def test_settings_come_in_order(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_force() -> tuple[int, str]:
        found = cli("config", "--json").json["workers"]
        return found["value"], found["origin"]

    assert in_force() == (8, "default")
    user = Path(os.environ["HOME"]) / ".config" / "memcli"
    user.mkdir(parents=True)
    (user / "memcli.toml").write_text("workers = 2\nlimit = 3\n")
    assert in_force() == (2, str(user / "memcli.toml"))
    Path("memcli.toml").write_text("workers = 3\n")
    assert in_force() == (3, str(Path.cwd() / "memcli.toml"))
    monkeypatch.setenv("MEMCLI_WORKERS", "5")
    assert in_force() == (5, "MEMCLI_WORKERS")
    assert cli("config", "--json").json["limit"]["value"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workers = 'many'", "must be a whole number"),
        ("wrokers = 3", "unknown setting 'wrokers'"),
        ("workers = ", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named(cli: Cli, text: str, message: str) -> None:
    Path("memcli.toml").write_text(text)
    done = cli("config")
    assert done.code == 2
    assert message in done.err
    assert "memcli.toml" in done.err


def test_search_imports_nothing_heavy(filled: Cli) -> None:
    code = (
        "import sys; sys.argv = ['memcli', 'search', 'dark mode'];"
        "from memcli.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'anthropic',"
        " 'sqlite_utils', 'pydantic', 'detect_secrets', 'filelock'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "prefers dark mode" in done.stdout


def test_a_closed_pipe_is_no_error(filled: Cli) -> None:
    done = subprocess.run(
        f"{sys.executable} -m memcli export | head -c 1; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == ""


def test_the_python_face(filled: Cli) -> None:
    import memcli
    from memcli.errors import UsageError

    with memcli.open("memories.db") as store:
        (hit, *_) = store.search("dark mode")
        assert hit.text == "The user prefers dark mode in their editor."
        assert (hit.sources[0].thread_id, hit.sources[0].message_id) == ("a", "1")
        scopes = {hit.scope for hit in store.search("dark mode", scope="all")}
        assert scopes == {"memories", "messages"}
        with pytest.raises(UsageError):
            store.search("x", limit=0)
    with pytest.raises(UsageError):
        store.search("dark mode")


def test_help_breaks_its_lines_only_where_the_terminal_ends(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for command in (("mcp",), ("forget",), ("schedule", "install")):
        told = cli(*command, "--help").out.partition("╭")[0].splitlines()
        usage = told.index(next(line for line in told if "Usage" in line))
        for line, after in pairwise(told[usage + 2 :]):
            if line.strip() and after.strip():
                next_word = after.split()[0]
                assert len(f"{line.rstrip()} {next_word}") >= 59, line


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is nine hours ahead."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_the_python_face_keeps_to_what_it_was_asked(filled: Cli) -> None:
    import memcli
    from memcli.errors import UsageError

    noon = datetime(2026, 8, 3, 12)
    with memcli.open("memories.db") as store, ThreadPoolExecutor(8) as pool:
        assert len(store.search("dark mode", scope="all", limit=1)) == 1
        # A time without a zone is UTC, whatever the machine's is.
        for when in (noon, noon.replace(tzinfo=UTC)):
            found = {hit.id for hit in store.search("what?", before=when)}
            assert found == {"1", "2", "3"}
        with pytest.raises(UsageError, match="not messages"):
            store.search("dark mode", scope="all", as_of=noon)
        asked = [pool.submit(store.search, f"question {n}") for n in range(40)]
        assert {len(one.result(20)) for one in asked} == {4}
        # Between two questions it sees what others write.
        assert filled("forget", "1").code == 0
        assert {hit.id for hit in store.search("what?")} == {"2", "3", "4"}
        assert filled("forget", "--thread", "b", "--yes").code == 0


def test_the_python_face_answers_from_the_file_that_is_there(cli: Cli) -> None:
    import memcli

    cli("add", "I play the oboe.")
    with memcli.open("memories.db") as store:
        assert [hit.text for hit in store.search("oboe")] == ["I play the oboe."]
        for file in Path().glob("memories.db*"):
            file.unlink()
        assert store.search("oboe") == []
        cli("add", "I play the cello.")
        assert [hit.text for hit in store.search("oboe")] == ["I play the cello."]
