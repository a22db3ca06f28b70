"""`memcli retry [THREAD…]`: give failed threads another chance."""

from typing import Annotated

import typer

from memcli.cli import options
from memcli.cli.wording import plural, print_json
from memcli.errors import UsageError
from memcli.store import threads as store_threads
from memcli.store.database import transaction


def retry(
    threads: Annotated[
        list[str] | None, typer.Argument(metavar="[THREAD...]", help="All, if none.")
    ] = None,
    db: options.Db = None,
    json_: options.Json = False,
) -> None:
    """Make failed threads due again; the next reflect takes them.

    A thread that failed three times is left alone until it grows, or until this.
    """
    path = options.database_path(options.settings(db=db))
    with options.alone(path) as store, transaction(store):
        done = store_threads.retry(store, threads)
    missing = sorted(set(threads or ()) - set(done))
    if missing:
        raise UsageError(
            f"thread {missing[0]} has not failed; `memcli status` lists those that did"
        )
    if json_:
        print_json({"due": done})
    elif done:
        print(f"{plural(len(done), 'thread')} due again")
    else:
        print("no thread has failed")
