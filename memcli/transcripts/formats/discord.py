"""Discord channels as DiscordChatExporter writes them to JSON."""

from collections.abc import Iterable, Iterator, Mapping
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
)
from memcli.when import parse_timestamp

# The exporter writes names for the kinds it knows, numbers for the others:
# 20 and 23 are commands answered by a bot.
_WRITTEN = ("Default", "Reply", "ThreadStarterMessage", "20", "23", None)


class Discord:
    """See the module's docstring."""

    name = "discord"
    about = "Discord channels exported by DiscordChatExporter"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        return (
            isinstance(record.get("channel"), dict)
            and isinstance(record.get("messages"), list)
            and ("guild" in record or "exportedAt" in record)
        )

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            channel = mapping(record.data.get("channel"))
            guild = mapping(record.data.get("guild"))
            title = scalar_text(channel.get("name"))
            metadata = {
                key: name
                for key, name in (
                    ("channel", title), ("guild", scalar_text(guild.get("name"))),
                )
                if name
            }  # fmt: skip
            for message in objects(record.data.get("messages")):
                kind = message.get("type")
                if kind not in _WRITTEN:
                    source.skip(f"{block_name(kind)} notice")
                    continue
                text = message.get("content")
                if not isinstance(text, str) or not text.strip():
                    source.skip("message without text")
                    continue
                author = mapping(message.get("author"))
                yield RawMessage(
                    line=record.number,
                    thread_id=scalar_text(channel.get("id")) or source.stem,
                    role="assistant" if author.get("isBot") is True else "user",
                    text=text,
                    id=scalar_text(message.get("id")),
                    name=first_scalar(author, ("nickname", "name", "id")),
                    sent_at=parse_timestamp(message.get("timestamp")),
                    title=title,
                    metadata=metadata,
                )
