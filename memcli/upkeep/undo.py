"""Undo: the exact inverse of a run.

What the run touched is as it was before, from the snapshots in history. A run in
the middle can be undone when nothing later stands on what it did. Undoing is a run
itself, so it can be undone, too.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from memcli.embeddings.choose import encoder
from memcli.errors import UsageError
from memcli.store import history, marks, runs, vectors
from memcli.store.database import transaction
from memcli.store.history import Change, NetChange


@dataclass(frozen=True, slots=True)
class Undone:
    """What was taken back: by which run, how many memories of it are as before, and
    which threads are due again."""

    run_id: int
    memories: int
    due: Sequence[str]


def undo(
    db: sqlite3.Connection, run_id: int, now: datetime, *, due_again: bool = True
) -> Undone:
    """Take back a whole run; the caller holds the run lock.

    Its threads are due again unless `due_again` says otherwise. Raises UsageError,
    with the runs that are in the way, when later ones changed the same memories.
    """
    ready = _vectors(db, marks.latest(db, run_id))
    with transaction(db):
        _check(db, run_id)
        # What was undone and brought back is taken away by undoing the last of that.
        last = marks.latest(db, run_id)
        changes = history.of_run(db, last)
        if blocking := _in_the_way(db, last, changes):
            raise UsageError(_why_not(last, blocking))
        if since := marks.reflected_since(db, last):
            raise UsageError(
                f"threads of run {run_id} were reflected again by run "
                f"{since[-1]}; undo that first"
            )
        by = runs.start_by_hand(db, now, "undo")
        _restore(db, changes, by, run_id, now, ready)
        due_again = due_again and not marks.left_alone(db, last)
        due = marks.take_back(db, last, due_again=due_again)
        runs.undone(db, last, by, not_again=not due_again)
        counts = {
            "inserted": sum(not c.exists and c.existed for c in changes),
            "updated": sum(c.exists and c.existed for c in changes),
            "deleted": sum(c.exists and not c.existed for c in changes),
        }
        runs.finish(db, by, now, "done", counts)
    return Undone(by, len(changes), due)


def _check(db: sqlite3.Connection, run_id: int) -> None:
    run = runs.get(db, run_id)
    if run is None:
        raise UsageError(f"no run {run_id}; `memcli runs` lists them")
    if run["undone_by"] is not None:
        last = marks.latest(db, run_id)
        raise UsageError(
            f"run {run_id} is undone already; `memcli undo {last}` brings it back"
        )
    if run["kind"] == "purge":
        raise UsageError(
            f"run {run_id} removed things for good; nothing of them is left"
        )
    if run["outcome"] == "running":
        raise UsageError(f"run {run_id} is still under way")


def _in_the_way(
    db: sqlite3.Connection, run_id: int, changes: Sequence[NetChange]
) -> dict[int, list[int]]:
    """Later runs that stand on what this one did, with the memories."""
    found: dict[int, list[int]] = {}
    cancelled = _cancelled(db, run_id)
    for change in changes:
        id = change.memory_id
        rows = db.execute(
            "SELECT DISTINCT o.run_id FROM operations o JOIN runs r ON r.id = o.run_id "
            "WHERE o.memory_id = ? AND o.id > ? AND o.run_id <> ? "
            "AND r.kind <> 'purge'",
            (id, change.last, run_id),
        ).fetchall()
        later = [row["run_id"] for row in rows]
        standing = [run for run in later if run not in cancelled]
        if not standing and not history.is_still(db, id, change.after):
            standing = later[-1:] or [run_id]
        if not change.existed and change.exists:
            standing += _referring(db, change, run_id, cancelled)
        if change.before is not None and change.existed:
            standing += _put_since(db, id, change.before)
        for run in dict.fromkeys(standing):
            found.setdefault(run, []).append(id)
    return dict(sorted(found.items()))


def _cancelled(db: sqlite3.Connection, since: int) -> set[int]:
    """Later runs that are undone, and those that undid them: together they come to
    nothing. What undid an earlier run is no such pair."""
    rows = db.execute(
        "SELECT id, undone_by FROM runs WHERE undone_by IS NOT NULL AND id > ?",
        (since,),
    ).fetchall()
    pairs = {row["id"]: row["undone_by"] for row in rows}
    # An undo that is undone, and what undid it, are among them.
    return set(pairs) | set(pairs.values())


def _referring(
    db: sqlite3.Connection, change: NetChange, run_id: int, cancelled: set[int]
) -> list[int]:
    """The later runs that made other memories end with this one."""
    rows = db.execute(
        "SELECT DISTINCT o.run_id FROM memories m JOIN operations o "
        "ON o.memory_id = m.id WHERE m.superseded_by = :memory "
        "AND m.deleted_in IS NULL AND o.id > :last "
        "AND json_extract(o.after, '$.superseded_by') = :memory "
        "AND json_extract(o.before, '$.superseded_by') IS NOT :memory "
        "AND m.id NOT IN (SELECT memory_id FROM operations WHERE run_id = :run)",
        {"memory": change.memory_id, "last": change.last, "run": run_id},
    )
    return [row["run_id"] for row in rows if row["run_id"] not in cancelled]


def _put_since(
    db: sqlite3.Connection, memory_id: int, then: history.Snapshot
) -> list[int]:
    """The run that put something else under the key of an item that would hold again:
    a key has one item at a time."""
    if then.get("item_key") is None or then["valid_to"] is not None:
        return []
    rows = db.execute(
        "SELECT max(o.run_id) AS run FROM memories m JOIN operations o "
        "ON o.memory_id = m.id WHERE m.namespace = ? AND m.item_key = ? "
        "AND m.id <> ? AND m.valid_to IS NULL GROUP BY m.id",
        (then["namespace"], then["item_key"], memory_id),
    )
    return [row["run"] for row in rows]


def _why_not(run_id: int, blocking: Mapping[int, Sequence[int]]) -> str:
    if list(blocking) == [run_id]:
        which = ", ".join(map(str, blocking[run_id][:5]))
        return (
            f"run {run_id} cannot be undone: memory {which} is not as any run left it; "
            "`memcli audit --fix` notes how it is now"
        )
    named = []
    for run, ids in list(blocking.items())[:5]:
        listed = ", ".join(map(str, ids[:5])) + (", …" if len(ids) > 5 else "")
        which = "memory" if len(ids) == 1 else "memories"
        named.append(f"run {run} ({which} {listed})")
    if len(blocking) > 5:
        named.append(f"{len(blocking) - 5} more")
    newest = max(blocking)
    return (
        f"run {run_id} cannot be undone alone: what it changed was changed again by "
        f"{'; '.join(named)}; undo {newest} first"
    )


def _vectors(db: sqlite3.Connection, run_id: int) -> dict[str, vectors.Vector]:
    """Vectors for the texts that come back, made before the file is locked."""
    model = vectors.model(db)
    texts = [
        str(then["text"])
        for change in history.of_run(db, run_id)
        if (then := change.before) is not None
        and change.existed
        and (not change.exists or history.is_found_otherwise(then, change.after))
    ]
    if model is None or not texts:
        return {}
    return dict(zip(texts, encoder(model).encode(texts), strict=True))


def _restore(
    db: sqlite3.Connection,
    changes: Sequence[NetChange],
    by: int,
    run_id: int,
    now: datetime,
    ready: Mapping[str, vectors.Vector],
) -> None:
    gone, never, anew = [], [], {}
    for change in reversed(changes):
        what = Change(by, change.after["namespace"], now)
        then = change.before if change.existed else None
        if not change.existed and not change.exists:
            continue  # made and taken away by the same run
        reason = f"run {run_id} was undone"
        if history.restore(db, what, change.memory_id, then, reason):
            assert then is not None
            if then.get("item_fields") == "[]":
                never.append(change.memory_id)
            else:
                anew[change.memory_id] = str(then["text"])
        elif then is None:
            gone.append(change.memory_id)
    vectors.remove(db, "memories", [*gone, *never, *anew])
    vectors.mark_never(db, "memories", never)
    have = {id: ready[text] for id, text in anew.items() if text in ready}
    if have:
        vectors.put(db, "memories", list(have), np.stack(list(have.values())))
    vectors.mark_bare(db, "memories", [id for id in anew if id not in have])
