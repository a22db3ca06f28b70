"""`memcli add TEXT`: a memory in a person's own words."""

from typing import Annotated

import typer

from memcli import namespaces
from memcli.cli import options
from memcli.cli.running import prepared_database
from memcli.cli.wording import print_json
from memcli.models import Kind
from memcli.upkeep import by_hand
from memcli.when import parse_day, utc_now


def add(
    words: Annotated[
        list[str], typer.Argument(metavar="TEXT", help="What is to be remembered.")
    ],
    db: options.Db = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="Where it goes."),
    ] = None,
    kind: Annotated[Kind, typer.Option(help="What sort of thing it is.")] = Kind.FACT,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Since when it holds.")
    ] = None,
    day: Annotated[
        str | None, typer.Option(metavar="DATE", help="The day it is about.")
    ] = None,
    replaces: Annotated[
        list[int] | None,
        typer.Option(
            max=2**63 - 1, metavar="ID", help="A memory that ends with this one."
        ),
    ] = None,
    json_: options.Json = False,
) -> None:
    """Remember something in your own words.

    No run overwrites it. What was forgotten may be added again.
    """
    values = options.settings(db=db, namespace=namespace)
    where = values["namespace"]
    namespaces.check_template(where)
    where = namespaces.fill(where, {}, "added by hand")
    with options.opened_to_write(prepared_database(values), create=True) as store:
        done = by_hand.add(
            store,
            where,
            " ".join(words),
            utc_now(),
            values["embedding-model"],
            kind=kind,
            since=parse_day(since) if since else None,
            happens_on=parse_day(day).date() if day else None,
            replaces=replaces or (),
        )
    if json_:
        print_json({
            "id": done.memory_id, "run": done.run_id, "namespace": where,
            "known": done.run_id is None,
        })  # fmt: skip
    elif done.run_id is None:
        print(f"known already, as memory {done.memory_id}")
    else:
        again = ", which had been forgotten" if done.allowed_again else ""
        print(f"memory {done.memory_id} in {where}{again}")
