"""Options that several commands share, and what they come to."""

import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from memcli import config
from memcli.errors import UsageError
from memcli.models import Memory
from memcli.namespaces import includes
from memcli.store import memories
from memcli.store.database import (
    connect,
    connect_to_read,
    explain_errors,
    run_lock,
    transaction,
)
from memcli.when import parse_moment, utc_now

# As many names as a message may list.
_FEW = 8

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
        metavar="PATH...",
        help="Files and folders to read; - is stdin. All that is due is reflected.",
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
Provider = Annotated[
    str | None, typer.Option(metavar="NAME", help="anthropic, bedrock or vertex.")
]
KeyFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Has the API key, where the environment has none."
    ),
]
Instructions = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="More to tell the model, for every thread."),
]
Schemas = Annotated[
    list[str] | None,
    typer.Option(
        "--schema",
        metavar="SCHEMA",
        help="Memories of this shape: module:Class, file.py:Class or a .json file.",
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile", metavar="SCHEMA", help="One document of this shape a namespace."
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(metavar="DOLLARS", help="Spend no more than that in a run, or none."),
]
Timeout = Annotated[
    str | None, typer.Option(metavar="TIME", help="How long one answer may take.")
]
Patience = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="How long an overloaded model is waited for."),
]
NoInserts = Annotated[
    bool, typer.Option("--no-inserts", help="Add no memory; known ones may change.")
]
NoUpdates = Annotated[
    bool, typer.Option("--no-updates", help="Change and end no memory.")
]
NoDeletes = Annotated[bool, typer.Option("--no-deletes", help="Take no memory away.")]
MinConfidence = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="Set aside what is below.")
]
EmbeddingModel = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name or folder of a model.")
]
RunNumber = Annotated[
    int,
    typer.Argument(max=2**63 - 1, metavar="RUN", help="As `memcli runs` lists."),
]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait", help="Wait for another run to end, instead of leaving with 3."
    ),
]
LogFile = Annotated[
    Path | None,
    typer.Option(
        "--log", metavar="FILE", help="Append what is told to FILE, in full, too."
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="What was true then, ended or not."),
]
KnownAt = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="What was believed then, as it read then."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]


def settings(**flags: Any) -> dict[str, Any]:
    """The values in force; flags are given with `_` for `-`, None if not given."""
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    return {name: found.value for name, found in config.load(named).items()}


def default(name: str) -> Any:
    """What a setting is when nobody says anything."""
    return next(setting.default for setting in config.SETTINGS if setting.name == name)


def database_path(values: Mapping[str, Any]) -> Path:
    return Path(values["db"]).expanduser()


def weights(values: Mapping[str, Any]) -> tuple[float, float, float]:
    """What counts in a memory beside what it says, as `Weighing` takes it."""
    confidence, strength, recency = (
        values[f"weigh-{name}"] for name in ("confidence", "strength", "recency")
    )
    return confidence, strength, recency


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """An existing database, for reading: one state of it from first to last. Errors
    are explained."""
    with explain_errors(path), closing(connect_to_read(path, notice=notice)) as db:
        yield db


@contextmanager
def opened_then(path: Path, known_at: datetime | None) -> Iterator[sqlite3.Connection]:
    """The same, as it was believed to be at some moment, if one is given."""
    with opened(path) as db:
        if known_at is None:
            yield db
            return
        from memcli.store.past import believed

        with closing(believed(db, known_at)) as then:
            yield then


@contextmanager
def opened_to_write(
    path: Path, *, create: bool = False
) -> Iterator[sqlite3.Connection]:
    """A database for a change that a person makes; a run may be under way."""
    with (
        explain_errors(path),
        closing(connect(path, create=create, notice=notice)) as db,
    ):
        yield db


@contextmanager
def alone(path: Path, *, wait: bool = False) -> Iterator[sqlite3.Connection]:
    """An existing database that no run works on meanwhile. Raises Locked."""
    from memcli.store import runs
    from memcli.store.lease import hold  # readers do not pay for it

    with (
        explain_errors(path),
        closing(connect(path, create=False, notice=notice)) as db,
        run_lock(path, wait=wait, notice=notice),
        hold(db, utc_now),
    ):
        with transaction(db):
            runs.close_dead(db, utc_now())  # whoever had begun one is gone
        yield db


def memory(db: sqlite3.Connection, id: str) -> Memory:
    """The memory of a number as a person writes it; raises UsageError."""
    from memcli.store import memories

    number = int(id) if id.isdecimal() and len(id) < 19 else -1
    found = memories.get_many(db, [number]).get(number)
    if found is None:
        raise UsageError(f"no memory {id}; `memcli show` lists them")
    return found


def elsewhere(db: sqlite3.Connection, namespace: str | None) -> str | None:
    """What to say where a namespace has no memories, but others have: it may be
    mistyped, such as `anna` for `memories/anna`."""
    if namespace is None:
        return None
    there = memories.namespaces(db)
    if not there or any(includes(namespace.rstrip("/"), one) for one in there):
        return None
    few = there if len(there) <= _FEW else [*there[: _FEW - 1], "others"]
    return f"no memories in {namespace}; there are some in {', '.join(few)}"


def notice(text: str) -> None:
    """Tell a person something beside the results."""
    print(f"memcli: {text}", file=sys.stderr)


def moment(text: str | None) -> datetime | None:
    """The end of the day that was named, or the time."""
    return None if text is None else parse_moment(text)
