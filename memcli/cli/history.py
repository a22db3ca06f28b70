"""`memcli history ID`: what was done to a memory, by which run, and why."""

from typing import Annotated

import typer
from rich.text import Text

from memcli.cli import options
from memcli.cli.changes import differences
from memcli.cli.render import console, entry_json, print_row
from memcli.cli.wording import print_json
from memcli.errors import UsageError
from memcli.store import history as store_history


def history(
    id: Annotated[str, typer.Argument(metavar="ID", help="A memory's number.")],
    db: options.Db = None,
    json_: options.Json = False,
) -> None:
    """Show every operation on a memory: the run, the reason, before and after."""
    path = options.database_path(options.settings(db=db))
    with options.opened(path) as store:
        number = int(id) if id.isdecimal() and len(id) < 19 else -1
        entries = store_history.of_memory(store, number)
        if not entries:
            raise UsageError(f"no memory {id}; `memcli show` lists them")
    if json_:
        print_json([entry_json(entry) for entry in entries])
        return
    out = console()
    for entry in entries:
        lead = Text.assemble(
            (f"run {entry.run_id:>3}", "cyan"),
            (f"  {entry.at:%Y-%m-%d %H:%M}  ", "dim"),
        )
        print_row(out, lead, Text(f"{entry.op}: {entry.reason}"))
        for sign, text, style in differences(entry.before, entry.after):
            print_row(out, Text(f"         {sign} ", style), Text(text, style))
