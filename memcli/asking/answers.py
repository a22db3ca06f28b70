"""From what a model answered to a value that fits; asked again once if it does not.

The answer is asked for as a call of one tool. Servers that speak only a part of
the API may answer with a JSON object in text instead, so that is taken, too.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from memcli.asking.asker import Answer, Asker, NoAnswer
from memcli.errors import ExtractorError, MemcliError, TooLong
from memcli.models import Asked

Value = TypeVar("Value")
_ODD = re.compile(
    "[\ud800-\udfff\x00-\x08\x0b-\x1f\x7f\x80-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]"
)


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
    except Exception as odd:  # an answer odder than anybody thought of
        failed = ExtractorError(
            f"the model's answer cannot be read ({type(odd).__name__})"
        )
        failed.asked = tuple(asked)
        raise failed from odd


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
    except NoAnswer as error:
        asked.append(Asked("invalid", error.usage))
        again = dict(params)
    except DoesNotFit as why:
        assert answer is not None
        again = _corrected(params, answer, tool, str(why))
    try:
        return _read(asker.ask(again), tool, read, asked)
    except NoAnswer as error:
        asked.append(Asked("invalid", error.usage))
        raise
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
        raise ExtractorError("the model refused to answer")
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
    """What the tool was called with; several calls, or objects, count as one."""
    texts: list[str] = []
    calls: list[Any] = []
    for block in answer.content:
        called = block.get("type") == "tool_use" and block.get("name") == tool
        if called and block.get("input"):
            calls.append(block["input"])
        if block.get("type") == "text" and isinstance(block.get("text"), str):
            texts.append(block["text"])
    calls = calls or [found for found in _objects("\n".join(texts)) if found]
    if calls:
        return without_odd_characters(_joined(calls))
    raise DoesNotFit(
        "the model answered with prose instead of memories; does it support tools?"
        if any(text.strip() for text in texts)
        else "the model answered with nothing"
    )


def _joined(calls: list[Any]) -> Any:
    """Several inputs as one: their lists one after the other."""
    joined: Any = calls[0]
    for call in calls[1:]:
        if isinstance(joined, dict) and isinstance(call, dict):
            joined = joined | {
                key: joined[key] + value
                if isinstance(joined.get(key), list) and isinstance(value, list)
                else value
                for key, value in call.items()
            }
    return joined


def without_odd_characters(value: Any) -> Any:
    """Halves of characters cannot be stored, and control characters would do
    something to a terminal: both go."""
    if isinstance(value, str):
        return _ODD.sub("", value)
    if isinstance(value, list):
        return [without_odd_characters(item) for item in value]
    if isinstance(value, dict):
        return {
            without_odd_characters(key): without_odd_characters(item)
            for key, item in value.items()
        }
    return value


def loaded(text: str) -> Any:
    """JSON in a text. Raises ValueError for anything else, however odd."""
    try:
        found = json.loads(text, parse_constant=_no_constant)
        return without_odd_characters(found)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects in a text, outermost first: bare, fenced, or after a sentence."""
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at != -1:
        try:
            found, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
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
    content = without_odd_characters(list(answer.content))
    before = [block for block in content if block.get("text") != ""]
    before = before or [{"type": "text", "text": "(nothing)"}]
    return {
        **params,
        "messages": [
            *params["messages"],
            {"role": "assistant", "content": before},
            {"role": "user", "content": reply},
        ],
    }
