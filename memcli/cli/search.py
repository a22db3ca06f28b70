"""`memcli search QUERY`: find what was said, or what was made of it."""

import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from memcli.cli import options
from memcli.cli.render import (
    console,
    hit_json,
    marked_text,
    origin_line,
    print_row,
    snippet,
)
from memcli.cli.wording import print_json
from memcli.errors import UsageError
from memcli.library import Memories
from memcli.models import Hit
from memcli.store.database import check_path
from memcli.store.marking import marked
from memcli.store.ranking import Weighing
from memcli.when import parse_day


class In(StrEnum):
    """Where to search."""

    MEMORIES = "memories"
    MESSAGES = "messages"
    ALL = "all"


def search(
    words: Annotated[
        list[str], typer.Argument(metavar="QUERY", help="What to look for; any text.")
    ],
    db: options.Db = None,
    in_: Annotated[
        In, typer.Option("--in", help="Search memories, what was said, or both.")
    ] = In.MEMORIES,
    limit: Annotated[
        int | None, typer.Option("--limit", "-l", min=1, help="How many hits.")
    ] = None,
    namespace: options.Namespace = None,
    after: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only since this day.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only before this day.")
    ] = None,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="Also what no longer holds.")
    ] = False,
    as_of: options.AsOf = None,
    known_at: options.KnownAt = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show why each hit ranks where it does.")
    ] = False,
    json_: options.Json = False,
) -> None:
    """Search by words and by meaning at once, best hits first.

    Nothing in a query has a special meaning: quotes, * and AND are text.
    """
    query = " ".join(words)
    if (as_of or known_at) and in_ is not In.MEMORIES:
        raise UsageError("--as-of and --known-at are about memories, not messages")
    values = options.settings(db=db, limit=limit)
    path = options.database_path(values)
    check_path(path, create=False)  # a mistyped path should not look like an empty one
    with Memories(path) as store:
        hits = store.search(
            query,
            scope=in_.value,
            limit=values["limit"],
            namespace=namespace,
            after=parse_day(after) if after else None,
            before=parse_day(before) if before else None,
            superseded=superseded,
            as_of=options.moment(as_of),
            known_at=options.moment(known_at),
            related=True,
            weighing=Weighing(*options.weights(values)),
        )
        none = _none(store, in_, namespace) if not hits else ""
    if json_:
        print_json([hit_json(hit, explain=explain) for hit in hits])
        return
    if not hits:
        print(none, file=sys.stderr)
        return
    out = console()
    for hit in hits:
        _print_hit(out, hit, query)
        if explain:
            print_row(out, Text(" " * _indent(hit)), Text(_why(hit), "dim"))


def _print_hit(out: Console, hit: Hit, query: str) -> None:
    shown = hit.text if hit.memory else snippet(hit.text, marked(hit.text, query))
    lead = Text.assemble((f"{hit.id:>4}", "cyan"), (f"  {hit.score:.2f}  ", "dim"))
    body = marked_text(shown, marked(shown, query), "bold yellow")
    if hit.memory is not None and hit.memory.valid_to is not None:
        body.append(f" (until {hit.memory.valid_to:%Y-%m-%d})", "dim")
    print_row(out, lead, body)
    print_row(out, Text(" " * _indent(hit)), Text(_detail(hit), "dim"))


def _detail(hit: Hit) -> str:
    """What a hit is, when it was said, by whom and where: a memory last, a message
    first of those that have its words."""
    memory = hit.memory
    found = [str(memory.schema or memory.kind)] if memory else []
    found += [origin_line(one) for one in hit.sources[-1 if memory else 0 :][:1]]
    if memory is not None:
        found.append(memory.namespace)
        if memory.strength > 1:
            found.append(f"said {memory.strength} times")
    also = f"; the same: {', '.join(hit.also)}" if hit.also else ""
    return ", ".join(found) + also


def _indent(hit: Hit) -> int:
    """Where the text of a hit begins: behind its id and score."""
    return len(f"{hit.id:>4}  {hit.score:.2f}  ")


def _why(hit: Hit) -> str:
    """What speaks for a hit, the most telling first, in log-odds."""
    telling = sorted(hit.parts.items(), key=lambda part: -abs(part[1]))
    parts = [f"{name} {value:+.1f}" for name, value in telling if abs(value) >= 0.05]
    return ", ".join([*parts, f"cosine {hit.cosine:.2f}"])


def _none(store: Memories, in_: In, namespace: str | None) -> str:
    """What to try where nothing was found."""
    if in_ is not In.MEMORIES:
        return "nothing found"
    return options.elsewhere(store.db, namespace) or (
        "nothing found; try --in messages for what was said, --superseded for what "
        "ended"
    )
