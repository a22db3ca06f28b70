"""How the server is reached: over its own stdin and stdout, or over HTTP on loopback.

Nothing of what is asked or answered is logged; what goes wrong inside is, without the
text of the exception, which may quote a memory.
"""

import errno
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

import anyio
import anyio.abc
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from memcli.errors import UsageError
from memcli.serving.token import guarded
from memcli.store.database import Notice

_PATH = "/mcp"
# A client may keep a stream open for as long as it lives.
_LEAVE_SECONDS = 2


def over_stdio(server: MCPServer[Any]) -> None:
    """Serve the client that started this process, until it closes our stdin."""
    _log_briefly()

    async def serve() -> None:
        async with anyio.create_task_group() as group:
            # The reader is blocked in the system and cannot be called off. SQLite
            # takes back a write that is cut short.
            await group.start(_on_signal, lambda number: os._exit(0))
            await server.run_stdio_async()
            group.cancel_scope.cancel()

    try:
        anyio.run(serve)
    except* BrokenPipeError:
        pass  # the client is gone, and did not wait for its answers


def over_http(
    server: MCPServer[Any], host: str, port: int, token: str | None, notice: Notice
) -> None:
    """Serve every client on this machine until SIGINT or SIGTERM.

    Raises UsageError for a host that others could reach, and a port that is taken.
    """
    listening = _listen(_loopback(host), port)
    _log_briefly()
    with listening:
        port = listening.getsockname()[1]
        names = ("127.0.0.1", "localhost", "[::1]")
        app: Any = server.streamable_http_app(
            streamable_http_path=_PATH,
            # A page in a browser must not get in by a name that leads here. Behind a
            # forwarded port we have another number, but no page has our origin.
            transport_security=TransportSecuritySettings(
                enable_dns_rebinding_protection=True,
                allowed_hosts=[f"{name}:*" for name in names],
                allowed_origins=[f"http://{name}:{port}" for name in names],
            ),
        )
        if token is not None:
            app = guarded(app, token)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=_LEAVE_SECONDS,
        )
        where = f"[{host}]" if ":" in host else host
        anyio.run(_serve, _Server(config), listening, lambda: notice(
            f"serving http://{where}:{port}{_PATH}; Ctrl-C ends it"
        ))  # fmt: skip


class _Server(uvicorn.Server):
    """Leaves signals to us: it would end the process by the signal it was sent."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def leave(self, number: signal.Signals) -> None:
        # Streams that are cut off now are no error. They are told to end by the
        # server's own handler of signals.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.handle_exit(number, None)


async def _serve(
    server: _Server, listening: socket.socket, ready: Callable[[], None]
) -> None:
    async with anyio.create_task_group() as group:
        await group.start(_on_signal, server.leave)
        ready()
        await server.serve(sockets=[listening])
        group.cancel_scope.cancel()


async def _on_signal(
    act: Callable[[signal.Signals], object],
    *,
    task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for number in signals:
            act(number)


def _loopback(host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return host
    raise UsageError(
        f"{host!r} is not this machine alone; memories are served on 127.0.0.1, ::1 or "
        "localhost only"
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} is in use; give another with --port, or 0 for any"
            ) from None
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot listen on {host}, port {port}: {reason}") from None


class _Brief(logging.Formatter):
    """Of an exception its kind and its place: its text may be a memory's."""

    def formatException(  # noqa: N802
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        error = ei[1]
        if error is None:
            return "no exception"
        while error.__cause__ is not None:
            error = error.__cause__
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        kind = type(error).__name__
        if trace is None:
            return kind
        return f"{kind} at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _log_briefly() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Brief("memcli: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
