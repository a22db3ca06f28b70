"""Search: full text and vectors together, over memories or over messages."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from memcli.models import Hit, Source
from memcli.store import memories, vectors
from memcli.store.ranking import POOL, Place, Ranked, fuse, in_conversation
from memcli.store.terms import query_expression
from memcli.when import from_text, to_text

# A word of a text counts for more than a name it could also have been called.
_OTHER_NAMES = 0.6


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for. `vector` is None when there is none to compare."""

    text: str
    vector: NDArray[np.float32] | None
    limit: int = 10
    namespace: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    superseded: bool = False
    as_of: datetime | None = None


def search_memories(db: sqlite3.Connection, query: Query) -> list[Hit]:
    """The memories that answer the query, best first."""
    ranked = _ranked(db, "memories", query, _allowed_memories(db, query))
    found = memories.get_many(db, [item.id for item in ranked])
    hits = [
        Hit(
            id=str(item.id),
            scope="memories",
            text=found[item.id].text,
            score=item.score,
            sources=found[item.id].sources,
            memory=found[item.id],
            parts=item.parts,
        )
        for item in ranked
        if not found[item.id].deleted
        and (query.superseded or query.as_of or found[item.id].valid_to is None)
    ]
    return hits[: query.limit]


def search_messages(db: sqlite3.Connection, query: Query) -> list[Hit]:
    """The messages that answer the query, best first; ids are `msg-…`."""
    ranked = _ranked(db, "messages", query, _allowed_messages(db, query))
    ranked = in_conversation(ranked, _places(db, ranked))[: query.limit]
    marks = ",".join("?" * len(ranked))
    rows = {
        row["id"]: row
        for row in db.execute(
            f"SELECT * FROM messages WHERE id IN ({marks})",
            [item.id for item in ranked],
        )
    }
    hits = []
    for item in ranked:
        row = rows[item.id]
        source = Source(
            thread_id=row["thread_id"],
            message_id=row["message_id"],
            quote=row["text"],
            said_at=from_text(row["sent_at"]),
            role=row["role"],
            author=row["name"],
        )
        hits.append(
            Hit(
                f"msg-{item.id}", "messages", row["text"], item.score, (source,),
                parts=item.parts,
            )
        )  # fmt: skip
    return hits


def _ranked(
    db: sqlite3.Connection,
    owner: vectors.Owner,
    query: Query,
    allowed: set[int] | None,
) -> list[Ranked]:
    if allowed is not None and not allowed:
        return []
    lexical = _full_text(db, owner, query.text, allowed)
    dense: dict[int, float] = {}
    if query.vector is not None:
        dense = dict(vectors.nearest(db, owner, query.vector, POOL, among=allowed))
        missing = [id for id in lexical if id not in dense]
        dense |= vectors.similarities(db, owner, query.vector, missing)
    return fuse(lexical, dense)


def _places(db: sqlite3.Connection, ranked: Sequence[Ranked]) -> dict[int, Place]:
    """Where the messages stand in their threads."""
    marks = ",".join("?" * len(ranked))
    rows = db.execute(
        "SELECT id, thread_id, length(text) / 6 AS words, "
        "(SELECT b.id FROM messages b WHERE b.thread_id = m.thread_id AND "
        " (b.sent_at, b.id) < (m.sent_at, m.id) "
        " ORDER BY b.sent_at DESC, b.id DESC LIMIT 1) AS before, "
        "(SELECT a.id FROM messages a WHERE a.thread_id = m.thread_id AND "
        " (a.sent_at, a.id) > (m.sent_at, m.id) "
        " ORDER BY a.sent_at, a.id LIMIT 1) AS after "
        f"FROM messages m WHERE id IN ({marks})",
        [item.id for item in ranked],
    )
    return {
        row["id"]: Place(row["thread_id"], row["before"], row["after"], row["words"])
        for row in rows
    }


def _full_text(
    db: sqlite3.Connection,
    owner: vectors.Owner,
    text: str,
    allowed: set[int] | None,
) -> dict[int, float]:
    """BM25 of each row that shares a word with the query; higher is better."""
    expression = query_expression(text)
    if not expression:
        return {}
    # Without a filter the best come first; with one, more have to be looked at.
    limit = POOL if allowed is None else -1
    rows = db.execute(
        f"SELECT rowid, bm25({owner}_fts, 1.0, {_OTHER_NAMES}) AS score "
        f"FROM {owner}_fts "
        f"WHERE {owner}_fts MATCH ? ORDER BY score LIMIT ?",
        (expression, limit),
    )
    found: dict[int, float] = {}
    for row in rows:
        if allowed is None or row["rowid"] in allowed:
            found[row["rowid"]] = -row["score"]
            if len(found) >= POOL:
                break
    return found


def _allowed_memories(db: sqlite3.Connection, query: Query) -> set[int] | None:
    """Ids that pass the filters; None when every row does."""
    where: list[str] = []
    parameters: list[str] = []
    if query.namespace is not None:
        clause, values = memories.below(query.namespace)
        where.append(clause)
        parameters += values
    if query.as_of is not None:
        clause, values = memories.held_at(query.as_of)
        where.append(clause)
        parameters += values
    where, parameters = _between("valid_from", query, where, parameters)
    return _ids(db, "memories", where, parameters)


def _allowed_messages(db: sqlite3.Connection, query: Query) -> set[int] | None:
    where: list[str] = []
    parameters: list[str] = []
    if query.namespace is not None:
        # A message belongs where its thread's extractions went.
        clause, parameters = memories.below(query.namespace)
        where.append(f"thread_id IN (SELECT thread_id FROM extractions WHERE {clause})")
    where, parameters = _between("sent_at", query, where, parameters)
    return _ids(db, "messages", where, parameters)


def _between(
    column: str, query: Query, where: list[str], parameters: list[str]
) -> tuple[list[str], list[str]]:
    if query.after is not None:
        where, parameters = [*where, f"{column} >= ?"], [
            *parameters, to_text(query.after),
        ]  # fmt: skip
    if query.before is not None:
        where, parameters = [*where, f"{column} < ?"], [
            *parameters, to_text(query.before),
        ]  # fmt: skip
    return where, parameters


def _ids(
    db: sqlite3.Connection, table: str, where: Sequence[str], parameters: Sequence[str]
) -> set[int] | None:
    if not where:
        return None
    rows = db.execute(f"SELECT id FROM {table} WHERE {' AND '.join(where)}", parameters)
    return {row["id"] for row in rows}


def counts(db: sqlite3.Connection) -> Mapping[str, int]:
    """How much there is: memories that hold, superseded ones, messages, threads."""
    row = db.execute(
        "SELECT (SELECT count(*) FROM memories WHERE valid_to IS NULL) AS memories, "
        "(SELECT count(*) FROM memories WHERE valid_to IS NOT NULL "
        " AND deleted_in IS NULL) AS superseded, "
        "(SELECT count(*) FROM messages) AS messages, "
        "(SELECT count(*) FROM threads) AS threads"
    ).fetchone()
    return dict(row)
