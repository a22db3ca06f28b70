"""Candidate and neighbours → operation, decided without I/O.

Three questions in order: was this said before (strengthen)? is it the new
value of something that has one value at a time (supersede)? else it is new
(insert). The answer depends on when things were said, never on the order in
which files were read: a statement older than what is known takes its place in
the past.

Where that leaves room for doubt, a model may have been asked; its verdict is
followed as far as times, speakers and words allow.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from memcli.models import Candidate, Memory, Op, Operation
from memcli.textkey import (
    NEGATIONS,
    SMALL,
    is_negated,
    is_turned,
    particulars,
    text_key,
    words,
)

# Two texts this near, in nearly the same words, say the same. Nearness alone is not
# enough: "tea in summer" and "tea in winter" are as near as two texts can be.
REPEAT_COSINE = 0.9
REPEAT_WORDS = 0.75
# From here on a memory may be what "I switched to …" speaks of.
RELATED_COSINE = 0.45
# From here on a memory is about nearly the same, and words alone do not tell
# whether the new one repeats it, completes it or ends it.
AMBIGUOUS_COSINE = 0.5
_MAX_TEXT = 1000

_NUMBERS = {
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twenty",
    "thirty", "forty", "fifty", "hundred", "thousand", "half", "all", "every", "none",
}  # fmt: skip
# Words that join two sentences into one, and may be new in it.
_JOINTS = {
    "it", "he", "she", "they", "this", "that", "the", "a", "an", "and", "but", "which",
    "who", "whose", "with", "is", "are", "was", "has", "have", "its", "their", "his",
    "her", "also", "both", "because", "since", "when", "while", "for", "to", "of", "in",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What the namespace knows near a candidate; all without sources.

    `same_text` have the same normalised text, `timeline` is everything about
    the same one-valued thing (oldest first, closed ones too), and `similar`
    are open memories with their cosine, nearest first.
    """

    same_text: Sequence[Memory]
    timeline: Sequence[Memory]
    similar: Sequence[tuple[Memory, float]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model decided about an ambiguous candidate; `target` is there unless
    it is to be inserted, `text` is how an updated memory is to read."""

    op: Literal["insert", "update", "supersede", "delete", "strengthen"]
    reason: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which changes a run may make."""

    inserts: bool = True
    updates: bool = True
    deletes: bool = True


def decide(candidate: Candidate, near: Neighbours) -> Operation:
    """The one operation that this candidate calls for, by rules alone."""
    repeated = _repeated(candidate, near)
    if repeated is not None:
        return Operation(Op.STRENGTHEN, _why_repeat(candidate, repeated), repeated.id)
    if candidate.about is not None:
        # Other openings of the same thing: "replaces" may speak of one that was
        # put down in other words, so both are looked at.
        placed = _place_in_timeline(candidate, near.timeline)
        if placed is not None:
            return placed
    closed = _replaced(candidate, near)
    if closed is not None:
        return Operation(
            Op.INSERT, f"replaces memory {closed.id} (said to have changed)",
            closes=(closed.id,),
        )  # fmt: skip
    return Operation(Op.INSERT, "new")


def doubted(
    candidate: Candidate, near: Neighbours, operation: Operation
) -> list[Memory]:
    """The memories that a rule's decision may have overlooked, nearest first."""
    if operation.op is not Op.INSERT or operation.closes or candidate.profile:
        return []
    if operation.superseded_by is not None:
        return []
    return [
        memory
        for memory, cosine in near.similar
        if cosine >= AMBIGUOUS_COSINE
        and memory.schema == candidate.schema
        and not _is_anothers(candidate, memory)
    ]


def follow(
    verdict: Verdict, target: Memory | None, candidate: Candidate
) -> Operation | None:
    """A model's verdict as an operation; None where it cannot be followed.

    Times are compared here: what was said earlier never ends what was said
    later.
    """
    if verdict.op == "insert":
        return Operation(Op.INSERT, verdict.reason)
    if target is None or target.valid_to is not None:
        return None
    if _is_anothers(candidate, target) or target.schema != candidate.schema:
        return None
    later = _said_after(target, candidate.said_at)
    older = later is not None
    if verdict.op == "strengthen":
        return Operation(Op.STRENGTHEN, verdict.reason, target.id)
    if verdict.op == "delete":
        return None if older else Operation(Op.DELETE, verdict.reason, target.id)
    if verdict.op == "update" and target.schema is None:
        if verdict.text is None or not _says_only(verdict.text, target, candidate):
            return None
        return Operation(Op.UPDATE, verdict.reason, target.id, verdict.text)
    if older:  # what it would have replaced came after it
        return Operation(
            Op.INSERT, verdict.reason,
            valid_to=later, superseded_by=target.id,
        )  # fmt: skip
    return Operation(Op.INSERT, verdict.reason, closes=(target.id,))


def permitted(operation: Operation, allowed: Allowed) -> Operation | None:
    """The operation as far as the run may do it; None for not at all.

    Without updates no memory changes its text or ends, so what would have
    changed one is added beside it.
    """
    if not allowed.updates:
        if operation.op is Op.UPDATE and operation.value is not None:
            return None  # there is one profile, and it may not change
        if operation.op is Op.UPDATE:
            operation = Operation(Op.INSERT, "new; updates are switched off")
        elif operation.closes:
            operation = replace(
                operation, closes=(), reason="new; updates are switched off"
            )
    if operation.op is Op.INSERT and not allowed.inserts:
        return None
    if operation.op is Op.DELETE and not allowed.deletes:
        return None
    return operation


def left_to_people(operation: Operation, target: Memory | None) -> Operation:
    """The operation, unless it would rewrite or take away what a person wrote: then
    the candidate stands beside it. (A profile is patched field by field, and the
    later word counts.)"""
    if target is None or target.by_hand is None or operation.value is not None:
        return operation
    if operation.op not in (Op.UPDATE, Op.DELETE):
        return operation
    return Operation(
        Op.INSERT, f"new; memory {target.id} is a person's own words and stays"
    )


def is_recalled(candidate: Candidate, near: Neighbours) -> bool:
    """Whether somebody pasted a memory, rather than said the thing again.

    Nobody speaks of themselves as "the user"; an agent's memory does.
    """
    for quote in candidate.quotes:
        said = text_key(quote.text)
        if not re.search(r"\bthe user\b", quote.text, re.IGNORECASE):
            continue
        for memory in (*near.same_text, *(memory for memory, _ in near.similar)):
            key = text_key(memory.text)
            if len(key.split()) >= 3 and key in said:
                return True
    return False


def _says_only(text: str, target: Memory, candidate: Candidate) -> bool:
    """Whether a text joined of two says what both say and nothing that is in neither.

    Names and numbers must not be made up at all, other words hardly; and most of
    what was known must still be there.
    """
    if not text.strip() or len(text) > _MAX_TEXT:
        return False
    known = _tokens(target.text) | _tokens(candidate.text)
    for quote in candidate.quotes:
        known |= _tokens(quote.text)
    made_up = [
        token
        for token in re.findall(r"\w+", text)
        if token.casefold() not in known and token.casefold() not in _JOINTS
    ]
    if any(not token.islower() for token in made_up):
        return False  # capitals, digits, and scripts without the difference
    if (NEGATIONS | _NUMBERS) & {token.casefold() for token in made_up}:
        return False
    telling = _telling_words(target.text)
    kept = telling & _telling_words(text)
    few = len(made_up) <= max(2, len(re.findall(r"\w+", text)) // 5)
    return few and 2 * len(kept) >= len(telling)


def _tokens(text: str) -> set[str]:
    return {token.casefold() for token in re.findall(r"\w+", text)}


def _said_after(memory: Memory, moment: datetime) -> datetime | None:
    """When a memory was said next after that moment, if it was."""
    said = [memory.valid_from, *(source.said_at for source in memory.sources)]
    if memory.by_hand is not None:
        said.append(memory.by_hand)  # a person stood by it then
    return min((at for at in said if at > moment), default=None)


def _repeated(candidate: Candidate, near: Neighbours) -> Memory | None:
    """A memory that holds at that time and says the same, in these words or near.

    A closed one is no repeat for something said after it ended: going back to
    an old habit is news.
    """
    said = candidate.said_at
    for memory in near.same_text:
        is_item = memory.item_key is not None and candidate.schema is None
        if (is_item or memory.value == candidate.value) and (
            memory.valid_to is None or said < memory.valid_to
        ):
            return memory
    for memory, cosine in near.similar:
        if cosine < REPEAT_COSINE:
            break
        if _is_anothers(candidate, memory) or candidate.schema or memory.schema:
            continue
        if same_particulars(candidate.text, memory.text):
            return memory
    return None


def _why_repeat(candidate: Candidate, memory: Memory) -> str:
    exact = text_key(candidate.text) == text_key(memory.text)
    return "said again" if exact else "said again in other words"


def same_particulars(one: str, other: str) -> bool:
    """Nearly the same telling words of the same things, numbers among them, and the
    same negation."""
    mine, theirs = particulars(one), particulars(other)
    if is_negated(one) != is_negated(other):
        return False
    if is_turned(one, other):
        return False
    if {w for w in mine ^ theirs if any(c.isdigit() for c in w)}:
        return False
    return len(mine & theirs) > REPEAT_WORDS * len(mine | theirs)


def _place_in_timeline(
    candidate: Candidate, timeline: Sequence[Memory]
) -> Operation | None:
    """Where a value of a one-valued thing belongs among its other values."""
    said_at = candidate.said_at
    timeline = [
        m
        for m in timeline
        if m.schema == candidate.schema and not _is_anothers(candidate, m)
    ]
    earlier = [m for m in timeline if m.valid_from <= said_at]
    holding = [m for m in earlier if m.valid_to is None or m.valid_to > said_at]
    # What was said again later did not end with this.
    again = {m.id: at for m in holding if (at := _said_after(m, said_at))}
    closes = tuple(m.id for m in holding if m.id not in again)
    later = [(m.valid_from, m.id) for m in timeline if m.valid_from > said_at]
    later += [(at, id) for id, at in again.items()]
    if later:
        since, successor = min(later)
        return Operation(
            Op.INSERT,
            f"said before memory {successor}, which tells what holds since",
            closes=closes,
            valid_to=since,
            superseded_by=successor,
        )
    if closes:
        names = ", ".join(map(str, closes))
        return Operation(
            Op.INSERT, f"replaces memory {names} ({candidate.about})", closes=closes
        )
    return None


def _replaced(candidate: Candidate, near: Neighbours) -> Memory | None:
    """The open memory that a statement of change puts an end to, if one is clear.

    "Switched from vim to Helix" ends what was known of vim; "switched to light
    mode" ends what was known of another mode. Only a memory that shares the
    telling words can be meant: a likeness in meaning alone is not enough to
    end something.
    """
    if candidate.replaces is None:
        return None
    named = _telling_words(candidate.replaces)
    shared_with = named or (
        _telling_words(candidate.text) - set(words(candidate.author or ""))
    )
    for memory, cosine in near.similar:
        if cosine < RELATED_COSINE and not named:
            break
        if _said_after(memory, candidate.said_at) or _is_anothers(candidate, memory):
            continue
        if memory.schema != candidate.schema:
            continue
        common = shared_with & _telling_words(memory.text)
        if named and common == named:
            return memory
        if not named and common:
            return memory
    return None


def _is_anothers(candidate: Candidate, memory: Memory) -> bool:
    """Whether other people said it than the one who speaks now: nobody's change
    of mind is another's. What a team does, any of them may tell."""
    team = re.match(r"The [\w.-]+ team\b", candidate.text)
    if team and memory.text.startswith(team[0]):
        return False
    said_by = {source.author for source in memory.sources if source.role == "user"}
    return bool(said_by) and candidate.author not in said_by


def _telling_words(text: str) -> set[str]:
    return {word for word in words(text) if word not in SMALL}
