"""What a run marked as done in threads, and how that is taken back.

A run that consolidated a thread's extractions has its messages marked as
reflected. When it is undone they are new again, and when that is undone in turn
they are as they were: a run holds, or it does not, however often that changed.
"""

import sqlite3


def note_redone(db: sqlite3.Connection, run_id: int, thread_id: str) -> None:
    """Note that a run put something in place of what a thread gave before."""
    db.execute(
        "INSERT OR IGNORE INTO redone_threads VALUES (?, ?)", (run_id, thread_id)
    )


def take_back(db: sqlite3.Connection, run_id: int, *, due_again: bool) -> list[str]:
    """Take back what a run marked; the threads that are due again.

    `run_id` may be an undo: then what it took back is marked again. What was
    extracted stays known, so that the same question is not asked twice. A thread
    that the run had done anew is not due: what it gave before holds again.
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
        if thread_id not in redone:
            _unmark(db, root, thread_id, due_again=due_again)
            due.append(thread_id)
    return due if due_again else []


def reflected_since(db: sqlite3.Connection, run_id: int) -> list[int]:
    """Runs that have reflected again what an undo made due, if `run_id` is one."""
    root, depth = _root(db, run_id)
    if depth % 2 == 0:
        return []
    rows = db.execute(
        "SELECT DISTINCT m.reflected_in FROM undone_messages u "
        "JOIN messages m ON m.id = u.message WHERE u.run_id = ? "
        "AND m.reflected_in <> u.reflected_in ORDER BY m.reflected_in",
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
) -> None:
    """The thread's messages that the run's extractions showed are new again."""
    db.execute(
        "INSERT OR IGNORE INTO undone_messages "
        "SELECT ?, id, reflected_in FROM messages WHERE thread_id = ? "
        "AND reflected_in IN (SELECT run_id FROM extractions "
        "WHERE consolidated_in = ? AND thread_id = ?)",
        (run_id, thread_id, run_id, thread_id),
    )
    if not due_again:
        return
    db.execute(
        "UPDATE messages SET reflected_in = NULL WHERE thread_id = ? AND id IN "
        "(SELECT message FROM undone_messages WHERE run_id = ?)",
        (thread_id, run_id),
    )
    db.execute(
        "UPDATE threads SET attempts = 0, error = NULL WHERE id = ?", (thread_id,)
    )


def _mark_again(db: sqlite3.Connection, run_id: int) -> None:
    db.execute(
        "UPDATE messages SET reflected_in = u.reflected_in FROM undone_messages u "
        "WHERE u.run_id = ? AND u.message = messages.id "
        "AND messages.reflected_in IS NULL",
        (run_id,),
    )
    db.execute("DELETE FROM undone_messages WHERE run_id = ?", (run_id,))
