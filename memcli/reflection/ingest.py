"""The first stage of a run: files → messages in the store, each once."""

import itertools
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from memcli.redaction import redact, redact_named
from memcli.reflection.progress import Listener
from memcli.store import files, threads
from memcli.store.database import transaction
from memcli.transcripts.discover import STDIN, FoundFile, discover, shown
from memcli.transcripts.read import ReadMessage, read_file
from memcli.transcripts.report import FileReport
from memcli.when import to_text

# A file's messages are committed in batches, so that a huge file neither holds
# the write lock for long nor lives in memory.
_BATCH = 2000


@dataclass(slots=True)
class Reading:
    """What reading came to. A file is read, unchanged, or not recognised."""

    files_read: int = 0
    unchanged: int = 0
    unrecognised: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    added: int = 0
    edited: int = 0
    redacted: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    @property
    def recognised(self) -> int:
        """Files that hold transcripts, read now or before."""
        return self.files_read + self.unchanged

    def nothing_recognised(self) -> str:
        """One line on what was found instead of transcripts."""
        total = sum(self.unrecognised.values()) + len(self.unreadable)
        if not total:
            return "no transcripts: there are no files there"
        seen = [f"{n} {why}" for why, n in self.unrecognised.most_common()]
        seen += self.unreadable[:3]
        files = "1 file" if total == 1 else f"{total} files"
        return f"no transcripts in {files}: {'; '.join(seen)}"


def ingest(
    db: sqlite3.Connection,
    paths: Sequence[str],
    now: datetime,
    listener: Listener,
    stop: threading.Event,
) -> Reading:
    """Read every file that is new or changed, and store its messages.

    Raises UnreadableInput for a path that does not exist.
    """
    reading = Reading()
    known = files.seen(db)
    listener.stage("reading", None)
    for found in _sources(paths, now):
        if stop.is_set():
            break
        if found.path != STDIN and (before := known.get(found.path)) is not None:
            *facts, format = before
            if facts == [found.size, found.mtime_ns, found.inode]:
                _count_unchanged(reading, format)
                continue
        report = FileReport(shown(found.path))
        _store(db, found, report, reading, now)
        _count(reading, report, listener)
        listener.step()
    return reading


def _sources(paths: Iterable[str], now: datetime) -> Iterator[FoundFile]:
    names = list(paths)
    if STDIN in names:
        yield FoundFile(STDIN, 0, int(now.timestamp() * 1e9), 0)
    yield from discover(name for name in names if name != STDIN)


def _store(
    db: sqlite3.Connection,
    found: FoundFile,
    report: FileReport,
    reading: Reading,
    now: datetime,
) -> None:
    kept_threads: set[str] = set()
    messages = read_file(found, report, now)
    while batch := list(itertools.islice(messages, _BATCH)):
        with transaction(db):
            for item in batch:
                _store_message(db, item, kept_threads, reading, now)
    if report.error is None and found.path != STDIN:
        files.remember(db, found, report, to_text(now))


def _store_message(
    db: sqlite3.Connection,
    item: ReadMessage,
    kept_threads: set[str],
    reading: Reading,
    now: datetime,
) -> None:
    message = item.message
    if message.thread_id not in kept_threads:
        metadata = {k: redact_named(k, v) for k, v in item.metadata.items()}
        title = redact(item.title)[0] if item.title else None
        threads.keep_thread(db, message.thread_id, item.format, title, metadata)
        kept_threads.add(message.thread_id)
    text, secrets = redact(message.text)
    outcome = threads.keep_message(db, replace(message, text=text), now)
    if outcome != "known":
        reading.redacted += secrets
    if outcome == "added":
        reading.added += 1
    elif outcome == "edited":
        reading.edited += 1


def _count_unchanged(reading: Reading, format: str | None) -> None:
    if format is None:
        reading.unrecognised["not a transcript, as before"] += 1
    else:
        reading.unchanged += 1


def _count(reading: Reading, report: FileReport, listener: Listener) -> None:
    for problem in report.problems:
        listener.notice(problem)
    if (more := report.bad_lines - len(report.problems)) > 0:
        listener.notice(f"{report.path}: {more} more bad lines")
    if report.error is not None:
        reading.unreadable.append(f"{report.path}: {report.error}")
        listener.notice(f"{report.path}: {report.error}")
    elif report.format is None:
        reading.unrecognised += report.skipped
    else:
        reading.files_read += 1
        reading.skipped += report.skipped
        reading.problems += report.problems
        if report.puzzling:
            reading.silent.append(report.path)
