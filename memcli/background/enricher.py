"""What a program's conversations are to become: the enricher of LangMem's quickstart.

    enricher = create_memory_store_enricher(
        "anthropic:claude-haiku-5-5",
        namespace=("memories", "{user_id}"),
        store=memcli.open("memories.db"),
    )
    enricher.process(messages, config={"configurable": {"user_id": "ana"}})

It knows how to reflect and where to keep what comes of it, but not when: that is
the executor's part (`memcli.background.executor`).
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from memcli import config as settings
from memcli import forks, namespaces
from memcli.background.context import (
    Config,
    Store,
    config_of_graph,
    configurable,
    place,
    store_of_graph,
    variables,
)
from memcli.background.file import OpenFile
from memcli.errors import ExtractorError, Interrupted, MemcliError
from memcli.extractors.base import Extractor
from memcli.extractors.choose import check, choose
from memcli.extractors.schemas import given
from memcli.library import Memories
from memcli.models import Hit, Memory
from memcli.reflection import recipes
from memcli.reflection.consolidate import Allowed
from memcli.reflection.progress import Silence
from memcli.reflection.recipes import Recipe
from memcli.reflection.reflect import reflect
from memcli.reflection.run import Report
from memcli.reflection.submitted import Accepted, Conversation, accept
from memcli.store import memories, submissions, threads
from memcli.store.database import (
    connect,
    explain_errors,
    run_lock,
)
from memcli.store.lease import hold
from memcli.when import utc_now

log = logging.getLogger("memcli")


def create_memory_store_enricher(
    model: str,
    /,
    *,
    namespace: str | Sequence[str] | None = None,
    schemas: Sequence[object] | None = None,
    instructions: str | None = None,
    enable_inserts: bool = True,
    enable_updates: bool = True,
    enable_deletes: bool = True,
    min_confidence: float | None = None,
    budget: float | str | None = None,
    store: Store | None = None,
) -> "MemoryStoreEnricher":
    """An enricher that turns conversations into memories.

    `model` is "anthropic:MODEL" (or bedrock:, vertex:), or "offline", which asks
    nobody. `namespace` is where memories go, as a path or its segments; `{user_id}`
    is filled from each call's config. `schemas` are pydantic models or JSON Schemas
    of what to extract instead of sentences; `instructions` tell the model more.
    `budget` is the most that this enricher may spend as long as it lives, in dollars
    ("none" for no ceiling; the default is that of a run). `store` is
    `memcli.open(path)`, or a path; without one it is the graph's store inside
    LangGraph, and memcli's own database elsewhere. Other settings (workers, timeout,
    patience, embedding-model) are those of `memcli config`.

    Raises UsageError for what cannot work, a missing key among it. The shape is that
    of LangMem's `create_memory_store_manager`.
    """
    values = {
        name: value.value
        for name, value in settings.load(
            {
                "namespace": namespaces.as_path(namespace),
                "min-confidence": min_confidence,
                "budget": None if budget is None else str(budget),
            }
        ).items()
    }
    namespaces.check_template(values["namespace"])
    extractor, name, provider = recipes.model_of(model)
    recipe = Recipe(
        extractor=extractor,
        model=name,
        provider=provider,
        instructions=(instructions or "").strip(),
        schemas=tuple(given(schema) for schema in schemas or ()),
        allowed=Allowed(enable_inserts, enable_updates, enable_deletes),
        min_confidence=values["min-confidence"],
    )
    return MemoryStoreEnricher(recipe, values, None if store is None else place(store))


class MemoryStoreEnricher:
    """Reflects on conversations, and finds what came of them; made by
    `create_memory_store_enricher`. May be used from many threads."""

    def __init__(
        self, recipe: Recipe, values: Mapping[str, Any], path: Path | None
    ) -> None:
        self.recipe = recipe
        self.namespace: str = values["namespace"]
        self.means = recipes.means(values)
        self._default_path = Path(values["db"]).expanduser()
        self._path = path
        self._wanted = recipes.wanted(recipe, self.means)
        check(self._wanted)
        self._extractor: Extractor | None = None
        self._choosing = threading.Lock()
        self._opening = threading.Lock()
        self._searched: dict[Path, Memories] = {}
        self._files: dict[Path, OpenFile] = {}
        forks.begin_anew(self, MemoryStoreEnricher._forget_connections)

    def process(
        self,
        messages: object,
        /,
        config: Config | None = None,
        *,
        thread_id: str | UUID | None = None,
        store: Store | None = None,
    ) -> list[Memory]:
        """Reflect on a conversation now; the memories that it made or changed.

        `messages` are as programs hold them: dicts, or messages of OpenAI, Anthropic
        and LangChain; or a mapping with such a list under "messages". Waits while
        another run works on the database. What was accepted is in the file, whatever
        happens later. Raises UsageError for what is no message, NamespaceError
        where `config` does not fill the namespace, and what reflection raises.
        """
        stop = threading.Event()
        try:
            return self._process(stop, messages, config, thread_id, store)
        finally:  # after Ctrl-C nobody waits for what is being asked
            stop.set()

    def _process(
        self,
        stop: threading.Event,
        messages: object,
        config: Config | None = None,
        thread_id: str | UUID | None = None,
        store: Store | None = None,
    ) -> list[Memory]:
        path = self.place(store)
        accepted = self.accept(path, messages, config, thread_id, timedelta(0))
        if not self.is_settled(path, accepted):
            report = self.reflect(path, stop, until=stop.is_set)
            with self.file(path) as db:
                error = outcome(db, accepted, report)
            if error is not None:
                raise error
        with self.file(path) as db:
            return changed(db, accepted)

    def search(
        self,
        query: str,
        *,
        limit: int = 10,
        namespace: str | Sequence[str] | None = None,
        config: Config | None = None,
        store: Store | None = None,
        **more: Any,
    ) -> list[Hit]:
        """The memories that answer a query, best first; of this enricher's namespace,
        filled from `config`, unless another is given. `more` is as for
        `memcli.open(path).search`."""
        within = namespaces.as_path(namespace)
        if within is None:
            known = variables(self.namespace, config)
            within = namespaces.fill_from_call(self.namespace, known)
        path = self.place(store)
        if path not in self._searched:
            self._searched[path] = Memories(path)
        return self._searched[path].search(query, limit=limit, namespace=within, **more)

    async def aprocess(
        self, messages: object, /, config: Config | None = None, **more: Any
    ) -> list[Memory]:
        """`process`, off the event loop. Cancelled, it stops; what was accepted stays
        in the file."""
        stop = threading.Event()
        try:
            return await asyncio.to_thread(
                self._process, stop, messages, config, **more
            )
        finally:
            stop.set()

    async def asearch(self, query: str, **more: Any) -> list[Hit]:
        """`search`, off the event loop."""
        return await asyncio.to_thread(self.search, query, **more)

    # What the executor needs.

    def place(self, store: Store | None = None) -> Path:
        """Where the database is. Raises UsageError for a graph's store that is not
        memcli's."""
        known = self.known_place(store)
        if known is not None:
            return known
        graphs = store_of_graph()
        if graphs is not None:
            return place(graphs)
        return settings.prepared(self._default_path)

    def known_place(self, store: Store | None = None) -> Path | None:
        """Where the database is, if that was said."""
        return self._path if store is None else place(store)

    def accept(
        self,
        path: Path,
        messages: object,
        config: Config | None,
        thread_id: str | UUID | None,
        after: timedelta,
    ) -> Accepted:
        """Put a conversation into the file, due after some time."""
        if isinstance(messages, Mapping) and "messages" in messages:
            messages = messages["messages"]
        if config is None:
            config = config_of_graph()
        named = thread_id
        if named is None or named == "":
            named = configurable(config).get("thread_id")
        conversation = Conversation(
            messages,  # type: ignore[arg-type]  # looked at when they are read
            None if named is None or named == "" else str(named),
            variables(self.namespace, config),
        )
        now = utc_now()
        with self.file(path) as db:
            return accept(
                db, conversation, self.recipe.plain(), self.namespace, now, now + after
            )

    def number(self, db: sqlite3.Connection) -> int:
        """The number of this enricher in a database."""
        return submissions.enricher_id(db, self.recipe.plain())

    @contextmanager
    def file(self, path: Path) -> Iterator[sqlite3.Connection]:
        """The database for short work; one connection, one user at a time."""
        with self._opening:
            if path not in self._files:
                self._files[path] = OpenFile(path)
        with self._files[path].used() as db:
            yield db

    def _forget_connections(self) -> None:
        """A forked process has none of its parent's; it must not even close them."""
        forks.leave_behind(self._searched, self._files, self._extractor)
        self._choosing, self._opening = threading.Lock(), threading.Lock()
        self._searched, self._files, self._extractor = {}, {}, None

    def is_settled(self, path: Path, accepted: Accepted) -> bool:
        """Whether all that was accepted became memories, whoever did it."""
        with self.file(path) as db:
            return submissions.is_settled(db, accepted.thread_id, accepted.last_message)

    def reflect(
        self,
        path: Path,
        stop: threading.Event,
        *,
        until: Callable[[], bool],
        may_begin: Callable[[str], bool] = lambda thread_id: True,
        workers: int | None = None,
    ) -> Report:
        """One run over all that was submitted to this enricher and is due.

        Waits for other runs to end; raises Interrupted when `until` says so meanwhile.
        """
        with (
            run_lock(path, wait=True, stopping=until, notice=log.info),
            explain_errors(path),
            closing(connect(path, notice=log.warning)) as db,
            hold(db, utc_now) as lease,
        ):
            by = replace(self.means, workers=workers or self.means.workers)
            request = recipes.request(self.recipe, self.number(db), by, may_begin)
            return reflect(
                db, request, lambda: self._chosen(stop), utc_now, _Logged(), stop, lease
            )

    def warm(self) -> None:
        """Load what the first conversation would wait for."""
        extractor = self._chosen(threading.Event())
        if extractor.asker is not None:
            extractor.asker.client()

    def _chosen(self, stop: threading.Event) -> Extractor:
        """One extractor for all runs: what it may spend is for all of them."""
        with self._choosing:
            if self._extractor is None:
                self._extractor, why = choose(self._wanted, stop)
                log.info(why)
            if self._extractor.asker is not None:
                self._extractor.asker.stop = stop
            return self._extractor


class _Logged(Silence):
    """Tells a program's log what a run tells a person."""

    def notice(self, text: str) -> None:
        log.info(text)


def changed(db: sqlite3.Connection, accepted: Accepted) -> list[Memory]:
    """The memories that a submission made or changed, as they are now."""
    ids = submissions.changed_since(db, accepted.thread_id, accepted.last_extraction)
    found = memories.get_many(db, ids)
    return [found[id] for id in ids if id in found]


def outcome(
    db: sqlite3.Connection, accepted: Accepted, report: Report
) -> MemcliError | None:
    """Why a run left a submission undone; None when it did not."""
    if submissions.is_settled(db, accepted.thread_id, accepted.last_message):
        return None
    if accepted.thread_id in report.failed:
        return ExtractorError(report.failed[accepted.thread_id])
    if report.ended_by is not None:
        return report.ended_by
    if report.interrupted:
        return Interrupted("stopped; what was submitted stays in the file")
    failed = {id: why for id, why, _ in threads.failed(db)}
    return ExtractorError(
        failed.get(accepted.thread_id, "not done in this run; it stays due")
    )
