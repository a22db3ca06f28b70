"""OpenAI Codex CLI rollouts: `~/.codex/sessions/YYYY/MM/DD/rollout-*.jsonl[.zst]`.

Every turn stands in a file up to three times, and which of them depends on the
version that wrote it: as a completed item, as an event, and as what went over
the API. Of each turn one layer is read, the one nearest to what a person sees.
A fork repeats its parent's turns under the turn ids they had there.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from memcli.models import Role
from memcli.transcripts.formats.base import (
    UUID,
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

_API, _EVENT, _ITEM = 1, 2, 3
_HARNESS_STARTS = (
    "<environment_context>", "# AGENTS.md", "<INSTRUCTIONS>", "<user_instructions>",
    "<skill>", "<turn_aborted>", "<subagent_notification>", "<codex_internal_context",
    "<recommended_plugins>", "<user_shell_command>",
)  # fmt: skip
_IDE_CONTEXT = "# Context from my IDE setup"
_IDE_REQUEST = re.compile(r"^## My request for Codex:[ \t]*\n?", re.MULTILINE)
_LINE_START = re.compile(
    rb'\{"timestamp":"[^"]*",(?:"ordinal":\d+,)?"type":"(\w+)","payload":\{'
    rb'(?:"type":"(\w+)")?'
)
_WITH_TURNS = {b"message", b"user_message", b"agent_message", b"item_completed"}
_WITH_TURN_IDS = {b"task_started", b"turn_started", b"thread_rolled_back"}
_REMEMBERED = 300  # messages whose turns may be taken back after the file has grown
_OUTER_TYPES = {
    "session_meta", "response_item", "event_msg", "turn_context", "compacted",
    "world_state",
}  # fmt: skip


class _Turn(NamedTuple):
    layer: int
    number: int
    role: Role
    text: str
    id: str | None
    turn_id: str | None
    sent_at: datetime | None


@dataclass(slots=True)
class _Session:
    """What the lines so far say of the session they belong to."""

    thread_id: str
    root: str
    known: bool = False
    subagent: bool = False
    turn_id: str | None = None
    began_at: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class Codex:
    """See the module's docstring."""

    name = "codex"
    about = "Codex CLI rollouts of every version, plain and .zst"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        if kind_of(record) in _OUTER_TYPES and isinstance(record.get("payload"), dict):
            return True
        if record.get("record_type") == "state":
            return True
        holds_turns = any(key in record for key in ("messages", "input", "role"))
        return {"instructions", "timestamp", "id"} <= record.keys() and not holds_turns

    def passes_over(self, raw: bytes) -> str | None:
        """Tool output and copies of the context, by how such lines begin."""
        match = _LINE_START.match(raw)
        if match is None:
            return None
        outer, inner = match[1], match[2]
        if outer in (b"world_state", b"compacted"):
            return f"{outer.decode()} event"
        if outer in (b"response_item", b"event_msg") and inner is not None:
            if inner in _WITH_TURNS or inner in _WITH_TURN_IDS:
                return None
            return "event without a turn"
        return None

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        session = _remembered(source)
        turns: list[_Turn] = []
        for record in records:
            before = session.turn_id
            turn = _turn(record, session, source)
            if (taken_back := _rolled_back(record.data)) > 0:
                turns = _without_last(turns, taken_back, session, source)
            if session.turn_id != before:
                # The turn may go on after what is there now.
                source.read_again_from = record
                _remember(session, source, before)
            if turn is not None and session.subagent:
                source.skip("subagent turn")
            elif turn is not None:
                turns.append(turn)
        if source.read_again_from is None:
            _remember(session, source, session.turn_id)
        chosen = one_layer(turns)
        if left := len(turns) - len(chosen):
            source.report.skipped["the same turn in another layer"] += left
        if any(turn.turn_id is None for turn in turns):
            source.report.self_contained = False
        messages = list(_messages(chosen, session))
        _remember_said(messages, chosen, session, source)
        yield from messages


def one_layer(turns: Sequence[_Turn]) -> list[_Turn]:
    """Each turn once, of the highest layer that has most of what was said there.

    Decided for each turn id and role, since a session that was begun by one
    version may be resumed by another, and a layer may lack a role altogether.
    """
    counts: dict[tuple[str | None, Role], Counter[int]] = {}
    for turn in turns:
        counts.setdefault((turn.turn_id, turn.role), Counter())[turn.layer] += 1
    layers = {
        group: max(layer for layer, n in found.items() if 2 * n >= max(found.values()))
        for group, found in counts.items()
    }
    return [turn for turn in turns if turn.layer == layers[turn.turn_id, turn.role]]


def _rolled_back(data: Mapping[str, Any]) -> int:
    """How many of the last turns a line takes back."""
    payload = mapping(data.get("payload"))
    if kind_of(payload) != "thread_rolled_back":
        return 0
    number = payload.get("num_turns")
    return number if isinstance(number, int) else 0


def _without_last(
    turns: list[_Turn], count: int, session: _Session, source: Source
) -> list[_Turn]:
    """The turns but the last few, as many as the person typed prompts."""
    typed = [turn for turn in one_layer(turns) if turn.role == "user"]
    ids = {turn.turn_id for turn in typed[-count:]} - {None}
    start = min((turn.number for turn in typed[-count:]), default=0)
    words = {turn.text for turn in typed[-count:]}
    left = [
        turn
        for turn in turns
        if turn.turn_id in ids
        or (typed and turn.number >= start)
        or (turn.turn_id is None and turn.text in words and turn.number >= start - 3)
    ]
    for message in _messages(left, session):
        source.withdrawn[message.key or ""] = None
        source.skip("turn taken back")
    # Turns that were read before the file had grown.
    before: list[list[str]] = source.memo.get("said", [])
    older = list(dict.fromkeys(turn_id for turn_id, _ in before))
    for turn_id in older[len(older) - max(0, count - len(typed)) :]:
        source.withdrawn |= {key: None for at, key in before if at == turn_id}
    return [turn for turn in turns if turn not in left]


def _remember_said(
    messages: Sequence[RawMessage],
    turns: Sequence[_Turn],
    session: _Session,
    source: Source,
) -> None:
    """Keep the last turns that will not be read again, should they be taken back."""
    said: list[list[str]] = source.memo.get("said", [])
    for message, turn in zip(messages, turns, strict=True):
        if turn.turn_id is not None and turn.turn_id != session.turn_id:
            said.append([turn.turn_id, message.key or ""])
    source.memo["said"] = said[-_REMEMBERED:]


def _turn(record: Record, session: _Session, source: Source) -> _Turn | None:
    """The turn that a line holds, if any; what it says of the session is noted."""
    data = record.data
    payload = data.get("payload")
    if not isinstance(payload, dict):
        return _early(record, session, source)
    outer = kind_of(data)
    when = parse_timestamp(data.get("timestamp"))
    if outer == "session_meta":
        _meet(payload, session)
    elif outer == "turn_context":
        session.turn_id = scalar_text(payload.get("turn_id"))
    elif outer == "response_item":
        return _api_message(record.number, payload, session, when, source)
    elif outer == "event_msg":
        return _event(record.number, payload, session, when, source)
    elif outer in _OUTER_TYPES:
        source.skip(f"{outer} event")
    else:
        source.skip("unknown event")
    return None


def _early(record: Record, session: _Session, source: Source) -> _Turn | None:
    """The first versions wrote what went over the API, line by line, bare."""
    data = record.data
    if data.get("type") == "message" or ("role" in data and "type" not in data):
        when = parse_timestamp(data.get("timestamp", data.get("created_at")))
        return _api_message(record.number, data, session, when, source)
    if "id" in data and "timestamp" in data and "type" not in data:
        _meet(data, session)
    elif data.get("record_type") == "state" or isinstance(data.get("type"), str):
        source.skip("event without a turn")
    else:
        source.skip("unknown event")
    return None


def _event(
    number: int,
    payload: Mapping[str, Any],
    session: _Session,
    when: datetime | None,
    source: Source,
) -> _Turn | None:
    kind = payload.get("type")
    if kind in ("user_message", "agent_message"):
        role: Role = "user" if kind == "user_message" else "assistant"
        text = payload.get("message")
        return _said(_EVENT, number, role, text, None, session.turn_id, when, source)
    if kind == "item_completed":
        return _item(number, payload, session, when, source)
    if kind in ("task_started", "turn_started"):
        session.turn_id = scalar_text(payload.get("turn_id")) or session.turn_id
    source.skip("event without a turn")
    return None


def _item(
    number: int,
    payload: Mapping[str, Any],
    session: _Session,
    when: datetime | None,
    source: Source,
) -> _Turn | None:
    item = mapping(payload.get("item"))
    kind = item.get("type")
    if kind not in ("UserMessage", "AgentMessage"):
        source.skip("event without a turn")
        return None
    turn_id = scalar_text(payload.get("turn_id")) or session.turn_id
    when = parse_timestamp(payload.get("completed_at_ms")) or when
    role: Role = "user" if kind == "UserMessage" else "assistant"
    text = text_of_blocks(item.get("content"), source)
    item_id = scalar_text(item.get("id"))
    return _said(_ITEM, number, role, text, item_id, turn_id, when, source)


def _api_message(
    number: int,
    payload: Mapping[str, Any],
    session: _Session,
    when: datetime | None,
    source: Source,
) -> _Turn | None:
    if payload.get("type", "message") != "message":
        source.skip("event without a turn")
        return None
    role = payload.get("role")
    if role not in ("user", "assistant"):
        source.skip("harness text")
        return None
    passed = mapping(payload.get("internal_chat_message_metadata_passthrough"))
    turn_id = scalar_text(passed.get("turn_id")) or session.turn_id
    content = payload.get("content", payload.get("message"))
    if isinstance(content, list):  # the context may stand in a block of its own
        content = [block for block in content if not _is_harness(block)] or content
    text = text_of_blocks(content, source)
    message_id = scalar_text(payload.get("id"))
    return _said(_API, number, role, text, message_id, turn_id, when, source)


def _said(
    layer: int,
    number: int,
    role: Role,
    text: object,
    id: str | None,
    turn_id: str | None,
    when: datetime | None,
    source: Source,
) -> _Turn | None:
    if not isinstance(text, str):
        source.problem(number, "message without content")
        return None
    words = prompt_text(text) if role == "user" else text
    if words is None:
        source.skip("harness text")
        return None
    if not words.strip():
        source.skip("turn without text")
        return None
    return _Turn(layer, number, role, words, id, turn_id, when)


def prompt_text(text: str) -> str | None:
    """What the person typed, without the context around it; None if nothing."""
    start = text.lstrip()
    if start.startswith(_HARNESS_STARTS):
        return None
    if start.startswith(_IDE_CONTEXT) and (found := _IDE_REQUEST.search(text)):
        return text[found.end() :]
    return text


def _is_harness(block: object) -> bool:
    text = block.get("text") if isinstance(block, dict) else None
    return isinstance(text, str) and text.lstrip().startswith(_HARNESS_STARTS)


def _meet(payload: Mapping[str, Any], session: _Session) -> None:
    """Take in the first line about the session; later ones are its parent's."""
    thread_id = scalar_text(payload.get("id"))
    if session.known or thread_id is None:
        return
    session.known = True
    session.thread_id = thread_id
    session.root = scalar_text(payload.get("forked_from_id")) or thread_id
    session.began_at = scalar_text(payload.get("timestamp"))
    origin = payload.get("source")
    session.subagent = (isinstance(origin, dict) and "subagent" in origin) or (
        payload.get("thread_source") == "subagent"
    )
    git = mapping(payload.get("git"))
    session.metadata = session_metadata(
        {"cwd": payload.get("cwd"), "gitBranch": git.get("branch")}
    )


def _digest(turn: _Turn) -> str:
    words = f"{turn.role}\x1f{turn.text.strip()}".encode("utf-8", "replace")
    return hashlib.sha256(words).hexdigest()[:12]


def _messages(turns: Sequence[_Turn], session: _Session) -> Iterator[RawMessage]:
    """Turns as messages. Their time is no part of their identity: in each layer
    the same words have another one."""
    said: Counter[str] = Counter()
    for turn in turns:
        # A turn id that is a UUID is the same turn in whichever file it stands.
        scope = turn.turn_id or "-"
        if not UUID.fullmatch(scope):
            scope = f"{session.root}/{scope}"
        key = f"codex/{scope}/{_digest(turn)}"
        said[key] += 1
        yield _message(turn, key if said[key] == 1 else f"{key}-{said[key]}", session)


def _message(turn: _Turn, key: str, session: _Session) -> RawMessage:
    return RawMessage(
        line=turn.number,
        thread_id=session.thread_id,
        role=turn.role,
        text=turn.text,
        id=turn.id or key.removeprefix("codex/"),
        key=key,
        sent_at=turn.sent_at,
        thread_time=parse_timestamp(session.began_at),
        metadata=session.metadata,
    )


def _remembered(source: Source) -> _Session:
    memo = source.memo
    if "thread_id" not in memo:
        return _Session(source.stem, source.stem)
    return _Session(
        thread_id=memo["thread_id"],
        root=memo["root"],
        known=memo["known"],
        subagent=memo["subagent"],
        turn_id=memo["turn_id"],
        began_at=memo["began_at"],
        metadata=memo["metadata"],
    )


def _remember(session: _Session, source: Source, turn_id: str | None) -> None:
    source.memo |= {
        "thread_id": session.thread_id,
        "root": session.root,
        "known": session.known,
        "subagent": session.subagent,
        "turn_id": turn_id,
        "began_at": session.began_at,
        "metadata": session.metadata,
    }
