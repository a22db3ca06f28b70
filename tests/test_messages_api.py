"""The stand-in for the Messages API, asked by the real client."""

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anthropic
import pytest
from anthropic.types.messages.batch_create_params import Request

from tests import messages_api as api

PREFIX = [
    {"type": "text", "text": "Remember. " * 40, "cache_control": {"type": "ephemeral"}}
]


@contextmanager
def asking(
    server: api.Server, timeout: float = 10, retries: int = 0
) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        api_key="key", base_url=server.url, timeout=timeout, max_retries=retries
    ) as client:
        yield client


def asked(text: str = "I prefer tea", **more: Any) -> dict[str, Any]:
    said = {"role": "user", "content": text}
    return {"model": "m", "max_tokens": 9, "messages": [said], **more}


def batch_of(*ids: str) -> list[Request]:
    return [Request(custom_id=id, params=asked(id)) for id in ids]  # type: ignore[typeddict-item]


def echo(request: dict[str, Any]) -> api.Answer:
    text = request["messages"][0]["content"]
    return api.message([{"type": "text", "text": f"You said {text}"}])


def test_an_answer_and_what_is_recorded() -> None:
    with api.serving(echo) as server, asking(server) as client:
        answer = client.messages.create(**asked())
        assert answer.content[0].text == "You said I prefer tea"
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (100, 10)
        assert server.requests == [asked()]
        assert server.headers[0]["authorization"] == "Bearer key"
        assert server.calls == ["POST /v1/messages"]


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("429", anthropic.RateLimitError),
        ("529", anthropic.InternalServerError),
        ("500", anthropic.InternalServerError),
        ("reset", anthropic.APIConnectionError),
        ("hang", anthropic.APITimeoutError),
        # Not an error of the client's own kind.
        ("garbage", json.JSONDecodeError),
    ],
)
def test_faults_that_raise(fault: str, seen: type[Exception]) -> None:
    def at_first(request: dict[str, Any], nth: int) -> str | None:
        return fault if nth == 1 else None

    with (
        api.serving(echo, fault=at_first, retry_after=7) as server,
        asking(server, timeout=0.5) as client,
    ):
        with pytest.raises(seen) as raised:
            client.messages.create(**asked())
        if isinstance(raised.value, anthropic.APIStatusError):
            assert raised.value.status_code == int(fault)
            waits = raised.value.response.headers.get("retry-after")
            assert waits == (None if fault == "500" else "7")
        assert client.messages.create(**asked()).stop_reason == "end_turn"
        with pytest.raises(seen):
            client.messages.create(**asked("something else"))
        assert len(server.requests) == len(server.headers) == 3


@pytest.mark.parametrize(
    ("fault", "reason", "blocks"),
    [
        ("nonsense", "end_turn", ["text"]),
        ("refusal", "refusal", []),
        ("truncated", "max_tokens", ["tool_use"]),
    ],
)
def test_faults_in_a_valid_message(fault: str, reason: str, blocks: list[str]) -> None:
    with (
        api.serving(echo, fault=lambda request, nth: fault) as server,
        asking(server) as client,
    ):
        answer = client.messages.create(**asked())
        assert answer.stop_reason == reason
        assert [block.type for block in answer.content] == blocks


def test_the_client_retries_until_the_fault_is_over() -> None:
    with (
        api.serving(
            echo,
            fault=lambda request, nth: "529" if nth < 3 else None,
            retry_after=0.01,
        ) as server,
        asking(server, retries=2) as client,
    ):
        client.messages.create(**asked())
        assert len(server.requests) == 3


def test_a_prefix_is_written_once_and_then_read() -> None:
    with api.serving(echo, meter=True) as server, asking(server) as client:
        first, second, other, plain = (
            client.messages.create(**request).usage
            for request in (
                asked(system=PREFIX),
                asked("I prefer coffee", system=PREFIX),
                asked(system=PREFIX, tools=[{"name": "t", "input_schema": {}}]),
                asked(),
            )
        )
        written = first.cache_creation_input_tokens
        assert written and written > 100
        assert first.cache_read_input_tokens == 0
        assert second.cache_creation_input_tokens == 0
        assert second.cache_read_input_tokens == written
        assert (other.cache_creation_input_tokens or 0) > written
        assert plain.cache_creation_input_tokens == plain.cache_read_input_tokens == 0
        assert 0 < plain.input_tokens == first.input_tokens < second.input_tokens
        assert first.output_tokens > 0
        counted = client.messages.count_tokens(
            model="m",
            system=PREFIX,  # type: ignore[arg-type]
            messages=[{"role": "user", "content": "I prefer tea"}],
        )
        assert counted.input_tokens == first.input_tokens + written
        assert len(server.counted) == 1
        assert len(server.requests) == 4


def test_a_batch_from_its_creation_to_its_results() -> None:
    fates = {"b": "errored", "c": "expired", "d": "canceled", "e": "overloaded"}
    with (
        api.serving(echo, batch_fault=lambda params, id: fates.get(id)) as server,
        asking(server) as client,
    ):
        batches = client.messages.batches
        made = batches.create(requests=batch_of(*"abcdef"))
        assert made.processing_status == "in_progress"
        assert made.request_counts.processing == 6
        with pytest.raises(anthropic.AnthropicError, match="results_url"):
            batches.results(made.id)
        server.end_batches()
        ended = batches.retrieve(made.id)
        assert ended.processing_status == "ended"
        assert ended.request_counts.to_dict() == {
            "processing": 0, "succeeded": 2, "errored": 2, "canceled": 1, "expired": 1
        }  # fmt: skip
        results = {line.custom_id: line.result for line in batches.results(made.id)}
        assert "".join(results) != "abcdef"
        assert "".join(sorted(results)) == "abcdef"
        good, bad, busy = results["a"], results["b"], results["e"]
        assert good.type == "succeeded"
        assert good.message.content[0].text == "You said a"  # type: ignore[union-attr]
        assert bad.type == busy.type == "errored"
        assert bad.error.error.type == "invalid_request_error"
        assert busy.error.error.type == "overloaded_error"
        assert results["c"].type == "expired"
        assert results["d"].type == "canceled"
        assert len(server.batches) == 1
        assert server.requests == []


def test_batches_are_listed_and_canceled() -> None:
    with api.serving(echo) as server, asking(server) as client:
        batches = client.messages.batches
        ids = [batches.create(requests=batch_of("a")).id for _ in range(5)]
        page = batches.list(limit=2)
        assert [batch.id for batch in page.data] == [ids[4], ids[3]]
        assert page.has_more
        assert [batch.id for batch in batches.list(limit=2)] == ids[::-1]
        assert batches.cancel(ids[0]).processing_status == "canceling"
        server.end_batches(ids[0])
        assert batches.retrieve(ids[0]).request_counts.canceled == 1
        assert [line.result.type for line in batches.results(ids[0])] == ["canceled"]
        assert batches.retrieve(ids[1]).processing_status == "in_progress"
        server.batches_end = True
        last = batches.create(requests=batch_of("a")).id
        assert batches.retrieve(last).processing_status == "ended"


def test_a_batch_that_is_not_accepted() -> None:
    with api.serving(echo) as server, asking(server) as client:
        batches = client.messages.batches
        server.batch_requests_limit = 2
        for ids in ([], ["a", "a"], ["a/b"], ["a" * 65], ["é"], ["a", "b", "c"]):
            with pytest.raises(anthropic.BadRequestError):
                batches.create(requests=batch_of(*ids))
        server.batch_bytes_limit = 50
        with pytest.raises(anthropic.APIStatusError) as raised:
            batches.create(requests=batch_of("a"))
        assert raised.value.status_code == 413
        assert server.batches == []


def test_endpoints_that_are_not_there() -> None:
    with (
        api.serving(echo, without=("batches", "count_tokens")) as server,
        asking(server) as client,
    ):
        with pytest.raises(anthropic.NotFoundError):
            client.messages.batches.create(requests=batch_of("a"))
        with pytest.raises(anthropic.NotFoundError):
            client.messages.count_tokens(
                model="m", messages=[{"role": "user", "content": "x"}]
            )
        with pytest.raises(anthropic.NotFoundError):
            client.models.list()
        client.messages.create(**asked())


def test_many_requests_are_pending_at_once() -> None:
    with api.serving(echo, latency=0.5) as server:

        def ask(number: int) -> int:
            connection = http.client.HTTPConnection(server.url[7:])
            connection.request("POST", "/v1/messages", json.dumps(asked(str(number))))
            status = connection.getresponse().status
            connection.close()
            return status

        began = time.monotonic()
        with ThreadPoolExecutor(100) as pool:
            assert set(pool.map(ask, range(100))) == {200}
        # One after the other they would take 50 seconds.
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "way", [{"fault": lambda request, nth: "hang"}, {"latency": 60}]
)
def test_the_end_does_not_wait_for_what_is_pending(way: dict[str, Any]) -> None:
    def ask(url: str) -> None:
        with (
            anthropic.Anthropic(api_key="key", base_url=url, max_retries=0) as client,
            pytest.raises(anthropic.APIConnectionError),
        ):
            client.messages.create(**asked())

    with ThreadPoolExecutor(10) as pool:
        with api.serving(echo, **way) as server:
            askers = [pool.submit(ask, server.url) for _ in range(10)]
            while len(server.requests) < 10:
                time.sleep(0.01)
            began = time.monotonic()
        assert time.monotonic() - began < 1
        for asker in askers:
            asker.result()


def test_what_an_answer_raises_reaches_the_test() -> None:
    def answer(request: dict[str, Any]) -> api.Answer:
        raise AssertionError("not what was expected")

    with (
        pytest.raises(AssertionError, match="not what was expected"),
        api.serving(answer) as server,
        asking(server) as client,
        pytest.raises(anthropic.BadRequestError),
    ):
        client.messages.create(**asked())
