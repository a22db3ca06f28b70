"""Claude.ai's data export: an array of conversations with `chat_messages`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memcli.models import Role
from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    between,
    block_name,
    kind_of,
    objects,
    scalar_text,
)
from memcli.transcripts.formats.conversation import UNNAMED, conversation
from memcli.when import parse_timestamp

_SENDERS: Mapping[str, Role] = {
    "human": "user",
    "user": "user",
    "assistant": "assistant",
}
_WRITTEN = ("text", "voice_note")
# The model's notes to itself, which the app does not show.
_UNSHOWN = "This block is not supported on your current device"  # tools, in `text`
_THINKING = ("<antThinking>", "</antThinking>")


class ClaudeAI:
    """See the module's docstring."""

    name = "claude-ai"
    about = "Claude.ai's data export: its zip, or conversations.json"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        return isinstance(record.get("chat_messages"), list)

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            if not isinstance(record.data.get("chat_messages"), list):
                source.problem(record.number, "a conversation without messages")
                continue
            if not record.data["chat_messages"]:
                source.skip("conversation without messages")
            yield from conversation(_messages(record, source), source)


def _messages(record: Record, source: Source) -> Iterator[RawMessage]:
    data = record.data
    thread_id = scalar_text(data.get("uuid")) or scalar_text(
        data.get("conversation_id")
    )
    on_path = _on_path(data)
    changed = parse_timestamp(data.get("updated_at"))
    for message in data["chat_messages"]:
        if not isinstance(message, dict):
            source.problem(record.number, "a message that is not an object")
            continue
        role = _SENDERS.get(str(message.get("sender")))
        if role is None:
            source.problem(record.number, "unknown sender")
            continue
        message_id = scalar_text(message.get("uuid"))
        if on_path is not None and message_id not in on_path:
            source.skip("message on an abandoned branch")
            source.withdrawn[f"{thread_id}/{message_id}"] = changed
            continue
        text = _text(message, source)
        if not text.strip():
            source.skip("turn without text")
            continue
        yield RawMessage(
            line=record.number,
            thread_id=thread_id or UNNAMED,
            role=role,
            text=text,
            id=message_id,
            sent_at=parse_timestamp(message.get("created_at")),
            thread_time=parse_timestamp(data.get("created_at")),
            title=scalar_text(data.get("name")),
            as_of=changed,
        )


def _on_path(data: Mapping[str, Any]) -> set[str] | None:
    """The messages from the current leaf to the root, where the file has links."""
    parents = {
        message["uuid"]: kind_of(message, "parent_message_uuid") or None
        for message in objects(data["chat_messages"])
        if isinstance(message.get("uuid"), str)
    }
    current: object = kind_of(data, "current_leaf_message_uuid")
    if current not in parents:
        # Without a leaf, the last message is on the path that was taken last.
        branches = Counter(parent for parent in parents.values() if parent)
        if max(branches.values(), default=0) < 2:
            return None
        current = next(reversed(parents))
    if not any(parents.values()):
        return None
    path: set[str] = set()
    while isinstance(current, str) and current in parents and current not in path:
        path.add(current)
        current = parents[current]
    return path


def _text(message: Mapping[str, Any], source: Source) -> str:
    """The blocks' text; the flat one where there are none, as in old exports."""
    texts = []
    for block in objects(message.get("content")):
        kind, text = block.get("type"), block.get("text")
        if kind in _WRITTEN and isinstance(text, str):
            texts.append(text)
        else:
            source.skip(f"{block_name(kind)} block")
    found = "\n\n".join(text for text in texts if text.strip())
    if not found and isinstance(message.get("text"), str):
        found = "" if _UNSHOWN in message["text"] else message["text"]
    for thought in between(found, *_THINKING):
        found = found.replace(f"{_THINKING[0]}{thought}{_THINKING[1]}", "")
    return found.strip()
