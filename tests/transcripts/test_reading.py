"""What is read out of files, and what is said of the rest."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memcli.errors import UnreadableInput
from memcli.transcripts import lines as lines_module
from memcli.transcripts.discover import discover
from memcli.transcripts.normalise import ReadMessage
from memcli.transcripts.read import read_file
from memcli.transcripts.report import FileReport
from tests.conftest import said, write_lines

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def read(path: Path) -> tuple[list[ReadMessage], FileReport]:
    (found,) = discover([str(path)])
    report = FileReport(str(path))
    return list(read_file(found, report, NOW)), report


def texts(found: list[ReadMessage]) -> list[str]:
    return [item.message.text for item in found]


def test_one_message_a_line(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "any.name",
        said("hello", id="1", user_id="anna", project="gauges"),
        said("hi", id="2", role="assistant", name="Bot"),
    )
    found, report = read(path)
    assert report.format == "generic"
    assert [(m.message.id, m.message.role, m.message.name) for m in found] == [
        ("1", "user", None),
        ("2", "assistant", "Bot"),
    ]
    assert found[0].metadata == {"user_id": "anna", "project": "gauges"}


def test_one_conversation_a_line(tmp_path: Path) -> None:
    conversation = {
        "thread_id": "a",
        "title": "Gauges",
        "user_id": "anna",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": None, "tool_calls": []},
        ],
    }
    found, report = read(write_lines(tmp_path / "x.jsonl", conversation))
    assert texts(found) == ["hello", "hi"]
    assert found[0].title == "Gauges"
    assert report.skipped == {"system message": 1, "tool call": 1}


def test_a_conversation_without_an_id_stays_the_same_thread_when_it_grows(
    tmp_path: Path,
) -> None:
    turns = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi"},
    ]
    short, _ = read(write_lines(tmp_path / "a", {"messages": turns}))
    turns = [*turns, {"role": "user", "content": "how are you"}]
    grown, _ = read(write_lines(tmp_path / "b", {"messages": turns}))
    assert {m.message.thread_id for m in short} == {m.message.thread_id for m in grown}
    assert short[0].message.key == grown[0].message.key


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\x0b", "\x1e"])
def test_lines_end_at_newlines_only(tmp_path: Path, separator: str) -> None:
    line = orjson.dumps(said(f"one{separator}two"))
    found, report = read(write_lines(tmp_path / "x", line, said("three")))
    kept = separator if separator in "\u2028\u2029\x85" else ""
    assert texts(found) == [f"one{kept}two", "three"]
    assert not report.problems


def test_a_bad_line_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "x.jsonl",
        said("one"),
        b'{"thread_id": "t1", "role": "us',
        b'{"thread_id": "t1", "role": "user", "content": "caf\xe9"}',
        b"[1, 2]",
        {"thread_id": "t1", "role": "user", "content": 17},
        {"thread_id": "t1", "content": "no role", "role": ""},
        {"role": "user", "content": "no thread"},
        said("two"),
    )
    found, report = read(path)
    assert texts(found) == ["one", "caf\ufffd", "two"]
    assert report.skipped["invalid UTF-8, a character replaced"] == 1
    assert report.problems == [
        f"{path}:2: not valid JSON",
        f"{path}:4: not a JSON object",
        f"{path}:5: content is not text",
        f"{path}:6: no role",
        f"{path}:7: no thread id (thread_id, conversation_id, session_id, chat_id)",
    ]


def test_a_half_written_last_line_is_left_for_next_time(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(orjson.dumps(said("one")) + b'\n{"thread_id": "t1", "ro')
    found, report = read(path)
    assert texts(found) == ["one"]
    assert report.skipped == {"half-written last line, left for next time": 1}
    assert not report.problems


def test_a_whole_last_line_without_newline_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(orjson.dumps(said("one")))
    assert texts(read(path)[0]) == ["one"]


def test_nothing_that_acts_on_a_terminal_comes_through(tmp_path: Path) -> None:
    line = said("a\x1b[31mred\x07\u202eb\tc", thread="t\x1b]0;x", name="\x9bBen")
    ((item,), _) = read(write_lines(tmp_path / "x", orjson.dumps(line)))
    assert item.message.text == "a[31mredb\tc"
    assert (item.message.thread_id, item.message.name) == ("t]0;x", "Ben")


def test_source_code_with_a_line_of_json_is_no_transcript(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.py", said("I prefer tea."), *["x = 1"] * 60)
    found, report = read(path)
    assert (found, report.format) == ([], None)


def test_a_byte_order_mark_and_crlf_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + orjson.dumps(said("one")) + b"\r\n")
    assert texts(read(path)[0]) == ["one"]


def test_a_line_that_is_too_long_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE", 1 << 20)
    path = write_lines(tmp_path / "x", said("one"), said("x" * (3 << 20)), said("two"))
    found, report = read(path)
    assert texts(found) == ["one", "two"]
    assert report.problems == [f"{path}:2: line longer than 1 MB"]


def test_a_very_long_text_is_cut(tmp_path: Path) -> None:
    found, report = read(write_lines(tmp_path / "x", said("a" * 20_000_000)))
    assert [len(text) for text in texts(found)] == [200_000]
    assert report.skipped == {"text cut at 200,000 characters": 1}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty file"),
        (b"\x00\x01\x02\xff" * 100, "binary file"),
        (b"Dear diary,\ntoday\n", "text, but no transcript format memcli knows"),
        (b'{\n  "a": 1\n}\n', "JSON, but no transcript format memcli knows"),
        (b'[{"a": 1}', "broken JSON"),
        (
            '{"role": "user"}\n'.encode("utf-16"),
            "UTF-16 text, convert it to UTF-8 first",
        ),
        (b"\x89PNG\r\n\xff\xd8\xff\xe0 more of it", "binary file"),
        (
            b"[2026-01-05 10:15:03] production.ERROR: User logged in\n" * 3,
            "text, but no transcript format memcli knows",
        ),
        (
            b"2026-01-05 10:15:03 - INFO: started\n" * 3,
            "text, but no transcript format memcli knows",
        ),
        (b'[{"mapping": {"x":', "broken JSON that looks like a transcript"),
        (b'{"a": 1}\n', "JSON, but no transcript format memcli knows"),
        (b'"just text"\n17\n', "text, but no transcript format memcli knows"),
    ],
)
def test_what_is_no_transcript_says_why(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    found, report = read(path)
    assert (found, report.format) == ([], None)
    assert report.reasons == {why: 1}


def test_times_fall_back_in_order(tmp_path: Path) -> None:
    def line(text: str, thread: str, at: Any = None) -> dict[str, Any]:
        return {"thread_id": thread, "role": "user", "content": text, "ts": at}

    path = write_lines(
        tmp_path / "x",
        line("leading", "a"),
        line("timed", "a", 1_790_000_000),
        line("following", "a"),
        line("future", "a", "2031-01-01T00:00:00Z"),
        line("nothing", "b"),
    )
    os.utime(path, (1_700_000_000, 1_700_000_000))
    found, report = read(path)
    at = {item.message.text: item.message.sent_at for item in found}
    timed = datetime.fromtimestamp(1_790_000_000, UTC)
    assert at["leading"] == at["timed"] == at["following"] == at["future"] == timed
    assert at["nothing"] == datetime.fromtimestamp(1_700_000_000, UTC)
    assert report.skipped["time in the future, not used"] == 1


def test_the_same_words_twice_are_two_messages(tmp_path: Path) -> None:
    found, _ = read(write_lines(tmp_path / "x", said("yes"), said("no"), said("yes")))
    assert len({item.message.key for item in found}) == 3


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="no such file"):
        list(discover([str(tmp_path / "nope")]))


def test_folders_are_walked_in_order_and_files_are_met_once(tmp_path: Path) -> None:
    for name in ("b/2", "a/1", "a/.hidden", ".git/config", "node_modules/x"):
        write_lines(tmp_path / name, said("x"))
    found = [f.path for f in discover([str(tmp_path), str(tmp_path / "a" / "1")])]
    assert [os.path.relpath(p, tmp_path) for p in found] == ["a/.hidden", "a/1", "b/2"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["role", "content", "messages", "thread_id", "type", "uuid", "sessionId",
             "message", "timestamp", "text", "id", "isMeta", "attachment"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(json_values | st.binary(max_size=40), max_size=8))
def test_no_content_makes_reading_fail(values: list[Any]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        rows = [v if isinstance(v, bytes) else orjson.dumps(v) for v in values]
        good = orjson.dumps(said("intact", thread="whole"))
        path.write_bytes(b"\n".join([good, *rows]) + b"\n")
        found, _ = read(path)
        assert "intact" in texts(found)
        for item in found:
            assert item.message.text.strip()
            assert item.message.sent_at.tzinfo is not None


def test_files_named_by_date_are_threads_of_their_own(tmp_path: Path) -> None:
    line = {"role": "user", "message": {"content": [{"type": "text", "text": "hi"}]}}
    threads = set()
    for name in ("chat.2026-01.jsonl", "chat.2026-02.jsonl"):
        ((item,), _) = read(write_lines(tmp_path / name, line))
        threads.add(item.message.thread_id)
    assert threads == {"chat.2026-01", "chat.2026-02"}
