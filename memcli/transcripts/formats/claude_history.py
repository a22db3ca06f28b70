"""Claude Code's prompt history: `~/.claude/history.jsonl`.

It outlives the sessions, which are deleted after some weeks. What is typed
stands in both, so a prompt from here gives way to the session's own.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from memcli.transcripts.formats.base import RawMessage, Record, Source, scalar_text
from memcli.transcripts.formats.claude_code import prompt_text, session_metadata
from memcli.when import parse_timestamp

_PASTED = re.compile(r"\[Pasted text #(\d+)(?: \+\d+ lines)?\]")


class ClaudeHistory:
    """See the module's docstring."""

    name = "claude-history"
    about = "Claude Code's prompt history, ~/.claude/history.jsonl"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        return (
            "display" in record
            and "timestamp" in record
            and ("project" in record or "sessionId" in record)
        )

    def passes_over(self, raw: bytes) -> str | None:
        return None

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            display = record.data.get("display")
            if not isinstance(display, str) or not display.strip():
                source.skip("empty message")
                continue
            text = prompt_text(_unfolded(display, record.data.get("pastedContents")))
            if text is None or _is_bare_command(text) or text.startswith("!"):
                source.skip("command")
                continue
            project = scalar_text(record.data.get("project"))
            session = scalar_text(record.data.get("sessionId"))
            yield RawMessage(
                line=record.number,
                thread_id=session or f"history-{project or 'unknown'}",
                role="user",
                text=text,
                sent_at=parse_timestamp(record.data.get("timestamp")),
                metadata=session_metadata({"cwd": project}),
                stand_in=True,
            )


def _unfolded(display: str, pasted: object) -> str:
    """With the text that was pasted in place of `[Pasted text #1 +20 lines]`."""
    pieces = pasted if isinstance(pasted, dict) else {}

    def content(match: re.Match[str]) -> str:
        piece = pieces.get(match[1])
        text = piece.get("content") if isinstance(piece, dict) else None
        return text if isinstance(text, str) else match[0]

    return _PASTED.sub(content, display)


def _is_bare_command(text: str) -> bool:
    """`/clear`, `/model`, `exit`: said to the program, not to the model."""
    words = text.split()
    return len(words) == 1 and (
        words[0].startswith("/") or words[0] in ("exit", "quit")
    )
