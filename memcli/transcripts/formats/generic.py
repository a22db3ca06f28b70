"""Generic JSONL: one message a line, or one conversation a line.

    {"thread_id": "t1", "role": "user", "content": "…", "timestamp": "…"}
    {"thread_id": "t1", "messages": [{"role": "user", "content": "…"}, …]}

Other scalar keys are thread metadata. Both shapes may stand in one file.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memcli.models import Role
from memcli.transcripts.formats.base import RawMessage, scalar_text, text_of_blocks
from memcli.transcripts.lines import Line, records
from memcli.transcripts.report import FileReport
from memcli.when import parse_timestamp

THREAD_KEYS = ("thread_id", "conversation_id", "session_id", "chat_id")
TIME_KEYS = ("timestamp", "created_at", "ts", "created")
ID_KEYS = ("id", "message_id", "uuid")
ROLES: Mapping[str, Role] = {
    "user": "user", "human": "user",
    "assistant": "assistant", "ai": "assistant", "bot": "assistant",
    "model": "assistant",
}  # fmt: skip
_NOT_METADATA = {
    *THREAD_KEYS, *TIME_KEYS, *ID_KEYS,
    "role", "content", "name", "messages", "title", "type", "tool_call_id",
}  # fmt: skip


class Generic:
    """See the module's docstring."""

    name = "generic"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        if isinstance(record.get("messages"), list):
            return any(
                isinstance(message, dict) and "role" in message
                for message in record["messages"]
            )
        return "role" in record and "content" in record

    def read(self, lines: Iterable[Line], report: FileReport) -> Iterator[RawMessage]:
        for number, record in records(lines, report):
            messages = record.get("messages")
            if isinstance(messages, list):
                yield from self._conversation(number, record, messages, report)
                continue
            thread_id = _thread_id(record)
            if thread_id is None:
                report.problem(number, f"no thread id ({', '.join(THREAD_KEYS)})")
                continue
            message = self._message(
                number, record, thread_id, _metadata(record), report
            )
            if message:
                yield message

    def _conversation(
        self,
        number: int,
        record: Mapping[str, Any],
        messages: list[object],
        report: FileReport,
    ) -> Iterator[RawMessage]:
        thread_id = _thread_id(record) or scalar_text(record.get("id"))
        if thread_id is None:
            thread_id = _thread_id_from_content(messages)
        metadata = _metadata(record)
        thread_time = _first_time(record)
        title = scalar_text(record.get("title"))
        for message in messages:
            if not isinstance(message, dict):
                report.problem(number, "a message that is not an object")
                continue
            found = self._message(
                number, message, thread_id, metadata, report, thread_time, title
            )
            if found:
                yield found

    def _message(
        self,
        number: int,
        record: Mapping[str, Any],
        thread_id: str,
        metadata: Mapping[str, str],
        report: FileReport,
        thread_time: Any = None,
        title: str | None = None,
    ) -> RawMessage | None:
        role_name = record.get("role")
        if not isinstance(role_name, str) or not role_name:
            report.problem(number, "no role")
            return None
        role = ROLES.get(role_name.lower())
        if role is None:
            if role_name.lower() in ("system", "developer", "tool", "function"):
                report.skip(f"{role_name.lower()} message")
            else:
                report.problem(number, "unknown role")
            return None
        content = record.get("content")
        text = text_of_blocks(content, report)
        if text is None:
            if content is None and "tool_calls" in record:
                report.skip("tool call")
            else:
                report.problem(number, "content is not text")
            return None
        if not text.strip():
            report.skip("empty message")
            return None
        sent_at = _first_time(record)
        if sent_at is None and any(record.get(key) for key in TIME_KEYS):
            report.skip("time not understood, another one used")
        return RawMessage(
            line=number,
            thread_id=thread_id,
            role=role,
            text=text,
            id=_first_scalar(record, ID_KEYS),
            name=scalar_text(record.get("name")),
            sent_at=sent_at,
            thread_time=thread_time,
            title=title,
            metadata=metadata,
        )


def _thread_id(record: Mapping[str, Any]) -> str | None:
    return _first_scalar(record, THREAD_KEYS)


def _first_scalar(record: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    for key in keys:
        value = scalar_text(record.get(key))
        if value is not None:
            return value
    return None


def _first_time(record: Mapping[str, Any]) -> Any:
    for key in TIME_KEYS:
        moment = parse_timestamp(record.get(key))
        if moment is not None:
            return moment
    return None


def _metadata(record: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for key, value in record.items():
        if key not in _NOT_METADATA and (text := scalar_text(value)) is not None:
            found[key] = text[:500]
    nested = record.get("metadata")
    if isinstance(nested, dict):
        for key, value in nested.items():
            if (text := scalar_text(value)) is not None:
                found.setdefault(key, text[:500])
    return found


def _thread_id_from_content(messages: list[object]) -> str:
    """A conversation without an id is known by how it begins.

    The first message stays the same when the conversation grows, so the next
    export of it is the same thread.
    """
    first = next((m for m in messages if isinstance(m, dict)), {})
    start = f"{first.get('role')}\x1f{first.get('content')}\x1f{_first_time(first)}"
    return "thread-" + hashlib.sha256(start.encode()).hexdigest()[:12]
