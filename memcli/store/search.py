"""Search: full text and vectors together, over memories or over messages."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from memcli.models import Hit, Memory, Source
from memcli.store import conversation, memories, standing
from memcli.store.folding import REACH, folded
from memcli.store.matching import Asking, Matcher
from memcli.store.nearest import Warm
from memcli.store.question import in_the_time
from memcli.store.ranking import (
    CONSIDERED,
    EVEN,
    EVEN_MEMORY,
    MESSAGES,
    USUAL,
    Floats,
    Ranked,
    Weighing,
    ranked,
)
from memcli.store.terms import expressions
from memcli.when import from_text, to_text


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for. `vector` is None when there is none to compare; "in May"
    is the last one before `asked_at`, by default the end of what is searched."""

    text: str
    vector: NDArray[np.float32] | None
    limit: int = 10
    namespace: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    superseded: bool = False
    as_of: datetime | None = None
    weighing: Weighing = USUAL
    asked_at: datetime | None = None
    warm: Warm | None = None


def search_memories(db: sqlite3.Connection, query: Query) -> list[Hit]:
    """The memories that answer the query, best first."""
    matcher = Matcher(db, "memories", _asking(query), _allowed_memories(db, query))
    stand = {
        id: one
        for id, one in standing.standings(db, matcher.candidates).items()
        if not one.deleted and (query.superseded or query.as_of or one.open)
    }
    matched = matcher.match(list(stand))
    moments = [one.moment for one in stand.values()]
    parts = {
        "words": matched.shares,
        "meaning": matched.meaning,
        "in the time": in_the_time(query.text, moments, query.asked_at),
        **standing.parts(list(stand.values())),
    }
    cosines = dict(zip(stand, matched.cosines, strict=True))
    order = ranked(matched.ids, parts, query.weighing.weights, EVEN_MEMORY)
    first = list(islice(order, REACH * query.limit))
    found = memories.get_many(db, [item.id for item in first])
    hits = (_memory_hit(i, found[i.id], float(cosines[i.id])) for i in first)
    return folded(hits, query.limit)


def _memory_hit(item: Ranked, memory: Memory, cosine: float) -> Hit:
    return Hit(
        str(item.id), "memories", memory.text, item.score, memory.sources,
        memory=memory, parts=item.parts, cosine=cosine,
    )  # fmt: skip


def search_messages(db: sqlite3.Connection, query: Query) -> list[Hit]:
    """The messages that answer the query, best first; ids are `msg-…`."""
    places, cosines, parts = considered(db, query)
    found = {
        place.id: (place, cosine) for place, cosine in zip(places, cosines, strict=True)
    }
    order = ranked(list(found), parts, MESSAGES, EVEN)
    return folded((_message_hit(item, *found[item.id]) for item in order), query.limit)


def considered(
    db: sqlite3.Connection, query: Query
) -> tuple[list[conversation.Place], list[float], Mapping[str, Floats]]:
    """The messages that are ranked: where each stands, the cosine of each, and by name
    what speaks for each (ranking.MESSAGES)."""
    allowed = _allowed_messages(db, query)
    matcher = Matcher(db, "messages", _asking(query), allowed)
    found = conversation.places(db, _best(matcher), allowed)
    matched = matcher.match([place.id for place in found])
    parts = conversation.parts(found, matched, query.text, query.asked_at)
    return found, [float(cosine) for cosine in matched.cosines], parts


def _best(matcher: Matcher) -> list[int]:
    """The messages with most in common with the question by themselves."""
    matched = matcher.match(matcher.candidates)
    score = MESSAGES["words"] * matched.shares + MESSAGES["meaning"] * matched.meaning
    order = np.argsort(-score, kind="stable")[:CONSIDERED]
    return [matched.ids[i] for i in order]


def _message_hit(item: Ranked, place: conversation.Place, cosine: float) -> Hit:
    source = Source(
        thread_id=place.thread,
        message_id=place.message_id,
        quote=place.text,
        said_at=from_text(place.sent_at),
        role=place.role,
        author=place.name,
    )
    return Hit(
        f"msg-{item.id}", "messages", place.text, item.score, (source,),
        parts=item.parts, cosine=cosine,
    )  # fmt: skip


def _asking(query: Query) -> Asking:
    return Asking(expressions(query.text), query.vector, query.warm)


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
