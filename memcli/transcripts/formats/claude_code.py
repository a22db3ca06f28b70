"""Claude Code sessions: `~/.claude/projects/<folder>/<uuid>.jsonl`.

A line is an event; only `user` and `assistant` events hold messages, and much
of what stands under `user` was written by the harness. One answer of the model
is several lines with one `message.id`. Resumed and forked sessions repeat
lines under the same `uuid`, which is therefore the message's identity.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from memcli.transcripts.formats.base import RawMessage, scalar_text, text_of_blocks
from memcli.transcripts.lines import Line, records
from memcli.transcripts.report import FileReport
from memcli.when import parse_timestamp

_EVENTS_WITHOUT_MESSAGES = {
    "summary", "system", "attachment", "progress", "file-history-snapshot",
    "queue-operation", "mode", "ai-title", "custom-title", "last-prompt",
}  # fmt: skip

# Blocks the harness puts in front of a prompt; the prompt stands behind them.
_LEADING_BLOCK = re.compile(
    r"\s*<(system-reminder|ide_opened_file|ide_selection)>.*?</\1>\s*", re.DOTALL
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_COMMAND_NAME = re.compile(r"<command-name>\s*(.*?)\s*</command-name>", re.DOTALL)
_COMMAND_ARGS = re.compile(r"<command-args>\s*(.*?)\s*</command-args>", re.DOTALL)
_HARNESS_STARTS = (
    "<local-command-", "Caveat:", "[Request interrupted", "<task-notification>",
    "<bash-input>", "<bash-stdout>", "<bash-stderr>", "Stop hook feedback:",
    "This session is being continued",
)  # fmt: skip


class ClaudeCode:
    """See the module's docstring."""

    name = "claude-code"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        kind = record.get("type")
        if kind in ("user", "assistant"):
            return isinstance(record.get("message"), dict) and (
                "uuid" in record or "sessionId" in record
            )
        return kind in _EVENTS_WITHOUT_MESSAGES and (
            "sessionId" in record or "leafUuid" in record or "messageId" in record
        )

    def read(self, lines: Iterable[Line], report: FileReport) -> Iterator[RawMessage]:
        answer: RawMessage | None = None  # an answer that may go on in the next line
        answer_id: str | None = None
        for number, record in records(lines, report):
            kind = record.get("type")
            if kind == "assistant":
                part_id, part = self._assistant(number, record, report)
                if part is None:
                    continue
                if answer and part_id is not None and part_id == answer_id:
                    answer = _joined(answer, part)
                    continue
                if answer:
                    yield answer
                answer, answer_id = part, part_id
                continue
            message = self._other(number, record, report)
            if message is None:
                continue
            if answer:
                yield answer
                answer = answer_id = None
            yield message
        if answer:
            yield answer

    def _other(
        self, number: int, record: Mapping[str, Any], report: FileReport
    ) -> RawMessage | None:
        kind = record.get("type")
        if kind == "user":
            return self._user(number, record, report)
        if kind == "attachment":
            return self._queued_command(number, record, report)
        if not isinstance(kind, str):
            report.problem(number, "no event type")
        elif kind in _EVENTS_WITHOUT_MESSAGES:
            report.skip(f"{kind} event")
        else:
            report.skip("unknown event")
        return None

    def _user(
        self, number: int, record: Mapping[str, Any], report: FileReport
    ) -> RawMessage | None:
        if (reason := _not_a_turn(record)) is not None:
            report.skip(reason)
            return None
        text = text_of_blocks(_content(record), report)
        if text is None:
            report.problem(number, "message without content")
            return None
        return self._message(number, record, "user", prompt_text(text), report)

    def _assistant(
        self, number: int, record: Mapping[str, Any], report: FileReport
    ) -> tuple[str | None, RawMessage | None]:
        if (reason := _not_a_turn(record)) is not None:
            report.skip(reason)
            return None, None
        text = text_of_blocks(_content(record), report)
        if text is None:
            report.problem(number, "message without content")
            return None, None
        message = record["message"]
        part_id = scalar_text(message.get("id"))
        return part_id, self._message(number, record, "assistant", text, report)

    def _queued_command(
        self, number: int, record: Mapping[str, Any], report: FileReport
    ) -> RawMessage | None:
        """A prompt typed while the agent was still at work."""
        attachment = record.get("attachment")
        if not isinstance(attachment, dict) or attachment.get("type") != (
            "queued_command"
        ):
            report.skip("attachment event")
            return None
        if record.get("isSidechain") is True or record.get("isMeta") is True:
            report.skip("harness text")
            return None
        text = text_of_blocks(attachment.get("prompt"), report) or ""
        return self._message(number, record, "user", prompt_text(text), report)

    def _message(
        self,
        number: int,
        record: Mapping[str, Any],
        role: Any,
        text: str | None,
        report: FileReport,
    ) -> RawMessage | None:
        if text is None:
            report.skip("harness text")
            return None
        if not text.strip():
            report.skip("turn without text")
            return None
        session = scalar_text(record.get("sessionId"))
        if session is None:
            report.problem(number, "no sessionId")
            return None
        uuid = scalar_text(record.get("uuid"))
        return RawMessage(
            line=number,
            thread_id=session,
            role=role,
            text=text,
            id=uuid,
            # Only a real UUID is the same message wherever it stands.
            key=uuid if uuid and _UUID.fullmatch(uuid) else None,
            sent_at=parse_timestamp(record.get("timestamp")),
            metadata=_metadata(record),
        )


def prompt_text(text: str) -> str | None:
    """What the person typed, without the harness around it; None if nothing."""
    while match := _LEADING_BLOCK.match(text):
        text = text[match.end() :]
    if text.lstrip().startswith(_HARNESS_STARTS):
        return None
    if text.lstrip().startswith(("<command-name>", "<command-message>")):
        name = _COMMAND_NAME.search(text)
        arguments = _COMMAND_ARGS.search(text)
        # `/clear` alone says nothing; `/plan move to Postgres` is a prompt.
        if name and arguments and arguments[1]:
            return f"/{name[1].lstrip('/')} {arguments[1]}"
        return None
    return text


def _not_a_turn(record: Mapping[str, Any]) -> str | None:
    """Why a user or assistant event is no turn of the conversation, if so."""
    message = record.get("message")
    if not isinstance(message, dict):
        return "event without message"
    if record.get("isSidechain") is True:
        return "subagent turn"
    if record.get("isMeta") is True:
        return "harness text"
    if record.get("isCompactSummary") is True:
        return "compaction summary"
    if record.get("isApiErrorMessage") is True or message.get("model") == "<synthetic>":
        return "API error notice"
    return None


def _content(record: Mapping[str, Any]) -> object:
    message = record.get("message")
    return message.get("content") if isinstance(message, dict) else None


def _joined(first: RawMessage, more: RawMessage) -> RawMessage:
    return RawMessage(
        line=first.line,
        thread_id=first.thread_id,
        role=first.role,
        text=f"{first.text}\n\n{more.text}",
        id=first.id,
        key=first.key,
        sent_at=first.sent_at or more.sent_at,
        metadata=first.metadata,
    )


def _metadata(record: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    cwd = scalar_text(record.get("cwd"))
    if cwd:
        path = PureWindowsPath(cwd) if "\\" in cwd else PurePosixPath(cwd)
        found = {"cwd": cwd, "project": path.name or cwd}
    branch = scalar_text(record.get("gitBranch"))
    if branch:
        found["git_branch"] = branch
    return found
