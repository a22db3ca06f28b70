"""What a run would send, and what that would cost; nothing is sent or kept."""

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from memcli.asking import tokens
from memcli.asking.prices import BATCH_FACTOR, Price
from memcli.extractors.base import Extractor
from memcli.extractors.claude import ClaudeExtractor
from memcli.extractors.rendering import render
from memcli.models import Message, Thread, ThreadPart, Usage
from memcli.reflection.due import Waiting, part_to_reflect, says_nothing
from memcli.reflection.ingest import Reading, ingest
from memcli.reflection.pending import due_threads, make_stale_due
from memcli.reflection.progress import Listener
from memcli.reflection.run import Request
from memcli.store import extractions, threads

# What an answer about a part comes to, with the thought before it: some of it is
# the same for any conversation, some grows with it.
_ANSWER_TOKENS = 300
_ANSWER_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Planned:
    """One thread that would be sent: in how many requests, tokens, dollars.

    Tokens are estimates. `dollars` is None where the price is not known.
    """

    thread_id: str
    messages: int
    requests: int
    input_tokens: int
    output_tokens: int
    dollars: float | None


@dataclass(slots=True)
class Preview:
    """What a run would do. `known` threads were answered before, or say nothing."""

    reading: Reading = field(default_factory=Reading)
    planned: list[Planned] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    model: str | None = None
    offline: bool = False
    most: float | None = 0.0

    @property
    def dollars(self) -> float | None:
        """What all of it would cost, by the estimates."""
        costs = [planned.dollars for planned in self.planned]
        return None if None in costs else sum(cost or 0.0 for cost in costs)


def preview(
    db: sqlite3.Connection,
    request: Request,
    extractor: Extractor,
    clock: Callable[[], datetime],
    listener: Listener,
    stop: threading.Event,
) -> Preview:
    """Read as a run would, count, and take everything back."""
    found = Preview(model=extractor.model, offline=extractor.asker is None)
    db.execute("BEGIN IMMEDIATE")
    try:
        found.reading = ingest(db, request.paths, clock(), listener, stop)
        if request.stale:
            make_stale_due(db, extractor)
        due, found.waiting = due_threads(db, request, clock())
        for thread, _ in due:
            _plan(db, thread, extractor, request, found)
    finally:
        db.execute("ROLLBACK")
    return found


def _plan(
    db: sqlite3.Connection,
    thread: Thread,
    extractor: Extractor,
    request: Request,
    found: Preview,
) -> None:
    messages = [(m, new) for _, m, new in threads.messages(db, thread.id)]
    parts = [
        part
        for part in _parts(thread, messages, extractor.part_characters)
        if not says_nothing(part)
        and extractions.answered(db, extractor.fingerprint(part)) is None
    ]
    if not parts or not isinstance(extractor, ClaudeExtractor):
        found.known.append(thread.id)
        return
    price, factor = extractor.asker.price, BATCH_FACTOR if request.batch else 1.0
    inputs = outputs = 0
    dollars = 0.0
    for part in parts:
        shown = tokens.estimate(render(part).body)
        answer = _ANSWER_TOKENS + int(shown * _ANSWER_SHARE)
        inputs += extractor.fixed_tokens + shown
        outputs += answer
        if price is not None:
            dollars += factor * _cost(price, extractor.fixed_tokens, shown, answer)
            found.most = (found.most or 0.0) + factor * extractor.most(part)
    if price is None:
        found.most = None
    found.planned.append(
        Planned(
            thread.id,
            sum(len(part.new) for part in parts),
            len(parts),
            inputs,
            outputs,
            None if price is None else dollars,
        )
    )


def _cost(price: Price, fixed: int, shown: int, answer: int) -> float:
    """Most requests find what is the same in all of them in the cache."""
    return price.cost(
        Usage(input_tokens=shown, output_tokens=answer, cache_read_tokens=fixed)
    )


def _parts(
    thread: Thread, messages: list[tuple[Message, bool]], most: int | None
) -> list[ThreadPart]:
    """A long thread in the parts in which it would be sent."""
    found = []
    while any(new for _, new in messages):
        part = part_to_reflect(thread, messages, (), most)
        found.append(part)
        done = {message.key for message in part.new}
        messages = [(m, new and m.key not in done) for m, new in messages]
    return found
