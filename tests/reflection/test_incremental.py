"""Runs over files that change: the same in the end as one run over the last state."""

import gzip
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memcli.reflection.ingest import Reading, ingest
from memcli.reflection.progress import Silence
from memcli.store.database import connect
from tests.conftest import Cli, said, write_lines

NOW = datetime(2026, 12, 31, tzinfo=UTC)
SESSION = "0b9f6a1e-1111-4222-8333-444455556666"


class Store:
    """A database and the folder that its runs read."""

    def __init__(self, folder: Path) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self.path = folder / "memories.db"

    def run(self) -> Reading:
        """One reading; every message counts as reflected when it is over."""
        with closing(connect(self.path)) as db:
            return ingest(db, [str(self.logs)], NOW, Silence(), threading.Event())

    def messages(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as db:
            rows = db.execute(
                "SELECT thread_id, role, text, sent_at FROM messages ORDER BY 1, 4, 3"
            )
            return rows.fetchall()

    def texts(self) -> list[str]:
        return [row[2] for row in self.messages()]

    def fresh(self, folder: Path) -> list[tuple[Any, ...]]:
        """The messages of one run over the files as they are now."""
        other = Store(folder)
        shutil.copytree(
            self.logs, other.logs, copy_function=shutil.copy2, dirs_exist_ok=True
        )
        other.run()
        return other.messages()

    def cursor(self, name: str) -> int | None:
        with closing(sqlite3.connect(self.path)) as db:
            path = str(self.logs / name)
            row = db.execute("SELECT offset FROM files WHERE path = ?", (path,))
            found: int | None = row.fetchone()[0]
            return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def line(number: int, text: str = "") -> bytes:
    at = f"2026-09-01T10:{number // 60:02}:{number % 60:02}Z"
    event = said(text or f"message {number}", id=f"m{number}", at=at)
    return json.dumps(event).encode() + b"\n"


def event(
    number: int, role: str, text: str, *, session: str = SESSION, **more: Any
) -> bytes:
    """A line of a Claude Code session; its `uuid` follows from the number."""
    content: Any = text if role == "user" else [{"type": "text", "text": text}]
    message = {"role": role, "content": content, **more.pop("message", {})}
    found = {
        "parentUuid": None, "isSidechain": False, "sessionId": session, "type": role,
        "message": message, "uuid": f"00000000-0000-4000-8000-{number:012}",
        "timestamp": f"2026-09-01T10:00:{number:02}Z", **more,
    }  # fmt: skip
    return json.dumps(found, separators=(",", ":")).encode() + b"\n"


def append(path: Path, *lines: bytes) -> None:
    with path.open("ab") as file:
        file.writelines(lines)


def test_only_what_was_appended_is_read(store: Store) -> None:
    path = store.logs / "a.jsonl"
    append(path, line(1), b"not json\n", line(2))
    first = store.run()
    assert len(first.problems) == 1
    append(path, line(3), b"broken\n", line(4))
    second = store.run()
    # The bad line of the first part is not met again, the new one has its number.
    assert second.problems == [f"{_shown(path)}:5: not valid JSON"]
    assert second.added == 2
    assert len(store.texts()) == 4


def _shown(path: Path) -> str:
    from memcli.transcripts.discover import shown

    return shown(str(path))


def test_a_half_written_line_is_read_when_it_is_whole(store: Store) -> None:
    path = store.logs / "a.jsonl"
    whole = line(2)
    append(path, line(1), whole[:30])
    assert store.run().problems == []
    assert store.texts() == ["message 1"]
    append(path, whole[30:])
    store.run()
    assert store.texts() == ["message 1", "message 2"]


CHANGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: path.write_bytes(line(1)),
    "emptied and begun anew": lambda path: path.write_bytes(line(7) + line(8)),
    "replaced by another of the same size": lambda path: path.write_bytes(
        path.read_bytes().replace(b"message 2", b"massage 2")
    ),
    "edited in the middle and grown": lambda path: path.write_bytes(
        path.read_bytes().replace(b"message 2", b"message two") + line(9)
    ),
    "compressed": lambda path: _compress(path, gzip.compress, ".gz"),
    "compressed with zstd": lambda path: _compress(path, zstandard.compress, ".zst"),
    "moved": lambda path: _moved(path, "elsewhere.jsonl"),
    "moved and grown": lambda path: append(_moved(path, "b.jsonl"), line(5)),
    "rotated": lambda path: append(_rotated(path), line(6)),
    "rotated after it grew": lambda path: append(
        _rotated(path, before=line(5)), line(6)
    ),
}


def _compress(path: Path, pack: Callable[[bytes], bytes], suffix: str) -> None:
    path.with_suffix(".jsonl" + suffix).write_bytes(pack(path.read_bytes()))
    path.unlink()


def _moved(path: Path, name: str) -> Path:
    return path.rename(path.with_name(name))


def _rotated(path: Path, before: bytes = b"") -> Path:
    append(path, before)
    _moved(path, "a.jsonl.1")
    return path


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_adds_what_is_new_and_nothing_twice(
    store: Store, tmp_path: Path, change: str
) -> None:
    path = store.logs / "a.jsonl"
    append(path, *(line(number) for number in range(1, 5)))
    store.run()
    known = set(store.texts())
    CHANGES[change](path)
    store.run()
    expected = {row[2] for row in store.fresh(tmp_path / "fresh")}
    if "edited" in change or "same size" in change:
        known.discard("message 2")
    # What was read once stays, though its file is gone or was emptied.
    assert set(store.texts()) == known | expected
    assert len(store.texts()) == len(set(store.texts()))


def test_a_moved_file_is_not_even_opened(store: Store) -> None:
    path = store.logs / "a.jsonl"
    append(path, line(1))
    store.run()
    _moved(path, "b.jsonl")
    again = store.run()
    assert (again.files_read, again.unchanged) == (0, 1)


@settings(max_examples=40, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(cuts=st.lists(st.integers(0, 1400), max_size=5), seed=st.integers(0, 3))
def test_a_session_read_as_it_grows_is_the_session_read_at_once(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], seed: int
) -> None:
    whole = b"".join(_growing(seed))
    store = Store(tmp_path_factory.mktemp("grow") / "store")
    path = store.logs / "session.jsonl"
    for end in [*sorted(cuts), len(whole)]:
        path.write_bytes(whole[:end])
        os.utime(path, ns=(end * 10**9, end * 10**9))
        store.run()
    assert store.messages() == store.fresh(tmp_path_factory.mktemp("fresh") / "store")


def _growing(kind: int) -> list[bytes]:
    if kind == 0:
        return [line(number) for number in range(9)]
    if kind == 1:  # one answer of the model in three lines
        answer: dict[str, Any] = {"message": {"id": "msg_1"}}
        return [
            event(1, "user", "why is it slow"),
            event(2, "assistant", "Let me look.", **answer),
            event(3, "assistant", "It is the loop.", **answer),
            event(4, "assistant", "Shall I fix it?", **answer),
            event(5, "user", "yes please"),
        ]
    turn = "019fc8be-0000-7000-8000-00000000000" if kind == 2 else "turn-"
    lines: list[dict[str, Any]] = [
        {"timestamp": "2026-09-01T10:00:00Z", "type": "session_meta",
         "payload": {"id": SESSION, "timestamp": "2026-09-01T10:00:00Z"}},
    ]  # fmt: skip
    for number in (1, 2):
        at = f"2026-09-01T10:0{number}:0"

        def add(type: str, second: int, payload: dict[str, Any], at: str = at) -> None:
            when = f"{at}{second}.1Z"
            lines.append({"timestamp": when, "type": type, "payload": payload})

        add("turn_context", 0, {"turn_id": f"{turn}{number}"})
        for second, role, said_ in ((1, "user", "do it"), (3, "assistant", "done")):
            text = f"{said_} {number}"
            block = {"type": "text", "text": text}
            item = {"type": "message", "role": role, "content": [block]}
            add("response_item", second, item)
            name = "user_message" if role == "user" else "agent_message"
            add("event_msg", second, {"type": name, "message": text})
    return [json.dumps(data).encode() + b"\n" for data in lines]


def export(current: str, updated: int, **texts: str) -> dict[str, Any]:
    """A ChatGPT conversation with two branches: q-ans-{a: u2-a2, b: u3-a3}."""
    order = {"q": None, "ans": "q", "u2": "ans", "a2": "u2", "u3": "ans", "a3": "u3"}
    nodes: dict[str, Any] = {
        id: {
            "id": id, "parent": parent, "children": [],
            "message": {
                "id": id, "author": {"role": "user" if id[0] in "qu" else "assistant"},
                "create_time": 1767345000 + place, "recipient": "all",
                "content": {"content_type": "text", "parts": [texts.get(id, id)]},
            },
        }
        for place, (id, parent) in enumerate(order.items())
    }  # fmt: skip
    return {
        "conversation_id": "c1", "title": "x", "create_time": 1767345000,
        "update_time": 1767345000 + updated, "current_node": current, "mapping": nodes,
    }  # fmt: skip


@pytest.mark.parametrize("names", [("may", "june"), ("b", "a")])
@pytest.mark.parametrize("at_once", [True, False])
def test_of_two_exports_the_newer_one_is_right(
    store: Store, names: tuple[str, str], at_once: bool
) -> None:
    older, newer = (store.logs / f"{name}.json" for name in names)
    older.write_text(json.dumps([export("a2", 10)]))
    if not at_once:
        store.run()
        assert set(store.texts()) == {"q", "ans", "u2", "a2"}
    newer.write_text(json.dumps([export("a3", 20)]))
    store.run()
    assert set(store.texts()) == {"q", "ans", "u3", "a3"}
    # The person goes back to the first branch, and the old export is touched.
    newer.write_text(json.dumps([export("a2", 30)]))
    older.touch()
    store.run()
    assert set(store.texts()) == {"q", "ans", "u2", "a2"}


def test_a_re_export_adds_only_what_is_new_and_takes_edits(store: Store) -> None:
    path = store.logs / "conversations.json"
    path.write_text(json.dumps([export("a2", 10)]))
    store.run()
    path.write_text(json.dumps([export("a2", 20, u2="u2, said better")]))
    again = store.run()
    assert (again.added, again.edited) == (0, 1)
    assert "u2, said better" in store.texts()


def test_a_forks_copies_belong_to_the_session_they_are_of(store: Store) -> None:
    fork = "0a000000-1111-4222-8333-444455556666"  # sorts first
    shared = {1: ("user", "shared question"), 2: ("assistant", "shared answer")}
    (store.logs / f"{fork}.jsonl").write_bytes(
        b"".join(
            event(n, role, text, session=fork, sessionKind="bg")
            for n, (role, text) in shared.items()
        )
        + event(9, "user", "only in the fork", session=fork, sessionKind="bg")
    )
    (store.logs / f"{SESSION}.jsonl").write_bytes(
        b"".join(event(n, role, text) for n, (role, text) in shared.items())
        + event(3, "user", "only in the session")
    )
    store.run()
    threads = {text: thread for thread, _, text, _ in store.messages()}
    assert threads == {
        "shared question": SESSION, "shared answer": SESSION,
        "only in the session": SESSION, "only in the fork": fork,
    }  # fmt: skip


@pytest.mark.parametrize("history_first", [True, False])
def test_a_prompt_in_the_history_and_in_its_session_is_one(
    store: Store, history_first: bool
) -> None:
    history = [
        {"display": text, "timestamp": 1788256800000 + n, "sessionId": SESSION,
         "project": "/home/mira/shop", "pastedContents": {}}
        for n, text in enumerate(["continue", "/clear", "continue", "deleted later"])
    ]  # fmt: skip
    session = event(1, "user", "continue") + event(2, "assistant", "Done.")
    session += event(3, "user", "continue")
    first, second = ("history.jsonl", "session.jsonl")
    write_lines(store.logs / first, *history) if history_first else (
        store.logs / second
    ).write_bytes(session)
    store.run()
    write_lines(store.logs / first, *history)
    (store.logs / second).write_bytes(session)
    store.run()
    assert sorted(store.texts()) == ["Done.", "continue", "continue", "deleted later"]


def test_a_file_that_nothing_knew_is_tried_again_with_new_formats(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memcli.transcripts import formats

    write_lines(store.logs / "a.jsonl", line(1))
    write_lines(store.logs / "b.jsonl", {"ticket": 1, "said": "hello"})
    assert store.run().unrecognised.total() == 1
    assert store.run().unrecognised == {"not a transcript, as before": 1}
    monkeypatch.setattr(formats, "reader", lambda: "one more")
    assert "not a transcript, as before" not in store.run().unrecognised


def test_a_name_that_is_not_utf8_is_read_like_any_other(store: Store) -> None:
    with open(os.fsencode(store.logs) + b"/chat\xe9.jsonl", "wb") as file:  # noqa: PTH123
        file.write(line(1))
    assert store.run().added == 1
    assert store.run().unchanged == 1


def test_messages_that_are_taken_back_were_embedded_and_cited(cli: Cli) -> None:
    path = Path("conversations.json")
    cited = "I prefer dark mode in every editor."
    path.write_text(json.dumps([export("a2", 10, q=cited, u2="I prefer tea.")]))
    assert cli("reflect", str(path)).code == 0
    path.write_text(json.dumps([export("a3", 20, q=cited, u3="and now?")]))
    again = cli("reflect", str(path), "--json")
    assert again.code == 0
    assert again.json["messages"]["withdrawn"] == 1  # a2; a memory cites u2
    left = {hit["text"] for hit in cli("search", "--in", "messages", "ans a2 u2 u3 tea",
                                       "--json", "-l", "20").json}  # fmt: skip
    assert "a2" not in left
    assert "I prefer tea." in left


def test_a_closed_folder_is_named_and_makes_the_run_fail(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(Path("logs/a.jsonl"), said("I prefer tea."))
    Path("logs/closed").mkdir()
    really = os.scandir

    def scandir(folder: str) -> Any:  # a superuser may read every folder
        if str(folder).endswith("closed"):
            raise PermissionError
        return really(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    seen = cli("inspect", "logs")
    assert (seen.code, "logs/closed\n    permission denied" in seen.out) == (1, True)
    kept = cli("reflect", "logs")
    assert (kept.code, "logs/closed: permission denied" in kept.err) == (1, True)
    assert cli("status", "--json").json["memories"] == 1


def test_an_empty_path_is_not_the_current_folder(cli: Cli) -> None:
    write_lines(Path("a.jsonl"), said("I prefer tea."))
    done = cli("reflect", "")
    assert (done.code, "an empty path" in done.err) == (2, True)


GEMINI = {"sessionId": "g1", "projectHash": "h", "startTime": "2026-05-01T10:00:00Z"}


def gemini(number: int, type: str, text: str) -> dict[str, Any]:
    at = f"2026-05-01T10:00:0{number}Z"
    return {"id": f"m{number}", "type": type, "content": text, "timestamp": at}


def pi(id: str, parent: str | None, role: str, text: str) -> dict[str, Any]:
    return {
        "type": "message", "id": id, "parentId": parent,
        "timestamp": f"2026-05-01T10:00:0{id}Z",
        "message": {"role": role, "content": [{"type": "text", "text": text}]},
    }  # fmt: skip


def answer(key: str, to: str | None, text: str) -> dict[str, Any]:
    sender = "human" if to is None or to.endswith("a") else "assistant"
    content = [{"type": "text", "text": text}]
    return {"uuid": key, "sender": sender, "parent_message_uuid": to,
            "created_at": "2026-05-01T10:00:00Z", "content": content}  # fmt: skip


def claude_ai(leaf: str, updated: str) -> list[dict[str, Any]]:
    messages = [
        answer("1", None, "kept"),
        answer("2a", "1", "left"),
        answer("3a", "1", "new"),
    ]
    return [{"uuid": "c", "updated_at": updated, "current_leaf_message_uuid": leaf,
             "chat_messages": messages}]  # fmt: skip


CODEX = [
    {"timestamp": "2026-05-01T10:00:00Z", "type": "session_meta",
     "payload": {"id": "x"}},
    *(
        line
        for number, (asked, told) in enumerate([("kept", "so"), ("left", "left too")])
        for line in (
            {"timestamp": "2026-05-01T10:01:00Z", "type": "turn_context",
             "payload": {"turn_id": f"019fc8be-0000-7000-8000-00000000000{number}"}},
            {"timestamp": "2026-05-01T10:01:01Z", "type": "event_msg",
             "payload": {"type": "user_message", "message": asked}},
            {"timestamp": "2026-05-01T10:01:02Z", "type": "event_msg",
             "payload": {"type": "agent_message", "message": told}},
        )
    ),
]  # fmt: skip
ROLLED_BACK = {"timestamp": "2026-05-01T10:02:00Z", "type": "event_msg",
               "payload": {"type": "thread_rolled_back", "num_turns": 1}}  # fmt: skip
NINTH = "019fc8be-0000-7000-8000-000000000009"
TURN_AFTER = {"timestamp": "2026-05-01T10:03:00Z", "type": "turn_context",
              "payload": {"turn_id": NINTH}}  # fmt: skip
KEPT, LEFT = gemini(1, "user", "kept"), gemini(2, "user", "left")

# What is read first, what the file says later, and what must be gone then.
TAKEN_BACK: dict[str, tuple[list[Any], list[Any], set[str]]] = {
    "gemini rewind": (
        [GEMINI, KEPT, LEFT], [GEMINI, KEPT, LEFT, {"$rewindTo": "m2"}],
        {"left"},
    ),
    "gemini set": (
        [GEMINI, KEPT, LEFT], [GEMINI, LEFT, {"$set": {"messages": [KEPT]}}],
        {"left"},
    ),
    "pi branch": (
        [{"type": "session", "version": 3, "id": "p"}, pi("1", None, "user", "kept"),
         pi("2", "1", "assistant", "left")],
        [{"type": "session", "version": 3, "id": "p"}, pi("1", None, "user", "kept"),
         pi("2", "1", "assistant", "left"), pi("3", "1", "assistant", "new")],
        {"left"},
    ),
    "claude.ai branch": (
        claude_ai("2a", "2026-05-02T00:00:00Z"),
        claude_ai("3a", "2026-05-03T00:00:00Z"),
        {"left"},
    ),
    "chatgpt do not remember": (
        [export("a2", 10)], [{**export("a2", 20), "is_do_not_remember": True}],
        {"q", "ans", "u2", "a2"},
    ),
    "codex rolled back": (CODEX, [*CODEX, ROLLED_BACK], {"left", "left too"}),
    "codex rolled back after the next turn began": (
        [*CODEX, TURN_AFTER], [*CODEX, TURN_AFTER, ROLLED_BACK], {"left", "left too"},
    ),
    "claude code rewound": (
        [json.loads(event(1, "user", "kept", parentUuid="p0")),
         json.loads(event(2, "user", "left", parentUuid="p1"))],
        [json.loads(event(1, "user", "kept", parentUuid="p0")),
         json.loads(event(2, "user", "left", parentUuid="p1")),
         json.loads(event(3, "user", "new", parentUuid="p1"))],
        {"left"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", TAKEN_BACK)
def test_what_a_file_takes_back_goes_from_the_store(
    store: Store, tmp_path: Path, kind: str
) -> None:
    first, then, gone = TAKEN_BACK[kind]
    path = store.logs / ("x.json" if "uuid" in str(first[0]) else "x.jsonl")

    def write(records: list[Any]) -> None:
        if "chat_messages" in records[0] or "mapping" in records[0]:
            path.write_text(json.dumps(records))
        else:
            path.write_text("".join(json.dumps(r) + "\n" for r in records))

    write(first)
    store.run()
    assert gone <= set(store.texts())
    write(then)
    store.run()
    assert not gone & set(store.texts())
    assert store.messages() == store.fresh(tmp_path / "fresh")
    with closing(sqlite3.connect(store.path)) as db:
        empty = "SELECT id FROM threads EXCEPT SELECT thread_id FROM messages"
        assert db.execute(empty).fetchall() == []


def test_a_message_in_a_newer_export_is_not_taken_back_by_an_older_one(
    store: Store,
) -> None:
    path = store.logs / "a.json"
    for updated in (10, 20):
        path.write_text(json.dumps([export("a2", updated)]))
        store.run()
    (store.logs / "b.json").write_text(json.dumps([export("a3", 15)]))
    store.run()
    assert {"u2", "a2"} <= set(store.texts())


def test_a_message_that_gets_answers_in_slack_moves_to_its_thread(store: Store) -> None:
    folder = store.logs / "general"
    folder.mkdir()
    first = {"type": "message", "user": "U1", "ts": "1767345000.000100", "text": "who?"}
    (folder / "2026-01-02.json").write_text(json.dumps([first]))
    store.run()
    threaded = {**first, "thread_ts": first["ts"], "reply_count": 1}
    reply = {**threaded, "ts": "1767345001.000100", "text": "me"}
    (folder / "2026-01-02.json").write_text(json.dumps([threaded, reply]))
    (store.logs / "users.json").write_text(json.dumps([{"id": "U1", "name": "ana"}]))
    store.run()
    assert {row[0] for row in store.messages()} == {"general/1767345000.000100"}
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT DISTINCT name FROM messages").fetchall() == [("ana",)]


def test_question_and_answer_under_one_id_are_two_messages(store: Store) -> None:
    lines = [
        said("which theme?", id="turn-1"),
        said("dark", id="turn-1", role="assistant"),
    ]
    write_lines(store.logs / "a.jsonl", *lines)
    reading = store.run()
    assert (reading.added, reading.edited) == (2, 0)
    assert store.run().added == 0
    assert sorted(store.texts()) == ["dark", "which theme?"]


def test_a_copy_of_an_answer_that_was_cut_short_is_no_edit(store: Store) -> None:
    whole = "It is the loop.\n\nShall I fix it?"
    (store.logs / "a.jsonl").write_bytes(event(1, "assistant", whole))
    (store.logs / "b.jsonl").write_bytes(event(1, "assistant", "It is the loop."))
    assert store.run().edited == 0
    assert store.texts() == [whole]


def test_a_shortened_prompt_is_an_edit_and_due_again(store: Store) -> None:
    path = store.logs / "a.jsonl"
    write_lines(path, said("Yes, do it tomorrow", id="1"))
    store.run()
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute("INSERT INTO runs (id, started_at, outcome, extractor, namespace) "
                   "VALUES (1, '2026', 'done', 'offline', 'm')")  # fmt: skip
        db.execute("UPDATE messages SET reflected_in = 1")
    write_lines(path, said("Yes", id="1"))
    assert store.run().edited == 1
    with closing(sqlite3.connect(store.path)) as db:
        row = db.execute("SELECT text, reflected_in FROM messages").fetchone()
    assert row == ("Yes", None)


@pytest.mark.parametrize("size", [1, 100, 3000])  # the last is more than a megabyte
@pytest.mark.parametrize("place", [0.1, 0.97])
@pytest.mark.parametrize("grown", [True, False])
def test_an_edit_anywhere_in_a_log_is_noticed(
    store: Store, size: int, place: float, grown: bool
) -> None:
    path = store.logs / "a.jsonl"
    lines = [line(number, f"{number} {'x' * 400}") for number in range(size)]
    path.write_bytes(b"".join(lines))
    store.run()
    chosen = int(place * size)
    longer = b"edited, and longer than before" if grown else b"e" * 5
    lines[chosen] = lines[chosen].replace(b"x" * len(longer), longer, 1)
    if grown:
        lines[chosen] = lines[chosen].replace(b"edited", b"edited twice")
        lines.append(line(size + 1, "appended"))
    path.write_bytes(b"".join(lines))
    os.utime(path, (2e9, 2e9))
    assert store.run().edited == 1


@pytest.mark.parametrize(
    "record",
    [{"role": "user", "content": "ok"},
     {"thread_id": "t", "role": "user", "content": "ok", "timestamp": "2026-05-01"}],
)  # fmt: skip
def test_the_same_words_without_ids_stay_as_many_as_they_are(
    store: Store, tmp_path: Path, record: dict[str, Any]
) -> None:
    path = store.logs / "a.jsonl"
    for count in (1, 2, 4):
        path.write_text((json.dumps(record) + "\n") * count)
        os.utime(path, (1.7e9 + count, 1.7e9 + count))
        store.run()
        assert store.texts() == ["ok"] * count


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["continue", "yes", "go on"]), min_size=1, max_size=8),
       st.data())  # fmt: skip
def test_a_history_and_its_session_growing_together_stay_one(
    tmp_path_factory: pytest.TempPathFactory, prompts: list[str], data: st.DataObject
) -> None:
    store = Store(tmp_path_factory.mktemp("both") / "store")
    history, session = store.logs / "history.jsonl", store.logs / "session.jsonl"
    for number, prompt in enumerate(prompts):
        entry = {"display": prompt, "timestamp": 1788256800000 + number * 1000,
                 "sessionId": SESSION, "project": "/x"}  # fmt: skip
        append(history, json.dumps(entry).encode() + b"\n")
        append(session, event(number, "user", prompt))
        if data.draw(st.booleans()):
            store.run()
    store.run()
    assert sorted(store.texts()) == sorted(prompts)


def test_two_forks_without_their_parent_keep_what_they_have(store: Store) -> None:
    for name in ("f1", "f2"):
        (store.logs / f"{name}.jsonl").write_bytes(
            event(1, "user", "shared", session=name, forkedFrom={"sessionId": SESSION})
        )
    store.run()
    assert [row[:3] for row in store.messages()] == [("f1", "user", "shared")]


def test_a_file_that_could_not_be_read_is_tried_again(store: Store) -> None:
    path = store.logs / "a.jsonl.gz"
    whole = gzip.compress(line(1), mtime=0)
    path.write_bytes(whole[:-4])
    os.utime(path, (1.7e9, 1.7e9))
    assert store.run().unreadable
    assert store.run().unreadable


def test_what_was_rotated_away_is_not_read_again(store: Store) -> None:
    path = store.logs / "a.jsonl"
    append(path, line(1), b"broken\n", line(2))
    assert len(store.run().problems) == 1
    append(_rotated(path, before=line(3)), line(6))
    assert store.run().problems == []
    assert len(store.texts()) == 4
