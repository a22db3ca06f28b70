"""A whole conversation in one record: its thread id, and ids for its messages.

Such records are exported again and again while the conversation grows. Where
they bring no ids, the same beginning must give the same thread, and the same
words at the same place the same message.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from memcli.transcripts.formats.base import RawMessage, Source, id_from_content

UNNAMED = ""  # the thread id of messages whose conversation has none
# Beyond so many conversations without an id, their ends are not compared.
_MAX_OPENINGS = 100_000
_DIGEST = 8  # bytes


def conversation(
    messages: Iterable[RawMessage], source: Source
) -> Iterator[RawMessage]:
    """The messages of one record, each with an id and a thread id.

    For the ids, the same words said again are counted within the conversation.
    """
    found = [message for message in messages if message.text.strip()]
    if not found:
        return
    thread_id = found[0].thread_id or _thread_id(found, source)
    seen: Counter[str] = Counter()
    for message in found:
        message_id = message.id
        if message_id is None and message.key is None:
            digest = _digest(message).hex()[:12]
            seen[digest] += 1
            count = seen[digest]
            message_id = digest if count == 1 else f"{digest}-{count}"
        yield replace(message, id=message_id, thread_id=thread_id)


def _thread_id(messages: Sequence[RawMessage], source: Source) -> str:
    """A conversation without an id is known by its first two messages.

    Many begin with the same words, few get the same answer. Of those that do,
    one that goes on where another ends is the same, grown; one that goes on
    otherwise is another.
    """
    said = [_digest(message) for message in messages]
    opening = id_from_content(digest.hex() for digest in said[:2])
    whole = b"".join(digest[:_DIGEST] for digest in said)
    known = source.openings.setdefault(opening, [])
    for place, other in enumerate(known):
        if whole.startswith(other) or other.startswith(whole):
            known[place] = max(whole, other, key=len)
            return opening if place == 0 else _branch(opening, known[place])
    if len(source.openings) <= _MAX_OPENINGS:
        known.append(whole)
    return opening if len(known) <= 1 else _branch(opening, whole)


def _branch(opening: str, whole: bytes) -> str:
    """The id of a conversation that left another after the same opening."""
    third = whole[2 * _DIGEST : 3 * _DIGEST]
    return f"{opening}-{third.hex()[:8]}"


def _digest(message: RawMessage) -> bytes:
    when = message.sent_at.isoformat() if message.sent_at else ""
    words = f"{message.role}\x1f{message.name}\x1f{when}\x1f{message.text.strip()}"
    return hashlib.sha256(words.encode("utf-8", "replace")).digest()
