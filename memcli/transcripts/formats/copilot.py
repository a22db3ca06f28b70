"""GitHub Copilot CLI: `~/.copilot/session-state/<id>/events.jsonl`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memcli.models import Role
from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    kind_of,
    mapping,
    scalar_text,
    text_of_blocks,
)
from memcli.transcripts.formats.claude_code import session_metadata
from memcli.when import parse_timestamp

_ROLES: Mapping[str, Role] = {"user.message": "user", "assistant.message": "assistant"}
_OF_SUBAGENT = ("parentToolCallId", "parentAgentTaskId")


class Copilot:
    """See the module's docstring."""

    name = "copilot-cli"
    about = "Copilot CLI sessions, events.jsonl"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        kind = record.get("type")
        return (
            isinstance(kind, str)
            and (kind in _ROLES or kind == "session.start")
            and isinstance(record.get("data"), dict)
        )

    def passes_over(self, raw: bytes) -> str | None:
        """Events are written type first."""
        if raw.startswith((b'{"type":"tool.', b'{"type":"hook.')):
            return "event without a turn"
        return None

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        memo = source.memo
        memo.setdefault("thread_id", source.path.parent.name or source.stem)
        memo.setdefault("metadata", {})
        for record in records:
            kind = record.data.get("type")
            data = mapping(record.data.get("data"))
            if kind == "session.start":
                context = mapping(data.get("context"))
                memo["thread_id"] = (
                    scalar_text(data.get("sessionId")) or memo["thread_id"]
                )
                memo["metadata"] = session_metadata(
                    {"cwd": context.get("cwd"), "gitBranch": context.get("branch")}
                )
                continue
            role = _ROLES.get(str(kind))
            if role is None:
                known = isinstance(kind, str) and "." in kind
                source.skip("event without a turn" if known else "unknown event")
            elif kind_of(data, "source").startswith(("skill", "system")):
                source.skip("harness text")
            elif "agentId" in record.data or any(
                scalar_text(data.get(key)) for key in _OF_SUBAGENT
            ):
                source.skip("subagent turn")
            else:
                text = text_of_blocks(data.get("content"), source)
                if text is None or not text.strip():
                    source.skip("turn without text")
                    continue
                yield RawMessage(
                    line=record.number,
                    thread_id=memo["thread_id"],
                    role=role,
                    text=text,
                    id=scalar_text(record.data.get("id")),
                    sent_at=parse_timestamp(record.data.get("timestamp")),
                    metadata=memo["metadata"],
                )
