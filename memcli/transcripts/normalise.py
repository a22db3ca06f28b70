"""Raw messages → finished ones: times, ids, identity, clean text."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from memcli.models import Message
from memcli.transcripts.formats.base import RawMessage
from memcli.transcripts.report import FileReport

# Messages that wait for the first time of their thread, before the file's own
# time has to do.
_MAX_WAITING = 1000
MAX_TEXT = 200_000
_REMEMBERED = 300
# A clock may be a little fast; what lies further ahead is a wrong time.
_FUTURE_LEEWAY = timedelta(hours=24)
# Signs that nobody sees: words can be hidden in them, or broken up by them. Joiners,
# and the selectors that emoji have, stay: scripts need them.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Control characters (escape sequences among them) and marks that turn the
# direction of writing could make a screen show something else than is there.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A finished message with the thread facts its line carried.

    `stand_in_key` is set for a prompt that may also be known from a history of
    prompts: its key there. A message whose own key that is, is a stand-in.
    `as_of` is when its file says that the conversation was last changed.
    """

    message: Message
    format: str
    title: str | None
    metadata: dict[str, str]
    stand_in_key: str | None = None
    as_of: datetime | None = None


def with_times(
    messages: Iterable[RawMessage],
    file_time: datetime,
    now: datetime,
    report: FileReport,
) -> Iterator[RawMessage]:
    """Give every message a time.

    In this order: its own, its conversation's, that of the message before it
    in the thread, that of the first one after it that has any, the file's.
    """
    last: dict[str, datetime] = {}
    waiting: dict[str, list[RawMessage]] = {}
    for message in messages:
        thread = message.thread_id
        sent_at = message.sent_at
        if sent_at is None and message.thread_time is not None:
            # Never before what it answers.
            sent_at = max(message.thread_time, last.get(thread, message.thread_time))
        if sent_at is not None and sent_at > now + _FUTURE_LEEWAY:
            report.skip("time in the future, not used")
            sent_at = None
        if message.sent_at is None or sent_at is None:
            report.self_contained = False
        if message.id is None and message.key is None:
            message = replace(message, id=_id_of(message))
        sent_at = sent_at or last.get(thread)
        if sent_at is None:
            queue = waiting.setdefault(thread, [])
            queue.append(message)
            if len(queue) < _MAX_WAITING:
                continue
            sent_at = min(file_time, now)
        last[thread] = sent_at
        for earlier in waiting.pop(thread, []):
            if earlier is not message:
                yield replace(earlier, sent_at=sent_at)
        yield replace(message, sent_at=sent_at)
    for queue in waiting.values():
        for message in queue:
            yield replace(message, sent_at=min(file_time, now))


def _id_of(message: RawMessage) -> str:
    """An id for a message without one: a digest of who said what, and when.

    Only its own time counts, since the others change with the file.
    """
    when = message.sent_at.isoformat() if message.sent_at else ""
    text = f"{message.role}\x1f{message.name or ''}\x1f{when}\x1f{message.text.strip()}"
    return "~" + _digest(text)


def finished(
    messages: Iterable[RawMessage],
    format: str,
    report: FileReport,
    memo: dict[str, Any],
) -> Iterator[ReadMessage]:
    """Give every message an identity, and cut what is far too long.

    How often each prompt was typed, and each of the last words without an id
    were said, is kept in `memo`, for when the file grows.
    """
    seen: dict[str, int] = dict(memo.get("said_without_id", {}))
    typed: dict[str, int] = memo.setdefault("typed", {})
    for raw in messages:
        text = raw.text.strip()
        if len(text) > MAX_TEXT:
            report.skip(f"text cut at {MAX_TEXT:,} characters")
            text = text[:MAX_TEXT]
        text = clean(text)
        if not text.strip():
            report.skip("empty message")
            continue
        thread_id = clean(raw.thread_id)
        message_id = clean(raw.id or raw.key or "")
        if message_id.startswith("~"):
            # The same words again in the same thread are another message.
            message_id = message_id[1:]
            said = f"{thread_id}/{message_id}"
            count = seen[said] = seen.pop(said, 0) + 1
            if count > 1:
                message_id = f"{message_id}-{count}"
        stand_in = None
        if raw.prompt or raw.stand_in:
            stand_in = f"{thread_id}/~{_digest(text)}"
            typed[stand_in] = typed.get(stand_in, 0) + 1
            if typed[stand_in] > 1:
                stand_in = f"{stand_in}-{typed[stand_in]}"
        assert raw.sent_at is not None
        key = clean(raw.key) if raw.key else f"{thread_id}/{message_id}"
        if raw.stand_in and stand_in:
            key = stand_in
        yield ReadMessage(
            Message(
                key=key,
                thread_id=thread_id,
                id=message_id,
                role=raw.role,
                text=text,
                sent_at=raw.sent_at,
                name=clean(raw.name) if raw.name else None,
            ),
            format=format,
            title=clean(raw.title) if raw.title else None,
            metadata={clean(k): clean(v) for k, v in raw.metadata.items()},
            stand_in_key=stand_in,
            as_of=raw.as_of,
        )
    if seen:
        memo["said_without_id"] = dict(list(seen.items())[-_REMEMBERED:])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def visible(text: str) -> str:
    """Only what a person sees of it, on one line: for text that an agent reads."""
    return " ".join(_UNSEEN.sub("", clean(text)).split())


def clean(text: str) -> str:
    """Without what would act on a terminal, or cannot be stored."""
    text = _ACTING.sub("", text)
    return text.encode("utf-8", "replace").decode("utf-8")
