"""Purge: conversations removed for good, and everything that came from them.

Messages, quotes, memories, what was extracted, what a model answered, and the
traces of all that in history: nothing readable stays in the file. What other
conversations said, too, stays, with what they said of it. Only keyed hashes
remain, so that the same conversations are not read again.
"""

import sqlite3
from dataclasses import replace
from datetime import datetime

from memcli.store import runs
from memcli.store.database import note_to_wipe, transaction
from memcli.upkeep.removal import (
    bury,
    note_hashes,
    note_new_state,
    note_reopened,
    remove_extractions,
    remove_extractions_of,
    remove_memories,
    remove_messages,
    remove_traces,
    reopen,
)
from memcli.upkeep.scope import Found, Scope, find
from memcli.upkeep.thinning import said_elsewhere, thin


def purge(db: sqlite3.Connection, scope: Scope, now: datetime) -> Found:
    """Remove it; the caller holds the run lock, and compacts the file afterwards.

    What it finds is looked up anew, so a message that came meanwhile goes as well.
    """
    with transaction(db):
        found = find(db, scope)
        run_id = runs.start_by_hand(db, now, "purge")
        gone, kept = set(found.memories), []
        for id in found.thinned:
            said = said_elsewhere(db, id, found.messages)
            if said is None:
                gone.add(id)
            else:
                kept.append((id, said))
        note_to_wipe(db)
        note_hashes(db, run_id, scope, found)
        bury(db, run_id, gone, found.messages)
        for id, candidate in kept:
            thin(db, id, candidate, found.messages, now)
        reopened = reopen(db, gone, now)
        remove_memories(db, run_id, gone)
        remove_extractions(db, found)
        if scope.namespace is not None and scope.before is None and not scope.threads:
            remove_extractions_of(db, scope.namespace)
        remove_traces(db, run_id, found.messages, now)
        remove_messages(db, found)
        note_new_state(db, run_id, [id for id, _ in kept], now)
        note_reopened(db, run_id, reopened, gone, now)
        runs.finish(db, run_id, now, "done", {"deleted": len(gone)})
    kept_ids = tuple(id for id, _ in kept)
    return replace(found, memories=tuple(sorted(gone)), thinned=kept_ids)
