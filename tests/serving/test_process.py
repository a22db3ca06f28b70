"""`memcli mcp` as a process: how it begins and ends, and what the README says of it."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.conftest import Cli
from tests.serving.clients import MEMCLI, call, json_blocks, serving

README = Path(__file__).resolve().parents[2] / "README.md"

HELLO = (
    b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":'
    b'"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}\n'
)


def start(*args: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*MEMCLI, "mcp", *args],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT, None])
def test_over_stdio_it_ends_when_told_to_and_when_its_client_is_gone(
    by: signal.Signals | None,
) -> None:
    with start() as server:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(HELLO)
        server.stdin.flush()
        assert b"memcli" in server.stdout.readline()
        if by is None:
            server.stdin.close()
            server.wait(40)
        else:
            server.send_signal(by)
            server.wait(40)
        assert (server.returncode, server.stdout.read()) == (0, b"")
        assert server.stderr is not None and server.stderr.read() == b""


def test_a_client_that_does_not_wait_for_its_answers_is_no_error() -> None:
    with start() as server:
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(HELLO)
        server.stdin.flush()
        server.stdout.readline()
        server.stdout.close()
        ask = b'{"jsonrpc":"2.0","id":2,"method":"tools/list"}\n'
        server.stdin.write(ask * 8)
        server.stdin.close()
        server.wait(40)
        assert server.returncode == 0
        assert server.stderr is not None and server.stderr.read() == b""


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_over_http_it_ends_while_clients_are_connected(
    cli: Cli, by: signal.Signals
) -> None:
    cli("add", "The user plays the oboe.")

    async def main() -> None:
        with serving() as server:
            async with Client(server.url, mode="legacy") as client:
                found = await call(client, "search_memories", query="oboe")
                assert len(found.data["memories"]) == 1
                code, told = await anyio.to_thread.run_sync(server.end, by)
                assert (code, told) == (0, "")

    anyio.run(main)


def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    blocked = (
        "import sys; sys.modules['mcp'] = None; from memcli.__main__ import main; "
        "sys.argv = ['memcli', 'mcp']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocked], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("memcli: ") and done.stderr.count("\n") == 1
    assert "pip install 'memcli[mcp]'" in done.stderr


def test_it_loads_nothing_that_it_does_not_serve_with(cli: Cli) -> None:
    cli("add", "The user plays the oboe.")

    async def ask() -> None:
        with Path("imports.txt").open("w") as told:
            args = ["-X", "importtime", *MEMCLI[1:], "mcp"]
            started = StdioServerParameters(
                command=MEMCLI[0], args=args, env=dict(os.environ)
            )
            async with Client(stdio_client(started, told)) as client:
                found = await call(client, "search_memories", query="oboe")
                assert len(found.data["memories"]) == 1

    anyio.run(ask)
    lines = Path("imports.txt").read_text().splitlines()
    loaded = {line.rpartition("|")[2].strip() for line in lines}
    assert "mcp" in loaded
    assert not loaded & {"torch", "sentence_transformers", "anthropic", "langgraph"}


@pytest.mark.parametrize(
    ("args", "why"),
    [(("--write",), "--namespace"), (("--port", "1"), "--http"),
     (("--token-file", "x"), "--http"), (("-n", "memories/{user_id}"), "not the name"),
     (("-n", "../x"), "not the name"), (("-n", ""), "not the name")],
)  # fmt: skip
def test_a_call_that_cannot_be_meant_is_refused(
    cli: Cli, args: tuple[str, ...], why: str
) -> None:
    refused = cli("mcp", *args)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert why in refused.err


def commands_in_the_readme() -> list[list[str]]:
    """Every command by which the README tells a client to start the server."""
    text = README.read_text(encoding="utf-8")
    found = [
        [entry["command"], *entry["args"]]
        for block in json_blocks(text)
        for entry in block["mcpServers"].values()
        if "command" in entry
    ]
    added = [line for line in text.splitlines() if line.startswith("claude mcp add ")]
    found += [shlex.split(line)[shlex.split(line).index("--") + 1 :]
              for line in added if " -- " in line]  # fmt: skip
    assert len(found) == 2
    return found


def test_the_lines_in_the_readme_start_the_server() -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    async def look(command: str, args: tuple[str, ...]) -> None:
        started = StdioServerParameters(
            command=command, args=list(args), env={**os.environ, "PATH": path}
        )
        async with Client(started) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
        assert "search_memories" in tools
        assert ("add_memory" in tools) == ("--write" in args)

    for command, args in sorted({(one[0], tuple(one[1:]))
                                 for one in commands_in_the_readme()}):  # fmt: skip
        anyio.run(look, command, args)


def test_a_namespace_with_nothing_in_it_is_told_in_the_clients_log(cli: Cli) -> None:
    assert cli("add", "Anna drinks tea.", "-n", "memories/anna").code == 0
    for given, told in (
        (
            ("-n", "anna"),
            "memcli: no memories in anna; there are some in memories/anna\n",
        ),
        (("-n", "memories/anna"), ""),
        (("-n", "anna", "--write"), ""),
    ):
        done = subprocess.run(
            [*MEMCLI, "mcp", *given], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "", told)
