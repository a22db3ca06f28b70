"""A ceiling on what a run spends, kept by many workers at once.

Before a request is sent, the most that it can cost is held back; afterwards
what it did cost is booked. So the ceiling holds whatever the answers are.
"""

import threading

from memcli.errors import BudgetSpent, Interrupted

_LOOK_SECONDS = 0.2


class Purse:
    """The money of one run, in dollars; `limit` is None for no ceiling."""

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.spent = 0.0
        self._held = 0.0
        self._changed = threading.Condition()

    def fits(self, amount: float) -> bool:
        """Whether that much could be held if nothing else were under way."""
        with self._changed:
            return self.limit is None or self.spent + amount <= self.limit

    def hold(self, amount: float, stop: threading.Event) -> None:
        """Hold back what a request can cost at most.

        Waits while other requests hold money that they may give back. Raises
        BudgetSpent when there is not enough left, Interrupted when the run is
        stopped meanwhile.
        """
        with self._changed:
            while self.limit is not None:
                if self.spent + self._held + amount <= self.limit:
                    break
                if self._held <= 0:
                    raise BudgetSpent(self._told(amount))
                if stop.is_set():
                    raise Interrupted("stopped before it was asked")
                self._changed.wait(_LOOK_SECONDS)
            self._held += amount

    def lost(self, amount: float) -> None:
        """A request was sent and no answer came: it may have cost all it could.

        Raises BudgetSpent when there is not as much left to send it again.
        """
        with self._changed:
            self.spent += amount
            self._changed.notify_all()
            if self.limit is not None and self.spent + self._held > self.limit:
                raise BudgetSpent(self._told(amount))

    def settle(self, held: float, cost: float) -> None:
        """Give back what was held, and book what the request cost."""
        with self._changed:
            self._held = max(0.0, self._held - held)
            if self._held < 1e-9:  # sums of floats leave crumbs
                self._held = 0.0
            self.spent += cost
            self._changed.notify_all()

    def _told(self, amount: float) -> str:
        return (
            f"the budget of ${self.limit:g} has no room for the next request, which "
            f"may cost ${amount:.4f} (${self.spent:.4f} spent); the rest stays due"
        )
