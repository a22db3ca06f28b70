"""pi and OpenClaw sessions: a header line, then entries that form a tree.

Going back in a conversation starts a branch; the conversation is the path from
the last entry to the root. The first version had neither ids nor branches.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    block_name,
    kind_of,
    mapping,
    scalar_text,
    text_of_blocks,
)
from memcli.transcripts.formats.claude_code import session_metadata
from memcli.when import parse_timestamp

_OTHER_ENTRIES = {
    "compaction", "branch_summary", "custom", "custom_message", "label",
    "model_change", "thinking_level_change", "session_info", "session",
}  # fmt: skip


class _Entry(NamedTuple):
    id: str | None
    parent: str | None
    in_tree: bool  # whether it says what its parent is
    message: RawMessage | None


class Pi:
    """See the module's docstring."""

    name = "pi"
    about = "pi and OpenClaw sessions"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        if record.get("type") == "session":
            return "id" in record and ("version" in record or "cwd" in record)
        return (
            record.get("type") == "message"
            and "role" in mapping(record.get("message"))
            and "sessionId" not in record
        )

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        thread_id, metadata = source.stem, dict[str, str]()
        entries: list[_Entry] = []
        for record in records:
            data = record.data
            if data.get("type") == "session":
                thread_id = scalar_text(data.get("id")) or thread_id
                metadata = session_metadata({"cwd": data.get("cwd")})
                continue
            entries.append(
                _Entry(
                    scalar_text(data.get("id")),
                    scalar_text(data.get("parentId")),
                    "parentId" in data,
                    _message(record, thread_id, metadata, source),
                )
            )
        path = _path(entries)
        kept = {entries[place].id for place in path}
        for place, entry in enumerate(entries):
            if entry.message is None:
                continue
            if place in path:
                yield entry.message
            else:
                source.skip("message on an abandoned branch")
                if entry.id not in kept:
                    source.withdrawn[f"{thread_id}/{entry.id}"] = None


def _path(entries: list[_Entry]) -> set[int]:
    """The places of the entries from the last one back to the root.

    Where a parent is not to be found, the entry before it has to be it.
    """
    places = {entry.id: place for place, entry in enumerate(entries) if entry.id}
    path: set[int] = set()
    place = len(entries) - 1
    while place >= 0 and place not in path:
        path.add(place)
        entry = entries[place]
        if entry.in_tree and entry.parent is None:
            # The root; but a first message may follow a header's children.
            place = place - 1 if _only_settings(entries[:place]) else -1
            continue
        parent = places.get(entry.parent or "", -1)
        place = parent if 0 <= parent < place else place - 1
    return path


def _only_settings(entries: list[_Entry]) -> bool:
    return all(entry.message is None for entry in entries)


def _message(
    record: Record, thread_id: str, metadata: Mapping[str, str], source: Source
) -> RawMessage | None:
    data = record.data
    if data.get("type") != "message":
        known = kind_of(data) in _OTHER_ENTRIES
        source.skip(f"{data['type']} entry" if known else "unknown entry")
        return None
    message = mapping(data.get("message"))
    role = message.get("role")
    if role not in ("user", "assistant"):
        source.skip(f"{block_name(role)} message")
        return None
    text = text_of_blocks(message.get("content"), source)
    if text is None or not text.strip():
        source.skip("turn without text")
        return None
    return RawMessage(
        line=record.number,
        thread_id=thread_id,
        role=role,
        text=text,
        id=scalar_text(data.get("id")),
        sent_at=parse_timestamp(data.get("timestamp"))
        or parse_timestamp(message.get("timestamp")),
        metadata=metadata,
    )
