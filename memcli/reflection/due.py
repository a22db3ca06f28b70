"""Which threads are due, and which part of them: decisions without I/O.

A thread that is still going on is left alone: half a conversation makes half
memories, and every turn would cost an extraction. Each new message starts the
wait anew (the debounce of LangMem's ReflectionExecutor, over files).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from memcli.extractors.rendering import shown_characters
from memcli.models import Message, Thread, ThreadPart

# What is shown of the old part of a thread that grew, so that the new part
# can be understood.
CONTEXT_MESSAGES = 8
CONTEXT_CHARACTERS = 6000


@dataclass(frozen=True, slots=True)
class Waiting:
    """A thread inside its quiet period, and when that will be over."""

    thread: Thread
    due_at: datetime


def split_by_quiet(
    threads: Iterable[Thread], quiet: timedelta, now: datetime
) -> tuple[list[Thread], list[Waiting]]:
    """Threads that are due, and those that wait; both in the given order."""
    due, waiting = [], []
    for thread in threads:
        due_at = thread.last_at + quiet
        if due_at <= now or not quiet:
            due.append(thread)
        else:
            waiting.append(Waiting(thread, due_at))
    return due, waiting


def not_yet(
    threads: Iterable[Thread], due_at: Mapping[str, datetime | None], now: datetime
) -> list[Waiting]:
    """Submitted threads whose time has not come; `due_at` is None for one that was
    put off."""
    return [
        Waiting(thread, at)
        for thread in threads
        if (at := due_at.get(thread.id)) is not None and at > now
    ]


# What is said to the program, not to anybody: `/clear`, `/model opus`.
_COMMAND = re.compile(r"/[\w:-]+(?: \S+)?")


def says_nothing(part: ThreadPart) -> bool:
    """Whether no person says anything in the new part, or commands alone; no model
    need be asked about that."""
    said = [message.text for message in part.new if message.role == "user"]
    return all(_COMMAND.fullmatch(text) for text in said)


def part_to_reflect(
    thread: Thread,
    messages: Sequence[tuple[Message, bool]],
    recorded: tuple[str, ...] = (),
    most: int | None = None,
) -> ThreadPart:
    """The new messages of a thread with a little of what came before them.

    `messages` are all of the thread's, in order, each with whether it is new.
    When the new ones have more than `most` characters, the part is the first of
    them, cut where somebody begins to speak.
    """
    first_new = next(i for i, (_, is_new) in enumerate(messages) if is_new)
    context: list[Message] = []
    room = CONTEXT_CHARACTERS
    for message, _ in reversed(messages[:first_new][-CONTEXT_MESSAGES:]):
        room -= len(message.text)
        if room < 0 and context:
            break
        context.append(message)
    new = [message for message, is_new in messages if is_new]
    end = len(new) if most is None else _end_of_part(new, most)
    context += _between(messages[first_new:], new[end - 1])
    shown = {message.key for message in context}
    return ThreadPart(
        thread,
        tuple(message for message, _ in messages if message.key in shown),
        tuple(new[:end]),
        recorded if first_new else (),
        len(new) - end,
    )


def _between(messages: Sequence[tuple[Message, bool]], last: Message) -> list[Message]:
    """What stands right before new messages that follow old ones, up to the last: an
    answer is not understood without its question."""
    found: list[Message] = []
    room = CONTEXT_CHARACTERS
    for at, (message, is_new) in enumerate(messages):
        if is_new and at and not messages[at - 1][1]:
            for before, known in messages[max(0, at - 2) : at]:
                room -= shown_characters(before)
                if not known and room > 0:
                    found.append(before)
        if message is last:
            break
    return found


def _end_of_part(new: Sequence[Message], most: int) -> int:
    """How many messages have room, at least one; a person's turn and the answers
    to it stay together if they can."""
    size = end = 0
    for message in new:
        size += shown_characters(message)
        if size > most and end:
            break
        end += 1
    if end == len(new):
        return end
    starts = (
        at
        for at in range(end, 0, -1)
        if new[at].role == "user" and new[at - 1].role != "user"
    )
    return next(starts, end)
