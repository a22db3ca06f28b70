"""From what a model answered to a value that fits; asked again once if it does not.

The answer is asked for as a call of one tool. Servers that speak only a part of
the API may answer with a JSON object in text instead, so that is taken, too.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from memcli.asking.asker import Answer, Asker, NoAnswer
from memcli.errors import ExtractorError, MemcliError, TooLong
from memcli.models import Asked, Usage

Value = TypeVar("Value")


class DoesNotFit(Exception):
    """An answer that cannot be used; the message is for the model, and short."""


def ask(
    asker: Asker,
    params: Mapping[str, Any],
    tool: str,
    read: Callable[[Any], Value],
) -> tuple[Value, tuple[Asked, ...]]:
    """What `read` makes of the answer, and the requests that it took.

    `read` gets what the tool was called with; it raises DoesNotFit, and then the
    model is told why and asked once more. Raises as `Asker.ask` does; the error
    has the requests that were paid for.
    """
    asked: list[Asked] = []
    try:
        return _ask(asker, params, tool, read, asked), tuple(asked)
    except MemcliError as error:
        error.asked = tuple(asked)
        raise


def _ask(
    asker: Asker,
    params: Mapping[str, Any],
    tool: str,
    read: Callable[[Any], Value],
    asked: list[Asked],
) -> Value:
    answer = None
    try:
        answer = asker.ask(params)
        return _read(answer, tool, read, asked)
    except NoAnswer:
        asked.append(Asked("invalid", Usage()))
        again = dict(params)
    except DoesNotFit as why:
        assert answer is not None
        again = _corrected(params, answer, tool, str(why))
    try:
        return _read(asker.ask(again), tool, read, asked)
    except DoesNotFit as why:
        raise ExtractorError(f"the model's answer cannot be used: {why}") from None


def read_once(
    answer: Answer, tool: str, read: Callable[[Any], Value]
) -> tuple[Value, tuple[Asked, ...]]:
    """As `ask`, for an answer that came by another way. Raises ExtractorError."""
    asked: list[Asked] = []
    try:
        return _read(answer, tool, read, asked), tuple(asked)
    except DoesNotFit as why:
        error = ExtractorError(f"the model's answer cannot be used: {why}")
        error.asked = tuple(asked)
        raise error from None
    except MemcliError as error:
        error.asked = tuple(asked)
        raise


def _read(
    answer: Answer, tool: str, read: Callable[[Any], Value], asked: list[Asked]
) -> Value:
    if answer.stop_reason == "refusal":
        asked.append(Asked("refused", answer.usage))
        raise ExtractorError("the model refused to read this conversation")
    if answer.stop_reason in ("max_tokens", "model_context_window_exceeded"):
        asked.append(Asked("cut off", answer.usage))
        raise TooLong("the model's answer was cut off")
    try:
        value = read(_called_with(answer, tool))
    except DoesNotFit:
        asked.append(Asked("invalid", answer.usage))
        raise
    asked.append(Asked("answered", answer.usage))
    return value


def _called_with(answer: Answer, tool: str) -> Any:
    texts = []
    for block in answer.content:
        if block.get("type") == "tool_use" and block.get("name") == tool:
            return block.get("input")
        if block.get("type") == "text" and isinstance(block.get("text"), str):
            texts.append(block["text"])
    for found in _objects("\n".join(texts)):
        return found
    raise DoesNotFit(
        "the model answered with prose instead of memories; does it support tools?"
        if any(text.strip() for text in texts)
        else "the model answered with nothing"
    )


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects in a text, outermost first: bare, fenced, or after a sentence."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at != -1:
        try:
            found, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            end = at + 1
        else:
            yield found
        at = text.find("{", end)


def _corrected(
    params: Mapping[str, Any], answer: Answer, tool: str, why: str
) -> dict[str, Any]:
    """The same request with the answer in it, and what was wrong."""
    told = f"This cannot be used: {why}. Call {tool} again, with the whole answer."
    calls = [block for block in answer.content if block.get("type") == "tool_use"]
    if calls:
        reply: list[dict[str, Any]] = [
            {"type": "tool_result", "tool_use_id": call.get("id"), "is_error": True,
             "content": told}
            for call in calls
        ]  # fmt: skip
    else:
        reply = [{"type": "text", "text": told}]
    before = list(answer.content) or [{"type": "text", "text": "(nothing)"}]
    return {
        **params,
        "messages": [
            *params["messages"],
            {"role": "assistant", "content": before},
            {"role": "user", "content": reply},
        ],
    }
