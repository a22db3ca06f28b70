"""Tombstones: what was forgotten, or put right by hand, is not learned again.

They keep keyed hashes only. A statement is known again by its words, and by the
words it was taken from: the same place in the same message, whatever file it
comes from, or the same sentence in another. The key lies in the same file, so a
guess can be tried on them, but nothing can be read.
"""

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from memcli.textkey import gist, text_key, words

Why = Literal["forgotten", "edited"]

# Fewer words are said on many occasions, and are no evidence in themselves.
_TELLING_WORDS = 4
# So many are not typed a second time.
_UNREPEATED = 40
# Chinese, Japanese, Thai and their like.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff]")
# A tombstone stands while the run that set it holds, and none that allowed the
# statement again does, however often they were undone and redone.
STANDS = (
    "NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = t.run_id "
    "AND r.undone_by IS NOT NULL) "
    "AND NOT EXISTS (SELECT 1 FROM tombstone_lifts l JOIN runs r ON r.id = l.run_id "
    "WHERE l.tombstone_id = t.id AND r.undone_by IS NULL)"
)


@dataclass(frozen=True, slots=True)
class Said:
    """A quote, the message it stands in, and whose words they are: nobody's
    forgetting is another's."""

    quote: str
    message: str
    who: str = ""


def bury(
    db: sqlite3.Connection,
    run_id: int,
    memory_id: int,
    namespace: str,
    text: str,
    said: Iterable[tuple[Said, bool]],
    why: Why,
) -> None:
    """Keep a statement from coming back. Of each quote it is told whether other
    memories stand on the same words."""
    key = _key(db)
    cursor = db.execute(
        "INSERT INTO tombstones (run_id, memory_id, why, statement, gist) "
        "VALUES (?, ?, ?, ?, ?)",
        (
            run_id, memory_id, why,
            _hash(key, "statement", namespace, text_key(text)),
            _gist(key, namespace, text),
        ),
    )  # fmt: skip
    for one, shared in said:
        place = _place(one)
        if place is None:
            continue
        db.execute(
            "INSERT OR IGNORE INTO tombstone_quotes VALUES (?, ?, ?, ?, ?, ?)",
            (
                cursor.lastrowid, _hash(key, "quote", one.who, text_key(one.quote)),
                _hash(key, "message", one.who, *words(one.message)), *place, shared,
            ),
        )  # fmt: skip


def any_stand(db: sqlite3.Connection) -> bool:
    """Whether there is any tombstone at all."""
    found = db.execute(f"SELECT 1 FROM tombstones t WHERE {STANDS} LIMIT 1")
    return found.fetchone() is not None


def on(
    db: sqlite3.Connection, namespace: str, text: str, said: Sequence[Said]
) -> Why | None:
    """Why a statement with this evidence is not to be stored; None if it may be."""
    key = _key(db)
    row = db.execute(
        f"SELECT why FROM tombstones t WHERE (statement = ? OR gist = ?) AND {STANDS}",
        (
            _hash(key, "statement", namespace, text_key(text)),
            _gist(key, namespace, text),
        ),
    ).fetchone()
    for one in said:
        row = row or _on_words(db, key, one)
    return row["why"] if row else None


def _on_words(db: sqlite3.Connection, key: bytes, one: Said) -> sqlite3.Row | None:
    place = _place(one)
    if place is None:
        return None
    first, last = place
    found: sqlite3.Row | None = db.execute(
        "SELECT t.why FROM tombstone_quotes q JOIN tombstones t "
        "ON t.id = q.tombstone_id WHERE q.shared = 0 "
        "AND (q.quote = ? OR (q.message = ? AND q.first_word < ? "
        f"AND q.last_word > ?)) AND {STANDS}",
        (
            _hash(key, "quote", one.who, text_key(one.quote)),
            _hash(key, "message", one.who, *words(one.message)), last, first,
        ),
    ).fetchone()  # fmt: skip
    return found


def set_by(db: sqlite3.Connection, namespace: str, text: str) -> list[int]:
    """The runs that set the tombstones which stand on a statement."""
    key = _key(db)
    rows = db.execute(
        "SELECT DISTINCT run_id FROM tombstones t "
        f"WHERE (statement = ? OR gist = ?) AND {STANDS}",
        (
            _hash(key, "statement", namespace, text_key(text)),
            _gist(key, namespace, text),
        ),
    )
    return [row["run_id"] for row in rows]


def lift(db: sqlite3.Connection, run_id: int, namespace: str, text: str) -> int:
    """A person says it anew: it may be known again; how many tombstones that was."""
    key = _key(db)
    done = db.execute(
        "INSERT INTO tombstone_lifts SELECT t.id, ? FROM tombstones t "
        f"WHERE (statement = ? OR gist = ?) AND {STANDS}",
        (
            run_id,
            _hash(key, "statement", namespace, text_key(text)),
            _gist(key, namespace, text),
        ),
    )
    return done.rowcount


def count(db: sqlite3.Connection) -> int:
    """How many statements are kept from coming back."""
    row = db.execute(f"SELECT count(*) AS n FROM tombstones t WHERE {STANDS}")
    number: int = row.fetchone()["n"]
    return number


def purge_message(
    db: sqlite3.Connection, run_id: int, key: str, role: str, text: str, sent_at: str
) -> None:
    """Keep a message that was removed for good from being read again."""
    for one in _message_hashes(_key(db), key, role, text, sent_at):
        db.execute("INSERT OR IGNORE INTO purged VALUES (?, ?)", (one, run_id))


def purge_thread(db: sqlite3.Connection, run_id: int, thread_id: str) -> None:
    """Keep a whole conversation from being read again, also what is yet to come."""
    hash = _hash(_key(db), "thread", thread_id)
    db.execute("INSERT OR IGNORE INTO purged VALUES (?, ?)", (hash, run_id))


class Purged:
    """What was removed for good, at hand while files are read."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        row = db.execute("SELECT 1 FROM purged LIMIT 1").fetchone()
        self._key = _key(db) if row is not None else None

    def has(self, thread_id: str, key: str, role: str, text: str, sent_at: str) -> bool:
        """Whether this message is not to be read."""
        if self._key is None:
            return False
        hashes = _message_hashes(self._key, key, role, text, sent_at)
        hashes.append(_hash(self._key, "thread", thread_id))
        marks = ",".join("?" * len(hashes))
        found = self._db.execute(
            f"SELECT 1 FROM purged WHERE hash IN ({marks})", hashes
        )
        return found.fetchone() is not None


def _message_hashes(
    key: bytes, message_key: str, role: str, text: str, sent_at: str
) -> list[str]:
    """A message is known by its key, and a copy under another name by its words; by
    few of them, which may be said again, only together with the day."""
    spoken = words(text)
    when = sent_at[:10] if len(spoken) < _UNREPEATED else ""
    return [
        _hash(key, "key", message_key),
        _hash(key, "words", role, when, *spoken),
    ]


def _place(one: Said) -> tuple[int, int] | None:
    """Where the quote stands among the words of its message, from and up to;
    None for words that would be no evidence."""
    message, quote = _spoken(one.message), _spoken(one.quote)
    if len(message) < _TELLING_WORDS or not quote:
        return None
    for start in range(len(message) - len(quote) + 1):
        if message[start : start + len(quote)] == quote:
            return start, start + len(quote)
    return None


def _gist(key: bytes, namespace: str, text: str) -> str:
    """One telling word alone does not make two statements the same."""
    telling = gist(text)
    same = telling if len(telling.split()) > 1 else text_key(text)
    return _hash(key, "gist", namespace, same)


def _spoken(text: str) -> list[str]:
    """The words of a text; of a script that has no spaces, its characters."""
    found: list[str] = []
    for word in words(text):
        found += list(word) if _UNSPACED.search(word) else [word]
    return found


def _key(db: sqlite3.Connection) -> bytes:
    row = db.execute("SELECT value FROM keys WHERE name = 'tombstones'").fetchone()
    if row is None:
        fresh = os.urandom(32).hex()
        db.execute("INSERT INTO keys VALUES ('tombstones', ?)", (fresh,))
        return bytes.fromhex(fresh)
    return bytes.fromhex(row["value"])


def _hash(key: bytes, *parts: str) -> str:
    joined = "\x00".join(parts).encode()
    return hashlib.blake2b(joined, key=key, digest_size=16).hexdigest()
