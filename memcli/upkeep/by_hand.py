"""Add, edit, forget: what a person does to single memories, or an agent for them.

Each is a run of its own, so that history tells it from a machine's doing and
`undo` takes it back. None takes the run lock: a person need not wait for a
reflection that goes on all night.

Only a person's own words are marked `by_hand`, and so kept from being rewritten by a
run. What an agent notes is its reading of what was said: the conversation itself is
the better witness, and may put it right. For the same reason a memory that an agent
edits loses the mark: it has no person's words any more.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from memcli.embeddings.choose import encoder
from memcli.errors import UsageError
from memcli.models import Candidate, Kind, Memory, Op, Operation
from memcli.redaction import redact
from memcli.reflection.checks import MAX_TEXT
from memcli.store import history, memories, runs, tombstones, vectors
from memcli.store.database import transaction
from memcli.store.history import Change
from memcli.store.terms import extra_terms
from memcli.store.threads import WHO
from memcli.store.tombstones import Said
from memcli.textkey import text_key
from memcli.transcripts.normalise import visible
from memcli.when import to_text

# Who does it, in the words of history.
PERSON = "by hand"


@dataclass(frozen=True, slots=True)
class Written:
    """What a person wrote: the memory, and the run that history has it under; None
    if it was known already. `allowed_again` tells that it had been forgotten."""

    memory_id: int
    run_id: int | None
    allowed_again: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be changed of a memory; None for what stays."""

    text: str | None = None
    kind: Kind | None = None
    since: datetime | None = None
    until: datetime | None = None
    happens_on: date | None = None


def add(
    db: sqlite3.Connection,
    namespace: str,
    text: str,
    now: datetime,
    embedding_model: str,
    *,
    kind: Kind = Kind.FACT,
    since: datetime | None = None,
    happens_on: date | None = None,
    replaces: Sequence[int] = (),
    by: str = PERSON,
) -> Written:
    """Store a memory in a person's own words.

    `replaces` are memories that end where this one begins; `by` is who writes, if no
    person does. Raises UsageError for a text that holds a secret, is empty or too
    long, and for memories that are not there.
    """
    text = _checked(text)
    candidate = Candidate(text, kind, (), 1.0, since or now, happens_on=happens_on)
    operation = Operation(Op.INSERT, f"added {by}", closes=tuple(replaces))
    vector = _vector(db, text, embedding_model)
    with transaction(db):
        for id in replaces:
            old = _open_memory(db, id)
            if old.namespace != namespace:
                raise UsageError(
                    f"memory {id} is in {old.namespace}, not in {namespace}"
                )
            if old.valid_from > candidate.said_at:
                raise UsageError(f"memory {id} began after this one; see --since")
        for memory in memories.same_text(db, namespace, text):
            if memory.valid_to is None and not replaces:
                return Written(memory.id, None)
        run_id = runs.start_by_hand(db, now, "add")
        lifted = tombstones.lift(db, run_id, namespace, text)
        change = Change(run_id, namespace, now, by_hand=by == PERSON)
        memory_id, _ = memories.apply(db, change, candidate, operation)
        _put(db, memory_id, vector, embedding_model)
        counts = {"inserted": 1, "superseded": len(replaces)}
        runs.finish(db, run_id, now, "done", counts)
    return Written(memory_id, run_id, bool(lifted))


def edit(
    db: sqlite3.Connection,
    memory_id: int,
    wanted: Edit,
    now: datetime,
    embedding_model: str,
    *,
    by: str = PERSON,
) -> Written:
    """Change a memory as a person says; what it said before does not come back.

    Raises UsageError for a memory that is not there, or one of the user's own
    schemas, and for a time that ends before it begins.
    """
    vector = None
    if wanted.text is not None:
        wanted = replace(wanted, text=_checked(wanted.text))
        assert wanted.text is not None
        vector = _vector(db, wanted.text, embedding_model)
    with transaction(db):
        memory = _memory(db, memory_id)
        if memory.schema is not None and wanted.text is not None:
            raise UsageError(
                f"memory {memory_id} is a {memory.schema}: its text comes from its "
                "value, and the next word about it changes that; forget it instead"
            )
        columns = _columns(memory, wanted)
        if not columns:
            return Written(memory_id, None)
        run_id = runs.start_by_hand(db, now, "edit")
        change = Change(run_id, memory.namespace, now, by_hand=by == PERSON)
        before = history.snapshot(db, memory_id)
        if "text" in columns:
            assert wanted.text is not None
            tombstones.lift(db, run_id, memory.namespace, wanted.text)
            _bury(db, change, memory, "edited")
        columns |= {
            "by_hand": to_text(now) if by == PERSON else None,
            "updated_at": to_text(now),
        }
        named = ", ".join(f"{name} = ?" for name in columns)
        db.execute(
            f"UPDATE memories SET {named} WHERE id = ?", (*columns.values(), memory_id)
        )
        history.record(db, change, memory_id, Op.UPDATE, f"edited {by}", before)
        if vector is not None:
            _put(db, memory_id, vector, embedding_model)
        runs.finish(db, run_id, now, "done", {"updated": 1})
    return Written(memory_id, run_id)


def forget(
    db: sqlite3.Connection,
    memory_ids: Sequence[int],
    now: datetime,
    *,
    by: str = PERSON,
) -> int:
    """Take memories away and keep what they say from being learned again; the run.

    History keeps them, and `undo` brings them back; `purge` removes for good.
    Raises UsageError for a memory that is not there.
    """
    reason = "forgotten" if by == PERSON else f"forgotten {by}"
    with transaction(db):
        listed = [_memory(db, id) for id in dict.fromkeys(memory_ids)]
        run_id = runs.start_by_hand(db, now, "forget")
        for memory in listed:
            change = Change(run_id, memory.namespace, now, by_hand=by == PERSON)
            before = history.snapshot(db, memory.id)
            _bury(db, change, memory, "forgotten")
            history.take_away(db, change, memory.id)
            history.record(db, change, memory.id, Op.DELETE, reason, before)
        vectors.remove(db, "memories", [memory.id for memory in listed])
        runs.finish(db, run_id, now, "done", {"deleted": len(listed)})
    return run_id


def is_put_away(db: sqlite3.Connection, namespace: str, text: str) -> bool:
    """Whether a person forgot this statement, or put it right, and it was not allowed
    again since. It is theirs to allow, not an agent's."""
    marks = json.dumps(tombstones.set_by(db, namespace, text))
    found = db.execute(
        "SELECT 1 FROM operations WHERE run_id IN (SELECT value FROM json_each(?)) "
        "AND reason IN ('forgotten', ?) LIMIT 1",
        (marks, f"edited {PERSON}"),
    )
    return found.fetchone() is not None


def _checked(text: str) -> str:
    text = visible(text)
    if not text:
        raise UsageError("there is no text to remember")
    if len(text) > MAX_TEXT:
        raise UsageError(f"a memory has at most {MAX_TEXT} characters")
    if redact(text)[1]:
        raise UsageError("that holds a secret, such as a key or a password; not stored")
    return text


def _columns(memory: Memory, wanted: Edit) -> dict[str, str | None]:
    """The columns that become something else."""
    found: dict[str, str | None] = {}
    if wanted.text is not None and wanted.text != memory.text:
        found |= {
            "text": wanted.text,
            "text_key": text_key(wanted.text),
            "terms": extra_terms(wanted.text),
        }
    if wanted.kind is not None and wanted.kind != memory.kind:
        found["kind"] = wanted.kind.value
    if wanted.since is not None and wanted.since != memory.valid_from:
        found["valid_from"] = to_text(wanted.since)
    if wanted.until is not None and wanted.until != memory.valid_to:
        found["valid_to"] = to_text(wanted.until)
    if wanted.happens_on is not None and wanted.happens_on != memory.happens_on:
        found["happens_on"] = wanted.happens_on.isoformat()
    since = wanted.since or memory.valid_from
    until = wanted.until or memory.valid_to
    if until is not None and until < since:
        raise UsageError(f"memory {memory.id} would end before it begins")
    return found


def _bury(
    db: sqlite3.Connection, change: Change, memory: Memory, why: tombstones.Why
) -> None:
    """A tombstone for what a memory says now, and said before."""
    rows = db.execute(
        f"SELECT s.message, s.quote, m.text, {WHO} AS who FROM sources s "
        "JOIN messages m ON m.id = s.message JOIN threads t ON t.id = m.thread_id "
        "WHERE s.memory_id = ?",
        (memory.id,),
    ).fetchall()
    said = [
        (Said(row["quote"], row["text"], row["who"]), _is_shared(db, memory.id, row))
        for row in rows
    ]
    texts = [memory.text]
    if why == "forgotten":
        for entry in history.of_memory(db, memory.id):
            texts += [str(s["text"]) for s in (entry.before, entry.after) if s]
    for text in dict.fromkeys(texts):
        tombstones.bury(db, change.run_id, memory.id, memory.namespace, text, said, why)


def _is_shared(db: sqlite3.Connection, memory_id: int, row: sqlite3.Row) -> bool:
    """Whether other memories stand on words that these contain, or are part of."""
    mine = text_key(row["quote"])
    others = db.execute(
        "SELECT s.quote FROM sources s JOIN memories m ON m.id = s.memory_id "
        "WHERE s.message = ? AND s.memory_id <> ? AND m.deleted_in IS NULL",
        (row["message"], memory_id),
    )
    keys = (text_key(other["quote"]) for other in others)
    return any(key in mine or mine in key for key in keys)


def _memory(db: sqlite3.Connection, memory_id: int) -> Memory:
    found = memories.get_many(db, [memory_id]).get(memory_id)
    if found is None or found.deleted:
        raise UsageError(f"no memory {memory_id}; `memcli show` lists them")
    return found


def _open_memory(db: sqlite3.Connection, memory_id: int) -> Memory:
    found = _memory(db, memory_id)
    if found.valid_to is not None:
        raise UsageError(f"memory {memory_id} has ended already")
    return found


def _vector(db: sqlite3.Connection, text: str, model: str) -> vectors.Vector:
    """By the model of the vectors that are there, else by the one in force."""
    vector: vectors.Vector = encoder(vectors.model(db) or model).encode([text])[0]
    return vector


def _put(
    db: sqlite3.Connection, memory_id: int, vector: vectors.Vector, model: str
) -> None:
    if vectors.model(db) is None:
        vectors.use_model(db, model, len(vector))
    vectors.put(db, "memories", [memory_id], vector.reshape(1, -1))
