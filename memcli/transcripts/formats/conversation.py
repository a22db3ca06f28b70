"""A whole conversation in one record: its thread id, and ids for its messages.

Such records are exported again and again while the conversation grows. Where
they bring no ids, the same beginning must give the same thread, and the same
words at the same place the same message.
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from memcli.transcripts.formats.base import RawMessage, Source

UNNAMED = ""  # the thread id of messages whose conversation has none
# Beyond so many beginnings of conversations without an id, new ones are not
# compared with them any more.
_MAX_OPENINGS = 500_000


def conversation(
    messages: Iterable[RawMessage], source: Source
) -> Iterator[RawMessage]:
    """The messages of one record, each with an id and a thread id.

    For the ids, the same words said again are counted within the conversation.
    """
    found = [message for message in messages if message.text.strip()]
    if not found:
        return
    thread_id = found[0].thread_id or _thread_id(found, source.openings)
    seen: Counter[str] = Counter()
    for message in found:
        message_id = message.id
        if message_id is None and message.key is None:
            digest = _digest(message).hex()[:12]
            seen[digest] += 1
            count = seen[digest]
            message_id = digest if count == 1 else f"{digest}-{count}"
        yield replace(message, id=message_id, thread_id=thread_id)


def _thread_id(messages: Sequence[RawMessage], openings: dict[bytes, str]) -> str:
    """A conversation without an id is known by its first two messages.

    Many begin with the same words, few get the same answer. Of those that do,
    one that goes on where another ends is the same, grown; one that goes on
    otherwise is another, known by the message where they part.
    """
    prefixes = list(itertools.accumulate(map(_digest, messages), _chained))
    shared = len(prefixes)
    while shared and prefixes[shared - 1] not in openings:
        shared -= 1
    if shared == len(prefixes) or (shared and _end(prefixes[shared - 1]) in openings):
        thread_id = openings[prefixes[shared - 1]]
    elif shared < 2:
        thread_id = f"thread-{prefixes[:2][-1].hex()[:12]}"
    else:
        base = openings[prefixes[1]]
        thread_id = f"{base}-{prefixes[shared].hex()[:8]}"
    if 0 < shared < len(prefixes) and openings[prefixes[shared - 1]] == thread_id:
        openings.pop(_end(prefixes[shared - 1]), None)  # it has grown
    if len(openings) < _MAX_OPENINGS:
        openings |= dict.fromkeys(prefixes[shared:], thread_id)
        openings[_end(prefixes[-1])] = thread_id
    return thread_id


def _chained(before: bytes, digest: bytes) -> bytes:
    return hashlib.sha256(before + digest).digest()[:12]


def _end(prefix: bytes) -> bytes:
    """Marks that a conversation ended after this prefix, and may go on there."""
    return prefix + b"."


def _digest(message: RawMessage) -> bytes:
    when = message.sent_at.isoformat() if message.sent_at else ""
    words = f"{message.role}\x1f{message.name}\x1f{when}\x1f{message.text.strip()}"
    return hashlib.sha256(words.encode("utf-8", "replace")).digest()[:12]
