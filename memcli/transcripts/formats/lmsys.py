"""LMSYS-Chat and WildChat: a conversation a record, under `conversation`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    objects,
    scalar_text,
    text_of_blocks,
)
from memcli.transcripts.formats.conversation import UNNAMED, conversation
from memcli.transcripts.formats.generic import first_time, role_of, thread_of
from memcli.when import parse_timestamp


class Lmsys:
    """See the module's docstring."""

    name = "lmsys"
    about = "LMSYS-Chat and WildChat datasets"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        return any("role" in turn for turn in objects(record.get("conversation")))

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            if not isinstance(record.data.get("conversation"), list):
                source.problem(record.number, "a conversation without messages")
                continue
            yield from conversation(_messages(record, source), source)


def _messages(record: Record, source: Source) -> Iterator[RawMessage]:
    data = record.data
    metadata = {
        key: text
        for key in ("model", "language")
        if (text := scalar_text(data.get(key))) is not None
    }
    for turn in data["conversation"]:
        if not isinstance(turn, dict):
            source.problem(record.number, "a message that is not an object")
            continue
        role = role_of(turn.get("role"), record.number, source)
        if role is None:
            continue
        text = text_of_blocks(turn.get("content"), source)
        if not text or not text.strip():
            source.skip("empty message")
            continue
        yield RawMessage(
            line=record.number,
            thread_id=thread_of(data) or UNNAMED,
            role=role,
            text=text,
            sent_at=parse_timestamp(turn.get("timestamp")),
            thread_time=first_time(data) or parse_timestamp(data.get("tstamp")),
            metadata=metadata,
        )
