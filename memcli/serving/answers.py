"""What the tools answer: plain data for programs, and the same in words for a model.

Text of others is one line of what a person would see: none can pass for a line of ours,
or say something to the model alone.

The data classes have no slots, since the mcp package makes the tools' output schemas of
them and would take a slot for a default.
"""

from dataclasses import dataclass

from memcli.models import HistoryEntry, Hit, Memory, Source
from memcli.transcripts.normalise import visible
from memcli.when import to_text


@dataclass(frozen=True)
class Found:
    """One memory as a search shows it. `until` is when it stopped being so, `day` the
    day it is about, `said` on how many occasions it was said."""

    id: int
    text: str
    kind: str
    namespace: str
    since: str
    until: str | None
    day: str | None
    said: int
    score: float


@dataclass(frozen=True)
class SearchResult:
    """The memories that answer a query, best first."""

    memories: list[Found]


@dataclass(frozen=True)
class Quoted:
    """The words a memory comes from: who said them, when, in which conversation."""

    quote: str
    who: str
    said_at: str
    thread_id: str
    message_id: str


@dataclass(frozen=True)
class Changed:
    """One change of a memory: by which run, what, when and why."""

    run: int
    operation: str
    at: str
    reason: str


@dataclass(frozen=True)
class ShownMemory:
    """One memory with all that is known of it. `by_hand` tells that it is in a
    person's own words."""

    id: int
    text: str
    kind: str
    namespace: str
    since: str
    until: str | None
    superseded_by: int | None
    day: str | None
    confidence: float
    by_hand: bool
    sources: list[Quoted]
    history: list[Changed]


@dataclass(frozen=True)
class Written:
    """What a change came to: the memory, and the run that a person can undo; None
    where nothing had to change."""

    id: int
    namespace: str
    run: int | None


def found(hit: Hit) -> Found:
    """A hit among memories."""
    memory = hit.memory
    assert memory is not None
    return Found(
        id=memory.id,
        text=visible(hit.text),
        kind=memory.schema or memory.kind.value,
        namespace=memory.namespace,
        since=to_text(memory.valid_from),
        until=to_text(memory.valid_to) if memory.valid_to else None,
        day=memory.happens_on.isoformat() if memory.happens_on else None,
        said=memory.strength,
        score=round(hit.score, 4),
    )


def shown(memory: Memory, entries: list[HistoryEntry]) -> ShownMemory:
    """A memory with its sources and its history. What it said before is left out:
    a model would take it for what it says."""
    return ShownMemory(
        id=memory.id,
        text=visible(memory.text),
        kind=memory.schema or memory.kind.value,
        namespace=memory.namespace,
        since=to_text(memory.valid_from),
        until=to_text(memory.valid_to) if memory.valid_to else None,
        superseded_by=memory.superseded_by,
        day=memory.happens_on.isoformat() if memory.happens_on else None,
        confidence=memory.confidence,
        by_hand=memory.by_hand is not None,
        sources=[_quoted(source) for source in memory.sources],
        history=[
            Changed(
                entry.run_id, entry.op.value, to_text(entry.at), visible(entry.reason)
            )
            for entry in entries
        ],
    )


def tell_found(result: SearchResult) -> str:
    """A line for each memory; the score is for programs."""
    return "\n".join(map(_line, result.memories)) or "No memory answers that."


def tell_shown(memory: ShownMemory) -> str:
    """A memory in full."""
    until = f" until {memory.until[:10]}" if memory.until else ""
    then = f", then memory {memory.superseded_by}" if memory.superseded_by else ""
    day = f", about {memory.day}" if memory.day else ""
    lines = [
        f"{memory.id}: {memory.text}",
        f"{memory.kind} in {memory.namespace}{day}",
        f"holds since {memory.since[:10]}{until}{then}",
    ]
    lines += [
        f"said by {one.who}, {one.said_at[:10]}, in {one.thread_id}: “{one.quote}”"
        for one in memory.sources
    ]
    lines += [
        f"run {one.run}, {one.at[:10]}: {one.operation}, {one.reason}"
        for one in memory.history
    ]
    return "\n".join(lines)


def tell_written(done: Written) -> str:
    """What was done, and how a person takes it back."""
    if done.run is None:
        return f"Nothing to change: memory {done.id} says so already."
    return (
        f"Done, memory {done.id} in {done.namespace}. The user can take it back with "
        f"`memcli undo {done.run}`."
    )


def _line(one: Found) -> str:
    facts = [one.kind, f"since {one.since[:10]}", one.namespace]
    if one.until:
        facts[1] = f"from {one.since[:10]} until {one.until[:10]}, not any more"
    if one.day:
        facts.insert(1, f"about {one.day}")
    if one.said > 1:
        facts.append(f"said {one.said} times")
    return f"{one.id}: {one.text} ({', '.join(facts)})"


def _quoted(source: Source) -> Quoted:
    role = "the user" if source.role == "user" else "the assistant"
    # Names and ids are as much the words of others as the quote is.
    return Quoted(
        quote=visible(source.quote),
        who=visible(source.author or "") or role,
        said_at=to_text(source.said_at),
        thread_id=visible(source.thread_id),
        message_id=visible(source.message_id),
    )
