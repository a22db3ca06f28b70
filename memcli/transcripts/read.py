"""One file → its messages: sniff the format, fill in times, ids and identity."""

import hashlib
import itertools
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import orjson

from memcli.models import Message
from memcli.transcripts.discover import STDIN, FoundFile
from memcli.transcripts.formats import FORMATS
from memcli.transcripts.formats.base import Format, RawMessage
from memcli.transcripts.lines import Line, read_lines
from memcli.transcripts.report import FileReport

# A format shows itself in the first lines, or it is not one we know.
_SNIFFED_LINES = 40
# Messages that wait for the first time of their thread, before the file's own
# time has to do.
_MAX_WAITING = 1000
MAX_TEXT = 200_000
# A clock may be a little fast; what lies further ahead is a wrong time.
_FUTURE_LEEWAY = timedelta(hours=24)


_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A finished message with the thread facts its line carried."""

    message: Message
    format: str
    title: str | None
    metadata: dict[str, str]


def read_file(
    found: FoundFile, report: FileReport, now: datetime
) -> Iterator[ReadMessage]:
    """Stream the messages of one file; everything left out is in `report`.

    Never raises for what stands in the file. An unreadable file sets
    `report.error`.
    """
    with ExitStack() as stack:
        try:
            stream: BinaryIO
            if found.path == STDIN:
                stream = sys.stdin.buffer
            else:
                stream = stack.enter_context(Path(found.path).open("rb"))
            lines = read_lines(stream, report)
            head = list(itertools.islice(lines, _SNIFFED_LINES))
            format = _detect(head, report)
            if format is None:
                return
            report.format = format.name
            raw = format.read(itertools.chain(head, lines), report)
            file_time = datetime.fromtimestamp(found.mtime_ns / 1e9, UTC)
            timed = _with_times(raw, file_time, now, report)
            for message in _identified(timed, format, report):
                report.messages += 1
                report.threads.add(message.message.thread_id)
                yield message
        except OSError as error:
            report.error = (error.strerror or str(error)).lower()


def _detect(head: list[Line], report: FileReport) -> Format | None:
    """The first format that knows one of the first lines, else None with a reason.

    Line by line, so that a file's own lines decide before any later ones.
    """
    if not head:
        report.skip("empty file" if not report.skipped else "nothing but long lines")
        return None
    parsed = []
    for line in head:
        with suppress(orjson.JSONDecodeError):
            parsed.append(orjson.loads(line.raw))
    # A line of JSON in a long text, as in source code, makes it no transcript.
    if len(head) < _SNIFFED_LINES or 2 * len(parsed) >= len(head):
        for record in parsed:
            for format in FORMATS:
                if isinstance(record, dict) and format.recognises(record):
                    return format
    report.skip(_why_unknown(head, len(parsed)))
    return None


def _why_unknown(head: list[Line], parsed: int) -> str:
    if parsed:
        return "JSON, but no transcript format memcli knows"
    if any(b"\x00" in line.raw for line in head):
        return "binary file"
    if head[0].raw[:1] in (b"{", b"["):
        return "JSON over several lines, or broken: not JSON Lines"
    return "not JSON Lines"


def _with_times(
    messages: Iterable[RawMessage],
    file_time: datetime,
    now: datetime,
    report: FileReport,
) -> Iterator[RawMessage]:
    """Give every message a time.

    In this order: its own, its conversation's, that of the message before it
    in the thread, that of the first one after it that has any, the file's.
    """
    last: dict[str, datetime] = {}
    waiting: dict[str, list[RawMessage]] = {}
    for message in messages:
        thread = message.thread_id
        sent_at = message.sent_at or message.thread_time
        if sent_at is not None and sent_at > now + _FUTURE_LEEWAY:
            report.skip("time in the future, not used")
            sent_at = None
        sent_at = sent_at or last.get(thread)
        if sent_at is None:
            queue = waiting.setdefault(thread, [])
            queue.append(message)
            if len(queue) < _MAX_WAITING:
                continue
            sent_at = min(file_time, now)
        last[thread] = sent_at
        for earlier in waiting.pop(thread, []):
            if earlier is not message:
                yield replace(earlier, sent_at=sent_at)
        yield replace(message, sent_at=sent_at)
    for queue in waiting.values():
        for message in queue:
            yield replace(message, sent_at=min(file_time, now))


def _identified(
    messages: Iterable[RawMessage], format: Format, report: FileReport
) -> Iterator[ReadMessage]:
    """Give every message an id and an identity, and cut what is far too long."""
    seen: Counter[tuple[str, str]] = Counter()
    for raw in messages:
        raw = replace(raw, thread_id=_clean(raw.thread_id))
        text = raw.text
        if len(text) > MAX_TEXT:
            report.skip(f"text cut at {MAX_TEXT:,} characters")
            text = text[:MAX_TEXT]
        text = _clean(text)
        if not text.strip():
            report.skip("empty message")
            continue
        message_id = None if raw.id is None else _clean(raw.id)
        if message_id is None:
            digest = hashlib.sha256(f"{raw.role}\x1f{text}".encode()).hexdigest()[:12]
            # The same words again in the same thread are another message.
            seen[raw.thread_id, digest] += 1
            count = seen[raw.thread_id, digest]
            message_id = digest if count == 1 else f"{digest}-{count}"
        assert raw.sent_at is not None
        yield ReadMessage(
            Message(
                key=raw.key or f"{raw.thread_id}/{message_id}",
                thread_id=raw.thread_id,
                id=message_id,
                role=raw.role,
                text=text,
                sent_at=raw.sent_at,
                name=_clean(raw.name) if raw.name else None,
            ),
            format=format.name,
            title=_clean(raw.title) if raw.title else None,
            metadata={_clean(k): _clean(v) for k, v in raw.metadata.items()},
        )


def _clean(text: str) -> str:
    """Without what would act on a terminal, or cannot be stored.

    Control characters (escape sequences among them) and marks that turn the
    direction of writing could make a screen show something else than is there.
    """
    text = _ACTING.sub("", text)
    return text.encode("utf-8", "replace").decode("utf-8")
