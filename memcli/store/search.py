"""Search: full text and vectors together, over memories or over messages."""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from memcli.models import Hit, Memory, Source
from memcli.periods import named_periods
from memcli.store import conversation, filters, memories, standing
from memcli.store.filters import Mask
from memcli.store.folding import Folded, bare, folded
from memcli.store.matching import Asking, Matched, Matcher
from memcli.store.nearest import Warm
from memcli.store.question import asks_for_a_time, in_the_time
from memcli.store.ranking import (
    ALIKE,
    CONSIDERED,
    EVEN,
    EVEN_MEMORY,
    MESSAGES,
    POOL,
    USUAL,
    Floats,
    Ranked,
    Weighing,
    ranked,
    related,
)
from memcli.store.terms import expressions
from memcli.store.vectors import Owner
from memcli.when import from_text


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for. `vector` is None when there is none to compare; "in May"
    is the last one before `asked_at`, by default the end of what is searched. With
    `related` only what something ties to the query is found."""

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
    related: bool = False


def search_memories(db: sqlite3.Connection, query: Query) -> list[Hit]:
    """The memories that answer the query, best first."""
    allowed = filters.memories_that(
        db, namespace=query.namespace, as_of=query.as_of, after=query.after,
        before=query.before, superseded=query.superseded,
    )  # fmt: skip
    matcher = Matcher(db, "memories", _asking(query), allowed)
    of_time = _of_its_time(db, "memories", query, allowed)
    stand = standing.standings(db, list(dict.fromkeys(matcher.candidates + of_time)))
    matched = matcher.match(list(stand))
    moments = [one.moment for one in stand.values()]
    parts = {
        "words": matched.shares,
        "meaning": matched.meaning,
        "in the time": in_the_time(query.text, moments, query.asked_at),
        **standing.parts(list(stand.values())),
    }
    order = ranked(matched.ids, parts, query.weighing.weights, EVEN_MEMORY)
    first = _first(order, matched, query, lambda id: stand[id].same)
    found = memories.get_many(db, [one.item.id for one in first])
    return [_memory_hit(one, found[one.item.id], matched) for one in first]


def search_messages(db: sqlite3.Connection, query: Query) -> list[Hit]:
    """The messages that answer the query, best first; ids are `msg-…`."""
    found, matched, parts = considered(db, query)
    places = {place.id: place for place in found}
    order = ranked(matched.ids, parts, MESSAGES, EVEN)
    first = _first(order, matched, query, lambda id: bare(places[id].text))
    return [_message_hit(one, places, matched) for one in first]


def considered(
    db: sqlite3.Connection, query: Query
) -> tuple[list[conversation.Place], Matched, Mapping[str, Floats]]:
    """The messages that are ranked: where each stands, what it has in common with the
    question, and by name what speaks for it (ranking.MESSAGES)."""
    allowed = filters.messages_that(
        db, namespace=query.namespace, after=query.after, before=query.before
    )
    matcher = Matcher(db, "messages", _asking(query), allowed)
    ids = [*_best(matcher), *_of_its_time(db, "messages", query, allowed)]
    found = conversation.places(db, list(dict.fromkeys(ids)), allowed)
    matched = matcher.match([place.id for place in found])
    parts = conversation.parts(found, matched, query.text, query.asked_at)
    return found, matched, parts


def _best(matcher: Matcher) -> list[int]:
    """The messages with most in common with the question by themselves.

    Of those that have exactly the same, which equal texts have, only some.
    """
    matched = matcher.match(matcher.candidates)
    score = MESSAGES["words"] * matched.shares + MESSAGES["meaning"] * matched.meaning
    alike: Counter[tuple[float, float]] = Counter()
    found: list[int] = []
    for i in np.argsort(-score, kind="stable"):
        same = (float(matched.shares[i]), float(matched.cosines[i]))
        alike[same] += 1
        if alike[same] <= ALIKE:
            found.append(matched.ids[i])
    return found[:CONSIDERED]


def _of_its_time(
    db: sqlite3.Connection, table: Owner, query: Query, allowed: Mask | None
) -> list[int]:
    """Rows of the time that a question names and asks about little else of."""
    if not asks_for_a_time(query.text, query.asked_at):
        return []
    column = "valid_from" if table == "memories" else "sent_at"
    (newest,) = db.execute(f"SELECT max({column}) FROM {table}").fetchone()
    if newest is None:
        return []
    for now in (query.asked_at or from_text(newest), from_text(newest)):
        found = filters.from_time(db, table, column, named_periods(query.text, now))
        if allowed is not None:
            found = found[filters.passes(allowed, found)]
        if len(found):
            return [int(id) for id in found[-POOL:]]
    return []


def _first(
    order: Iterable[Ranked], matched: Matched, query: Query, same: Callable[[int], str]
) -> list[Folded]:
    """The first that are told, those that say the same as one."""
    cosine = matched.cosine_of
    if query.related:
        order = (item for item in order if related(item, cosine[item.id]))
    return folded(order, same, query.limit)


def _memory_hit(one: Folded, memory: Memory, matched: Matched) -> Hit:
    return Hit(
        str(memory.id), "memories", memory.text, one.item.score, memory.sources,
        memory=memory, parts=one.item.parts, cosine=matched.cosine_of[memory.id],
        also=tuple(str(id) for id in one.also),
    )  # fmt: skip


def _message_hit(
    one: Folded, places: Mapping[int, conversation.Place], matched: Matched
) -> Hit:
    """A message, with the others that have its words as further sources."""
    place = places[one.item.id]
    return Hit(
        f"msg-{place.id}", "messages", place.text, one.item.score,
        tuple(_source(places[id]) for id in (place.id, *one.also)),
        parts=one.item.parts, cosine=matched.cosine_of[place.id],
        also=tuple(f"msg-{id}" for id in one.also),
    )  # fmt: skip


def _source(place: conversation.Place) -> Source:
    return Source(
        thread_id=place.thread,
        message_id=place.message_id,
        quote=place.text,
        said_at=from_text(place.sent_at),
        role=place.role,
        author=place.name,
    )


def _asking(query: Query) -> Asking:
    return Asking(expressions(query.text), query.vector, query.warm)


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
