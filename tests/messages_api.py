"""A stand-in for the Messages API over loopback HTTP; it records every request.

One thread runs an asyncio server, so that hundreds of requests can be pending
at once. What tests pass in (`answer`, `fault`, `batch_fault`) is called one at
a time, and should not block; if it raises, `serving` raises that at its end.
"""

import asyncio
import json
import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]
# What a request is answered with: a status and a body.
Answer = tuple[int, Json]
# Gets a request, and the how-manieth it is that starts with the same user message.
Fault = Callable[[Json, int], str | None]
# Gets the params and the custom_id of a request in a batch.
BatchFault = Callable[[Json, str], str | None]

_BATCHES = "/v1/messages/batches"
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass
class Batch:
    """A batch as the API shows it, its requests, and its results once it ended."""

    shown: Json
    requests: list[Json]
    results: bytes = b""


@dataclass
class Server:
    """Where it listens, what it was asked, and how it answers."""

    url: str
    answer: Callable[[Json], Answer]
    latency: float = 0.0
    fault: Fault | None = None
    batch_fault: BatchFault | None = None
    retry_after: float = 0.0
    meter: bool = False
    batches_end: bool = False
    without: Collection[str] = ()
    batch_requests_limit: int = 100_000
    batch_bytes_limit: int = 256_000_000
    # The bodies of POST /v1/messages, and the headers of each.
    requests: list[Json] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    # The bodies that tokens were counted of, and those of accepted batches.
    counted: list[Json] = field(default_factory=list)
    batches: list[Json] = field(default_factory=list)
    # The usage of every metered answer, for the bill.
    used: list[Json] = field(default_factory=list)
    # Method and path of every call, such as "GET /v1/messages/batches/msgbatch_1".
    calls: list[str] = field(default_factory=list)

    crashes: list[Exception] = field(default_factory=list, repr=False)
    guard: threading.RLock = field(default_factory=threading.RLock, repr=False)
    seen: Counter[str] = field(default_factory=Counter, repr=False)
    cached: set[str] = field(default_factory=set, repr=False)
    stored: dict[str, Batch] = field(default_factory=dict, repr=False)
    # Results come in another order than the requests, the same in every run.
    rng: random.Random = field(default_factory=lambda: random.Random(0), repr=False)

    def end_batches(self, *ids: str) -> None:
        """Process the batches that have not ended: all, or those given."""
        with self.guard:
            for id in ids or tuple(self.stored):
                if self.stored[id].shown["processing_status"] != "ended":
                    _end(self, self.stored[id])


def message(content: list[Json], stop_reason: str = "end_turn") -> Answer:
    """A whole answer of the API around some content blocks."""
    return 200, {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "stand-in",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 10},
    }


def tool_call(memories: list[Json], stop_reason: str = "tool_use") -> Answer:
    """The model calls the tool, as it is asked to."""
    call = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "record_memories",
        "input": {"memories": memories},
    }
    return message([call], stop_reason)


def error(status: int, kind: str, text: str | None = None) -> Answer:
    """An error of the API."""
    return status, {"type": "error", "error": {"type": kind, "message": text or kind}}


_FAULTS = {
    "429": error(429, "rate_limit_error"),
    "529": error(529, "overloaded_error"),
    "500": error(500, "api_error"),
    "nonsense": message([{"type": "text", "text": "What a nice chat that was!"}]),
    "refusal": message([], "refusal"),
    # What came after the cut is lost, and what is left still fits the schema.
    "truncated": tool_call([], "max_tokens"),
}


@contextmanager
def serving(
    answer: Callable[[Json], Answer],
    *,
    latency: float = 0.0,
    fault: Fault | None = None,
    batch_fault: BatchFault | None = None,
    retry_after: float = 0.0,
    meter: bool = False,
    batches_end: bool = False,
    without: Collection[str] = (),
) -> Iterator[Server]:
    """A server on a free port of the loopback address, in a thread.

    `latency` holds back each answer to POST /v1/messages. `fault` may name what
    goes wrong with it: "429", "529", "500", "reset", "hang", "garbage",
    "nonsense", "refusal" or "truncated". `batch_fault` may name what becomes of
    a request in a batch: "errored", "overloaded", "expired" or "canceled".
    `meter` puts usage in place of what `answer` says. `batches_end` ends each
    batch as soon as it is accepted. `without` are "batches" or "count_tokens".
    """
    # Connections wait here until the thread runs, so no one need wait for it.
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = Server(
        f"http://127.0.0.1:{listening.getsockname()[1]}",
        answer,
        latency=latency,
        fault=fault,
        batch_fault=batch_fault,
        retry_after=retry_after,
        meter=meter,
        batches_end=batches_end,
        without=without,
    )
    loop = asyncio.SelectorEventLoop()
    stop = asyncio.Event()
    serve = _serve(server, listening, stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(serve,))
    thread.daemon = True
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
    if server.crashes:
        raise server.crashes[0]


# HTTP


class _Call(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class _Reply(NamedTuple):
    status: int
    payload: bytes
    content_type: str = "application/json"
    latency: float = 0.0
    # "reset" or "hang": there is no answer at all.
    silence: str | None = None


async def _serve(server: Server, listening: socket.socket, stop: asyncio.Event) -> None:
    """Accept connections until told to stop; then drop them, pending or not."""
    listener = await asyncio.start_server(partial(_converse, server), sock=listening)
    await stop.wait()
    # A connection that is dropped while it is being accepted would leak its socket,
    # so accept no more, and let those come through that were about to.
    asyncio.get_running_loop().remove_reader(listening)
    await asyncio.sleep(0.01)
    connections = asyncio.all_tasks() - {asyncio.current_task()}
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    # Not awaited: since Python 3.12 that waits for the clients to leave.
    listener.close()
    # Dropped connections close their sockets in the next round of the loop.
    await asyncio.sleep(0)


async def _converse(
    server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer the requests of one connection, one after the other."""
    try:
        # The client has gone, or the server is to; either may happen at any time.
        with suppress(
            asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError
        ):
            while await _exchange(server, reader, writer):
                pass
            writer.close()
            await writer.wait_closed()
    finally:
        writer.transport.abort()


async def _exchange(
    server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Answer one request; whether the connection stays open."""
    call = await _read(reader)
    with server.guard:
        server.calls.append(f"{call.method} {call.path}")
        reply = _guarded(server, call)
    if reply.latency:
        await asyncio.sleep(reply.latency)
    if reply.silence == "hang":
        await reader.read()
    if reply.silence:
        return False
    writer.write(_head(server, reply) + reply.payload)
    await writer.drain()
    return call.headers.get("connection", "").lower() != "close"


async def _read(reader: asyncio.StreamReader) -> _Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.splitlines()
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return _Call(method, parts.path, dict(parse_qsl(parts.query)), headers, body)


def _head(server: Server, reply: _Reply) -> bytes:
    lines = [
        f"HTTP/1.1 {reply.status} -",
        f"content-type: {reply.content_type}",
        f"content-length: {len(reply.payload)}",
    ]
    if reply.status in (429, 529):
        lines.append(f"retry-after: {server.retry_after:g}")
    return "\r\n".join([*lines, "", ""]).encode()


def _guarded(server: Server, call: _Call) -> _Reply:
    """The reply; what a test's own function raises is kept for the test."""
    try:
        return _reply(server, call)
    except Exception as crash:
        server.crashes.append(crash)
        # 400, as the client would try again and again after a 500.
        return _json(error(400, "invalid_request_error", repr(crash)))


def _json(answer: Answer) -> _Reply:
    status, body = answer
    return _Reply(status, json.dumps(body).encode())


# Endpoints


def _reply(server: Server, call: _Call) -> _Reply:
    batches = f"{call.path}/".startswith(f"{_BATCHES}/")
    if batches and "batches" not in server.without:
        return _batches(server, call)
    match call.method, call.path:
        case "POST", "/v1/messages":
            return _messages(server, call)
        case "POST", "/v1/messages/count_tokens" if (
            "count_tokens" not in server.without
        ):
            return _count(server, call)
        # As Bedrock and Vertex call it.
        case "POST", path if path.endswith(("/invoke", ":rawPredict")):
            return _messages(server, call)
    return _not_found()


def _not_found() -> _Reply:
    return _json(error(404, "not_found_error", "Not found"))


def _invalid(text: str) -> _Reply:
    return _json(error(400, "invalid_request_error", text))


def _body(call: _Call) -> Json | None:
    """The JSON object of a request, if it is one."""
    try:
        body = json.loads(call.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _messages(server: Server, call: _Call) -> _Reply:
    request = _body(call)
    if request is None:
        return _invalid("The request body is not valid JSON")
    # Headers first: whoever reads a request finds its headers there.
    server.headers.append(call.headers)
    server.requests.append(request)
    text = _first_text(request)
    server.seen[text] += 1
    fault = server.fault(request, server.seen[text]) if server.fault else None
    if fault in ("reset", "hang"):
        return _Reply(0, b"", latency=server.latency, silence=fault)
    if fault == "garbage":
        return _Reply(200, b"<html>Bad gateway</html>", latency=server.latency)
    answer = _FAULTS[fault] if fault else server.answer(request)
    reply = _json(_with_usage(server, request, answer))
    return reply._replace(latency=server.latency)


def _first_text(request: Json) -> str:
    """The text of the first user message, which tells conversations apart."""
    for said in request.get("messages", ()):
        if said["role"] == "user":
            content = said["content"]
            if isinstance(content, str):
                return content
            return "\n".join(block.get("text", "") for block in content)
    return ""


def _count(server: Server, call: _Call) -> _Reply:
    request = _body(call)
    if request is None:
        return _invalid("The request body is not valid JSON")
    server.counted.append(request)
    prefix, rest = _split(request)
    return _json((200, {"input_tokens": _tokens(prefix) + _tokens(rest)}))


# Tokens


def _with_usage(server: Server, request: Json, answer: Answer) -> Answer:
    """The answer with what it would have used, if the server meters."""
    status, body = answer
    if not server.meter or status != 200:
        return answer
    prefix, rest = _split(request)
    key = json.dumps([request.get("model"), prefix])
    known = key in server.cached
    server.cached.add(key)
    usage = {
        "input_tokens": _tokens(rest),
        "cache_creation_input_tokens": 0 if known else _tokens(prefix),
        "cache_read_input_tokens": _tokens(prefix) if known else 0,
        "output_tokens": _tokens(body["content"]),
    }
    server.used.append(usage)
    # A copy: a test may give the same answer to every request.
    return status, {**body, "usage": usage}


def _split(request: Json) -> tuple[list[Any], list[Any]]:
    """What is to be cached, and what comes after it."""
    system = request.get("system") or []
    if isinstance(system, str):
        system = [{"type": "text", "text": system}]
    blocks = [*request.get("tools", ()), *system]
    marks = [n for n, block in enumerate(blocks, 1) if block.get("cache_control")]
    end = marks[-1] if marks else 0
    return blocks[:end], [*blocks[end:], *request.get("messages", ())]


def _tokens(blocks: list[Any]) -> int:
    return len(json.dumps(blocks, ensure_ascii=False)) // 4 if blocks else 0


# Batches


def _batches(server: Server, call: _Call) -> _Reply:
    match call.method, call.path.removeprefix(_BATCHES).split("/")[1:]:
        case "POST", []:
            return _create(server, call)
        case "GET", []:
            return _list(server, call)
        case method, [id, *rest] if id in server.stored:
            return _one(server, server.stored[id], method, rest)
    return _not_found()


def _one(server: Server, batch: Batch, method: str, rest: list[str]) -> _Reply:
    ended = batch.shown["processing_status"] == "ended"
    match method, rest:
        case "GET", []:
            return _json((200, batch.shown))
        case "GET", ["results"] if ended:
            return _Reply(200, batch.results, "application/x-jsonl")
        case "POST", ["cancel"] if ended:
            return _invalid(f"Batch {batch.shown['id']} has ended")
        case "POST", ["cancel"]:
            batch.shown["processing_status"] = "canceling"
            batch.shown["cancel_initiated_at"] = _time()
            return _json((200, batch.shown))
    return _not_found()


def _create(server: Server, call: _Call) -> _Reply:
    if len(call.body) > server.batch_bytes_limit:
        return _json(error(413, "request_too_large", "Request exceeds the maximum"))
    body = _body(call)
    wrong = _wrong_with(body, server.batch_requests_limit)
    if body is None or wrong:
        return _invalid(wrong)
    server.batches.append(body)
    id = f"msgbatch_{len(server.batches)}"
    batch = Batch(_shown(id, len(body["requests"])), body["requests"])
    server.stored[id] = batch
    # As of its creation: no batch has ended when it is accepted.
    reply = _json((200, batch.shown))
    if server.batches_end:
        _end(server, batch)
    return reply


def _wrong_with(body: Json | None, most: int) -> str:
    """Why a batch is not accepted, or nothing."""
    requests = body.get("requests") if body else None
    if not isinstance(requests, list) or not requests:
        return "requests: a list of at least one request is required"
    if len(requests) > most:
        return f"requests: at most {most} are allowed"
    ids = set()
    for number, request in enumerate(requests):
        id = request.get("custom_id")
        if not isinstance(id, str) or not _CUSTOM_ID.fullmatch(id):
            return f"requests.{number}.custom_id: should match {_CUSTOM_ID.pattern}"
        if id in ids:
            return f"requests.{number}.custom_id: {id} is not unique"
        if not isinstance(request.get("params"), dict):
            return f"requests.{number}.params: field required"
        ids.add(id)
    return ""


def _shown(id: str, requests: int) -> Json:
    return {
        "id": id,
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": _counts(processing=requests),
        "created_at": _time(),
        "expires_at": _time(timedelta(hours=24)),
        "ended_at": None,
        "cancel_initiated_at": None,
        "archived_at": None,
        "results_url": None,
    }


def _counts(**counts: int) -> dict[str, int]:
    kinds = ("processing", "succeeded", "errored", "canceled", "expired")
    return dict.fromkeys(kinds, 0) | counts


def _time(later: timedelta = timedelta(0)) -> str:
    return (datetime.now(UTC) + later).isoformat().replace("+00:00", "Z")


def _list(server: Server, call: _Call) -> _Reply:
    """One page, the newest batch first."""
    ids = list(reversed(server.stored))
    limit = int(call.query.get("limit", "20"))
    if not 1 <= limit <= 1000:
        return _invalid("limit: should be between 1 and 1000")
    after = call.query.get("after_id")
    if after is not None:
        if after not in ids:
            return _invalid(f"after_id: there is no batch {after}")
        ids = ids[ids.index(after) + 1 :]
    page = ids[:limit]
    listed = {
        "data": [server.stored[id].shown for id in page],
        "has_more": len(ids) > limit,
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }
    return _json((200, listed))


def _end(server: Server, batch: Batch) -> None:
    """Process a batch: what had been canceled is not answered any more."""
    canceled = batch.shown["processing_status"] == "canceling"
    results = [
        {
            "custom_id": request["custom_id"],
            "result": {"type": "canceled"} if canceled else _result(server, request),
        }
        for request in batch.requests
    ]
    server.rng.shuffle(results)
    batch.results = b"".join(json.dumps(line).encode() + b"\n" for line in results)
    batch.shown |= {
        "processing_status": "ended",
        "request_counts": _counts(**Counter(r["result"]["type"] for r in results)),
        "ended_at": _time(),
        "results_url": f"{server.url}{_BATCHES}/{batch.shown['id']}/results",
    }


def _result(server: Server, request: Json) -> Json:
    params = request["params"]
    decide = server.batch_fault
    fault = decide(params, request["custom_id"]) if decide else None
    if fault in ("expired", "canceled"):
        return {"type": fault}
    if fault:
        kinds = {"errored": "invalid_request_error", "overloaded": "overloaded_error"}
        return {"type": "errored", "error": error(400, kinds[fault])[1]}
    status, body = _with_usage(server, params, server.answer(params))
    if status != 200:
        return {"type": "errored", "error": body}
    return {"type": "succeeded", "message": body}
