"""OpenAI Responses: items of `type` message, and requests with `input` and `output`.

Also the saved state of an Agents SDK run, which holds such items.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    block_name,
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
    role_of,
    thread_of_line,
)

_ITEMS = ("message", "function_call", "function_call_output", "reasoning")


class Responses:
    """See the module's docstring."""

    name = "responses"
    about = "OpenAI Responses items, requests and Agents SDK run states"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        if record.get("type") in _ITEMS:
            return "role" in record or "call_id" in record or "summary" in record
        return _is_exchange(record) or _is_run_state(record)

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            data = record.data
            if _is_exchange(data) or _is_run_state(data):
                yield from conversation(_exchange(record, source), source)
                continue
            thread_id = thread_of_line(data, source)
            if thread_id is None:
                source.problem(record.number, "no thread id")
                continue
            found = _message(record.number, data, thread_id, None, source)
            if found:
                yield found


def _is_exchange(record: Mapping[str, Any]) -> bool:
    if record.get("object") == "response":
        return True
    return isinstance(record.get("output"), list) and isinstance(
        record.get("input"), list | str
    )


def _is_run_state(record: Mapping[str, Any]) -> bool:
    return "$schemaVersion" in record and "original_input" in record


def _exchange(record: Record, source: Source) -> Iterator[RawMessage]:
    """What was asked, and after it what was answered."""
    data = record.data
    ids = THREAD_KEYS if _is_run_state(data) else (*THREAD_KEYS, "id")
    conversation_id = data.get("conversation")
    thread_id = (
        scalar_text(mapping(conversation_id).get("id"))
        or scalar_text(conversation_id)
        or first_scalar(data, ids)
        or UNNAMED
    )
    when = first_time(data)
    asked = data.get("original_input" if _is_run_state(data) else "input")
    if isinstance(asked, str):
        asked = [{"type": "message", "role": "user", "content": asked}]
    items: list[Mapping[str, Any]] = [*objects(asked), *objects(data.get("output"))]
    for generated in objects(data.get("generated_items")):
        items.append(mapping(generated.get("raw_item")))
    for item in items:
        found = _message(record.number, item, thread_id, when, source)
        if found:
            yield found


def _message(
    number: int,
    item: Mapping[str, Any],
    thread_id: str,
    thread_time: datetime | None,
    source: Source,
) -> RawMessage | None:
    kind = item.get("type", "message")
    if kind != "message":
        source.skip(f"{block_name(kind)} item")
        return None
    role = role_of(item.get("role"), number, source)
    if role is None:
        return None
    text = text_of_blocks(item.get("content"), source)
    if text is None or not text.strip():
        source.skip("turn without text")
        return None
    return RawMessage(
        line=number,
        thread_id=thread_id,
        role=role,
        text=text,
        id=scalar_text(item.get("id")),
        sent_at=first_time(item),
        thread_time=thread_time,
    )
