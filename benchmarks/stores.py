"""Databases to measure with: as full as years of runs leave them, made in minutes.

A thread of 20 messages gives two memories, and in every fifth thread the second one
ends the first. Messages are written in bulk, everything else by the store itself.
The vectors are those of real sentences with some noise, so that they lie as near
each other as real ones do.
"""

import functools
import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import gettempdir

import numpy as np

from benchmarks.generate import ANSWER, CHATTER, PLACES, THINGS, VERBS
from memcli.embeddings.choose import DEFAULT_MODEL, encoder
from memcli.models import Candidate, Kind, Op, Operation, Quote
from memcli.store import extractions, files, memories, runs, schema, threads, vectors
from memcli.store.database import connect, transaction
from memcli.store.history import Change
from memcli.transcripts.cursor import Cursor
from memcli.transcripts.discover import FoundFile
from memcli.transcripts.formats import reader
from memcli.transcripts.report import FileReport
from memcli.when import to_text

TURNS = 20  # messages of a thread
SAYING = (4, 12)  # those of them that say something to remember
_PER_RUN = 100  # threads
_PER_FILE = 50  # messages
_SENTENCES = 1500  # that are encoded; the other vectors are near one of these
_NOISE = 0.02  # a dimension: a cosine of 0.93
_START = datetime(2025, 1, 1, tzinfo=UTC)
_PAIRS = [(v, t, p) for p in PLACES for t in THINGS for v in VERBS]

Row = tuple[str, str, str, str, str, str, int, str]


def store(count: int, namespaces: int) -> Path:
    """A database of so many memories, and ten messages for each.

    It is made once, and kept in the temporary folder as long as neither the schema
    nor this file changes. Work on a copy.
    """
    digest = hashlib.blake2b(Path(schema.__file__).read_bytes(), digest_size=4)
    digest.update(Path(__file__).read_bytes())
    folder = Path(
        gettempdir(), f"memcli-stores-{len(schema.STEPS)}-{digest.hexdigest()}"
    )
    folder.mkdir(mode=0o700, exist_ok=True)
    number = count // len(SAYING)
    said = folder / f"{count}.db"
    made = folder / f"{count}-in-{namespaces}.db"
    if not made.exists():
        if not said.exists():
            _make(said, None, lambda db: _say(db, number))
        _make(made, said, lambda db: _reflect(db, number, namespaces))
    return made


def namespace(thread: int, namespaces: int) -> str:
    """Where a thread's memories go; `memories/me` is where they go unasked."""
    return f"memories/{thread % namespaces:02}" if namespaces > 1 else "memories/me"


def statement(number: int) -> str:
    """Something to remember; no two are the same."""
    return f"I {_stated(number)}."


def _stated(number: int) -> str:
    verb, thing, place = _PAIRS[number % len(_PAIRS)]
    return f"{verb} {thing} {place} since {1950 + number // len(_PAIRS)}"


def _remembered(number: int) -> str:
    """A statement as the offline extractor puts it."""
    verb, _, rest = _stated(number).partition(" ")
    verb = {"can't": verb, "don't": "doesn't"}.get(verb, f"{verb}s")
    return f"The user {verb} {rest}."


def _make(
    path: Path, start: Path | None, fill: Callable[[sqlite3.Connection], None]
) -> None:
    """Begin with a copy of `start`, fill it, and have it at `path` as a whole."""
    part = path.with_name("part.db")
    for left in path.parent.glob("part.db*"):
        left.unlink()
    if start is not None:
        shutil.copyfile(start, part)
    with closing(connect(part)) as db:
        # What is half made when something fails is thrown away.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF"):
            db.execute(f"PRAGMA {pragma}")
        with transaction(db):
            fill(db)
    part.replace(path)


def _say(db: sqlite3.Connection, number: int) -> None:
    """Runs, threads, messages with their vectors, and files."""
    for first in range(0, number, _PER_RUN):
        now = _at(first, 0)
        run = runs.start(db, now, "offline", "rules-1", "memories/{user_id:-me}", 10.0)
        for stage in ("read", "extract", "embed", "consolidate"):
            runs.begin_stage(db, run, stage, now)
        runs.end_stage(db, run, now)
        listed = min(_PER_RUN, number - first)
        counts = {
            "files_read": listed * TURNS // _PER_FILE,
            "messages_added": listed * TURNS,
            "threads_reflected": listed,
            "candidates": listed * len(SAYING),
            "inserted": listed * len(SAYING),
        }
        runs.finish(db, run, now, "done", counts)
    for thread in range(number):
        threads.keep_thread(db, f"t{thread}", "generic", None, {})
    db.executemany(
        "INSERT INTO messages (key, thread_id, message_id, role, text, sent_at, "
        "reflected_in, as_of) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (row for thread in range(number) for row in _turns(thread)),
    )
    _give_vectors(db, "messages", number * TURNS)
    _note_files(db, number * TURNS // _PER_FILE)


def _turns(thread: int) -> Iterator[Row]:
    for turn in range(TURNS):
        role, text = "assistant", ANSWER + CHATTER[(thread + turn) % len(CHATTER)]
        if turn % 2 == 0:
            role, text = "user", CHATTER[(thread + turn // 2) % len(CHATTER)]
        if turn in SAYING:
            text += " " + statement(thread * len(SAYING) + SAYING.index(turn))
        sent = to_text(_at(thread, turn))
        run = thread // _PER_RUN + 1
        yield (
            f"t{thread}/{turn}", f"t{thread}", str(turn), role, text, sent, run,
            f" {sent}",
        )  # fmt: skip


def _at(thread: int, turn: int) -> datetime:
    return _START + timedelta(minutes=8 * thread, seconds=turn)


@functools.cache
def _real_vectors() -> vectors.Vectors:
    listed = [statement(number) for number in range(_SENTENCES)]
    return encoder(DEFAULT_MODEL).encode(listed)


def _give_vectors(db: sqlite3.Connection, owner: vectors.Owner, count: int) -> None:
    near = _real_vectors()
    vectors.use_model(db, DEFAULT_MODEL, near.shape[1])
    draw = np.random.default_rng(count)
    for first in range(1, count + 1, vectors.PAGE):
        ids = range(first, min(first + vectors.PAGE, count + 1))
        found = draw.standard_normal((len(ids), near.shape[1]), np.float32)
        found = _NOISE * found + near[np.asarray(ids) % _SENTENCES]
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        vectors.put(db, owner, ids, found)


def _note_files(db: sqlite3.Connection, count: int) -> None:
    formats, read_at = reader(), to_text(_START)
    for number in range(count):
        path = f"/home/me/transcripts/{number // 1000}/{number}.jsonl"
        size, inode = 12_000 + number, 10**9 + number
        at = Cursor("generic", size, _PER_FILE, f"{number:032x}")
        report = FileReport(path, "generic", _PER_FILE, cursor=at)
        found = FoundFile(path, size, 10**18 + number, inode)
        files.remember(db, found, report, formats, read_at)


def _reflect(db: sqlite3.Connection, number: int, namespaces: int) -> None:
    """What the runs made of the threads."""
    for thread in range(number):
        where, run = namespace(thread, namespaces), thread // _PER_RUN + 1
        now = _at(thread, 60)
        found = [_candidate(thread, which) for which in range(len(SAYING))]
        kept = extractions.keep(
            db, run, f"t{thread}", where, "offline", "rules-1", "offline rules-1",
            f"{thread:032x}", found, {}, now,
        )  # fmt: skip
        change = Change(run, where, now, kept, f"t{thread}")
        first, _ = memories.apply(db, change, found[0], Operation(Op.INSERT, "new"))
        closes = (first,) if thread % 5 == 0 else ()
        second = Operation(Op.INSERT, "new", closes=closes)
        memories.apply(db, change, found[1], second)
        extractions.mark_consolidated(db, [kept], run)
    _give_vectors(db, "memories", number * len(SAYING))


def _candidate(thread: int, which: int) -> Candidate:
    number = thread * len(SAYING) + which
    return Candidate(
        _remembered(number),
        Kind.PREFERENCE,
        (Quote(str(SAYING[which]), statement(number)),),
        0.86,
        _at(thread, SAYING[which]),
        signal="prefers",
    )
