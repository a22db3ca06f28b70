"""A stand-in for the Messages API over loopback HTTP; it records every request."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What a request is answered with: a status and a body.
Answer = tuple[int, dict[str, Any]]


@dataclass
class Server:
    """Where it listens, what it was asked, and how it answers."""

    url: str
    answer: Callable[[dict[str, Any]], Answer]
    requests: list[dict[str, Any]] = field(default_factory=list)


def message(content: list[dict[str, Any]], stop_reason: str = "end_turn") -> Answer:
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


def tool_call(memories: list[dict[str, Any]]) -> Answer:
    """The model calls the tool, as it is asked to."""
    call = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "record_memories",
        "input": {"memories": memories},
    }
    return message([call], "tool_use")


def error(status: int, kind: str) -> Answer:
    """An error of the API."""
    return status, {"type": "error", "error": {"type": kind, "message": kind}}


@contextmanager
def serving(answer: Callable[[dict[str, Any]], Answer]) -> Iterator[Server]:
    """A server on a free port of the loopback address, in a thread."""
    guard = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            request = json.loads(self.rfile.read(length))
            with guard:
                server.requests.append(request)
                status, body = server.answer(request)
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.send_header("retry-after", "0")
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{http.server_port}", answer)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
