"""The head of a document → its shape (lines, one JSON value, text) and format."""

import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from memcli.transcripts.formats import formats, text_formats
from memcli.transcripts.formats.base import Format, TextFormat
from memcli.transcripts.formats.generic import THREAD_KEYS, Generic
from memcli.transcripts.lines import BOM, MAX_LINE, as_records
from memcli.transcripts.report import BROKEN_TRANSCRIPT

Shape = Literal["lines", "json", "text", "empty"]

# A format shows itself in the first lines, or it is not one we know.
SNIFFED = 40
_HEAD = 1 << 20
# Keys that only stand in conversations.
_TELLING = (b'"mapping"', b'"chat_messages"', b'"messages"', b'"role"')
# A bracket alone could also begin the date of a line in a chat.
_ARRAY = re.compile(rb"\[\s*(?:[\[{\"]|\]|$|null|true|false)")
# What stands beside the conversations in exports of Slack, ChatGPT and Claude.ai.
_COMPANIONS = {
    "users.json", "channels.json", "groups.json", "dms.json", "mpims.json",
    "integration_logs.json", "canvases.json", "file_conversations.json",
    "export_manifest.json", "user.json", "message_feedback.json",
    "shared_conversations.json", "user_settings.json", "projects.json",
    "memories.json",
}  # fmt: skip
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of a document, looked at without being consumed."""

    shape: Shape
    lines: Sequence[bytes]
    parsed: Sequence[dict[str, Any]]


def look(stream: io.BufferedReader, seekable: bool) -> Head:
    """What a document looks like. The stream stands where it stood."""
    peeked = stream.peek(_HEAD)[:_HEAD]
    body = peeked.removeprefix(BOM).strip(b" \t\r\n\x00")
    if not body:
        return Head("empty", [], [])
    lines = [line.strip(b" \t\r\n\x00") for line in body.split(b"\n", SNIFFED)]
    if body[:1] == b"{" and b"\n" not in body and len(peeked) >= _HEAD:
        return _head_of_long_line(stream, seekable)
    if len(lines) > SNIFFED or len(peeked) >= _HEAD:
        lines = lines[:-1] or lines
    lines = [line for line in lines if line]
    parsed = _parsed(lines)
    broken_start = not _parsed(lines[:1]) and 2 * len(parsed) >= len(lines) > 1
    if _ARRAY.match(body) and not _are_arrays(lines) and not broken_start:
        return Head("json", lines, [])
    if (
        body[:1] == b"{"
        and not _parsed(lines[:1])
        and _is_one_value(body, lines, parsed, whole=len(peeked) < _HEAD)
    ):
        return Head("json", lines, [])
    # A line of JSON in a long text, as in source code, makes it no transcript.
    if parsed and (len(lines) < SNIFFED or 2 * len(parsed) >= len(lines)):
        return Head("lines", lines, parsed)
    opens = body[:1] == b"{" and not _parsed(lines[:1])
    return Head("json" if opens else "text", lines, [])


def _are_arrays(lines: Sequence[bytes]) -> bool:
    """Whether each of the lines may be an array of its own, a conversation."""
    if len(lines) < 2:
        return False
    whole = 0
    for line in (lines[0], *lines[1:]):
        with suppress(ValueError):
            whole += isinstance(orjson.loads(line), list)
    first_is_whole = not _opens(lines[0])
    return first_is_whole and whole >= 2


def _opens(line: bytes) -> bool:
    """Whether a line ends where JSON has to go on."""
    return line.endswith((b"[", b"{", b",", b":"))


def _is_one_value(
    body: bytes,
    lines: Sequence[bytes],
    parsed: Sequence[dict[str, Any]],
    *,
    whole: bool,
) -> bool:
    """Whether what begins on a line and does not end there is one value, written
    over several lines, and not JSON Lines with a broken first line."""
    if whole:
        with suppress(ValueError):
            orjson.loads(body)
            return True
    return 2 * len(parsed) < len(lines) and (_opens(lines[0]) or not whole)


def _head_of_long_line(stream: io.BufferedReader, seekable: bool) -> Head:
    """A first line of more than a megabyte is a line, or the whole document."""
    if not seekable:
        return Head("json", [], [])
    place = stream.tell()
    line = stream.readline(MAX_LINE)
    more = bool(stream.read(1))
    stream.seek(place)
    parsed = _parsed([line.removeprefix(BOM).strip(b" \t\r\n\x00")]) if more else []
    return Head("lines" if parsed else "json", [line], parsed)


def _parsed(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    found = []
    for line in lines:
        with suppress(ValueError):
            found += as_records(orjson.loads(line.decode("utf-8", "replace")))
    return found


def format_of(records: Iterable[dict[str, Any]]) -> Format | None:
    """The first format that knows one of the records, earlier ones first.

    The generic one knows so little of a message that any other which knows one
    of the records comes before it, unless the records name their threads.
    """
    generic = None
    for record in records:
        for format in formats():
            if format.recognises(record):
                if format.name != Generic.name:
                    return format
                if any(key in record for key in THREAD_KEYS):
                    return format
                generic = format
    return generic


def text_format_of(lines: Sequence[bytes]) -> TextFormat | None:
    """The first format of plain text that knows the lines."""
    texts = [line.decode("utf-8", "replace") for line in lines]
    for format in text_formats():
        if format.recognises_text(texts):
            return format
    return None


def why_unknown(head: Head, name: str, broken: bool) -> str:
    """What to say of a document in which no format was recognised."""
    if head.shape == "empty":
        return "empty file"
    if head.lines and head.lines[0].startswith(_UTF16):
        return "UTF-16 text, convert it to UTF-8 first"
    if name in _COMPANIONS:
        return "list that comes with an export"
    if any(b"\x00" in line or _is_binary(line) for line in head.lines[:5]):
        return "binary file"
    if head.shape == "text":
        return "text, but no transcript format memcli knows"
    if broken and any(key in line for line in head.lines for key in _TELLING):
        return BROKEN_TRANSCRIPT
    return "broken JSON" if broken else "JSON, but no transcript format memcli knows"


def _is_binary(line: bytes) -> bool:
    """Whether most of a line is no text in any encoding: pictures, programs."""
    text = line[:1000].decode("utf-8", "replace")
    return 8 * text.count("\ufffd") > len(text) > 0


def first(records: Iterator[Any], count: int = SNIFFED) -> list[Any]:
    """The first few of an iterator, taken from it."""
    return list(itertools.islice(records, count))
