"""What tells memories apart beside what they say: how sure, how often said, how new."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np

from memcli.store.folding import bare
from memcli.store.ranking import MONTH, Floats
from memcli.when import from_text


@dataclass(frozen=True, slots=True)
class Standing:
    """A memory without its sources. `moment` is the day it is about, or from which on
    it holds; `of` is what it says it of."""

    confidence: float
    strength: int
    valid_from: datetime
    moment: datetime
    text: str
    of: tuple[str, str, bool]

    @property
    def same(self) -> str:
        """Equal for memories that say the same of the same."""
        return repr((self.of, bare(self.text)))


def standings(db: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Standing]:
    """How memories stand, by id: hundreds are ranked, and ten are read whole."""
    marks = ",".join("?" * len(ids))
    rows = db.execute(
        "SELECT id, confidence, valid_from, valid_to, happens_on, namespace, kind, "
        "text, "
        "(SELECT count(DISTINCT m.thread_id || substr(m.sent_at, 1, 10)) "
        " FROM sources s JOIN messages m ON m.id = s.message WHERE s.memory_id = o.id) "
        f"AS strength FROM memories o WHERE id IN ({marks})",
        list(ids),
    )
    return {row["id"]: _standing(row) for row in rows}


def parts(found: Sequence[Standing]) -> dict[str, Floats]:
    """What speaks for n memories beside one another (ranking.Weighing), shape (n,)."""
    began = np.array([one.valid_from.timestamp() for one in found])
    days = (began.max(initial=0) - began) / 86400
    strength = np.array([max(1, one.strength) for one in found], np.float64)
    return {
        "confidence": 10 * (np.array([one.confidence for one in found]) - 1),
        "strength": np.log2(strength),
        "recency": -np.log2(1 + days / MONTH),
    }


def _standing(row: sqlite3.Row) -> Standing:
    valid_from = from_text(row["valid_from"])
    moment = valid_from
    if row["happens_on"]:
        day = date.fromisoformat(row["happens_on"])
        moment = datetime.combine(day, time(12), UTC)
    return Standing(
        row["confidence"], row["strength"], valid_from, moment, row["text"],
        (row["namespace"], row["kind"], row["valid_to"] is None),
    )  # fmt: skip
