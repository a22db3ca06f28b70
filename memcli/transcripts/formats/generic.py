"""Generic JSONL: one message a line, or one conversation a line.

    {"thread_id": "t1", "role": "user", "content": "…", "timestamp": "…"}
    {"thread_id": "t1", "messages": [{"role": "user", "content": "…"}, …]}

The second is also how requests to OpenAI's and Anthropic's chat APIs look.
Other scalar keys are thread metadata. Both shapes may stand in one file. Lines
of messages without any thread id are one conversation: that of the file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from memcli.models import Role
from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    first_scalar,
    id_from_content,
    scalar_text,
    text_of_blocks,
)
from memcli.transcripts.formats.conversation import UNNAMED, conversation
from memcli.when import parse_timestamp

THREAD_KEYS = (
    "thread_id", "conversation_id", "session_id", "chat_id", "conversation_hash",
    "threadId", "conversationId", "sessionId", "chatId",
)  # fmt: skip
# A place in a list, which the next list has as well.
_COUNTED = re.compile(r"\d{1,7}")
TIME_KEYS = ("timestamp", "created_at", "ts", "created", "createdAt")
ID_KEYS = ("id", "message_id", "uuid")
ROLES: Mapping[str, Role] = {
    "user": "user", "human": "user",
    "assistant": "assistant", "ai": "assistant", "bot": "assistant",
    "model": "assistant", "chatbot": "assistant",
}  # fmt: skip
NOT_TURNS = ("system", "developer", "tool", "function", "ipython", "environment")
_NOT_METADATA = {
    *THREAD_KEYS, *TIME_KEYS, *ID_KEYS,
    "role", "content", "text", "message", "name", "messages", "title", "type",
    "tool_call_id",
}  # fmt: skip


class Generic:
    """See the module's docstring."""

    name = "generic"
    about = "JSON Lines of messages or conversations; OpenAI and Anthropic chats"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        if isinstance(record.get("messages"), list):
            return any(
                isinstance(message, dict) and "role" in message
                for message in record["messages"]
            )
        return "role" in record and ("content" in record or "text" in record)

    def passes_over(self, raw: bytes) -> str | None:
        return None

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            messages = record.data.get("messages")
            if isinstance(messages, list):
                yield from conversation(self._turns(record, messages, source), source)
                continue
            thread_id = thread_of_line(record.data, source)
            if thread_id is None:
                keys = ", ".join(THREAD_KEYS[:4])
                source.problem(record.number, f"no thread id ({keys})")
                continue
            message = self.turn(
                record.number, record.data, thread_id, metadata_of(record.data), source
            )
            if message:
                yield message

    def _turns(
        self, record: Record, messages: list[object], source: Source
    ) -> Iterator[RawMessage]:
        thread_id = thread_of(record.data) or UNNAMED
        metadata = metadata_of(record.data)
        thread_time = first_time(record.data)
        title = scalar_text(record.data.get("title"))
        for message in messages:
            if not isinstance(message, dict):
                source.problem(record.number, "a message that is not an object")
                continue
            found = self.turn(
                record.number, message, thread_id, metadata, source, thread_time, title
            )
            if found:
                yield found

    def turn(
        self,
        number: int,
        record: Mapping[str, Any],
        thread_id: str,
        metadata: Mapping[str, str],
        source: Source,
        thread_time: datetime | None = None,
        title: str | None = None,
    ) -> RawMessage | None:
        """One message; None, and counted, for what is no turn."""
        role = role_of(record.get("role"), number, source)
        if role is None:
            return None
        content = record.get("content")
        if content is None:
            content = record.get("text", record.get("message"))
        text = text_of_blocks(content, source)
        if text is None:
            if content is None and "tool_calls" in record:
                source.skip("tool call")
            else:
                source.problem(number, "content is not text")
            return None
        if not text.strip():
            source.skip("empty message")
            return None
        sent_at = first_time(record)
        if sent_at is None and any(record.get(key) for key in TIME_KEYS):
            source.skip("time not understood, another one used")
        return RawMessage(
            line=number,
            thread_id=thread_id,
            role=role,
            text=text,
            id=first_scalar(record, ID_KEYS),
            name=scalar_text(record.get("name")),
            sent_at=sent_at,
            thread_time=thread_time,
            title=title,
            metadata=metadata,
        )


def role_of(value: object, number: int, source: Source) -> Role | None:
    """The role behind one of its names; None, and counted, for what is no turn."""
    if not isinstance(value, str) or not value:
        source.problem(number, "no role")
        return None
    role = ROLES.get(value.lower())
    if role is None:
        if value.lower() in NOT_TURNS:
            source.skip(f"{value.lower()} message")
        else:
            source.problem(number, "unknown role")
    return role


def thread_of(record: Mapping[str, Any]) -> str | None:
    """The thread id of a record that is a whole conversation."""
    own = first_scalar(record, ("id", "uuid"))
    if own is not None and _COUNTED.fullmatch(own):
        own = None
    return first_scalar(record, THREAD_KEYS) or own


def thread_of_line(record: Mapping[str, Any], source: Source) -> str | None:
    """The thread id of a record that is one message.

    None where it should have one, as the lines before it do. A file whose
    first line has none is one conversation, known by its name and its start.
    """
    own = first_scalar(record, THREAD_KEYS)
    if "thread" not in source.memo:
        start = (record.get("role"), record.get("content"), first_time(record))
        whole_file = f"{source.stem}-{id_from_content(start)[-8:]}"
        source.memo["thread"] = None if own else whole_file
    whole: str | None = source.memo["thread"]
    return own or whole


def first_time(record: Mapping[str, Any]) -> datetime | None:
    """The first of the usual keys that holds a time."""
    for key in TIME_KEYS:
        moment = parse_timestamp(record.get(key))
        if moment is not None:
            return moment
    return None


def metadata_of(record: Mapping[str, Any]) -> dict[str, str]:
    """The scalars of a record that are not the message itself."""
    found = {}
    for key, value in record.items():
        if key not in _NOT_METADATA and (text := scalar_text(value)) is not None:
            found[key] = text[:500]
    nested = record.get("metadata")
    if isinstance(nested, dict):
        for key, value in nested.items():
            if (text := scalar_text(value)) is not None:
                found.setdefault(key, text[:500])
    return found
