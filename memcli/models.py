"""The nouns of memcli: plain frozen data, no I/O.

All times are timezone-aware and in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal

Role = Literal["user", "assistant"]


class Kind(StrEnum):
    """What sort of thing a memory is."""

    PREFERENCE = "preference"
    FACT = "fact"
    EVENT = "event"
    PLAN = "plan"
    DECISION = "decision"
    INSTRUCTION = "instruction"
    PROCEDURE = "procedure"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn that a person or an assistant wrote.

    `id` is unique within its thread. `key` is the identity across files: two
    messages with one key are the same message, wherever they were read.
    """

    key: str
    thread_id: str
    id: str
    role: Role
    text: str
    sent_at: datetime
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """One conversation; its messages live in the store, ordered by time."""

    id: str
    format: str
    metadata: Mapping[str, str]
    first_at: datetime
    last_at: datetime
    messages: int
    unreflected: int
    title: str | None = None


@dataclass(frozen=True, slots=True)
class ThreadPart:
    """What one extraction sees: the new messages, and enough before them.

    Memories may only cite `new`; `context` and `recorded`, the memories that
    earlier parts of the thread suggested, are there to be understood. `left`
    is how many new messages had no room and are for the next part. `vectors` are
    unit vectors by message key, for an extractor that reads those of the store's
    model; None where it does not, or there are none.
    """

    thread: Thread
    context: tuple[Message, ...]
    new: tuple[Message, ...]
    recorded: tuple[str, ...] = ()
    left: int = 0
    vectors: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """Words copied from one message, the evidence of a memory."""

    message_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one thread suggests to remember.

    `about` names the one thing that can only have one value at a time (where
    somebody lives, which theme they use); a later value replaces an earlier
    one. `replaces` holds the words for the old value when the speaker said
    that something changed; it is empty when only the change was said.
    `happens_on` is the day an event or plan is about. `author` is the name of
    the person who said it, in chats where people have names. `schema` is the
    name of the user's own schema that `value` has, if it was asked for; of a
    `profile` there is one document a namespace, and `value` is a patch of it.
    """

    text: str
    kind: Kind
    quotes: tuple[Quote, ...]
    confidence: float
    said_at: datetime
    about: str | None = None
    replaces: str | None = None
    happens_on: date | None = None
    signal: str = ""
    author: str | None = None
    schema: str | None = None
    value: Mapping[str, Any] | None = None
    profile: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What one request to a model used, in tokens and dollars.

    `input_tokens` are those that were not in the cache. `dollars` is None when
    the model's price is not known.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    dollars: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One answered request to a model: how it ended, and what it used."""

    outcome: Literal["answered", "invalid", "refused", "cut off"]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Source:
    """Where a memory came from: the words, the message, the moment."""

    thread_id: str
    message_id: str
    quote: str
    said_at: datetime
    role: Role
    author: str | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept. `valid_to` is None while the memory holds; `by_hand` is when a
    person wrote or edited it last. With an `item_key` it is an item that a program put
    there under that key, and `value` is what it put."""

    id: int
    namespace: str
    kind: Kind
    text: str
    confidence: float
    valid_from: datetime
    valid_to: datetime | None
    created_at: datetime
    updated_at: datetime
    about: str | None = None
    happens_on: date | None = None
    superseded_by: int | None = None
    sources: tuple[Source, ...] = ()
    schema: str | None = None
    value: Mapping[str, Any] | None = None
    deleted: bool = False
    by_hand: datetime | None = None
    item_key: str | None = None

    @property
    def strength(self) -> int:
        """How many times it was said: on how many days, in how many threads. Two
        quotes may stand for one thing said, as a question and its answer do."""
        return len({(s.thread_id, s.said_at.date()) for s in self.sources})


class Op(StrEnum):
    """What consolidation can do to the memories of a namespace."""

    INSERT = "insert"
    UPDATE = "update"
    SUPERSEDE = "supersede"
    DELETE = "delete"
    STRENGTHEN = "strengthen"


@dataclass(frozen=True, slots=True)
class Operation:
    """One decision about one candidate, with the reason that is kept.

    INSERT stores the candidate. `closes` are memories it supersedes: they end
    at `valid_from`. `valid_to` and `superseded_by` are set when the candidate
    itself is older than what is known. STRENGTHEN adds the candidate's quotes
    to `target`, UPDATE gives `target` a new `text` as well (and, for a profile,
    a new `value`), and DELETE takes `target` away, since the candidate says that
    it never held.
    """

    op: Literal[Op.INSERT, Op.UPDATE, Op.DELETE, Op.STRENGTHEN]
    reason: str
    target: int | None = None
    text: str | None = None
    value: Mapping[str, Any] | None = None
    field_times: Mapping[str, str] | None = None
    closes: tuple[int, ...] = ()
    valid_to: datetime | None = None
    superseded_by: int | None = None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One recorded operation on a memory."""

    run_id: int
    op: Op
    reason: str
    at: datetime
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result. `id` can be given to `memcli show`.

    `score` lies between 0 and 1, and `parts` are what it is made of: what each thing
    adds to it, in log-odds. `cosine` is how near in meaning the text is, 0 when that is
    not known. `also` are the ids of hits that say the same and rank below it.
    """

    id: str
    scope: Literal["memories", "messages"]
    text: str
    score: float
    sources: tuple[Source, ...]
    memory: Memory | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    cosine: float = 0.0
    also: tuple[str, ...] = ()
