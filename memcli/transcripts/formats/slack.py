"""Slack exports, as a zip or unpacked: `<channel>/YYYY-MM-DD.json`.

A channel is a thread, and each of Slack's threads one of its own. Names come
from `users.json` beside the channels, or from the message itself.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from memcli.models import Role
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

_TS = re.compile(r"\d{9,11}\.\d{1,6}")
_WRITTEN = (
    None, "bot_message", "me_message", "thread_broadcast", "file_share",
    "file_comment",
)  # fmt: skip
_LINK = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")


class Slack:
    """See the module's docstring."""

    name = "slack"
    about = "Slack exports, the zip or its folders"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        ts = record.get("ts")
        return (
            isinstance(ts, str)
            and _TS.fullmatch(ts) is not None
            and record.get("type") == "message"
        )

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        names = _names(source)
        channel = source.path.parent.name or source.stem
        for record in records:
            data = record.data
            subtype = data.get("subtype")
            if subtype not in _WRITTEN:
                source.skip(f"{block_name(subtype)} notice")
                continue
            text = data.get("text")
            if not isinstance(text, str) or not text.strip():
                source.skip("message without text")
                continue
            user = scalar_text(data.get("user"))
            ts = scalar_text(data.get("ts"))
            parent = scalar_text(data.get("thread_ts"))
            if parent is None and data.get("reply_count"):
                parent = ts
            yield RawMessage(
                line=record.number,
                thread_id=f"{channel}/{parent}" if parent else channel,
                role=_role(data, user, names),
                text=plain_text(text, names),
                id=ts,
                # A message that gets answers moves to a thread, and is the same.
                key=f"slack/{channel}/{ts}",
                name=_author(data, user, names),
                sent_at=parse_timestamp(ts),
                title=channel,
                metadata={"channel": channel},
            )


def _role(
    message: Mapping[str, Any],
    user: str | None,
    names: Mapping[str, tuple[str, bool]],
) -> Role:
    is_bot = message.get("subtype") == "bot_message" or (
        "bot_id" in message and user is None
    )
    is_bot = (
        is_bot
        or user == "USLACKBOT"
        or (user is not None and user in names and names[user][1])
    )
    return "assistant" if is_bot else "user"


def _author(
    message: Mapping[str, Any],
    user: str | None,
    names: Mapping[str, tuple[str, bool]],
) -> str | None:
    spoken = scalar_text(message.get("username"))
    if spoken:
        return spoken
    if user is not None and user in names:
        return names[user][0]
    profile = mapping(message.get("user_profile"))
    own = first_scalar(profile, ("display_name", "real_name", "name"))
    return own or user or first_scalar(mapping(message.get("bot_profile")), ("name",))


def _names(source: Source) -> dict[str, tuple[str, bool]]:
    """User id → the name the others see, and whether it is a bot."""
    found = {}
    content = source.beside("../users.json")
    try:
        users = objects(orjson.loads(content or b"[]"))
    except orjson.JSONDecodeError:
        source.skip("users.json is not valid JSON, names missing")
        return {}
    for user in users:
        user_id = scalar_text(user.get("id"))
        profile = mapping(user.get("profile"))
        name = (
            scalar_text(profile.get("display_name"))
            or scalar_text(profile.get("real_name"))
            or first_scalar(user, ("real_name", "name"))
        )
        if user_id and name:
            found[user_id] = (name, user.get("is_bot") is True)
    return found


def plain_text(text: str, names: Mapping[str, tuple[str, bool]]) -> str:
    """Slack's markup as it is shown: mentions by name, links by their label."""

    def shown(match: re.Match[str]) -> str:
        sign, target, label = match[1], match[2], match[3]
        if sign == "@":
            name = names[target][0] if target in names else label or target
            return f"@{name.removeprefix('@')}"
        if sign == "#":
            return f"#{label or target}"
        if sign == "!":
            return label or f"@{target.partition('^')[0]}"
        return label or target.removeprefix("mailto:")

    return html.unescape(_LINK.sub(shown, text))
