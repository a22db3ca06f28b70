"""The Python face of a database: `memcli.open(path)`."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from memcli import forks
from memcli.embeddings.choose import Encoder, encoder
from memcli.errors import StoreError, UsageError
from memcli.models import Hit
from memcli.namespaces import as_path
from memcli.store import vectors
from memcli.store.database import check_path, connect_to_read, explain_errors, identity
from memcli.store.nearest import Warm
from memcli.store.ranking import USUAL, Weighing
from memcli.store.search import Query, search_memories, search_messages
from memcli.when import utc_now

# No store gives more hits than that.
MOST = 1000

Scope = Literal["memories", "messages", "all"]


class Memories:
    """An open database of memories; a context manager.

    >>> with memcli.open("memories.db") as store:       # doctest: +SKIP
    ...     for hit in store.search("dark mode"):
    ...         print(hit.text, hit.sources[0].quote)
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        self._closed = False
        self._lock = threading.Lock()  # a connection has one transaction at a time
        self._encoders: dict[str, Encoder] = {}
        self._db: sqlite3.Connection | None = None
        self._warm: Warm | None = None
        self._of: tuple[int, int] | None = None  # the file that is open
        check_path(self.path, create=True)
        self._open()
        forks.begin_anew(self, Memories._forget_connection)

    def search(
        self,
        query: str,
        *,
        scope: Scope = "memories",
        limit: int = 10,
        namespace: str | Sequence[str] | None = None,
        before: datetime | None = None,
        after: datetime | None = None,
        superseded: bool = False,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        weighing: Weighing = USUAL,
        related: bool = False,
    ) -> list[Hit]:
        """The memories, messages or both that answer a query, best first.

        `namespace`, a path or its segments, takes in everything below it. `before`
        and `after` bound the time a memory began to hold, or a message was sent.
        `as_of` asks what was true then, and `known_at` what was believed then; of
        messages neither is known. Hits that say the same are one, with the ids of the
        others in `also`. `weighing` is what counts beside relevance; with
        `related` there are only hits that something ties to the query, and may be none.
        A naive time is read as UTC.

        Raises UsageError for an unknown scope, a limit below 1, or a time that is none.
        """
        if limit < 1:
            raise UsageError("limit must be at least 1")
        if scope not in ("memories", "messages", "all"):
            raise UsageError(f"unknown scope {scope!r}: memories, messages or all")
        query = query.encode("utf-8", "replace").decode()  # bytes of another encoding
        if not query.strip():
            raise UsageError("the query is empty")
        if (as_of or known_at) and scope != "memories":
            raise UsageError("as_of and known_at are about memories, not messages")
        with self._lock, explain_errors(self.path):
            if not self._open():
                return []  # nobody has put anything there yet
            with self._then(_utc(known_at)) as db:
                asked = Query(
                    text=query,
                    vector=self._vector(query),
                    limit=min(int(limit), MOST),
                    namespace=as_path(namespace),
                    before=_utc(before),
                    after=_utc(after),
                    superseded=superseded,
                    as_of=_utc(as_of),
                    weighing=weighing,
                    related=related,
                    warm=self._warm if db is self._db else None,
                    asked_at=_utc(before or as_of) or utc_now(),
                )
                hits: list[Hit] = []
                if scope in ("memories", "all"):
                    hits += search_memories(db, asked)
                if scope in ("messages", "all"):
                    hits += search_messages(db, asked)
        return sorted(hits, key=lambda hit: -hit.score)[:limit]

    async def asearch(self, query: str, **more: Any) -> list[Hit]:
        """`search`, off the event loop."""
        import asyncio  # a search from the command line does not pay for it

        return await asyncio.to_thread(self.search, query, **more)

    @property
    def db(self) -> sqlite3.Connection:
        """The SQLite connection; raises UsageError once closed, and StoreError while
        there is no database."""
        if not self._open():
            raise StoreError(f"no database at {self.path} yet")
        assert self._db is not None
        return self._db

    def _open(self) -> bool:
        """Connect, if there is something to connect to by now."""
        if self._closed:
            raise UsageError("this store is closed")
        there = identity(self.path)
        if self._db is not None and there != self._of:
            # It was deleted or replaced; a search must not answer from the old one.
            self._db.close()
            self._db = self._warm = None
        if self._db is None and there is not None:
            self._db = connect_to_read(self.path)
            self._of = identity(self.path)
            # What is searched often need not be read from the file each time.
            self._warm = Warm(self._db)
        return self._db is not None

    def _forget_connection(self) -> None:
        """A forked process opens the file for itself."""
        forks.leave_behind(self._db, self._warm)
        self._lock = threading.Lock()
        self._db = self._warm = None

    def close(self) -> None:
        """Release the file; closing twice is fine."""
        self._closed = True
        if self._db is not None:
            self._db.close()
            self._db = self._warm = None

    def __enter__(self) -> "Memories":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _then(self, known_at: datetime | None) -> Iterator[sqlite3.Connection]:
        """One state of the store, for all that a search looks at."""
        if not self.db.in_transaction:
            self.db.execute("BEGIN")
        try:
            if known_at is None:
                yield self.db
                return
            from memcli.store.past import believed

            with closing(believed(self.db, known_at)) as then:
                yield then
        finally:
            self.db.execute("ROLLBACK")

    def _vector(self, query: str) -> "vectors.Vector | None":
        """The query's vector by the model that made the stored ones."""
        model = vectors.model(self.db)
        if model is None:
            return None
        if model not in self._encoders:
            self._encoders[model] = encoder(model)
        vector: vectors.Vector = self._encoders[model].encode([query])[0]
        return vector


def _utc(moment: datetime | None) -> datetime | None:
    if not isinstance(moment, datetime | None):
        raise UsageError(f"{moment!r} is no time; give a datetime")
    if moment is not None and moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment
