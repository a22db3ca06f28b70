"""ShareGPT conversations: `{"conversations": [{"from", "value"}, …]}`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memcli.models import Role
from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    block_name,
    objects,
    scalar_text,
)
from memcli.transcripts.formats.conversation import UNNAMED, conversation
from memcli.transcripts.formats.generic import (
    first_time,
    metadata_of,
    thread_of,
)

_SPEAKERS: Mapping[str, Role] = {
    "human": "user", "user": "user",
    "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "bing": "assistant", "bard": "assistant", "model": "assistant",
    "claude": "assistant",
}  # fmt: skip


class ShareGPT:
    """See the module's docstring."""

    name = "sharegpt"
    about = "ShareGPT datasets: conversations of from and value"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        turns = objects(record.get("conversations"))
        return any("from" in turn and "value" in turn for turn in turns)

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            if not isinstance(record.data.get("conversations"), list):
                source.problem(record.number, "a conversation without messages")
                continue
            yield from conversation(_messages(record, source), source)


def _messages(record: Record, source: Source) -> Iterator[RawMessage]:
    thread_id = thread_of(record.data) or UNNAMED
    for turn in record.data["conversations"]:
        if not isinstance(turn, dict):
            source.problem(record.number, "a message that is not an object")
            continue
        speaker, text = turn.get("from"), turn.get("value")
        role = _SPEAKERS.get(str(speaker).lower())
        if role is None:
            source.skip(f"{block_name(speaker)} message")
        elif not isinstance(text, str):
            source.problem(record.number, "content is not text")
        elif not text.strip():
            source.skip("empty message")
        else:
            yield RawMessage(
                line=record.number,
                thread_id=thread_id,
                role=role,
                text=text,
                thread_time=first_time(record.data),
                title=scalar_text(record.data.get("title")),
                metadata=metadata_of(record.data),
            )
