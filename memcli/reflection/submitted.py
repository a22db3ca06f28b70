"""What a program hands over: stored at once, reflected when it is due.

A program submits the whole conversation each time, or only what is new, or a window
of it. Messages that the store has already are known by their ids or, without ids, by
where they stand.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any
from uuid import uuid4

from memcli import namespaces
from memcli.models import Message
from memcli.redaction import redact
from memcli.reflection.ingest import Reading, store_message
from memcli.store import submissions, threads
from memcli.store.database import transaction
from memcli.store.tombstones import Purged
from memcli.transcripts.given import read_given
from memcli.transcripts.normalise import ReadMessage, clean
from memcli.when import to_text


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is submitted. `thread_id` is None where the program has no name for it;
    `variables` fill the namespace."""

    messages: Sequence[object]
    thread_id: str | None
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A submission as it is in the store. `last_message` is the row number of the
    thread's newest message, `last_extraction` that of what was made of it before."""

    thread_id: str
    serial: int
    due_at: datetime
    last_message: int
    last_extraction: int


def accept(
    db: sqlite3.Connection,
    given: Conversation,
    recipe: Mapping[str, Any],
    template: str,
    now: datetime,
    due_at: datetime,
) -> Accepted:
    """Store what was submitted, in one transaction; it is safe when this returns.

    Raises NamespaceError when the namespace cannot be filled, and UsageError for
    what is no message.
    """
    name = clean(given.thread_id or "").strip() or None
    variables = {key: clean(value) for key, value in given.variables.items()}
    known = {**variables, **({"thread_id": name} if name else {})}
    namespace = namespaces.fill_from_call(template, known)
    read = read_given(given.messages, name or "", variables, now)
    with transaction(db):
        enricher = submissions.enricher_id(db, recipe)
        thread_id = (
            f"submission-{uuid4().hex}"
            if name is None
            else submissions.thread_for(db, name, enricher, namespace)
        )
        stored = [message for _, message, _ in threads.messages(db, thread_id)]
        _store(db, thread_id, unknown(stored, read), now)
        last_message = submissions.last_message(db, thread_id)
        if not last_message:  # nobody wrote anything
            return Accepted(thread_id, 0, due_at, 0, 0)
        threads.forgive(db, [thread_id])
        serial = submissions.put(db, thread_id, name, enricher, namespace, now, due_at)
        last_extraction = submissions.last_extraction(db, thread_id)
    return Accepted(thread_id, serial, due_at, last_message, last_extraction)


def unknown(
    stored: Sequence[Message], given: Sequence[ReadMessage]
) -> list[ReadMessage]:
    """Those of the given messages that a thread does not have yet.

    The given ones may go on where the stored ones end, overlap with their end, or
    begin as they do: then they are the same conversation told from its start, in
    which some may have been changed or left out since. So they are, too, when all
    of the stored ones are among them: what came before may have been removed here.
    """
    before = [_words(message.role, message.name, message.text) for message in stored]
    fresh = [_redacted_words(item.message) for item in given]
    shared = _overlap(before, fresh)
    known = set(range(shared))
    if not shared and (before[:1] == fresh[:1] or _within(before, fresh)):
        matcher = SequenceMatcher(None, before, fresh, autojunk=False)
        known = {
            at
            for block in matcher.get_matching_blocks()
            for at in range(block.b, block.b + block.size)
        }
    return [item for at, item in enumerate(given) if at not in known]


def _overlap(before: Sequence[bytes], fresh: Sequence[bytes]) -> int:
    """How many of the fresh ones are the end of those before."""
    for size in range(min(len(before), len(fresh)), 0, -1):
        if before[-size:] == fresh[:size]:
            return size
    return 0


def _within(before: Sequence[bytes], fresh: Sequence[bytes]) -> bool:
    """Whether those before are among the fresh ones, one after the other."""
    starts = range(len(fresh) - len(before) + 1)
    return any(fresh[at : at + len(before)] == before for at in starts)


def _store(
    db: sqlite3.Connection, thread_id: str, new: Sequence[ReadMessage], now: datetime
) -> None:
    purged, reading, kept = Purged(db), Reading(), set[str]()
    seen = set[str]()
    counts = Counter[str]()
    for item in new:
        message = replace(item.message, thread_id=thread_id)
        # An id that two messages share tells nothing: neither is the other, edited.
        own = message.id not in seen and message.id
        message_id = own or _free_id(db, message, counts)
        seen.add(message_id)
        message = replace(message, id=message_id, key=f"{thread_id}/{message_id}")
        item = replace(item, message=message)
        store_message(db, item, kept, reading, now, to_text(now), purged)


def _free_id(db: sqlite3.Connection, message: Message, counts: Counter[str]) -> str:
    """An id for a message without one: what is said, and the how-manieth time;
    `counts` knows how many there were when it was last asked."""
    digest = _redacted_words(message).hex()[:12]
    while True:
        counts[digest] += 1
        count = counts[digest]
        found = digest if count == 1 else f"{digest}-{count}"
        key = f"{message.thread_id}/{found}"
        if not db.execute("SELECT 1 FROM messages WHERE key = ?", (key,)).fetchone():
            return found


def _redacted_words(message: Message) -> bytes:
    return _words(message.role, message.name, redact(message.text)[0])


def _words(role: str, name: str | None, text: str) -> bytes:
    words = f"{role}\x1f{name or ''}\x1f{text.strip()}"
    return hashlib.sha256(words.encode("utf-8", "replace")).digest()
