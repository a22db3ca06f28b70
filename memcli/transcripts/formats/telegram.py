"""Telegram Desktop's `result.json`: one chat, or all of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    first_scalar,
    mapping,
    objects,
    scalar_text,
)
from memcli.when import parse_timestamp


class Telegram:
    """See the module's docstring."""

    name = "telegram"
    about = "Telegram Desktop's export, result.json"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        return any(
            ("date" in message or "date_unixtime" in message)
            and ("from" in message or "actor" in message)
            for chat in _chats(record)
            for message in objects(chat.get("messages"))[:50]
        )

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            for chat in _chats(record.data):
                for message in objects(chat.get("messages")):
                    found = _message(record.number, message, chat, source)
                    if found:
                        yield found


def _chats(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    if isinstance(record.get("messages"), list):
        return [dict(record)]
    return [
        chat
        for key in ("chats", "left_chats")
        for chat in objects(mapping(record.get(key)).get("list"))
    ]


def _message(
    number: int, message: Mapping[str, Any], chat: Mapping[str, Any], source: Source
) -> RawMessage | None:
    if message.get("type") != "message":
        source.skip("service notice")
        return None
    text = _text(message.get("text"))
    if not text.strip():
        source.skip("message without text")
        return None
    chat_id = scalar_text(chat.get("id"))
    name = scalar_text(chat.get("name"))
    is_bot = (
        chat.get("type") == "bot_chat" and message.get("from_id") == f"user{chat_id}"
    )
    return RawMessage(
        line=number,
        thread_id=chat_id or name or source.stem,
        role="assistant" if is_bot else "user",
        text=text,
        id=scalar_text(message.get("id")),
        # What is passed on are another's words; whoever deleted the account has
        # no name any more.
        name=first_scalar(message, ("forwarded_from", "from", "from_id")),
        sent_at=parse_timestamp(message.get("date_unixtime"))
        or parse_timestamp(message.get("date")),
        title=name,
        metadata={"chat": name} if name else {},
    )


def _text(content: object) -> str:
    """A text is a string, or a list of strings and of entities with a text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (mapping(part).get("text") if isinstance(part, dict) else part
             for part in content)  # fmt: skip
    return "".join(part for part in parts if isinstance(part, str))
