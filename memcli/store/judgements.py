"""What a model decided in consolidation, kept so that it is not asked twice."""

import json
import sqlite3
from datetime import datetime
from typing import Any

from memcli.when import to_text


def get(db: sqlite3.Connection, fingerprint: str) -> Any:
    """The answer to the same question, or None."""
    row = db.execute(
        "SELECT answer FROM judgements WHERE fingerprint = ?", (fingerprint,)
    ).fetchone()
    return None if row is None else json.loads(row["answer"])


def keep(
    db: sqlite3.Connection, fingerprint: str, run_id: int, answer: Any, now: datetime
) -> None:
    """Store an answer, before anything is done with it."""
    db.execute(
        "INSERT OR REPLACE INTO judgements VALUES (?, ?, ?, ?)",
        (fingerprint, run_id, to_text(now), json.dumps(answer, ensure_ascii=False)),
    )
