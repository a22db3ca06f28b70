"""The official MCP client, and real server processes for it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import Implementation, TextContent

MEMCLI = (sys.executable, "-m", "memcli")
Transport = Literal["stdio", "http"]
TRANSPORTS: tuple[Transport, ...] = ("stdio", "http")


@dataclass
class Answer:
    """What a tool answered: whether it refused, what it said, and the data."""

    refused: bool
    text: str
    data: Any


async def call(client: Client, tool: str, **arguments: Any) -> Answer:
    result = await client.call_tool(tool, arguments)
    (content,) = result.content
    assert isinstance(content, TextContent)
    return Answer(bool(result.is_error), content.text, result.structured_content)


@asynccontextmanager
async def connected(
    transport: Transport, *args: str, name: str = "claude-code", mode: str = "auto"
) -> AsyncIterator[Client]:
    """A client of a server of its own, `memcli mcp ARGS…`."""
    who = Implementation(name=name, version="1.0")
    if transport == "http":
        with serving(*args) as server:
            async with Client(server.url, client_info=who, mode=mode) as client:
                yield client
        return
    with Path("stderr.txt").open("a") as told:
        started = stdio_client(
            StdioServerParameters(
                command=MEMCLI[0], args=[*MEMCLI[1:], "mcp", *args],
                env=dict(os.environ),
            ),
            told,
        )  # fmt: skip
        async with Client(started, client_info=who, mode=mode) as client:
            yield client


@dataclass
class Server:
    """A running `memcli mcp --http`."""

    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    def end(self, by: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code, and what it said since it began to serve."""
        self.process.send_signal(by)
        _, told = self.process.communicate(timeout=40)
        return self.process.returncode, told


@contextmanager
def serving(*args: str) -> Iterator[Server]:
    process = subprocess.Popen(
        [*MEMCLI, "mcp", "--http", "--port", "0", *args],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://\S+/mcp", line)
        assert found is not None, line
        yield Server(found[0], process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=40)


def json_blocks(text: str) -> list[Any]:
    """The JSON objects in a Markdown text that name MCP servers."""
    blocks = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    return [json.loads(block) for block in blocks if "mcpServers" in block]
