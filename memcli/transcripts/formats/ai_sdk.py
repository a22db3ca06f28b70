"""AI SDK UI messages: `{"id", "role", "parts": [{"type": "text", …}, …]}`.

Alone, in an array, or as the `messages` of a chat. Google's API calls its
blocks `parts` as well, without a type; they are read the same way.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    mapping,
    objects,
    scalar_text,
    text_of_blocks,
)
from memcli.transcripts.formats.conversation import UNNAMED, conversation
from memcli.transcripts.formats.generic import (
    first_time,
    metadata_of,
    role_of,
    thread_of,
    thread_of_line,
)


class AiSdk:
    """See the module's docstring."""

    name = "ai-sdk"
    about = "AI SDK UI messages"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        return _is_message(record) or any(
            _is_message(message) for message in objects(record.get("messages"))
        )

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            data = record.data
            if isinstance(data.get("messages"), list):
                yield from conversation(_messages(record, source), source)
                continue
            thread_id = thread_of_line(data, source)
            if thread_id is None:
                source.problem(record.number, "no thread id")
                continue
            alone = _message(record.number, data, thread_id, None, {}, source)
            if alone:
                yield alone


def _messages(record: Record, source: Source) -> Iterator[RawMessage]:
    data = record.data
    thread_id = thread_of(data) or UNNAMED
    for message in objects(data["messages"]):
        found = _message(
            record.number,
            message,
            thread_id,
            first_time(data),
            metadata_of(data),
            source,
        )
        if found:
            yield found


def _is_message(record: Mapping[str, Any]) -> bool:
    return "role" in record and isinstance(record.get("parts"), list)


def _message(
    number: int,
    message: Mapping[str, Any],
    thread_id: str,
    thread_time: datetime | None,
    metadata: Mapping[str, str],
    source: Source,
) -> RawMessage | None:
    role = role_of(message.get("role"), number, source)
    if role is None:
        return None
    parts = message.get("parts")
    text = text_of_blocks(
        parts if isinstance(parts, list) else message.get("content"), source
    )
    if text is None or not text.strip():
        source.skip("turn without text")
        return None
    return RawMessage(
        line=number,
        thread_id=thread_id,
        role=role,
        text=text,
        id=scalar_text(message.get("id")),
        sent_at=first_time(message) or first_time(mapping(message.get("metadata"))),
        thread_time=thread_time,
        metadata=metadata,
    )
