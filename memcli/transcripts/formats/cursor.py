"""Cursor's agent transcripts: `{"role", "message": {"content": […]}}`.

They have neither ids nor times.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    between,
    mapping,
    text_of_blocks,
)

# Around what the person typed; the editor's context stands outside.
_QUERY = ("<user_query>", "</user_query>")
_WITHHELD = "[REDACTED]"  # what Cursor writes in place of a model's thinking


class Cursor:
    """See the module's docstring."""

    name = "cursor"
    about = "Cursor agent transcripts"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        return (
            record.get("role") in ("user", "assistant")
            and "content" in mapping(record.get("message"))
            and "uuid" not in record
            and "sessionId" not in record
        )

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        subagent = "subagents" in source.path.parts
        for record in records:
            role = record.data.get("role")
            if role not in ("user", "assistant"):
                known = "type" in record.data or role in ("system", "tool")
                source.skip("event without a turn" if known else "unknown event")
                continue
            if subagent:
                source.skip("subagent turn")
                continue
            message = mapping(record.data.get("message"))
            text = text_of_blocks(message.get("content"), source) or ""
            if role == "user" and (queries := between(text, *_QUERY)):
                text = "\n\n".join(query.strip() for query in queries)
            if role == "user" and text.lstrip().startswith("<system_notification>"):
                source.skip("harness text")
                continue
            if not text.strip() or text.strip() == _WITHHELD:
                source.skip("turn without text")
                continue
            yield RawMessage(
                line=record.number, thread_id=source.stem, role=role, text=text
            )
