"""The Message Batches API: half the price, answered within a day.

https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

from memcli.asking import client as clients
from memcli.asking.asker import Answer, Asker
from memcli.errors import ExtractorUnusable, MemcliError, Outage

# What one batch may hold.
MOST_REQUESTS = 100_000
MOST_BYTES = 256_000_000
# An envelope around each request, and the list around all of them.
_ENVELOPE_BYTES = 200


@dataclass(frozen=True, slots=True)
class Result:
    """How one request of a batch ended: an `answer`, a request that was no good
    (`rejected` says why), or nothing, and then it is to be asked again."""

    custom_id: str
    outcome: Literal["succeeded", "errored", "expired", "canceled"]
    answer: Answer | None = None
    rejected: str | None = None


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
    except ExtractorUnusable as error:
        raise _no_batches(error) from error
    name: str = made.id
    return name


def has_ended(asker: Asker, api_id: str) -> bool | None:
    """Whether the answers are there; None when the server knows no such batch."""
    try:
        batch = asker.patiently(lambda client: client.messages.batches.retrieve(api_id))
    except ExtractorUnusable as error:
        if "knows no" in str(error):
            return None
        raise
    ended: bool = batch.processing_status == "ended"
    return ended


def results(asker: Asker, api_id: str) -> Iterator[Result]:
    """The results of a batch that has ended, in any order."""
    stream = asker.patiently(lambda client: client.messages.batches.results(api_id))
    for line in stream:
        plain = line.to_dict()
        yield _result(asker, plain["custom_id"], plain.get("result") or {})


def since(asker: Asker, moment: datetime) -> list[tuple[str, bool, int]]:
    """The server's batches made since then: name, whether ended, how many requests."""
    found = []
    pages = asker.patiently(lambda client: client.messages.batches.list(limit=100))
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
        answer = asker.answer(result.get("message"), batch=True)
        return Result(custom_id, "succeeded", answer)
    if kind == "errored":
        error = result.get("error") or {}
        inner = error.get("error") or {}
        if inner.get("type") == "invalid_request_error":
            why = " ".join(str(inner.get("message", "")).split())[:160]
            return Result(custom_id, "errored", rejected=why or "invalid request")
        return Result(custom_id, "errored")
    return Result(custom_id, "canceled" if kind == "canceled" else "expired")


def _no_batches(error: ExtractorUnusable) -> ExtractorUnusable:
    if "knows no" in str(error):
        return ExtractorUnusable(
            f"{clients.address()} has no Message Batches; leave out --batch"
        )
    return error
