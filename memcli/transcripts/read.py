"""One file → its messages: open it, know its format, read it, finish what it gives."""

import itertools
import traceback
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson

from memcli.errors import MemcliError
from memcli.transcripts import detect
from memcli.transcripts.containers import BUFFER, Broken, Document, documents
from memcli.transcripts.cursor import Cursor, fingerprint, still_there
from memcli.transcripts.discover import FoundFile
from memcli.transcripts.formats import by_name
from memcli.transcripts.formats.base import (
    Appending,
    Format,
    RawMessage,
    Record,
    Source,
)
from memcli.transcripts.lines import BOM, Line, as_records, parse, read_lines, records
from memcli.transcripts.normalise import ReadMessage, finished, with_times
from memcli.transcripts.report import FileReport

# A JSON document up to this size is parsed at once; a larger one is cut into
# pieces of half this size.
_AT_ONCE = 16 << 20


def read_file(
    found: FoundFile, report: FileReport, now: datetime, cursor: Cursor | None = None
) -> Iterator[ReadMessage]:
    """Stream the messages of one file; everything left out is in `report`.

    With the `cursor` of an earlier read, a file that still begins the same is
    read from there. Never raises for what stands in the file. An unreadable
    file sets `report.error`; a file that can be read on next time sets
    `report.cursor`.
    """
    try:
        for document in documents(found):
            try:
                yield from _read_document(document, found, report, now, cursor)
            except Broken as error:
                report.error = _reason(error)
        if not report.format and not report.reasons and not report.error:
            report.unknown("archive without a file that could be a transcript")
    except Broken as error:
        report.error = _reason(error)
    except MemcliError:
        raise  # a format that cannot be loaded, say: nothing of this file's
    except Exception as error:
        # One odd file must not end the night for all others. The message of an
        # unexpected error may quote the file, so only its kind is told.
        report.error = f"reading it failed: {_where(error)}"


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    return (said or str(error) or "damaged archive").lower()


def _where(error: Exception) -> str:
    """The kind of an error, and the line of code it came from."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"


def _read_document(
    document: Document,
    found: FoundFile,
    report: FileReport,
    now: datetime,
    cursor: Cursor | None,
) -> Iterator[ReadMessage]:
    source = Source(document.path, report, document.beside)
    tail = _Tail()
    opened = _resumed(document, found, source, tail, cursor) or _begun(
        document, source, tail
    )
    if opened is None:
        return
    name, raw = opened
    report.recognised(name)
    file_time = datetime.fromtimestamp(found.mtime_ns / 1e9, UTC)
    timed = with_times(raw, file_time, now, report)
    for message in finished(timed, name, report, source.memo):
        report.count(message.message)
        yield message
    report.withdrawn |= source.withdrawn
    report.cursor = _cursor(document, source, tail, name)


def _begun(
    document: Document, source: Source, tail: "_Tail"
) -> tuple[str, Iterator[RawMessage]] | None:
    """A document from its start: its format's name and its messages, or None."""
    head = detect.look(document.stream, document.seekable)
    source.report.whole = True
    if head.shape == "text" and _may_be_chat(document):
        text_format = detect.text_format_of(head.lines)
        if text_format is not None:
            lines = read_lines(document.stream, source.report, blank=True)
            return text_format.name, text_format.read_text(_texts(lines), source)
    elif head.shape == "lines":
        format = detect.format_of(head.parsed)
        if format is not None:
            return format.name, _read_lines(format, document, source, tail)
    elif head.shape == "json":
        found = _document_records(document, source.report)
        first = detect.first(found)
        format = detect.format_of(record.data for record in first)
        if format is not None:
            return format.name, format.read(itertools.chain(first, found), source)
    source.report.unknown(
        detect.why_unknown(head, document.path.name, source.report.broken)
    )
    return None


def _may_be_chat(document: Document) -> bool:
    """Logs look much like chats, and say what they are by their name."""
    return ".log" not in document.path.suffixes


def _texts(lines: Iterable[Line]) -> Iterator[tuple[int, str]]:
    return ((line.number, line.raw.decode("utf-8", "replace")) for line in lines)


def _resumed(
    document: Document,
    found: FoundFile,
    source: Source,
    tail: "_Tail",
    cursor: Cursor | None,
) -> tuple[str, Iterator[RawMessage]] | None:
    """A known document from where its last read ended; None if it has changed."""
    if cursor is None or not document.seekable:
        return None
    format = by_name(cursor.format)
    if isinstance(format, Format) and still_there(cursor, document.stream, found.size):
        document.stream.seek(cursor.offset)
        source.memo = dict(cursor.memo)
        tail.end, tail.number = cursor.offset, cursor.line
        return format.name, _read_lines(format, document, source, tail)
    document.stream.seek(0)
    return None


def _read_lines(
    format: Format, document: Document, source: Source, tail: "_Tail"
) -> Iterator[RawMessage]:
    lines = read_lines(document.stream, source.report, tail.end, tail.number)
    passes_over = None
    if isinstance(format, Appending):
        passes_over = format.passes_over
        tail.resumable = document.seekable
    found = records(tail.following(lines), source.report, passes_over)
    return format.read(found, source)


class _Tail:
    """Remembers the last line that was whole: where the next read begins."""

    def __init__(self) -> None:
        self.end = 0
        self.number = 0
        self.resumable = False

    def following(self, lines: Iterable[Line]) -> Iterator[Line]:
        for line in lines:
            yield line
            if line.whole:
                self.end, self.number = line.end, line.number


def _cursor(
    document: Document, source: Source, tail: _Tail, format: str
) -> Cursor | None:
    """The cursor for the next read, if it would give the same as reading anew."""
    if not tail.resumable or not source.report.self_contained or tail.end == 0:
        return None
    end, number = tail.end, tail.number
    if (again := source.read_again_from) is not None:
        end, number = again.offset, again.number - 1
    print_ = fingerprint(document.stream, end)
    return Cursor(format, end, number, print_, source.memo)


def _document_records(document: Document, report: FileReport) -> Iterator[Record]:
    """The objects of a JSON document: the elements of its array, or itself."""
    start = document.stream.read(_AT_ONCE + 1)
    number = 0
    for piece in _parts(start, document, report):
        try:
            data = parse(piece, report)
        except ValueError:
            number += 1
            report.problem(number, "an element that is not valid JSON")
            continue
        for element in data if isinstance(data, list) else [data]:
            number += 1
            found = as_records(element)
            if not found and element != []:
                report.problem(number, "an element that is not a JSON object")
            for record in found:
                yield Record(number, record)


def _parts(start: bytes, document: Document, report: FileReport) -> Iterator[bytes]:
    """A small document whole; a large or a damaged one in pieces."""
    start = start.removeprefix(BOM).strip(b"\x00")
    if len(start) <= _AT_ONCE:
        try:
            orjson.loads(start)
        except orjson.JSONDecodeError:
            from memcli.transcripts.pieces import pieces

            yield from pieces([start], 0, lambda: _ragged(report))
        else:
            yield start
        return
    from memcli.transcripts.pieces import pieces  # brings NumPy

    chunks = itertools.chain([start], iter(lambda: document.stream.read(BUFFER), b""))
    yield from pieces(chunks, _AT_ONCE // 2, lambda: _ragged(report))


def _ragged(report: FileReport) -> None:
    report.problem(1, "ends in the middle of its JSON")
