"""One request to a model: held within the budget, and waited out when it must be.

Rate limits, overload, server errors, timeouts and dropped connections are no
failure of what was asked; the request is sent again, later and later, for as
long as the run has patience. Everything else is told at once, as one of the
errors of `memcli.errors`.
"""

import copy
import json
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import orjson

from memcli.asking import client as clients
from memcli.asking import faults, tokens
from memcli.asking.prices import price_of
from memcli.asking.spending import Purse
from memcli.errors import (
    ExtractorError,
    Interrupted,
    MemcliError,
    Outage,
    RequestRejected,
)
from memcli.models import Usage
from memcli.when import format_duration

Value = TypeVar("Value")

# The first wait, which doubles, and the longest.
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 60.0
# A server that never answered may be one that is not running.
_NEVER_REACHED = timedelta(seconds=15)
# What a request holds beside its text: the system prompt of tool use.
_OVERHEAD_TOKENS = 700


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: content blocks, why it ended, and what it used."""

    content: tuple[Mapping[str, Any], ...]
    stop_reason: str | None
    usage: Usage


class NoAnswer(ExtractorError):
    """A success without a message of the API in it; it may have been paid for."""

    usage: Usage = Usage()


class Asker:
    """Asks one model; may be used by many workers at once."""

    def __init__(
        self,
        model: str,
        provider: clients.Provider,
        prices: Mapping[str, Any],
        purse: Purse,
        timeout: timedelta,
        patience: timedelta,
        stop: threading.Event,
        key_file: str = "",
    ) -> None:
        self.model = model
        self.provider = provider
        self.price = price_of(model, prices)
        self._prices = prices
        self.purse = purse
        self.stop = stop
        self.notices: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._timeout = timeout
        self._patience = patience
        self._key_file = key_file
        self._made: Any = None
        self._making = threading.Lock()
        self._heard_at: float | None = None  # when any request was last answered
        self._told_at = 0.0
        self._pause_until = 0.0
        self._counts = True

    def for_model(self, model: str) -> "Asker":
        """The same for another model: same purse, same connections."""
        if model == self.model:
            return self
        other = copy.copy(self)
        other.model, other.price = model, price_of(model, self._prices)
        return other

    def ask(self, params: Mapping[str, Any]) -> Answer:
        """The answer to one request, whose usage is booked.

        Raises Outage, BudgetSpent, Interrupted, or an ExtractorError.
        """
        body = self.complete(params)
        held = self.most(body)
        self.purse.hold(held, self.stop)
        cost = 0.0
        try:
            answer = self._asked(body, held)
            cost = answer.usage.dollars or 0.0
            return answer
        except NoAnswer as error:
            cost = error.usage.dollars or 0.0
            raise
        finally:
            self.purse.settle(held, cost)

    def complete(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A request with what this model needs said in each."""
        body: dict[str, Any] = {"model": self.model, **params}
        if self.price is not None and self.price.effort:
            # Reading for what was said takes little thought, and thought is paid.
            body["output_config"] = {"effort": "low"}
        return body

    def most(self, body: Mapping[str, Any]) -> float:
        """The most that a request can cost, in dollars.

        Bytes are a bound that holds, four times too high; when it does not fit
        the budget any more, the server is asked for the number of tokens, which
        costs nothing.
        """
        if self.price is None or self.purse.limit is None:
            return 0.0
        shown = json.dumps(
            {key: body[key] for key in ("system", "tools", "messages") if key in body},
            ensure_ascii=False,
        )
        bound = tokens.at_most(shown) + _OVERHEAD_TOKENS
        most = self.price.most(bound, body["max_tokens"])
        if not self.purse.fits(most):
            counted = self._counted(body)
            if counted is not None:
                return self.price.most(counted, body["max_tokens"])
        return most

    def usage(self, reported: object, *, batch: bool = False) -> Usage:
        """Usage as the API reports it, with its price."""
        told = reported if isinstance(reported, Mapping) else {}

        def number(name: str) -> int:
            value = told.get(name)
            return value if isinstance(value, int) and 0 < value < 2**50 else 0

        used = Usage(
            input_tokens=number("input_tokens"),
            output_tokens=number("output_tokens"),
            cache_read_tokens=number("cache_read_input_tokens"),
            cache_write_tokens=number("cache_creation_input_tokens"),
        )
        cost = None if self.price is None else self.price.cost(used, batch=batch)
        return replace(used, dollars=cost)

    def answer(self, message: object, *, batch: bool = False) -> Answer:
        """A message of the API, whole or as good as a partial server makes it.

        Raises NoAnswer for anything else.
        """
        if not isinstance(message, dict) or not isinstance(
            message.get("content"), list
        ):
            error = NoAnswer(
                f"what {clients.address()} answered is no message; does it speak the "
                "Messages API?"
            )
            if isinstance(message, dict):
                error.usage = self.usage(message.get("usage"), batch=batch)
            raise error
        blocks = tuple(b for b in message["content"] if isinstance(b, dict))
        return Answer(
            blocks,
            message.get("stop_reason"),
            self.usage(message.get("usage"), batch=batch),
        )

    def client(self) -> Any:
        """One client for all workers: it keeps its connections."""
        with self._making:
            if self._made is None:
                self._made = clients.connect(
                    self.provider, self._timeout, self._key_file
                )
            return self._made

    def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            self._made.close()
            self._made = None  # who asks again connects anew

    def patiently(
        self,
        call: Callable[[Any], Value],
        *,
        sent: str = "",
        held: float = 0.0,
        lost_is_final: bool = False,
    ) -> Value:
        """What a call of the client gives, waited for as long as it takes.

        Raises Outage when that is too long, or, where `lost_is_final`, at once
        when nobody knows whether the server took it; BudgetSpent when what was
        `held` for it may be spent on answers that did not come in time; and
        whatever `faults.meaning` says of other failures.
        """
        began = time.monotonic()
        waits = 0
        while True:
            self._pause()
            try:
                found = call(self.client())
            except MemcliError:
                raise
            except Exception as error:
                final = faults.meaning(error, self.model, self.provider, sent)
                if final is not None:
                    raise final from error
                if lost_is_final and faults.was_taken(error):
                    raise Outage(f"{clients.address()} {faults.why(error)}") from error
                if faults.timed_out(error):
                    self.purse.lost(held)
                self._wait(error, began, waits)
                waits += 1
                continue
            self._heard_at = time.monotonic()
            return found

    def _asked(self, body: Mapping[str, Any], held: float) -> Answer:
        def call(client: Any) -> bytes:
            # The raw answer: the package's own parsing takes what is no message
            # for one, or raises whatever it likes.
            response = client.messages.with_raw_response.create(**body)
            raw: bytes = response.http_response.read()
            return raw

        sent = body["messages"][0]["content"]
        raw = self.patiently(call, sent=sent, held=held)
        try:
            message = orjson.loads(raw)
        except orjson.JSONDecodeError:
            message = _odd_json(raw)
        return self.answer(message)

    def _wait(self, error: Exception, began: float, waits: int) -> None:
        """Wait for the next try, or raise Outage when there was waiting enough."""
        now = time.monotonic()
        asked_for = faults.retry_after(error)
        delay = min(_LONGEST_WAIT, _FIRST_WAIT * 2**waits) * random.uniform(0.5, 1)  # noqa: S311
        if asked_for is not None:
            delay = asked_for + (delay if asked_for == 0 else random.uniform(0, 1))  # noqa: S311
        why = faults.why(error)
        # A request that fails for long while others are answered is at fault itself.
        patience = self._patience
        if self._heard_at is None and faults.never_connected(error):
            patience = min(patience, _NEVER_REACHED)
        if now + delay - began > patience.total_seconds():
            others_are_answered = self._heard_at and self._heard_at > began + 1
            if others_are_answered and faults.was_taken(error):
                raise RequestRejected(
                    f"{clients.address()} failed on this thread again and again ({why})"
                )
            waited = format_duration(timedelta(seconds=now - began))
            told = f"{clients.address()} {why} (tried for {waited})"
            if asked_for is not None and asked_for > patience.total_seconds():
                wish = format_duration(timedelta(seconds=asked_for))
                told = f"{clients.address()} {why}, and asks to come back in {wish}"
            raise Outage(f"{told}; what is not done stays due")
        if asked_for:
            self._pause_until = max(self._pause_until, now + asked_for)
        if delay > 3 and now - self._told_at > 10:
            self._told_at = now
            self.notices.put(f"{clients.address()} {why}; waiting {delay:.0f} s")
        if self.stop.wait(delay):
            raise Interrupted("stopped while the model could not be reached")

    def _pause(self) -> None:
        """Who was told when to come back tells it to the others."""
        while (left := self._pause_until - time.monotonic()) > 0:
            if self.stop.wait(left):
                raise Interrupted("stopped while the model could not be reached")

    def _counted(self, body: Mapping[str, Any]) -> int | None:
        """Input tokens as the server counts them, with a little on top; None where
        it does not."""
        if not self._counts:
            return None
        counted = {
            key: body[key]
            for key in ("model", "system", "tools", "tool_choice", "messages")
            if key in body
        }
        try:
            found: int = self.client().messages.count_tokens(**counted).input_tokens
        except Exception:  # any failure has the same answer: keep to the bound
            self._counts = False
            return None
        return int(found * 1.05) + 50


def _odd_json(raw: bytes) -> Any:
    """JSON that only Python's own parser takes: halves of characters, for one."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
