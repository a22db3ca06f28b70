"""Messages as a program holds them → turns, whoever's shape they have.

A chat loop keeps dicts as OpenAI's and Anthropic's APIs take them, objects as their
packages return them, or LangChain's messages, often all in one list. Each is made
plain data, and read as the same shape in a file would be.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import PurePath
from typing import Any

from memcli.errors import UsageError
from memcli.transcripts.formats.base import RawMessage, Source
from memcli.transcripts.formats.generic import Generic
from memcli.transcripts.formats.langchain import is_message, turns
from memcli.transcripts.normalise import ReadMessage, clean, finished, with_times
from memcli.transcripts.report import FileReport

FORMAT = "submitted"


def read_given(
    messages: Iterable[object],
    thread_id: str,
    metadata: Mapping[str, str],
    now: datetime,
) -> list[ReadMessage]:
    """What people and assistants wrote, in order; tool traffic and system prompts
    are left out.

    A message without an id of its own has an empty one. One without a time has that
    of the message before it, or `now`. Raises UsageError for what is no message.
    """
    report = FileReport("messages")
    source = Source(PurePath("messages"), report)
    found = [
        replace(turn, line=number, metadata=metadata)
        for number, message in enumerate(_listed(messages))
        for turn in _turns(number, _plain(number, message), thread_id, source)
    ]
    own = {number: clean(turn.id or "") for number, turn in enumerate(found)}
    # What has no id yet gets one for now, so that nothing else is made up.
    placed = (replace(turn, id=str(number)) for number, turn in enumerate(found))
    read = finished(with_times(placed, now, now, report), FORMAT, report, {})
    return [
        replace(item, message=replace(item.message, id=own[int(item.message.id)]))
        for item in read
    ]


def _listed(messages: object) -> Iterable[object]:
    if isinstance(messages, str | bytes | Mapping) or not isinstance(
        messages, Iterable
    ):
        raise UsageError(
            'messages must be a list, such as [{"role": "user", "content": "…"}]'
        )
    return messages


def _turns(
    number: int, message: Mapping[str, Any], thread_id: str, source: Source
) -> list[RawMessage]:
    report = source.report
    bad = report.bad_lines
    if is_message(message):
        found = list(turns(number, [message], thread_id, None, {}, source))
    else:
        turn = Generic().turn(number, message, thread_id, {}, source)
        found = [] if turn is None else [turn]
    if report.bad_lines > bad:
        # The report's own words name a line of a file; its cause is the last of them.
        why = report.problems[-1].rpartition(": ")[2] if report.problems else "unknown"
        raise UsageError(f"messages[{number}]: {why}")
    return found


def _plain(number: int, message: object) -> dict[str, Any]:
    """A message as plain data."""
    if isinstance(message, str):
        return {"role": "user", "content": message}
    if isinstance(message, Mapping):
        return _plain_content(dict(message))
    if isinstance(message, tuple | list) and len(message) == 2:
        return _plain_content({"role": message[0], "content": message[1]})
    if callable(dump := getattr(message, "model_dump", None)):
        return _plain_content(dict(dump()))
    role, content = getattr(message, "role", None), getattr(message, "content", None)
    if role is None or content is None:
        raise UsageError(
            f"messages[{number}] is a {type(message).__name__}: a dict with role and "
            "content is wanted, or a message of OpenAI, Anthropic or LangChain"
        )
    return _plain_content({"role": role, "content": content})


def _plain_content(message: dict[str, Any]) -> dict[str, Any]:
    """Blocks of an answer may be objects of a package, too."""
    content = message.get("content")
    if isinstance(content, list | tuple):
        message["content"] = [
            block.model_dump() if hasattr(block, "model_dump") else block
            for block in content
        ]
    return message
