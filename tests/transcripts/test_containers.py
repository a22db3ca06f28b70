"""Compressed and packed files are read like plain ones; damaged ones say so."""

import gzip
import io
import zipfile
from collections import Counter
from pathlib import Path

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from memcli.transcripts.lines import parse
from memcli.transcripts.pieces import pieces
from memcli.transcripts.report import FileReport
from tests.conftest import said, write_lines
from tests.transcripts.mutants import GOLDEN
from tests.transcripts.test_golden import CASES, read_folder
from tests.transcripts.test_reading import read, texts

LINES = b"".join(
    orjson.dumps(said(f"message {n}", id=str(n))) + b"\n" for n in range(50)
)


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


PACKED = {
    "gzip": gzip.compress(LINES),
    "two gzip members": gzip.compress(LINES[:1000]) + gzip.compress(LINES[1000:]),
    "zstd": zstandard.compress(LINES),
    "two zstd frames": zstandard.compress(LINES[:99]) + zstandard.compress(LINES[99:]),
    "zip": zipped(**{"a/b/log.jsonl": LINES, "a/cat.png": b"\x89PNG"}),
    "zstd in zip": zipped(**{"rollout.jsonl.zst": zstandard.compress(LINES)}),
}


@pytest.mark.parametrize("kind", PACKED)
def test_packed_files_are_read_by_content(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(PACKED[kind])
    found, report = read(path)
    assert texts(found) == [f"message {n}" for n in range(50)]
    assert (report.error, report.format) == (None, "generic")


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_packed_file_that_ends_too_early_is_an_error(
    tmp_path: Path, kind: str, part: float
) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(PACKED[kind][: int(len(PACKED[kind]) * part)])
    found, report = read(path)
    assert report.error is not None or report.reasons
    whole = {f"message {n}" for n in range(50)}
    assert set(texts(found)) < whole


def test_a_zip_with_a_password_says_what_to_do(tmp_path: Path) -> None:
    data = bytearray(zipped(**{"a.jsonl": LINES}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1  # the flag of an encrypted member
    (tmp_path / "a.zip").write_bytes(data)
    _, report = read(tmp_path / "a.zip")
    assert report.error == "a zip with a password: unpack it first"


def test_a_broken_member_costs_only_itself(tmp_path: Path) -> None:
    data = zipped(**{"a.jsonl": LINES, "b.jsonl": LINES.replace(b"t1", b"t2")})
    at = data.index(b"a.jsonl") + 20
    (tmp_path / "x.zip").write_bytes(data[:at] + b"\0\0\0\0" + data[at + 4 :])
    found, report = read(tmp_path / "x.zip")
    assert report.error is not None
    assert {item.message.thread_id for item in found} >= {"t2"}


def test_a_zip_without_a_transcript_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zipped(**{"a.png": b"x"}))
    _, report = read(tmp_path / "x.zip")
    assert report.reasons == {"archive without a file that could be a transcript": 1}


SINGLE = [case for case in CASES if not list(case.glob("*.zip"))]


@pytest.mark.parametrize(
    "case", SINGLE, ids=[str(c.relative_to(GOLDEN)) for c in SINGLE]
)
def test_every_format_is_the_same_inside_a_zip(case: Path, tmp_path: Path) -> None:
    members = {
        str(path.relative_to(case)): path.read_bytes()
        for path in sorted(case.rglob("*"))
        if path.is_file() and path.name != "expected.json"
    }
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{case.name}.zip").write_bytes(zipped(**members))
    plain, _ = read_folder(case)
    packed, _ = read_folder(tmp_path / "in")
    named = case.parent.name in ("cursor", "whatsapp")  # their threads are file names
    for message, same in zip(plain, packed, strict=True):
        assert (message.text, message.role) == (same.text, same.role)
        assert named or message.thread_id == same.thread_id


_KEYS = st.sampled_from(["a", 'b"\\', "mess", "[{"])
_JSON = st.recursive(
    st.none() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("xyz"), _JSON)), st.integers(0, 200),
       st.integers(1, 50))  # fmt: skip
def test_an_array_cut_in_pieces_is_the_same_array(
    elements: list[object], size: int, chunk: int
) -> None:
    data = orjson.dumps(elements)
    chunks = [data[i : i + chunk] for i in range(0, len(data), chunk)]
    found: list[object] = []
    for piece in pieces(chunks, size, lambda: pytest.fail("not ragged")):
        found += orjson.loads(piece)
    assert found == elements


@given(st.integers(1, 400), st.integers(1, 300))
def test_a_long_array_within_an_object_is_cut_with_what_stands_before_it(
    size: int, chunk: int
) -> None:
    messages = [{"id": n, "text": 'a "quoted" [text'} for n in range(60)]
    whole = {"name": "x", "deep": {"k": [1, {"a": 2}]}, "messages": messages, "end": 1}
    data = orjson.dumps(whole)
    chunks = [data[i : i + chunk] for i in range(0, len(data), chunk)]
    found: list[object] = []
    for piece in pieces(chunks, size, lambda: pytest.fail("not ragged")):
        part = orjson.loads(piece)
        assert (part["name"], part["deep"]) == ("x", {"k": [1, {"a": 2}]})
        found += part["messages"]
    assert found == messages


@given(st.integers(2, 2000))
def test_of_an_array_that_breaks_off_the_whole_elements_are_kept(end: int) -> None:
    elements = [{"id": n, "text": "[{" * n} for n in range(30)]
    data = orjson.dumps(elements)
    end = min(end, len(data) - 1)
    ragged: list[int] = []
    found: list[object] = []
    for piece in pieces([data[:end]], 0, lambda: ragged.append(1)):
        found += orjson.loads(piece)
    whole = [
        e
        for n, e in enumerate(elements)
        if len(orjson.dumps(elements[: n + 1])) <= end + 1
    ]
    assert ragged
    assert found == whole


def test_a_huge_document_is_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memcli.transcripts import read as reading

    monkeypatch.setattr(reading, "_AT_ONCE", 4096)
    chat = {
        "name": "Ana", "type": "personal_chat", "id": 7,
        "messages": [
            {"id": n, "type": "message", "from": "Ana", "text": f"message {n}",
             "date_unixtime": str(1767345000 + n)}
            for n in range(2000)
        ],
    }  # fmt: skip
    path = tmp_path / "result.json"
    export = {"about": "x", "chats": {"list": [chat]}}
    path.write_bytes(orjson.dumps(export, option=orjson.OPT_INDENT_2))
    found, report = read(path)
    assert Counter(texts(found)) == Counter(f"message {n}" for n in range(2000))
    assert {item.message.thread_id for item in found} == {"7"}
    assert not report.problems


def test_base64_is_not_parsed(tmp_path: Path) -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "A" * 3_000_000}}
    line = orjson.dumps([image, {"data": "A" * 100, "text": "B" * 400}])
    assert parse(line, FileReport("x")) == [
        {"type": "image", "source": {"type": "base64", "data": ""}},
        {"data": "A" * 100, "text": "B" * 400},
    ]
    blocks = [image, {"type": "text", "text": "see the picture"}]
    path = write_lines(tmp_path / "x.jsonl", {**said(""), "content": blocks})
    found, report = read(path)
    assert texts(found) == ["see the picture"]
    assert report.skipped == {"image block": 1}


def test_an_element_too_large_for_memory_is_an_error_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memcli.transcripts import pieces as cutting
    from memcli.transcripts import read as reading

    monkeypatch.setattr(reading, "_AT_ONCE", 4096)
    monkeypatch.setattr(cutting, "_LARGEST", 2 << 20)
    path = tmp_path / "conversations.json"
    path.write_bytes(b'[{"mapping": {}, "x": "' + b"y" * (8 << 20) + b'"}]')
    _, report = read(path)
    assert report.error == "an element of more than 2 mb"
