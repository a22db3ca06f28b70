"""`memcli backup FILE`: a copy of the database, whoever uses it meanwhile."""

from pathlib import Path
from typing import Annotated

import typer

from memcli.cli import options
from memcli.cli.wording import print_json, size
from memcli.errors import UsageError
from memcli.store import database


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    db: options.Db = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there.")
    ] = False,
    json_: options.Json = False,
) -> None:
    """Copy the database to a file, checked and readable by you only.

    Runs and searches go on meanwhile; the copy is one state of the store. To go
    back to it, copy it over the database while no run is under way.
    """
    path = options.database_path(options.settings(db=db))
    target = file.expanduser()
    if target.is_dir():
        target = target / path.name
    if target.exists() and (not force or target.resolve() == path.resolve()):
        raise UsageError(f"{target} is there already; --force replaces it")
    with options.opened(path) as store:
        store.execute("ROLLBACK")  # copying takes a state of its own
        written = database.backup(store, target)
    if json_:
        print_json({"file": str(target), "bytes": written})
    else:
        print(f"{target}  ({size(written)})")
