"""`memcli mcp --http`: who gets in, how it ends, and what it will not do."""

import json
import socket
import stat
import urllib.error
import urllib.request
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.conftest import Cli
from tests.serving.clients import Server, call, serving

HELLO = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {},
               "clientInfo": {"name": "probe", "version": "1"}},
}  # fmt: skip


def knock(server: Server, **headers: str) -> int:
    """The status with which a first request with these headers is answered."""
    request = urllib.request.Request(
        server.url,
        json.dumps(HELLO).encode(),
        {"Content-Type": "application/json",
         "Accept": "application/json, text/event-stream", **headers},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def test_a_web_page_gets_in_under_no_name() -> None:
    with serving() as server:
        port = server.port
        assert knock(server) == 200
        assert knock(server, Host=f"localhost:{port}") == 200
        assert knock(server, Origin=f"http://127.0.0.1:{port}") == 200
        for host in (f"evil.example:{port}", "evil.example", "localhost.evil.example"):
            assert knock(server, Host=host) == 421
        for origin in (
            "http://evil.example",
            f"http://evil.example:{port}",
            "http://localhost:3000",
            f"https://localhost:{port}",
            "null",
        ):
            assert knock(server, Origin=origin) == 403


def test_only_this_machine_reaches_it() -> None:
    with serving() as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.connect(("192.0.2.1", 9))  # sends nothing: which address we would have
        ours = udp.getsockname()[0]
        if ours.startswith("127."):
            pytest.skip("this machine has no other address")
        with pytest.raises(OSError):
            socket.create_connection((ours, server.port), timeout=5).close()


def test_with_a_token_only_those_who_know_it_get_in(cli: Cli) -> None:
    cli("add", "The user plays the oboe.")
    secret = Path("token")
    with serving("--token-file", "token") as server:
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        token = secret.read_text().strip()
        assert len(token) > 30
        assert knock(server) == 401
        assert knock(server, Authorization=f"Bearer {token}x") == 401
        assert knock(server, Authorization=token) == 401

        async def ask() -> None:
            headers = {"Authorization": f"Bearer {token}"}
            async with (
                httpx2.AsyncClient(headers=headers) as http,
                Client(streamable_http_client(server.url, http_client=http)) as client,
            ):
                found = await call(client, "search_memories", query="oboe")
                assert len(found.data["memories"]) == 1

        anyio.run(ask)
        _, told = server.end()
        assert token not in told
    with serving("--token-file", "token") as server:
        assert knock(server, Authorization=f"Bearer {token}") == 200


def test_a_token_that_others_can_read_is_none(cli: Cli) -> None:
    Path("token").write_text("open to all")
    Path("token").chmod(0o644)
    refused = cli("mcp", "--http", "--port", "0", "--token-file", "token")
    assert (refused.code, "chmod 600 token" in refused.err) == (2, True)
    Path("token").chmod(0o600)
    Path("token").write_text("\n")
    refused = cli("mcp", "--http", "--port", "0", "--token-file", "token")
    assert (refused.code, "is empty" in refused.err) == (2, True)


def test_a_port_that_is_taken_is_said_in_a_line(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = cli("mcp", "--http", "--port", str(port))
    assert refused.code == 2
    assert refused.err == (
        f"memcli: port {port} is in use; give another with --port, or 0 for any\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_it_listens_to_no_other_machine(cli: Cli, host: str) -> None:
    refused = cli("mcp", "--http", "--port", "0", "--host", host)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "127.0.0.1" in refused.err
