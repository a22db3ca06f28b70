"""LangChain messages in their three shapes, and the state of a LangGraph thread.

`messages_to_dict` gives `{"type": "human", "data": {…}}`, `model_dump` the same
flat, and `dumpd` a constructor with `kwargs`. They stand alone, in an array, or
as the `messages` of a thread or of a checkpoint's `values`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from memcli.models import Role
from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    first_scalar,
    mapping,
    objects,
    scalar_text,
    text_of_blocks,
)
from memcli.transcripts.formats.conversation import UNNAMED, conversation
from memcli.transcripts.formats.generic import (
    THREAD_KEYS,
    first_time,
    metadata_of,
    thread_of_line,
)

_TYPES: Mapping[str, Role] = {
    "human": "user", "ai": "assistant",
    "humanmessage": "user", "aimessage": "assistant",
    "humanmessagechunk": "user", "aimessagechunk": "assistant",
}  # fmt: skip
_NOT_TURNS = (
    "system", "tool", "function", "remove", "developer",
    "systemmessage", "toolmessage", "functionmessage", "removemessage",
)  # fmt: skip


class LangChain:
    """Messages alone, or the messages of a thread."""

    name = "langchain"
    about = "LangChain messages: messages_to_dict, model_dump, dumpd"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        return is_message(record) or any(
            is_message(message) for message in objects(record.get("messages"))
        )

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            if isinstance(record.data.get("messages"), list):
                yield from conversation(
                    turns(
                        record.number,
                        record.data["messages"],
                        first_scalar(record.data, (*THREAD_KEYS, "id")),
                        first_time(record.data),
                        metadata_of(record.data),
                        source,
                    ),
                    source,
                )
                continue
            thread_id = thread_of_line(record.data, source)
            if thread_id is None:
                source.problem(record.number, "no thread id")
                continue
            yield from turns(record.number, [record.data], thread_id, None, {}, source)


class LangGraph:
    """The state of a thread at a checkpoint, or its history."""

    name = "langgraph"
    about = "LangGraph thread states"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        return isinstance(mapping(record.get("values")).get("messages"), list)

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            messages = mapping(record.data.get("values")).get("messages")
            if not isinstance(messages, list):
                source.problem(record.number, "a state without messages")
                continue
            yield from conversation(
                turns(
                    record.number,
                    messages,
                    _thread_of_state(record.data),
                    first_time(record.data),
                    {},
                    source,
                ),
                source,
            )


def _thread_of_state(state: Mapping[str, Any]) -> str | None:
    config = mapping(mapping(state.get("config")).get("configurable"))
    for place in (
        config,
        mapping(state.get("checkpoint")),
        mapping(state.get("metadata")),
    ):
        found = scalar_text(place.get("thread_id"))
        if found is not None:
            return found
    return first_scalar(state, THREAD_KEYS)


def is_message(record: Mapping[str, Any]) -> bool:
    """Whether an object is one LangChain message, in any of its shapes."""
    kind, _ = _unwrapped(record)
    if "role" in record:
        return False
    known = kind in _TYPES or kind in _NOT_TURNS
    return known and ("data" in record or "kwargs" in record or "content" in record)


def _unwrapped(record: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """A message's type in lower case, and its fields, in any of the shapes."""
    if record.get("type") == "constructor":
        path = record.get("id")
        name = path[-1] if isinstance(path, list) and path else ""
        return str(name).lower(), mapping(record.get("kwargs"))
    kind = str(record.get("type", "")).lower()
    data = record.get("data")
    return kind, data if isinstance(data, dict) else record


def turns(
    number: int,
    messages: Iterable[object],
    thread_id: str | None,
    thread_time: datetime | None,
    metadata: Mapping[str, str],
    source: Source,
) -> Iterator[RawMessage]:
    """The messages that a person or an assistant wrote."""
    for message in messages:
        if not isinstance(message, dict):
            source.problem(number, "a message that is not an object")
            continue
        kind, fields = _unwrapped(message)
        role = _TYPES.get(kind) or _TYPES.get(str(message.get("role")).lower())
        if role is None:
            if kind in _NOT_TURNS:
                source.skip(f"{kind.removesuffix('message')} message")
            else:
                source.problem(number, "unknown message type")
            continue
        text = text_of_blocks(fields.get("content"), source)
        if text is None or not text.strip():
            source.skip("tool call" if fields.get("tool_calls") else "empty message")
            continue
        yield RawMessage(
            line=number,
            thread_id=thread_id or UNNAMED,
            role=role,
            text=text,
            id=scalar_text(fields.get("id")),
            name=scalar_text(fields.get("name")),
            sent_at=first_time(fields),
            thread_time=thread_time,
            metadata=metadata,
        )
