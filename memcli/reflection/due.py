"""Which threads are due, and which part of them: decisions without I/O.

A thread that is still going on is left alone: half a conversation makes half
memories, and every turn would cost an extraction. Each new message starts the
wait anew (the debounce of LangMem's ReflectionExecutor, over files).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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


# What is said to the program, not to anybody: `/clear`, `/model opus`.
_COMMAND = re.compile(r"/[\w:-]+(?: \S+)?")


def says_nothing(part: ThreadPart) -> bool:
    """Whether the new part is commands alone; no model need be asked about that."""
    said = [message.text for message in part.new if message.role == "user"]
    return bool(said) and all(_COMMAND.fullmatch(text) for text in said)


def part_to_reflect(
    thread: Thread, messages: Sequence[tuple[Message, bool]]
) -> ThreadPart:
    """The new messages of a thread with a little of what came before them.

    `messages` are all of the thread's, in order, each with whether it is new.
    """
    first_new = next(i for i, (_, is_new) in enumerate(messages) if is_new)
    context: list[Message] = []
    room = CONTEXT_CHARACTERS
    for message, _ in reversed(messages[:first_new][-CONTEXT_MESSAGES:]):
        room -= len(message.text)
        if room < 0 and context:
            break
        context.append(message)
    new = tuple(message for message, is_new in messages if is_new)
    return ThreadPart(thread, tuple(reversed(context)), new)
