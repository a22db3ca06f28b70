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

# What a run can be told, by `reflect` and by `watch`.
Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH...", help="Files and folders of transcripts; - is stdin."
    ),
]
Template = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-n",
        metavar="TEMPLATE",
        help="Where memories go, such as 'memories/{user_id}/{project}'.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Metadata for every thread."),
]
QuietPeriod = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Leave younger threads alone: 0, 30m, 6h, 1d."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, max=256, help="Threads extracted at once.")
]
ExtractorName = Annotated[
    str | None, typer.Option(metavar="NAME", help="auto, claude or offline.")
]
Model = Annotated[
    str | None, typer.Option(metavar="NAME", help="For the claude extractor.")
]
MinConfidence = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="Set aside what is below.")
]
EmbeddingModel = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name or folder of a model.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]


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
