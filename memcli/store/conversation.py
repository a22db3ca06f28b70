"""What stands around a message: who said it, when, what came before and after.

"Yes, at eight" means nothing alone. A message is ranked with the ones beside it and
with its thread.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from memcli.models import Role
from memcli.store.filters import Mask
from memcli.store.matching import Matched
from memcli.store.question import (
    asked,
    in_the_time,
    names_a_number,
    names_a_time,
    people_asked_about,
    telling_words,
)
from memcli.store.ranking import LONGER, SHORT_WORDS, SHORTER, THREAD_BEST, Floats
from memcli.when import from_text

# Letters a word has on average, with its space; counting words would take longer
# than anybody needs to know.
_LETTERS = 6
_DAYS = 3.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands, who said it, and about how many words it has."""

    id: int
    thread: str
    message_id: str
    before: int | None
    after: int | None
    role: Role
    name: str | None
    text: str
    sent_at: str
    words: float


def places(
    db: sqlite3.Connection, ids: Sequence[int], among: Mask | None
) -> list[Place]:
    """The messages and the ones beside them, those in question alone if they are
    restricted, in the order of ids."""
    found = _places(db, ids)
    beside = {id for place in found for id in (place.before, place.after) if id}
    beside -= set(ids)
    if among is not None:
        beside = {id for id in beside if id < len(among) and among[id]}
    return sorted((*found, *_places(db, sorted(beside))), key=lambda place: place.id)


def _places(db: sqlite3.Connection, ids: Sequence[int]) -> list[Place]:
    marks = ",".join("?" * len(ids))
    rows = db.execute(
        "SELECT id, thread_id, message_id, role, name, text, sent_at, "
        "(SELECT b.id FROM messages b WHERE b.thread_id = m.thread_id AND "
        " (b.sent_at, b.id) < (m.sent_at, m.id) "
        " ORDER BY b.sent_at DESC, b.id DESC LIMIT 1) AS before, "
        "(SELECT a.id FROM messages a WHERE a.thread_id = m.thread_id AND "
        " (a.sent_at, a.id) > (m.sent_at, m.id) "
        " ORDER BY a.sent_at, a.id LIMIT 1) AS after "
        f"FROM messages m WHERE id IN ({marks})",
        list(ids),
    )
    return [
        Place(
            row["id"], row["thread_id"], row["message_id"], row["before"],
            row["after"], row["role"], row["name"], row["text"], row["sent_at"],
            len(row["text"]) / _LETTERS,
        )
        for row in rows
    ]  # fmt: skip


def parts(
    found: Sequence[Place],
    matched: Matched,
    question: str,
    asked_at: datetime | None = None,
) -> dict[str, Floats]:
    """Everything that speaks for each of n messages, by name (ranking.MESSAGES), shape
    (n,) each."""
    form = asked(question, telling_words(question))
    sent = [from_text(place.sent_at) for place in found]
    by_assistant = np.array([place.role == "assistant" for place in found], np.float64)
    return {
        "words": matched.shares,
        "meaning": matched.meaning,
        **_beside(found, matched),
        **_of_threads(found, matched),
        "length": _lengths(found),
        "person": _by_whom(found, question),
        "assistant": by_assistant,
        "asked of assistant": by_assistant * form.the_assistant,
        "a time": _each(found, names_a_time, form.a_time),
        "a number": _each(found, names_a_number, form.a_number),
        "recent": form.goes_on * _ages(sent),
        "in the time": (1 - form.goes_on) * in_the_time(question, sent, asked_at),
    }


def _beside(found: Sequence[Place], matched: Matched) -> dict[str, Floats]:
    """What the message before each one, and the one after it, say for it."""
    row_of = {place.id: row for row, place in enumerate(found)}
    before = _rows_of((place.before for place in found), row_of)
    after = _rows_of((place.after for place in found), row_of)
    # One row more than there are messages stands for a message that is not there.
    nothing = np.zeros((1, matched.holding.shape[1]), np.bool_)
    held = np.vstack([matched.holding, nothing])
    meaning = np.append(matched.meaning, 0.0)
    only_before = held[before] & ~matched.holding
    only_after = held[after] & ~matched.holding & ~only_before
    short = SHORT_WORDS / (SHORT_WORDS + np.array([place.words for place in found]))
    return {
        "words before": only_before @ matched.telling,
        "words after": only_after @ matched.telling,
        "meaning before": meaning[before] * short,
    }


def _rows_of(ids: Iterable[int | None], row_of: Mapping[int, int]) -> NDArray[np.int64]:
    """The rows of messages, the last and empty one for those that are not there."""
    return np.array([row_of.get(id or 0, len(row_of)) for id in ids], np.int64)


def _of_threads(found: Sequence[Place], matched: Matched) -> dict[str, Floats]:
    """What the thread of each says for it: the words it holds, its best messages."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, place in enumerate(found):
        rows[place.thread].append(row)
    words, best = np.zeros(len(found)), np.zeros(len(found))
    for some in rows.values():
        words[some] = matched.holding[some].any(axis=0) @ matched.telling
        best[some] = np.sort(matched.meaning[some])[-THREAD_BEST:].sum() / THREAD_BEST
    return {"words in thread": words, "meaning of thread": best}


def _lengths(found: Sequence[Place]) -> Floats:
    """How much longer each is than usual for who speaks: an assistant goes on and on,
    and what is said in three words rarely answers anything."""
    lengths = np.array([place.words for place in found])
    spoken = np.array([place.role for place in found])
    longer = np.zeros(len(found))
    for role in ("user", "assistant"):
        own = spoken == role
        if own.any():
            usual = np.median(lengths[own])
            longer[own] = np.log((lengths[own] + 1) / (usual + 1))
    return np.clip(longer, SHORTER, LONGER)


def _by_whom(found: Sequence[Place], question: str) -> Floats:
    """Whether each was said by somebody the question names."""
    authors = {place.name for place in found if place.name and place.role == "user"}
    named = people_asked_about(question, authors)
    return np.array([place.name in named for place in found], np.float64)


def _each(found: Sequence[Place], test: Callable[[str], bool], wanted: bool) -> Floats:
    if not wanted:
        return np.zeros(len(found))
    return np.array([test(place.text) for place in found], np.float64)


def _ages(sent: Sequence[datetime]) -> Floats:
    """How old each is beside the newest, on a scale on which it is as far from today
    to last week as from then to half a year ago; 0 is the newest."""
    newest = max(sent, default=None)
    days = np.array([(newest - one).total_seconds() / 86400 for one in sent if newest])
    return -np.log1p(days / _DAYS) / _DAYS
