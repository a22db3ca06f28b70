"""The Message Batches API: half the price, answered within a day.

https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson

from memcli.asking import client as clients
from memcli.asking.asker import Answer, Asker, NoAnswer
from memcli.errors import ExtractorUnusable, MemcliError, NotKnown, Outage
from memcli.models import Usage

# What one batch may hold.
MOST_REQUESTS = 100_000
MOST_BYTES = 256_000_000
# An envelope around each request, and the list around all of them.
_ENVELOPE_BYTES = 200


@dataclass(frozen=True, slots=True)
class Result:
    """How one request of a batch ended: an `answer`, an answer or a request that
    was no good (`rejected` says why), or nothing, and then it is asked again."""

    custom_id: str
    outcome: Literal["succeeded", "errored", "expired", "canceled"]
    answer: Answer | None = None
    rejected: str | None = None
    usage: Usage = field(default_factory=Usage)


class NoBatches(ExtractorUnusable):
    """A server that speaks the Messages API without batches."""


class LostTouch(MemcliError):
    """The batch was sent, and no answer came: the server may have it or not."""


def size(params: Mapping[str, Any]) -> int:
    """The bytes that a request takes in a batch."""
    return len(orjson.dumps(params)) + _ENVELOPE_BYTES


def submit(asker: Asker, requests: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Submit (custom id, params); the server's name for the batch.

    Raises LostTouch when it is not known whether the server took it, which must
    not be tried again blindly; Outage and ExtractorUnusable when it did not.
    """
    body = [{"custom_id": id, "params": dict(params)} for id, params in requests]
    try:
        made = asker.patiently(
            lambda client: client.messages.batches.create(requests=body),
            lost_is_final=True,
        )
    except Outage as error:
        raise LostTouch(str(error)) from error
    except NotKnown as error:
        raise _no_batches() from error
    name: str = made.id
    return name


def has_ended(asker: Asker, api_id: str) -> bool | None:
    """Whether the answers are there; None when the server knows no such batch."""
    try:
        batch = asker.patiently(lambda client: client.messages.batches.retrieve(api_id))
    except NotKnown:
        return None
    ended: bool = batch.processing_status == "ended"
    return ended


def results(asker: Asker, api_id: str) -> Iterator[Result]:
    """The results of a batch that has ended, in any order."""
    opened = asker.patiently(
        lambda client: client.messages.batches.with_streaming_response.results(
            api_id
        ).__enter__()
    )
    try:
        with contextlib.closing(opened):
            for line in opened.iter_lines():
                try:
                    plain = orjson.loads(line)
                    custom_id, result = str(plain["custom_id"]), plain["result"]
                    found = _result(asker, custom_id, result)
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue  # what cannot be read is asked again
                yield found
    except MemcliError:
        raise
    except Exception as error:
        raise Outage(
            f"the answers of batch {api_id} broke off; the next run goes on"
        ) from error


def since(asker: Asker, moment: datetime) -> list[tuple[str, bool, int]]:
    """The server's batches made since then: name, whether ended, how many requests.

    Raises NoBatches where there are none.
    """
    found = []
    try:
        pages = asker.patiently(lambda client: client.messages.batches.list(limit=100))
    except NotKnown as error:
        raise _no_batches() from error
    for batch in pages:  # newest first
        if batch.created_at < moment:
            break
        counts = batch.request_counts
        total = (
            counts.processing + counts.succeeded + counts.errored + counts.canceled
            + counts.expired
        )  # fmt: skip
        found.append((batch.id, batch.processing_status == "ended", total))
    return found


def _result(asker: Asker, custom_id: str, result: Mapping[str, Any]) -> Result:
    kind = result.get("type")
    if kind == "succeeded":
        try:
            answer = asker.answer(result.get("message"), batch=True)
        except NoAnswer as no:
            return Result(custom_id, "succeeded", rejected=str(no), usage=no.usage)
        return Result(custom_id, "succeeded", answer, usage=answer.usage)
    if kind == "errored":
        error = result.get("error") or {}
        inner = error.get("error") or {}
        if inner.get("type") == "invalid_request_error":
            # The server's own words may repeat the conversation.
            return Result(custom_id, "errored", rejected="the batch refused it (400)")
        return Result(custom_id, "errored")
    return Result(custom_id, "canceled" if kind == "canceled" else "expired")


def _no_batches() -> NoBatches:
    return NoBatches(f"{clients.address()} has no Message Batches; leave out --batch")
