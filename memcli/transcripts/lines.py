"""A file as numbered lines of bytes, and lines as JSON records.

Bytes are split on `\\n` alone: `str.splitlines` would also cut at U+2028,
U+2029 and U+0085, which stand unescaped inside JSON strings.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

from memcli.transcripts.report import FileReport

MAX_LINE = 64 * 1024 * 1024
_CHUNK = 1024 * 1024
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its newline. `whole` is False at a file's ragged end."""

    number: int
    raw: bytes
    whole: bool = True


def read_lines(stream: BinaryIO, report: FileReport) -> Iterator[Line]:
    """The lines of a stream that hold something, at most `MAX_LINE` bytes each."""
    number = 0
    while raw := stream.readline(MAX_LINE):
        number += 1
        whole = raw.endswith(b"\n")
        if not whole and len(raw) == MAX_LINE:
            report.problem(number, f"line longer than {MAX_LINE >> 20} MB")
            _drop_rest_of_line(stream)
            continue
        if number == 1:
            raw = raw.removeprefix(_BOM)
        raw = raw.strip(b" \t\r\n")
        if raw:
            yield Line(number, raw, whole)


def _drop_rest_of_line(stream: BinaryIO) -> None:
    while (raw := stream.readline(_CHUNK)) and not raw.endswith(b"\n"):
        pass


def records(
    lines: Iterable[Line], report: FileReport
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects among the lines; the others are reported and counted."""
    for line in lines:
        try:
            record = orjson.loads(line.raw)
        except orjson.JSONDecodeError:
            if line.whole:
                report.problem(line.number, explain_bad_json(line.raw))
            else:
                report.skip("half-written last line, left for next time")
            continue
        if isinstance(record, dict):
            yield line.number, record
        else:
            report.problem(line.number, "not a JSON object")


def explain_bad_json(raw: bytes) -> str:
    """Why a line is not JSON, without quoting any of it."""
    if b"\x00" in raw:
        return "contains NUL bytes"
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"invalid UTF-8 at byte {error.start + 1}"
    return "not valid JSON"
