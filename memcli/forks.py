"""What must not cross a fork: locks that a thread held, connections to a database.

A web server often loads its program once and forks its workers from it.
"""

import os
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

Kept = TypeVar("Kept")

# A connection that a child closes could take its parent's locks with it.
_left_behind: list[Any] = []


def begin_anew(owner: Kept, how: Callable[[Kept], None]) -> None:
    """Have `how(owner)` called in every process forked from now on."""
    if not hasattr(os, "register_at_fork"):
        return
    reference = weakref.ref(owner)

    def in_child() -> None:
        found = reference()
        if found is not None:
            how(found)

    os.register_at_fork(after_in_child=in_child)


def leave_behind(*kept: Any) -> None:
    """Keep what belongs to the parent from being closed here."""
    _left_behind.extend(kept)
