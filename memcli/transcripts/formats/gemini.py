"""Gemini CLI sessions: `~/.gemini/tmp/<hash>/chats/session-*.json` or `.jsonl`.

The second form is a log of changes to the first: messages are appended, set
anew as a whole, and cut off again where the person went back.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memcli.models import Role
from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    block_name,
    kind_of,
    mapping,
    objects,
    scalar_text,
    text_of_blocks,
)
from memcli.when import parse_timestamp

_SPEAKERS: Mapping[str, Role] = {
    "user": "user", "gemini": "assistant", "model": "assistant",
}  # fmt: skip

_PREAMBLE = "This is the Gemini CLI. We are setting up the context"


class Gemini:
    """See the module's docstring."""

    name = "gemini-cli"
    about = "Gemini CLI sessions, ~/.gemini/tmp/*/chats/session-*"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        if any("parts" in turn for turn in objects(record.get("history"))):
            return True
        if "sessionId" not in record or "type" in record:
            return False
        return (
            "projectHash" in record
            or "startTime" in record
            or (
                any(
                    kind_of(turn) in _SPEAKERS
                    for turn in objects(record.get("messages"))
                )
            )
        )

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        session = _Session(source.stem)
        for record in records:
            data = record.data
            name = scalar_text(data.get("sessionId"))
            if name is not None and name != session.id:
                yield from session.messages(source)
                session = _Session(name)
            if name is not None:
                session.subagent = data.get("kind") == "subagent"
            for turn in _turns(data):
                session.keep(record.number, turn, source)
            changes = mapping(data.get("$set"))
            if isinstance(changes.get("messages"), list):
                session.forget_all()
                for turn in changes["messages"]:
                    session.keep(record.number, turn, source)
            if isinstance(data.get("$rewindTo"), str):
                session.rewind(data["$rewindTo"], source)
            elif "type" in data:
                session.keep(record.number, data, source)
        yield from session.messages(source)


def _turns(data: Mapping[str, Any]) -> list[object]:
    turns = data.get("messages", data.get("history"))
    return turns if isinstance(turns, list) else []


class _Session:
    """The messages so far, by id, in the order in which they came; a message
    may be written anew, and dropped.
    """

    def __init__(self, id: str) -> None:
        self.id = id
        self.subagent = False
        self._kept: dict[str, RawMessage] = {}
        self._dropped: set[str] = set()

    def messages(self, source: Source) -> Iterator[RawMessage]:
        """What is left of the session; what was dropped is withdrawn."""
        if self.subagent:
            source.report.skipped["subagent turn"] += len(self._kept)
            return
        for name in self._dropped - self._kept.keys():
            source.withdrawn[f"{self.id}/{name}"] = None
        yield from (message for message in self._kept.values() if message.text.strip())

    def forget_all(self) -> None:
        """All messages are about to be written anew."""
        self._dropped |= self._kept.keys()
        self._kept.clear()

    def rewind(self, to: str, source: Source) -> None:
        """Drop a message and all after it."""
        names = list(self._kept)
        for name in names[names.index(to) :] if to in self._kept else ():
            del self._kept[name]
            self._dropped.add(name)
            source.skip("message taken back")

    def keep(self, number: int, turn: object, source: Source) -> None:
        """Take in a message, or its newer state."""
        if not isinstance(turn, dict):
            source.problem(number, "a message that is not an object")
            return
        kind = kind_of(turn) or kind_of(turn, "role")
        role = _SPEAKERS.get(kind)
        text: str | None = ""
        if role is None:
            source.skip(f"{block_name(kind)} message")
        else:
            content = turn.get("displayContent") or turn.get("content")
            text = text_of_blocks(content or turn.get("parts"), source)
            if role == "user" and (text or "").startswith(_PREAMBLE):
                source.skip("harness text")
                text = ""
            if text is None or not text.strip():
                source.skip("turn without text")
        message_id = scalar_text(turn.get("id"))
        # What says nothing is kept too: it may be the one that is gone back to.
        self._kept[message_id or f"#{len(self._kept)}"] = RawMessage(
            line=number,
            thread_id=self.id,
            role=role or "assistant",
            text=text or "",
            id=message_id,
            sent_at=parse_timestamp(turn.get("timestamp", turn.get("ts"))),
        )
