"""The store itself: LangGraph's operations as reads and writes of the file."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from types import TracebackType

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    get_text_at_path,
)

from memcli import forks
from memcli.background.context import Store, place
from memcli.embeddings.choose import DEFAULT_MODEL, Encoder, encoder
from memcli.errors import UsageError
from memcli.langgraph import filters
from memcli.namespaces import from_labels, to_labels
from memcli.store import items, vectors
from memcli.store.database import connect, explain_errors
from memcli.store.items import Content
from memcli.store.nearest import Warm
from memcli.store.search import Query, search_memories
from memcli.upkeep.items import Put, Ready, content, new_texts, write
from memcli.when import utc_now

# Beyond so many the order of what a query finds is that of insertion.
_RANKED = 1000
_BY = "an agent (LangGraph)"


class MemoryStore(BaseStore):
    """LangGraph's `BaseStore` over a memcli file, which is made when missing.

    >>> with MemoryStore("memories.db") as store:       # doctest: +SKIP
    ...     agent = create_react_agent(model, tools, store=store)

    It answers as `InMemoryStore` does, and keeps what it is given. Threads share it,
    and processes the file. What is different:

    - A query ranks as `memcli search` does. What nothing ties to it comes after the
      rest, as it was put, with no score, and is counted by `offset`, too. What was put
      with `index=False` has no vector and never a score; with `index=[…]` only these
      fields are searched.
    - Values are JSON: anything else is refused, and a tuple comes back as a list.
      Secrets in them are replaced before they are stored.
    - Overwriting keeps `created_at`. Only namespaces that hold something are listed.
    - What memcli learned is there as well, under its number as a UUID, as
      `{"kind": "Memory", "content": {"content": …}}`, or with the name of your schema
      and its value. To put there edits the memory, to delete forgets it.
    """

    __slots__ = (
        "_db", "_encoders", "_encoding", "_model", "_reading", "_warm", "_writer",
        "_writing", "path",
    )  # fmt: skip

    def __init__(self, path: Store, *, embedding_model: str = DEFAULT_MODEL) -> None:
        """Open the file, by its path or as `memcli.open` gave it; a new one gets
        vectors of `embedding_model`.

        Raises memcli.errors.StoreError when it cannot be a database of memcli's.
        """
        self.path = place(path)
        self._model = embedding_model
        self._begin_anew()
        forks.begin_anew(self, MemoryStore._begin_anew)

    def _begin_anew(self) -> None:
        """Open the file; also in a process that was forked, for itself."""
        for name in ("_db", "_writer"):
            forks.leave_behind(getattr(self, name, None))
        self._encoders: dict[str, Encoder] = {}
        # A connection has one transaction at a time. Whoever reads does not wait for
        # one who writes, who may wait for a run.
        self._db: sqlite3.Connection | None = connect(self.path)
        self._writer: sqlite3.Connection | None = connect(self.path)
        self._warm = Warm(self._db)
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._encoding = threading.Lock()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the operations; reads see the store as it was before the writes.

        All writes are done or none; of two to one key the later counts. Raises
        memcli.errors.UsageError for a value that JSON cannot hold.
        """
        listed = list(ops)
        puts = _puts(listed)
        with explain_errors(self.path):
            asked = {_text(op.query) for op in listed if isinstance(op, SearchOp)}
            queries = self._encoded([query for query in asked if query])
            with self._read() as db:
                results = [self._answer(db, op, queries) for op in listed]
                texts = new_texts(db, puts)
            if puts:
                ready = self._encoded(texts)
                with self._write() as db:
                    write(db, puts, utc_now(), ready, _BY)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """The same in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.batch, list(ops))

    def close(self) -> None:
        """Release the file; closing twice is fine."""
        with self._writing, self._reading:
            for db in (self._db, self._writer):
                if db is not None:
                    db.close()
            self._db = self._writer = None

    def __enter__(self) -> "MemoryStore":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- Reading ------------------------------------------------------------------

    def _answer(self, db: sqlite3.Connection, op: Op, queries: Ready) -> Result:
        if isinstance(op, GetOp):
            if not op.namespace:
                return None
            found = items.get(db, from_labels(op.namespace), _key(op.key))
            return None if found is None else _item(found)
        if isinstance(op, SearchOp):
            return self._search(db, op, queries)
        if isinstance(op, ListNamespacesOp):
            return _list_namespaces(db, op)
        if isinstance(op, PutOp):
            return None
        raise ValueError(f"{type(op).__name__} is no operation of a store")

    def _search(
        self, db: sqlite3.Connection, op: SearchOp, queries: Ready
    ) -> list[SearchItem]:
        prefix = from_labels(op.namespace_prefix) if op.namespace_prefix else None
        query = _text(op.query)
        scores: Mapping[int, float] = {}
        if query:
            scores = self._scores(db, prefix, query, queries.vectors.get(query))

        def found() -> Iterator[SearchItem]:
            scored = items.get_many(db, list(scores))
            first = [scored[id] for id in scores if scored[id].fields != ()]
            ids = {item.id for item in first}
            for item in first:
                if filters.passes(item.value, op.filter):
                    yield _search_item(item, scores[item.id])
            for item in items.in_order(db, prefix):
                if item.id not in ids and filters.passes(item.value, op.filter):
                    yield _search_item(item, None)

        if min(op.offset, op.limit) < 0:  # a slice counts these from the end
            return list(found())[op.offset : op.offset + op.limit]
        return list(islice(found(), op.offset, op.offset + op.limit))

    def _scores(
        self,
        db: sqlite3.Connection,
        prefix: str | None,
        query: str,
        vector: vectors.Vector | None,
    ) -> Mapping[int, float]:
        """What the query ties to, best first; what says the same beside one another."""
        hits = search_memories(
            db,
            Query(
                query, vector, limit=_RANKED, namespace=prefix, related=True,
                warm=self._warm, asked_at=utc_now(),
            ),
        )  # fmt: skip
        return {int(id): hit.score for hit in hits for id in (hit.id, *hit.also)}

    # --- Connections --------------------------------------------------------------

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        """One state of the file, for all that a batch looks at."""
        with self._reading:
            db = _open(self._db)
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.execute("ROLLBACK")

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._writing:
            yield _open(self._writer)

    def _encoded(self, texts: Sequence[str]) -> Ready:
        """Vectors by the model of those that are there, else by the one in force."""
        with self._read() as db:
            model = vectors.model(db) or self._model
        if not texts:
            return Ready(model, {})
        with self._encoding:
            if model not in self._encoders:
                self._encoders[model] = encoder(model)
            made = self._encoders[model].encode(texts)
        return Ready(model, dict(zip(texts, made, strict=True)))


def _open(db: sqlite3.Connection | None) -> sqlite3.Connection:
    if db is None:
        raise UsageError("this store is closed")
    return db


def _puts(ops: Sequence[Op]) -> list[Put]:
    """What is to be written; the last of several to a key, in the place of the first.

    Raises UsageError and NamespaceError.
    """
    found: dict[tuple[str, str], Put] = {}
    for op in ops:
        if isinstance(op, PutOp) and (op.namespace or op.value is not None):
            namespace, key = from_labels(op.namespace), _key(op.key)
            found[namespace, key] = Put(namespace, key, _content(op))
    return list(found.values())


def _content(op: PutOp) -> Content | None:
    if op.value is None:
        return None
    fields = None if op.index is None else list(op.index or ())
    if fields is not None and "$" in fields:  # all of it
        fields = None
    return content(op.value, fields, get_text_at_path)


def _key(key: str) -> str:
    try:
        key.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"key {key!r} holds half of a surrogate pair, no text"
        ) from None
    return key


def _list_namespaces(
    db: sqlite3.Connection, op: ListNamespacesOp
) -> list[tuple[str, ...]]:
    found = {
        labels[: op.max_depth]
        for labels in map(to_labels, items.namespaces(db))
        if filters.matches(labels, op.match_conditions or ())
    }
    return sorted(found)[op.offset : op.offset + op.limit]


def _item(item: items.Item) -> Item:
    return Item(
        value=item.value,
        key=item.key,
        namespace=to_labels(item.namespace),
        created_at=item.created_at,
        updated_at=item.updated_at,
    )


def _search_item(item: items.Item, score: float | None) -> SearchItem:
    return SearchItem(
        to_labels(item.namespace), item.key, item.value,
        item.created_at, item.updated_at, score,
    )  # fmt: skip


def _text(query: str | None) -> str:
    """A query, which may hold bytes of another encoding; empty for none."""
    return (query or "").strip().encode("utf-8", "replace").decode()
