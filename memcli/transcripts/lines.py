"""A file as numbered lines of bytes, and lines as JSON records.

Bytes are split on `\\n` alone: `str.splitlines` would also cut at U+2028,
U+2029 and U+0085, which stand unescaped inside JSON strings.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

import orjson

from memcli.transcripts.formats.base import Record
from memcli.transcripts.report import FileReport

MAX_LINE = 64 * 1024 * 1024
_CHUNK = 1024 * 1024
_SHORT = 16 * 1024
BOM = b"\xef\xbb\xbf"
# Space around JSON, and the NULs that a crash leaves in a preallocated file.
_PADDING = b" \t\r\n\x00"
# What a message has, and a conversation has not.
_MESSAGE_KEYS = {"role", "type", "from", "sender", "content"}
_BASE64 = re.compile(rb'"data"\s*:\s*"[A-Za-z0-9+/=_-]{256,}+"')


class Line(NamedTuple):
    """One line; a long one with its newline. `whole` is False at a ragged end.

    `start` and `end` are byte offsets; the newline lies before `end`.
    """

    number: int
    raw: bytes
    whole: bool
    start: int
    end: int


def read_lines(
    stream: BinaryIO,
    report: FileReport,
    start: int = 0,
    number: int = 0,
    *,
    blank: bool = False,
) -> Iterator[Line]:
    """The lines of a stream, at most `MAX_LINE` bytes each; `blank` ones if asked.

    `start` and `number` say where in the file the stream stands.
    """
    end = start
    while raw := stream.readline(MAX_LINE):
        number += 1
        begin, end = end, end + len(raw)
        whole = raw.endswith(b"\n")
        if not whole and len(raw) == MAX_LINE:
            report.problem(number, f"line longer than {MAX_LINE >> 20} MB")
            end += _drop_rest_of_line(stream)
            continue
        if len(raw) < _SHORT or not raw.endswith(b"}\n") or not raw.startswith(b"{"):
            raw = _trimmed(raw)  # a copy, which a long line can do without
        if raw or blank:
            yield Line(number, raw, whole, begin, end)


def _trimmed(raw: bytes) -> bytes:
    """A line without padding, and without the mark that begins some files (and
    stands in the middle of those that were put together of several)."""
    while raw.startswith(BOM):
        raw = raw[len(BOM) :]
    return raw.strip(_PADDING)


def _drop_rest_of_line(stream: BinaryIO) -> int:
    dropped = 0
    while raw := stream.readline(_CHUNK):
        dropped += len(raw)
        if raw.endswith(b"\n"):
            break
    return dropped


def records(
    lines: Iterable[Line],
    report: FileReport,
    passes_over: Callable[[bytes], str | None] | None = None,
) -> Iterator[Record]:
    """The JSON objects among the lines; the others are reported and counted.

    What `passes_over` gives a reason for is counted without being parsed.
    """
    for line in lines:
        raw = line.raw
        if passes_over is not None and line.whole and raw.endswith((b"}", b"}\n")):
            reason = passes_over(raw)
            if reason is not None:
                report.skip(reason)
                continue
        try:
            data = parse(raw, report)
        except ValueError:
            if line.whole:
                report.problem(line.number, explain_bad_json(raw))
            else:
                report.skip("half-written last line, left for next time")
            continue
        found = as_records(data)
        if not found and data != []:
            report.problem(line.number, "not a JSON object")
        for record in found:
            yield Record(line.number, record, line.start)


def parse(raw: bytes, report: FileReport) -> Any:
    """JSON as Python data, without the base64 of images.

    A byte that is no UTF-8 costs a character, not the message around it.
    Raises ValueError for what is no JSON.
    """
    if b'"base64"' in raw:
        raw = _BASE64.sub(b'"data":""', raw)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _parse_leniently(raw, report)


def _parse_leniently(raw: bytes, report: FileReport) -> Any:
    """What other programs write as JSON: half an emoji, NaN, a byte gone wrong."""
    text = raw.decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if "\ufffd" in text:
        report.skip("invalid UTF-8, a character replaced")
    return data


def as_records(data: object) -> list[dict[str, Any]]:
    """An object as it is, an array of messages as one conversation, an array of
    other objects as so many; nothing for anything else."""
    if isinstance(data, dict):
        return [data]
    if not isinstance(data, list):
        return []
    found = [item for item in data if isinstance(item, dict)]
    if found and all(_MESSAGE_KEYS & item.keys() for item in found):
        return [{"messages": data}]
    return found


def explain_bad_json(raw: bytes) -> str:
    """Why a line is not JSON, without quoting any of it."""
    if b"\x00" in raw:
        return "contains NUL bytes"
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"invalid UTF-8 at byte {error.start + 1}"
    return "not valid JSON"
