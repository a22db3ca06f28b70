"""Options that several commands share, and what they come to."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from memcli import config
from memcli.store.database import connect, explain_errors

Db = Annotated[
    str | None,
    typer.Option("--db", metavar="PATH", help="The database (or MEMCLI_DB)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", metavar="PREFIX", help="Only this namespace and below."
    ),
]


def settings(**flags: Any) -> dict[str, Any]:
    """The values in force; flags are given with `_` for `-`, None if not given."""
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    return {name: found.value for name, found in config.load(named).items()}


def database_path(values: Mapping[str, Any]) -> Path:
    return Path(values["db"]).expanduser()


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """An existing database, for reading; errors are explained."""
    with explain_errors(path), closing(connect(path, create=False)) as db:
        yield db
