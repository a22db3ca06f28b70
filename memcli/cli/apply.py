"""`memcli apply FILE`: do what `reflect --plan FILE` said."""

import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from memcli.cli import options, running
from memcli.cli.diff import changes_json, print_changes
from memcli.cli.wording import plural, print_json
from memcli.reflection.embed import embed_messages
from memcli.upkeep import plan
from memcli.when import utc_now


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The plan.")],
    db: options.Db = None,
    wait: options.Wait = False,
    quiet: options.Quiet = False,
    json_: options.Json = False,
) -> None:
    """Make the changes of a plan: exactly those, or none if the store has moved on.

    Exit codes: 0 done, 1 the store has moved on, 2 no plan, 3 another run holds the
    database.
    """
    values = options.settings(db=db)
    planned = plan.read(file.expanduser())
    path = running.prepared_database(values)
    listener = running.listener(sys.stderr, quiet=quiet)
    with (
        running.stoppable() as stop,
        running.working(path, stop, wait=wait) as (store, _),
    ):
        changes = plan.apply(store, planned, utc_now())
        with suppress(sqlite3.Error):  # it is done; the next run embeds what is left
            embed_messages(store, values["embedding-model"], listener, stop)
        described = changes_json(store, changes) if json_ else []
    if json_:
        print_json({"run": planned.run_id, "changes": described})
    elif not quiet:
        print_changes(changes)
        if planned.run_id is None:
            print("nothing was due; what was read is kept")
        else:
            memories = plural(len(changes), "memory", "memories")
            print(
                f"{memories} changed, as run {planned.run_id}; "
                f"`memcli undo {planned.run_id}` takes it back"
            )
