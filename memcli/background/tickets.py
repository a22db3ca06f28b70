"""The submissions of this process that have no result yet."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime

from memcli.models import Memory
from memcli.reflection.submitted import Accepted


@dataclass(eq=False, slots=True)
class Ticket:
    """What somebody waits for. It is `begun` once its thread was taken up, and
    `told` when its future knows that, or that it was cancelled."""

    accepted: Accepted
    due_at: datetime
    future: "Future[list[Memory]]" = field(default_factory=Future)
    begun: bool = False
    replaced: bool = False
    told: bool = False


class Tickets:
    """All of them, by thread; may be used from many threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._of: dict[str, list[Ticket]] = {}

    def add(self, ticket: Ticket) -> list[Ticket]:
        """Add one; those whose place it takes, which are not under way yet."""
        with self._lock:
            waiting = self._of.setdefault(ticket.accepted.thread_id, [])
            replaced = [one for one in waiting if not one.begun]
            for one in replaced:
                one.replaced = True
            waiting[:] = [one for one in waiting if one.begun] + [ticket]
        return replaced

    def of(self, thread_id: str) -> list[Ticket]:
        """Those of a thread, the oldest first."""
        with self._lock:
            return list(self._of.get(thread_id, ()))

    def open(self) -> list[Ticket]:
        """All that nobody cancelled."""
        with self._lock:
            return [
                one
                for some in self._of.values()
                for one in some
                if not one.future.cancelled()
            ]

    def due(self, now: datetime) -> list[Ticket]:
        """Those whose time has come."""
        return [ticket for ticket in self.open() if ticket.due_at <= now]

    def soonest(self) -> datetime | None:
        """When the first of them is due; None for none."""
        return min((ticket.due_at for ticket in self.open()), default=None)

    def take(self, ticket: Ticket) -> bool:
        """Whether it is under way from now on; who waits for one that was cancelled
        learns of it."""
        with self._lock:
            if not ticket.told:
                ticket.told = True
                ticket.begun = ticket.future.set_running_or_notify_cancel()
            return ticket.begun

    def pass_on(self, ticket: Ticket, last_extraction: int) -> None:
        """What this one has as its result is no news to the next one of its thread."""
        with self._lock:
            for one in self._of.get(ticket.accepted.thread_id, ()):
                if one is not ticket:
                    one.accepted = replace(
                        one.accepted, last_extraction=last_extraction
                    )

    def drop(self, ticket: Ticket) -> None:
        """It has its result, or nobody wants it."""
        with self._lock:
            tickets = self._of.get(ticket.accepted.thread_id, [])
            if ticket in tickets:
                tickets.remove(ticket)
            if not tickets:
                self._of.pop(ticket.accepted.thread_id, None)

    def clear(self) -> list[Ticket]:
        """Drop all of them, and give them back."""
        with self._lock:
            left = [one for some in self._of.values() for one in some]
            self._of.clear()
        return left
