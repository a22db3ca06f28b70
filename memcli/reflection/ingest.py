"""The first stage of a run: files → messages in the store, each once."""

import contextlib
import itertools
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from memcli.redaction import redact, redact_named
from memcli.reflection.known_files import KnownFiles
from memcli.reflection.progress import Listener
from memcli.store import files, submissions, threads
from memcli.store.database import transaction
from memcli.store.tombstones import Purged
from memcli.transcripts.cursor import Cursor
from memcli.transcripts.discover import STDIN, FoundFile, discover, shown
from memcli.transcripts.report import BROKEN_TRANSCRIPT, FileReport
from memcli.when import to_text

if TYPE_CHECKING:
    from memcli.transcripts.normalise import ReadMessage

# A file's messages are committed in batches, so that a huge file neither holds
# the write lock for long nor lives in memory.
_BATCH = 2000
# In these a message that gets answers moves to a thread, names come later, and
# more of a chat tells which number of a date is the day.
_FOLLOWED = ("slack", "whatsapp")


@dataclass(slots=True)
class Reading:
    """What reading came to. A file is read, unchanged, or not recognised."""

    files_read: int = 0
    unchanged: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    unrecognised: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    added: int = 0
    edited: int = 0
    withdrawn: int = 0
    redacted: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    silent: dict[str, str] = field(default_factory=dict)

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
    known = KnownFiles(db)
    own = _files_of_ours(db)
    submitted = submissions.all_threads(db)
    listener.stage("reading", None)

    def closed(folder: str) -> None:
        reading.unreadable.append(f"{shown(folder)}: permission denied")
        listener.notice(reading.unreadable[-1])

    for found in _sources(paths, now, closed):
        if found.inode in own and Path(found.path).stat().st_dev == own[found.inode]:
            continue
        if known.unchanged(found):
            _count_unchanged(reading, known.format_of(found))
            continue
        if stop.is_set():
            break
        report = FileReport(shown(found.path))
        _store(db, found, report, known.cursor(found), reading, now, submitted)
        _count(reading, report, listener)
        listener.step()
    return reading


def _files_of_ours(db: sqlite3.Connection) -> dict[int, int]:
    """The database's own files, device by inode. To open and close one would take
    away the locks that SQLite has on it, and with them what keeps others from
    removing its log under our hands."""
    name: str = db.execute("PRAGMA database_list").fetchone()["file"]
    found = {}
    for end in ("", "-wal", "-shm", "-journal") if name else ():
        with contextlib.suppress(OSError):
            status = Path(name + end).stat()
            found[status.st_ino] = status.st_dev
    return found


def _sources(
    paths: Iterable[str], now: datetime, closed: Callable[[str], None]
) -> Iterator[FoundFile]:
    names = list(paths)
    if STDIN in names:
        yield FoundFile(STDIN, 0, int(now.timestamp() * 1e9), 0)
    yield from discover((name for name in names if name != STDIN), closed)


def _store(
    db: sqlite3.Connection,
    found: FoundFile,
    report: FileReport,
    cursor: Cursor | None,
    reading: Reading,
    now: datetime,
    submitted: Collection[str],
) -> None:
    # Only a run that has something to read pays for the formats.
    from memcli.transcripts.formats import reader
    from memcli.transcripts.read import read_file

    kept_threads: set[str] = set()
    purged = Purged(db)
    read_as = to_text(datetime.fromtimestamp(found.mtime_ns / 1e9, UTC))
    messages = read_file(found, report, now, cursor)
    while batch := list(itertools.islice(messages, _BATCH)):
        with transaction(db):
            changed = {
                item.message.thread_id
                for item in (_apart(one, submitted) for one in batch)
                if store_message(db, item, kept_threads, reading, now, read_as, purged)
            }
            threads.forgive(db, changed)
    with transaction(db):
        gone = threads.withdraw(
            db, {key: _age(of, read_as) for key, of in report.withdrawn.items()}
        )
        if gone:
            from memcli.store import vectors

            vectors.remove(db, "messages", gone)
            kept_threads |= threads.delete_messages(db, gone)
        threads.drop_empty(db, kept_threads)
    reading.withdrawn += len(gone)
    if report.error is None and found.path != STDIN:
        files.remember(db, found, report, reader(), to_text(now))


def _apart(item: "ReadMessage", submitted: Collection[str]) -> "ReadMessage":
    """A conversation of a file beside one of the same name that a program submitted:
    it may be somebody else's, and goes to a namespace of its own."""
    message = item.message
    if message.thread_id not in submitted:
        return item
    apart = f"{message.thread_id}~read"
    key = message.key
    if key.startswith(f"{message.thread_id}/"):
        key = apart + key.removeprefix(message.thread_id)
    return replace(item, message=replace(message, thread_id=apart, key=key))


def _age(changed: datetime | None, file_time: str) -> str:
    """How new what a file says is: when the conversation was last changed, and
    then the file. Sorts as text."""
    return f"{to_text(changed) if changed else ''} {file_time}"


def store_message(
    db: sqlite3.Connection,
    item: "ReadMessage",
    kept_threads: set[str],
    reading: Reading,
    now: datetime,
    read_as: str,
    purged: Purged,
) -> bool:
    """Store one message, redacted; whether that changed anything."""
    message = item.message
    text, secrets = redact(message.text)
    if purged.has(
        message.thread_id, message.key, message.role, text, to_text(message.sent_at)
    ):
        reading.skipped["removed for good before"] += 1
        return False
    if message.thread_id not in kept_threads:
        metadata = {k: redact_named(k, v) for k, v in item.metadata.items()}
        title = redact(item.title)[0] if item.title else None
        threads.keep_thread(db, message.thread_id, item.format, title, metadata)
        kept_threads.add(message.thread_id)
    outcome = threads.keep_message(
        db,
        replace(message, text=text),
        now,
        as_of=_age(item.as_of, read_as),
        stand_in_key=item.stand_in_key,
        is_copy=item.metadata.get("session_kind") == "fork",
        follows=item.format in _FOLLOWED,
    )
    if outcome != "known":
        reading.redacted += secrets
    if outcome == "added":
        reading.added += 1
    elif outcome == "edited":
        reading.edited += 1
    return outcome != "known"


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
        reading.unrecognised += report.reasons
        if BROKEN_TRANSCRIPT in report.reasons:
            reading.silent[report.path] = BROKEN_TRANSCRIPT
    else:
        reading.files_read += 1
        reading.formats[report.format] += 1
        reading.skipped += report.skipped
        reading.problems += report.problems
        if report.puzzling:
            reading.silent[report.path] = report.why_silent
