"""Claude Code sessions: `~/.claude/projects/<folder>/<uuid>.jsonl`.

A line is an event; only `user` and `assistant` events hold messages, and much
of what stands under `user` was written by the harness. One answer of the model
is several lines with one `message.id`. Resumed and forked sessions repeat
lines under the same `uuid`, which is therefore the message's identity.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from memcli.transcripts.formats.base import (
    UUID,
    RawMessage,
    Record,
    Source,
    between,
    kind_of,
    objects,
    scalar_text,
    text_of_blocks,
)
from memcli.when import parse_timestamp

_EVENTS_WITHOUT_MESSAGES = {
    "summary", "system", "attachment", "progress", "file-history-snapshot",
    "queue-operation", "mode", "ai-title", "custom-title", "last-prompt",
}  # fmt: skip

# Newer versions say who wrote a user event.
_NOT_PEOPLE = ("task-notification", "teammate", "hook", "schedule", "cron", "agent")
# Blocks the harness puts in front of a prompt; the prompt stands behind them.
_LEADING_BLOCK = re.compile(
    r"\s*<(system-reminder|ide_opened_file|ide_selection)>.*?</\1>\s*", re.DOTALL
)
_COMMAND_NAME = ("<command-name>", "</command-name>")
_COMMAND_ARGS = ("<command-args>", "</command-args>")
_HARNESS_STARTS = (
    "<local-command-", "Caveat: The ", "[Request interrupted",
    "<task-notification>", "<teammate-message",
    "<bash-input>", "<bash-stdout>", "<bash-stderr>", "Stop hook feedback:",
    "This session is being continued",
)  # fmt: skip


# How Claude Code's compact JSON begins; where a block of text would stand.
_HEAD = 2000
_TYPE = b'"type":"'
_TEXT = b':"text"'
_TOOL_RESULTS = b'"message":{"role":"user","content":[{'
_RESULT_FIRST = b'"type":"tool_result"'
# What stands before a person's words in a tool's result.
_REFUSED = "The user doesn't want to proceed with this tool use"
_REASON = "the user said:\n"
_REFUSED_AS_BYTES = _REFUSED.encode()
_REMEMBERED = 300  # messages that may still be gone back on after the file has grown
# System events may take messages back, attachments may be prompts.
_NEVER_READ = _EVENTS_WITHOUT_MESSAGES - {"system", "attachment"}


class ClaudeCode:
    """See the module's docstring."""

    name = "claude-code"
    about = "Claude Code sessions, ~/.claude/projects/*/*.jsonl"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        kind = kind_of(record)
        if kind in ("user", "assistant"):
            return isinstance(record.get("message"), dict) and (
                "uuid" in record or "sessionId" in record
            )
        return kind in _EVENTS_WITHOUT_MESSAGES and (
            "sessionId" in record or "leafUuid" in record or "messageId" in record
        )

    def passes_over(self, raw: bytes) -> str | None:
        """Most of a session's bytes are tool output, which no one wrote.

        A quote inside a JSON string is always escaped, so `:"text"` cannot
        stand there: where it is missing, there is no block of text. (Lines
        written with spaces have no `"type":"` and are parsed.)
        """
        at = raw.find(_TYPE, 0, _HEAD)
        if at < 0:
            return None
        if raw.count(b"{", 0, at) == 1:  # nothing nested yet: the event's own type
            start = at + len(_TYPE)
            kind = raw[start : start + 40].partition(b'"')[0].decode("ascii", "replace")
            if kind in _NEVER_READ:
                return f"{kind} event"
            if kind != "assistant":
                return _tool_output(raw, at) if kind == "user" else None
        # In most versions an answer's message stands before the event's type.
        role = raw.find(b'"role":"', 0, _HEAD)
        if raw.startswith(b'assistant","content":[', role + 8) and _TEXT not in raw:
            return "turn without text"
        return None

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        answer: RawMessage | None = None  # an answer that may go on in the next line
        answer_id: str | None = None
        branch = _Branch(source)
        for record in records:
            kind = record.data.get("type")
            _withdraw(record.data, source)
            if kind == "assistant":
                part_id, part = self._assistant(record, source)
                if part is None:
                    continue
                if answer and part_id is not None and part_id == answer_id:
                    answer = _joined(answer, part)
                    continue
                if answer:
                    yield branch.said(answer)
                answer, answer_id = part, part_id
                source.read_again_from = record
                continue
            message = self._other(record, source)
            if message is None:
                continue
            if answer:
                yield branch.said(answer)
                answer = answer_id = source.read_again_from = None
            if kind == "user":
                branch.typed(record.data)
            yield branch.said(message)
        branch.remember()
        if answer:
            yield branch.said(answer)

    def _other(self, record: Record, source: Source) -> RawMessage | None:
        kind = kind_of(record.data)
        if kind == "user":
            return self._user(record, source)
        if kind == "attachment":
            return self._queued_command(record, source)
        if not kind:
            source.problem(record.number, "no event type")
        elif kind in _EVENTS_WITHOUT_MESSAGES:
            source.skip(f"{kind} event")
        else:
            source.skip("unknown event")
        return None

    def _user(self, record: Record, source: Source) -> RawMessage | None:
        if (reason := _not_a_turn(record.data)) is not None:
            source.skip(reason)
            return None
        content = _without_reminders(_content(record.data))
        text = text_of_blocks(content, source)
        if text is None:
            source.problem(record.number, "message without content")
            return None
        text = text if text.strip() else _said_to_a_tool(content)
        return self._message(record, "user", prompt_text(text), source)

    def _assistant(
        self, record: Record, source: Source
    ) -> tuple[str | None, RawMessage | None]:
        if (reason := _not_a_turn(record.data)) is not None:
            source.skip(reason)
            return None, None
        text = text_of_blocks(_content(record.data), source)
        if text is None:
            source.problem(record.number, "message without content")
            return None, None
        part_id = scalar_text(record.data["message"].get("id"))
        return part_id, self._message(record, "assistant", text, source)

    def _queued_command(self, record: Record, source: Source) -> RawMessage | None:
        """A prompt typed while the agent was still at work."""
        attachment = record.data.get("attachment")
        if not isinstance(attachment, dict) or attachment.get("type") != (
            "queued_command"
        ):
            source.skip("attachment event")
            return None
        if record.data.get("isSidechain") is True or record.data.get("isMeta") is True:
            source.skip("harness text")
            return None
        text = text_of_blocks(attachment.get("prompt"), source) or ""
        return self._message(record, "user", prompt_text(text), source)

    def _message(
        self, record: Record, role: Any, text: str | None, source: Source
    ) -> RawMessage | None:
        if text is None:
            source.skip("harness text")
            return None
        if not text.strip():
            source.skip("turn without text")
            return None
        session = scalar_text(record.data.get("sessionId"))
        if session is None:
            source.problem(record.number, "no sessionId")
            return None
        uuid = scalar_text(record.data.get("uuid"))
        return RawMessage(
            line=record.number,
            thread_id=session,
            role=role,
            text=text,
            id=uuid,
            # Only a real UUID is the same message wherever it stands.
            key=uuid if uuid and UUID.fullmatch(uuid) else None,
            sent_at=parse_timestamp(record.data.get("timestamp")),
            metadata=session_metadata(record.data),
            prompt=role == "user",
        )


class _Branch:
    """What was said on the branch under way. A person who goes back and types
    another prompt after the same message leaves what came after the first.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        # The key of each message, and of typed ones the message they follow.
        self._said: list[list[str]] = source.memo.get("said", [])
        self._known = {key for _, key in self._said}
        self._left: set[str] = set()
        self._after = ""

    def typed(self, record: Mapping[str, Any]) -> None:
        """A prompt comes; if one followed the same message before, it was left."""
        parent = scalar_text(record.get("parentUuid"))
        uuid = scalar_text(record.get("uuid"))
        if parent is None or uuid is None:
            return
        for place, (after, key) in enumerate(self._said):
            if after == parent and not key.endswith(uuid):
                for _, left in self._said[place:]:
                    self._known.discard(left)
                    self._left.add(left)
                    self._source.withdrawn[left] = None
                    self._source.skip("message on an abandoned branch")
                del self._said[place:]
                break
        self._after = parent

    def said(self, message: RawMessage) -> RawMessage:
        """Note a message of the branch, and hand it on."""
        if message.key or message.id:
            key = message.key or f"{message.thread_id}/{message.id}"
            if key in self._left:  # the person went back once more
                self._left.discard(key)
                self._source.withdrawn.pop(key, None)
            if key not in self._known:
                self._known.add(key)
                self._said.append([self._after, key])
        self._after = ""
        return message

    def remember(self) -> None:
        """Keep the end of the branch for when the file has grown."""
        self._source.memo["said"] = self._said[-_REMEMBERED:]


def _without_reminders(content: object) -> object:
    """Blocks without those that the harness put behind the prompt."""
    if not isinstance(content, list):
        return content
    return [block for block in content if not _is_reminder(block)]


def _is_reminder(block: object) -> bool:
    text = block.get("text") if isinstance(block, dict) else None
    return isinstance(text, str) and (
        text.strip().startswith("<system-reminder>")
        and text.strip().endswith("</system-reminder>")
    )


def _said_to_a_tool(content: object) -> str:
    """What a person typed in place of a tool's result: why a call was refused."""
    for block in objects(content):
        result = block.get("content")
        if block.get("type") != "tool_result" or not isinstance(result, str):
            continue
        if result.startswith(_REFUSED) and _REASON in result:
            return result.partition(_REASON)[2]
    return ""


def _tool_output(raw: bytes, at: int) -> str | None:
    """Whether a user event holds tool results alone, or a subagent's turn."""
    if raw.find(b'"isSidechain":true', 0, at) >= 0:
        return "subagent turn"
    blocks = raw.find(_TOOL_RESULTS, at, at + 200)
    if blocks < 0 or raw.find(_RESULT_FIRST, blocks, blocks + 200) < 0:
        return None
    if raw.find(_REFUSED_AS_BYTES, blocks, blocks + 300) >= 0:
        return None  # may hold why
    text = raw.find(_TEXT, blocks)
    if text < 0:
        return "turn without text"
    # The result stands there a second time, as the tool gave it; that may have
    # texts of its own.
    again = raw.find(b',"toolUseResult":', blocks, text)
    return "turn without text" if again >= 0 else None


def _withdraw(record: Mapping[str, Any], source: Source) -> None:
    """Events that a later one replaces are no part of the conversation."""
    for name in ("supersedesUuids", "retractedMessageUuids"):
        replaced = record.get(name)
        if isinstance(replaced, list):
            session = scalar_text(record.get("sessionId"))
            for uuid in replaced:
                if isinstance(uuid, str):
                    key = uuid if UUID.fullmatch(uuid) else f"{session}/{uuid}"
                    source.withdrawn[key] = None


def prompt_text(text: str) -> str | None:
    """What the person typed, without the harness around it; None if nothing."""
    while match := _LEADING_BLOCK.match(text):
        text = text[match.end() :]
    if text.lstrip().startswith(_HARNESS_STARTS):
        return None
    if text.lstrip().startswith(("<command-name>", "<command-message>")):
        name = "".join(between(text, *_COMMAND_NAME)[:1]).strip()
        arguments = "".join(between(text, *_COMMAND_ARGS)[:1]).strip()
        return f"/{name.lstrip('/')} {arguments}".rstrip() if name else None
    return text


def _not_a_turn(record: Mapping[str, Any]) -> str | None:
    """Why a user or assistant event is no turn of the conversation, if so."""
    message = record.get("message")
    if not isinstance(message, dict):
        return "event without message"
    if record.get("isSidechain") is True:
        return "subagent turn"
    if record.get("isMeta") is True or "planContent" in record:
        return "harness text"
    origin = record.get("origin")
    if isinstance(origin, dict) and origin.get("kind") in _NOT_PEOPLE:
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
    return replace(
        first,
        text=f"{first.text}\n\n{more.text}",
        sent_at=first.sent_at or more.sent_at,
    )


def session_metadata(record: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    cwd = scalar_text(record.get("cwd"))
    if cwd:
        path = PureWindowsPath(cwd) if "\\" in cwd else PurePosixPath(cwd)
        found = {"cwd": cwd, "project": path.name or cwd}
    branch = scalar_text(record.get("gitBranch"))
    if branch:
        found["git_branch"] = branch
    # A fork's file repeats its parent's messages under a session of its own.
    if record.get("sessionKind") == "bg" or record.get("forkedFrom"):
        found["session_kind"] = "fork"
    return found
