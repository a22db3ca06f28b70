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
    mapping,
    objects,
    scalar_text,
    text_of_blocks,
)
from memcli.when import parse_timestamp

_SPEAKERS: Mapping[str, Role] = {
    "user": "user", "gemini": "assistant", "model": "assistant",
}  # fmt: skip


class Gemini:
    """See the module's docstring."""

    name = "gemini-cli"
    about = "Gemini CLI sessions, ~/.gemini/tmp/*/chats/session-*"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        if "sessionId" in record and ("projectHash" in record or "startTime" in record):
            return "type" not in record
        if any("parts" in turn for turn in objects(record.get("history"))):
            return True
        turns = objects(record.get("messages"))
        return any(
            (turn.get("type") in _SPEAKERS and "content" in turn)
            or (turn.get("role") == "model" and "parts" in turn)
            for turn in turns
        )

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        thread_id, subagent = source.stem, False
        # By id, in the order in which they came; a message may be written anew.
        kept: dict[str, RawMessage] = {}
        for record in records:
            data = record.data
            if "sessionId" in data:
                thread_id = scalar_text(data["sessionId"]) or thread_id
                subagent = data.get("kind") == "subagent"
            changes = mapping(data.get("$set"))
            for holder in (data, changes):
                turns = holder.get("messages", holder.get("history"))
                if isinstance(turns, list):
                    kept.clear()
                    for turn in turns:
                        _keep(record.number, turn, thread_id, kept, source)
            if isinstance(data.get("$rewindTo"), str):
                _rewind(kept, data["$rewindTo"], thread_id, source)
            elif "type" in data:
                _keep(record.number, data, thread_id, kept, source)
        if subagent:
            source.report.skipped["subagent turn"] += len(kept)
            return
        yield from (message for message in kept.values() if message.text.strip())


def _rewind(
    kept: dict[str, RawMessage], to: str, thread_id: str, source: Source
) -> None:
    """Drop a message and all after it."""
    if to not in kept:
        return
    for name in list(kept)[list(kept).index(to) :]:
        del kept[name]
        source.skip("message taken back")
        source.withdrawn.add(f"{thread_id}/{name}")


def _keep(
    number: int,
    turn: object,
    thread_id: str,
    kept: dict[str, RawMessage],
    source: Source,
) -> None:
    if not isinstance(turn, dict):
        source.problem(number, "a message that is not an object")
        return
    kind = turn.get("type", turn.get("role"))
    message_id = scalar_text(turn.get("id"))
    role = _SPEAKERS.get(str(kind))
    text: str | None = ""
    if role is None:
        source.skip(f"{block_name(kind)} message")
    else:
        content = turn.get("content", turn.get("parts"))
        text = text_of_blocks(content, source)
        if text is None or not text.strip():
            source.skip("turn without text")
    # What says nothing is kept too: it may be the one that is gone back to.
    kept[message_id or f"#{len(kept)}"] = RawMessage(
        line=number,
        thread_id=thread_id,
        role=role or "assistant",
        text=text or "",
        id=message_id,
        sent_at=parse_timestamp(turn.get("timestamp", turn.get("ts"))),
    )
