"""`memcli undo RUN`: take a whole run back."""

from typing import Annotated

import typer

from memcli.cli import options
from memcli.cli.wording import plural, print_json
from memcli.upkeep.undo import undo as undo_run
from memcli.when import utc_now


def undo(
    run: Annotated[
        int,
        typer.Argument(max=2**63 - 1, metavar="RUN", help="As `memcli runs` lists."),
    ],
    db: options.Db = None,
    not_again: Annotated[
        bool,
        typer.Option(
            "--not-again", help="Leave its threads alone; they are due again otherwise."
        ),
    ] = False,
    wait: options.Wait = False,
    json_: options.Json = False,
) -> None:
    """Take back everything a run did to memories, as if it had never been.

    Its threads are due again, and what a model answered about them is still known.
    A run whose memories were changed again later is left alone, and it is said by
    which. An undo is a run, and can be undone.
    """
    path = options.database_path(options.settings(db=db))
    with options.alone(path, wait=wait) as store:
        done = undo_run(store, run, utc_now(), due_again=not not_again)
    if json_:
        print_json({
            "run": done.run_id, "undoes": run, "memories": done.memories,
            "due": list(done.due),
        })  # fmt: skip
        return
    memories = plural(done.memories, "memory", "memories")
    print(
        f"run {run} undone, {memories} as before; `memcli undo {done.run_id}` redoes it"
    )
    if done.due:
        print(f"{plural(len(done.due), 'thread')} due again")
