"""What a client may do with the memories: search, show, add, update, forget.

Nothing here knows a protocol. Every call is held against the bounds; a memory outside
of them is answered exactly as one that does not exist.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from memcli.errors import StoreError, UsageError
from memcli.library import Memories
from memcli.models import Hit, Kind, Memory
from memcli.serving.answers import SearchResult, ShownMemory, Written, found, shown
from memcli.serving.bounds import Bounds
from memcli.store import history, memories
from memcli.store.database import (
    Notice,
    connect,
    connect_to_read,
    explain_errors,
    identity,
)
from memcli.store.ranking import USUAL, Weighing
from memcli.upkeep import by_hand
from memcli.when import parse_moment, utc_now

# A client gives up on an answer sooner than a night's run does on the file.
_BUSY_SECONDS = 20

# It was never so; or it was so, and something else is now.
Why = Literal["corrected", "changed"]


class Desk:
    """Answers calls about one database, from any thread.

    The file need not be there: each call looks for it anew, so that a server that was
    started before it serves it once it is made, replaced or repaired.
    """

    def __init__(
        self,
        path: Path,
        bounds: Bounds,
        embedding_model: str,
        weighing: Weighing = USUAL,
        notice: Notice = lambda text: None,
    ) -> None:
        self._path = path
        self._bounds = bounds
        self._embedding_model = embedding_model
        self._weighing = weighing
        self._notice = notice
        self._opening = threading.Lock()
        # What is searched is kept in memory between calls; with the file it is of.
        self._warm: tuple[tuple[int, int], Memories] | None = None

    def search(
        self,
        query: str,
        *,
        limit: int = 10,
        namespace: str | None = None,
        as_of: str | None = None,
        ended: bool = False,
    ) -> SearchResult:
        """The memories that answer a query, of all that is served or a part of it."""
        moment = None if as_of is None else parse_moment(as_of)
        hits: list[Hit] = []
        places = self._bounds.to_search(namespace)
        store = self._store()
        try:
            for one in places:
                hits += store.search(
                    query, limit=limit, namespace=one, as_of=moment, superseded=ended,
                    weighing=self._weighing, related=True,
                )  # fmt: skip
        except StoreError:
            self._leave(store)  # who repairs the file should not have to restart us
            raise
        hits.sort(key=lambda hit: -hit.score)
        return SearchResult([found(hit) for hit in hits[:limit]])

    def show(self, id: int) -> ShownMemory:
        """One memory, with its sources and its history."""
        with (
            explain_errors(self._path),
            closing(connect_to_read(self._path, notice=self._notice)) as db,
        ):
            return shown(self._memory(db, id), history.of_memory(db, id))

    def add(
        self, text: str, *, by: str, kind: Kind = Kind.FACT, namespace: str | None
    ) -> Written:
        """Keep something new; what is known already stays as it is."""
        where = self._bounds.to_write(namespace)
        with self._to_write(create=True) as db:
            self._check_wanted(db, where, text)
            done = by_hand.add(
                db, where, text, utc_now(), self._embedding_model, kind=kind, by=by
            )
        return Written(done.memory_id, where, done.run_id)

    def update(self, id: int, text: str, *, by: str, why: Why) -> Written:
        """Put a memory right; or end it, with a new one in its place from now on."""
        with self._to_write() as db:
            memory = self._memory(db, id)
            if memory.schema is not None:
                raise UsageError(
                    f"memory {id} is a {memory.schema}, whose text comes from its "
                    "value; it changes with what is said of it"
                )
            if " ".join(text.split()) == memory.text:
                return Written(id, memory.namespace, None)
            self._check_wanted(db, memory.namespace, text)
            if why == "changed":
                done = by_hand.add(
                    db, memory.namespace, text, utc_now(), self._embedding_model,
                    kind=memory.kind, replaces=[id], by=by,
                )  # fmt: skip
            else:
                done = by_hand.edit(
                    db, id, by_hand.Edit(text=text), utc_now(), self._embedding_model,
                    by=by,
                )  # fmt: skip
        return Written(done.memory_id, memory.namespace, done.run_id)

    def forget(self, id: int, *, by: str) -> Written:
        """Take a memory away, and keep it from being learned again."""
        with self._to_write() as db:
            memory = self._memory(db, id)
            run_id = by_hand.forget(db, [id], utc_now(), by=by)
        return Written(id, memory.namespace, run_id)

    def close(self) -> None:
        """Release the file."""
        with self._opening:
            if self._warm is not None:
                self._warm[1].close()
                self._warm = None

    def _store(self) -> Memories:
        """The open store; opened anew when the path has another file by now."""
        with self._opening:
            now = identity(self._path)
            if self._warm is not None and self._warm[0] == now:
                return self._warm[1]
            # One that another thread may still search in is left to go by itself.
            self._warm = None
            with explain_errors(self._path):
                store = Memories(self._path)
                if store.db.in_transaction:
                    store.db.execute("ROLLBACK")  # hold no state between searches
            self._warm = identity(self._path) or (0, 0), store
            return store

    def _leave(self, store: Memories) -> None:
        with self._opening:
            if self._warm is not None and self._warm[1] is store:
                self._warm = None

    @contextmanager
    def _to_write(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        with (
            explain_errors(self._path),
            closing(connect(self._path, create=create, notice=self._notice)) as db,
        ):
            db.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
            yield db

    def _memory(self, db: sqlite3.Connection, id: int) -> Memory:
        """A memory that is served. Raises UsageError, in the same words for all that
        is not to be seen."""
        memory = memories.get_many(db, [id]).get(id)
        if memory is None or memory.deleted or not self._bounds.has(memory.namespace):
            raise UsageError(f"no memory {id}; a search shows the numbers")
        return memory

    def _check_wanted(self, db: sqlite3.Connection, namespace: str, text: str) -> None:
        if by_hand.is_put_away(db, namespace, text):
            raise UsageError(
                "the user forgot that, or put it right; only they can have it kept "
                "again, with `memcli add`"
            )
