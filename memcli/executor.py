"""Reflection behind a program's back: submit now, reflect when a thread is quiet.

    executor = ReflectionExecutor(enricher)
    executor.submit({"messages": messages}, after_seconds=1800)

The interface is that of LangMem's `ReflectionExecutor`, in which a new submission of
a thread takes the place of the one that waits. Its queue is the database: what was
submitted is in the file before `submit` returns, and whoever comes first when it is
due does it, this process, another one, or `memcli reflect`.
"""

import asyncio
import atexit
import contextlib
import logging
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

from memcli import forks
from memcli.enricher import Config, MemoryStoreEnricher, Store, changed, outcome
from memcli.errors import Interrupted, Locked, MemcliError, UsageError
from memcli.models import Hit, Memory
from memcli.reflection.run import Report
from memcli.reflection.submitted import Accepted
from memcli.store import submissions
from memcli.when import utc_now

log = logging.getLogger("memcli")

# What is under way when a program leaves is waited for so long; then it is stopped,
# which takes the time of one request at most.
_GRACE_SECONDS = 30.0
_STOP_SECONDS = 12.0
# How often the file is looked at for what other processes left; less and less often,
# down to once an hour, while it cannot be done.
_LOOK_SECONDS = 30.0
_LOOK_AT_LEAST = 3600.0
# Who is there for so long will need what the first conversation would wait for.
_IDLE_SECONDS = 1.0
# How many runs may leave out a submission that is due.
_TRIES = 3
# A database that a machine elsewhere works on is tried again after so long.
_LOCKED_SECONDS = 5.0


@dataclass(eq=False, slots=True)
class _Ticket:
    """A submission of this process that has no result yet."""

    accepted: Accepted
    due_at: datetime
    future: "Future[list[Memory]]" = field(default_factory=Future)
    begun: bool = False
    replaced: bool = False
    passed_over: int = 0


# Why a submission has no result, after a run that should have given it one.
Why = Callable[[_Ticket, sqlite3.Connection], MemcliError | None]


class ReflectionExecutor:
    """Runs an enricher over what is submitted to it; a context manager.

    `store` is where, if the enricher does not say; `workers` is how many threads are
    extracted at once (the setting of that name unless given). It has one thread of
    its own, which does not keep the interpreter from exiting.
    """

    def __init__(
        self,
        enricher: MemoryStoreEnricher,
        /,
        *,
        store: Store | None = None,
        workers: int | None = None,
    ) -> None:
        if not isinstance(enricher, MemoryStoreEnricher):
            raise UsageError(
                "ReflectionExecutor takes what memcli.create_memory_store_enricher "
                f"makes, not a {type(enricher).__name__}"
            )
        if workers is not None and not 1 <= workers <= 256:
            raise UsageError("workers must be from 1 to 256")
        self.enricher = enricher
        self._workers = workers
        self._store = store
        self._path: Path | None = None
        self._closing = self._leaving = False
        self._look_every = _LOOK_SECONDS
        with contextlib.suppress(UsageError):
            self._path = enricher.known_place(store)
        self._begin_anew()
        forks.begin_anew(self, ReflectionExecutor._begin_anew)
        atexit.register(_leave, weakref.ref(self))
        # What the first conversation would wait for is loaded now, and what a process
        # before this one left is looked for.
        self._start()

    def submit(
        self,
        payload: object,
        /,
        config: Config | None = None,
        *,
        after_seconds: float = 0,
        thread_id: str | UUID | None = None,
    ) -> "Future[list[Memory]]":
        """Hand a conversation over, to be reflected on after some time.

        `payload` is {"messages": [...]} or the list itself; it may be the whole
        conversation each time, or what is new. The thread's name is `thread_id`, or
        that of `config["configurable"]`; without one, each submission is a thread of
        its own. A submission of the same thread that waits is cancelled, and its
        messages are part of this one. Cancelling the future puts them off until the
        thread is submitted again.

        The future has the memories that were made or changed, or the error. Raises
        what `MemoryStoreEnricher.process` does about its arguments, and RuntimeError
        after `shutdown`.
        """
        if not 0 <= after_seconds < 10**9:
            raise UsageError("after_seconds must be 0 or more")
        if self._closing:
            raise RuntimeError("this executor was shut down")
        if self._path is None:
            self._path = self.enricher.place(self._store)
        after = timedelta(seconds=after_seconds)
        accepted = self.enricher.accept(self._path, payload, config, thread_id, after)
        ticket = _Ticket(accepted, accepted.due_at)
        with self._changed:
            waiting = self._tickets.setdefault(accepted.thread_id, [])
            replaced = [one for one in waiting if not one.begun]
            for one in replaced:
                one.replaced = True
            waiting[:] = [one for one in waiting if one.begun] + [ticket]
            self._start()
            self._changed.notify_all()
        for one in replaced:
            one.future.cancel()
        ticket.future.add_done_callback(lambda future: self._put_off(ticket))
        return ticket.future

    def search(self, query: str, **more: Any) -> list[Hit]:
        """The memories that answer a query; see MemoryStoreEnricher.search."""
        return self.enricher.search(query, store=self._path or self._store, **more)

    async def asubmit(
        self, payload: object, /, *args: Any, **more: Any
    ) -> "asyncio.Future[list[Memory]]":
        """`submit` off the event loop. What it gives can be awaited for the result."""
        future = await asyncio.to_thread(self.submit, payload, *args, **more)
        waiting = asyncio.wrap_future(future)
        # Who does not care for the result need not hear that it was never looked at.
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
        return waiting

    async def asearch(self, query: str, **more: Any) -> list[Hit]:
        """`search` off the event loop."""
        return await asyncio.to_thread(self.search, query, **more)

    async def ashutdown(
        self, wait: bool = True, *, cancel_futures: bool = False
    ) -> None:
        """`shutdown` off the event loop."""
        await asyncio.to_thread(self.shutdown, wait=wait, cancel_futures=cancel_futures)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more; what is due is done, if that does not take long.

        With `wait` this returns when it is, and not before; with `cancel_futures`
        only what is under way is waited for. What is left stays in the file, for the
        next process or `memcli reflect`, and its futures are cancelled here.
        """
        with self._changed:
            self._closing = True
            self._leaving = self._leaving or cancel_futures
            self._changed.notify_all()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            self._give_up()
        elif wait:
            thread.join(_GRACE_SECONDS)
            self._stop.set()
            thread.join(_STOP_SECONDS)
            self._give_up()

    def __enter__(self) -> "ReflectionExecutor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()

    async def __aenter__(self) -> "ReflectionExecutor":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.ashutdown()

    def _begin_anew(self) -> None:
        """A process that was forked has neither the thread nor the tickets."""
        self._tickets: dict[str, list[_Ticket]] = {}
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="memcli-reflection", daemon=True
            )
            self._thread.start()

    def _work(self) -> None:
        """The thread: wait until something is due, do it, hand out the results."""
        try:
            self._warm()
            while self._wait():
                done = self._reflect()
                # What cannot be done now is not tried again and again.
                every = _LOOK_SECONDS if done else 2 * self._look_every
                self._look_every = min(every, _LOOK_AT_LEAST)
        finally:
            with self._changed:
                self._closing = True
            self._give_up()

    def _warm(self) -> None:
        """A program that only submits something and leaves need not load anything."""
        with self._changed:
            if not self._closing and not any(at <= utc_now() for at in self._due()):
                self._changed.wait(_IDLE_SECONDS)
            if self._closing:
                return
        try:
            self.enricher.warm()
        except MemcliError as error:
            log.warning("memcli: %s", error)

    def _wait(self) -> bool:
        """Whether something is due; False when it is time to end."""
        looked, left = time.monotonic(), self._left()
        if left is not None and left <= utc_now() and self._look_every > _LOOK_SECONDS:
            left = None  # it was tried just now
        while True:
            now = utc_now()
            with self._changed:
                due = min(self._due(), default=None)
                if self._leaving:
                    return False
                if due is not None and due <= now:
                    return True
                if self._closing:
                    return False
                if left is not None and left <= now:
                    return True
                soonest = min((at for at in (due, left) if at), default=None)
                seconds = self._look_every - (time.monotonic() - looked)
                if soonest is not None:
                    seconds = min(seconds, (soonest - now).total_seconds() + 0.001)
                if seconds > 0:
                    self._changed.wait(seconds)
            if time.monotonic() - looked >= self._look_every:
                looked, left = time.monotonic(), self._left()

    def _due(self) -> list[datetime]:
        return [one.due_at for some in self._tickets.values() for one in some]

    def _left(self) -> datetime | None:
        """When the next of what anybody submitted to this enricher is due."""
        if self._path is None or not self._path.exists():
            return None
        try:
            with self.enricher.file(self._path) as db:
                return submissions.next_due(db, self.enricher.number(db))
        except MemcliError as error:
            log.warning("memcli: %s", error)
            return None

    def _reflect(self) -> bool:
        """One run; whether it did all there was. Every ticket that is due has its
        result or its error after it, unless another run is in the way."""
        assert self._path is not None
        try:
            report = self.enricher.reflect(
                self._path,
                self._stop,
                until=self._is_not_needed,
                may_begin=self._may_begin,
                workers=self._workers,
            )
        except Locked:
            self._stop.wait(_LOCKED_SECONDS)
            self._settle(None)
        except Interrupted:
            self._settle(None)
            with self._changed:  # another run works, and nobody waits for it
                self._leaving = self._leaving or self._closing
        except MemcliError as error:
            failed = error
            self._settle(lambda ticket, db: failed)
        except Exception as error:  # a thread that dies would leave all others waiting
            odd = MemcliError(f"reflection failed: {type(error).__name__}")
            log.exception("memcli: reflection failed")
            self._settle(lambda ticket, db: odd)
        else:
            self._settle(lambda ticket, db: _why_not(ticket, db, report))
            _log(report)
            return report.run_id is not None and not (report.ended_by or report.failed)
        return False

    def _is_not_needed(self) -> bool:
        """Asked while another run works: it, or a third one, may do our work; and who
        leaves does not wait for it."""
        self._settle(None)
        with self._changed:
            return self._closing or not any(at <= utc_now() for at in self._due())

    def _may_begin(self, thread_id: str) -> bool:
        """Whether a thread may be taken up; what is under way is not cancelled."""
        with self._changed:
            if self._leaving:
                return False
            tickets = self._tickets.get(thread_id, [])
            for ticket in tickets:
                if not ticket.begun:
                    ticket.begun = ticket.future.set_running_or_notify_cancel()
            return all(ticket.begun for ticket in tickets)

    def _settle(self, why: Why | None) -> None:
        """Hand out the results there are; `why` tells the error of what has none."""
        with self._changed:
            now = utc_now()
            open_ = [
                ticket
                for tickets in self._tickets.values()
                for ticket in tickets
                if ticket.due_at <= now or ticket.future.cancelled()
            ]
        for ticket in open_:
            self._settle_one(ticket, why)

    def _settle_one(
        self,
        ticket: _Ticket,
        why: Why | None,
    ) -> None:
        assert self._path is not None
        accepted, future = ticket.accepted, ticket.future
        if future.cancelled():
            self._drop(ticket)
            return
        error: MemcliError | None = None
        found: list[Memory] | None = None
        with self.enricher.file(self._path) as db:
            if submissions.is_settled(db, accepted.thread_id, accepted.last_message):
                found = changed(db, accepted)
                self._pass_on(
                    ticket, submissions.last_extraction(db, accepted.thread_id)
                )
            else:
                row = submissions.of_thread(db, accepted.thread_id)
                if row is not None and row.due_at is not None and not ticket.begun:
                    ticket.due_at = row.due_at  # submitted again by somebody else
                if ticket.due_at > utc_now():
                    return
                error = why(ticket, db) if why is not None else None
        if found is None and error is None:
            return
        self._drop(ticket)
        if not ticket.begun and not future.set_running_or_notify_cancel():
            return
        ticket.begun = True
        if found is not None:
            future.set_result(found)
        else:
            log.warning("memcli: a submission was not reflected: %s", error)
            future.set_exception(error)

    def _pass_on(self, ticket: _Ticket, last_extraction: int) -> None:
        """What this ticket has is no news to the next one of its thread."""
        with self._changed:
            for one in self._tickets.get(ticket.accepted.thread_id, []):
                if one is not ticket:
                    one.accepted = replace(
                        one.accepted, last_extraction=last_extraction
                    )

    def _drop(self, ticket: _Ticket) -> None:
        with self._changed:
            tickets = self._tickets.get(ticket.accepted.thread_id, [])
            if ticket in tickets:
                tickets.remove(ticket)
            if not tickets:
                self._tickets.pop(ticket.accepted.thread_id, None)

    def _put_off(self, ticket: _Ticket) -> None:
        """A future that its owner cancelled: its messages wait for the next ones."""
        if not ticket.future.cancelled() or ticket.replaced or self._closing:
            return
        self._drop(ticket)
        assert self._path is not None
        try:
            with self.enricher.file(self._path) as db:
                submissions.put_off(
                    db, ticket.accepted.thread_id, ticket.accepted.serial
                )
        except MemcliError as error:
            log.warning("memcli: %s", error)

    def _give_up(self) -> None:
        """Let go of what is left; it stays in the file."""
        with self._changed:
            left = [t for tickets in self._tickets.values() for t in tickets]
            self._tickets = {}
        for ticket in left:
            if not ticket.future.cancel() and not ticket.future.done():
                ticket.future.set_exception(
                    Interrupted("stopped; what was submitted stays in the file")
                )


def _why_not(
    ticket: _Ticket, db: sqlite3.Connection, report: Report
) -> MemcliError | None:
    """None for a submission that the next run does: it came in the middle of this
    one, while an earlier one of its thread was under way."""
    error = outcome(db, ticket.accepted, report)
    ticket.passed_over += 1
    ended = ticket.begun or report.ended_by is not None
    failed = ticket.accepted.thread_id in report.failed
    return error if ended or failed or ticket.passed_over > _TRIES else None


def _log(report: Report) -> None:
    """What a run came to, without anything of what was said."""
    if report.run_id is not None:
        log.info(
            "memcli: run %d: %d threads, %d memories changed",
            report.run_id, len(report.reflected), sum(report.operations.values()),
        )  # fmt: skip


def _leave(reference: "weakref.ref[ReflectionExecutor]") -> None:
    """The interpreter exits: finish the requests under way, leave the rest."""
    executor = reference()
    if executor is None:
        return
    executor._stop.set()
    executor.shutdown(wait=True, cancel_futures=True)
