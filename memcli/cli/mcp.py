"""`memcli mcp`: the memories as tools for agents, over the Model Context Protocol."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from memcli.cli import options
from memcli.errors import MemcliError, UsageError
from memcli.store.ranking import Weighing

_PORT = 8765


def mcp(
    db: options.Db = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAME",
            help="Serve only this namespace and below; may be given more than once.",
        ),
    ] = None,
    write: Annotated[
        bool,
        typer.Option("--write", help="Let clients add, update and forget memories."),
    ] = False,
    http: Annotated[
        bool, typer.Option("--http", help="Serve HTTP instead of stdin and stdout.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help=f"For --http: {_PORT}, or 0 for any."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="For --http: a loopback address.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="For --http: only for clients that send the token in FILE, which is "
            "made if it is not there.",
        ),
    ] = None,
) -> None:
    """Serve memories to agents such as Claude Code, Claude Desktop and Cursor.

    The client starts it and talks to it over stdin and stdout; with --http, any client
    on this machine can. No client gets outside of the namespaces given here; without
    any, all can be read. New memories go to the first one.
    """
    if not http and (port is not None or host is not None or token_file is not None):
        raise UsageError("--port, --host and --token-file go with --http")
    if write and not namespace:
        raise UsageError(
            "--write needs a --namespace, such as memories/me, for what is added"
        )
    try:
        from memcli.serving import server, transports
    except ImportError as error:
        if (error.name or "").partition(".")[0].startswith("memcli"):
            raise
        raise UsageError(
            "`memcli mcp` needs the package mcp, 2.0 or newer: "
            "pip install 'memcli[mcp]'"
        ) from None
    from memcli.cli.running import prepared_database
    from memcli.serving.bounds import bounds
    from memcli.serving.desk import Desk
    from memcli.serving.token import read_token

    values = options.settings(db=db)
    desk = Desk(
        prepared_database(values) if write else options.database_path(values),
        bounds(namespace or []),
        values["embedding-model"],
        Weighing(
            values["weigh-confidence"],
            values["weigh-strength"],
            values["weigh-recency"],
        ),
        options.notice,
    )
    if not write:  # who writes may begin a namespace
        _tell_of_slips(options.database_path(values), namespace or [])
    token = read_token(token_file.expanduser()) if token_file is not None else None
    tools = server.build(desk, write=write)
    try:
        if http:
            transports.over_http(
                tools,
                "127.0.0.1" if host is None else host,
                _PORT if port is None else port,
                token,
                options.notice,
            )
        else:
            if sys.stdin.isatty():
                options.notice("serving stdin and stdout, for a client; Ctrl-C ends it")
            transports.over_stdio(tools)
    finally:
        desk.close()


def _tell_of_slips(database: Path, namespaces: list[str]) -> None:
    """Say where a name has nothing to serve, in the client's log; a database that
    cannot be read yet is told of when a tool is called."""
    with suppress(MemcliError):
        if database.exists():
            with options.opened(database) as db:
                told = [options.elsewhere(db, name) for name in namespaces]
            for text in filter(None, told):
                options.notice(text)
