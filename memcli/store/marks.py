"""What a run marked as done in threads, and how that is taken back.

A run that consolidated a thread's extractions has its messages marked as
reflected. When it is undone they are new again, and when that is undone in turn
they are as they were: a run holds, or it does not, however often that changed.
"""

import sqlite3

# A message of a thread that was done anew, marked as it had been before that.
_AS_BEFORE = (
    "EXISTS (SELECT 1 FROM redone_messages d WHERE d.run_id = u.run_id "
    "AND d.message = u.message AND d.reflected_in = messages.reflected_in)"
)


def note_redone(db: sqlite3.Connection, run_id: int, thread_id: str) -> None:
    """Note that a run put something in place of what a thread gave before."""
    db.execute(
        "INSERT OR IGNORE INTO redone_threads VALUES (?, ?)", (run_id, thread_id)
    )
    db.execute(
        "UPDATE redone_messages SET run_id = ? WHERE run_id = 0 "
        "AND message IN (SELECT id FROM messages WHERE thread_id = ?)",
        (run_id, thread_id),
    )


def take_back(db: sqlite3.Connection, run_id: int, *, due_again: bool) -> list[str]:
    """Take back what a run marked; the threads that are due again.

    `run_id` may be an undo: then what it took back is marked again. What was
    extracted stays known, so that the same question is not asked twice. Of a thread
    that the run had done anew only what was new to it is due: what the rest gave
    before holds again.
    """
    root, depth = _root(db, run_id)
    redone = _redone(db, root)
    if depth % 2:
        for thread_id, first in _threads(db, root):
            _count_replaced(db, root, thread_id, first, thread_id in redone, -1)
        _mark_again(db, root)
        return []
    due = []
    for thread_id, first in _threads(db, root):
        _count_replaced(db, root, thread_id, first, thread_id in redone, 1)
        if _unmark(db, root, thread_id, due_again=due_again):
            due.append(thread_id)
    return due if due_again else []


def latest(db: sqlite3.Connection, run_id: int) -> int:
    """The last word on whether a run holds: itself, or the end of its undoings."""
    while True:
        row = db.execute(
            "SELECT max(id) AS id FROM runs WHERE undoes = ?", (run_id,)
        ).fetchone()
        if row["id"] is None:
            return run_id
        run_id = row["id"]


def left_alone(db: sqlite3.Connection, run_id: int) -> bool:
    """Whether a run brought back what an undo had taken away without making the
    threads due: whoever undoes it leaves them alone again."""
    row = db.execute(
        "SELECT o.not_again FROM runs r JOIN runs o ON o.id = r.undoes WHERE r.id = ?",
        (run_id,),
    ).fetchone()
    return row is not None and bool(row["not_again"])


def reflected_since(db: sqlite3.Connection, run_id: int) -> list[int]:
    """Runs that have reflected again what an undo made due, if `run_id` is one;
    else those that did threads of the run anew."""
    root, depth = _root(db, run_id)
    if depth % 2 == 0:
        rows = db.execute(
            "SELECT DISTINCT d.run_id FROM extractions e JOIN redone_threads d "
            "ON d.thread_id = e.thread_id JOIN runs r ON r.id = d.run_id "
            "WHERE e.consolidated_in = ? AND d.run_id > ? AND r.undone_by IS NULL "
            "ORDER BY d.run_id",
            (root, root),
        )
        return [row["run_id"] for row in rows]
    rows = db.execute(
        "SELECT DISTINCT messages.reflected_in FROM undone_messages u "
        "JOIN messages ON messages.id = u.message "
        "JOIN runs r ON r.id = messages.reflected_in AND r.undone_by IS NULL "
        "WHERE u.run_id = ? "
        f"AND messages.reflected_in <> u.reflected_in AND NOT {_AS_BEFORE} "
        "ORDER BY messages.reflected_in",
        (root,),
    )
    return [row["reflected_in"] for row in rows]


def _root(db: sqlite3.Connection, run_id: int) -> tuple[int, int]:
    """The run that a chain of undoings is about, and how long the chain is."""
    depth = 0
    while True:
        row = db.execute("SELECT undoes FROM runs WHERE id = ?", (run_id,)).fetchone()
        if row is None or row["undoes"] is None:
            return run_id, depth
        run_id, depth = row["undoes"], depth + 1


def _threads(db: sqlite3.Connection, run_id: int) -> list[tuple[str, int]]:
    """The threads whose extractions a run consolidated, with the first of those."""
    rows = db.execute(
        "SELECT thread_id, min(id) AS first FROM extractions WHERE consolidated_in = ? "
        "GROUP BY thread_id ORDER BY thread_id",
        (run_id,),
    )
    return [(row["thread_id"], row["first"]) for row in rows]


def _redone(db: sqlite3.Connection, run_id: int) -> set[str]:
    rows = db.execute(
        "SELECT thread_id FROM redone_threads WHERE run_id = ?", (run_id,)
    )
    return {row["thread_id"] for row in rows}


def _count_replaced(
    db: sqlite3.Connection,
    run_id: int,
    thread_id: str,
    first: int,
    redone: bool,
    by: int,
) -> None:
    """The run's extractions count no more, or again; those before them likewise, if
    it had put its own in their place."""
    db.execute(
        "UPDATE extractions SET replaced = replaced + ? "
        "WHERE consolidated_in = ? AND thread_id = ?",
        (by, run_id, thread_id),
    )
    if redone:
        db.execute(
            "UPDATE extractions SET replaced = replaced - ? "
            "WHERE thread_id = ? AND id < ?",
            (by, thread_id, first),
        )


def _unmark(
    db: sqlite3.Connection, run_id: int, thread_id: str, *, due_again: bool
) -> bool:
    """The thread's messages that the run's extractions showed are new again, or as
    they were if the run did the thread anew; whether any are new."""
    db.execute(
        "INSERT OR IGNORE INTO undone_messages "
        "SELECT ?, id, reflected_in FROM messages WHERE thread_id = ? "
        "AND reflected_in IN (SELECT run_id FROM extractions "
        "WHERE consolidated_in = ? AND thread_id = ?)",
        (run_id, thread_id, run_id, thread_id),
    )
    before = (
        "(SELECT d.reflected_in FROM redone_messages d "
        "WHERE d.run_id = u.run_id AND d.message = u.message)"
    )
    new = db.execute(
        f"UPDATE messages SET reflected_in = {before} FROM undone_messages u "
        "WHERE u.run_id = ? AND u.message = messages.id AND messages.thread_id = ? "
        f"AND (? OR {before} IS NOT NULL) RETURNING messages.reflected_in",
        (run_id, thread_id, due_again),
    ).fetchall()
    if all(row["reflected_in"] is not None for row in new):
        return False
    db.execute(
        "UPDATE threads SET attempts = 0, error = NULL WHERE id = ?", (thread_id,)
    )
    return True


def _mark_again(db: sqlite3.Connection, run_id: int) -> None:
    db.execute(
        "UPDATE messages SET reflected_in = u.reflected_in FROM undone_messages u "
        "WHERE u.run_id = ? AND u.message = messages.id "
        f"AND (messages.reflected_in IS NULL OR {_AS_BEFORE})",
        (run_id,),
    )
    db.execute("DELETE FROM undone_messages WHERE run_id = ?", (run_id,))
