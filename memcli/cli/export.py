"""`memcli export`: all memories, for other programs or for reading, or the strongest
of them in a file that agents read."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memcli.cli import options
from memcli.cli.render import memory_json
from memcli.cli.wording import plural, print_json
from memcli.errors import UsageError
from memcli.models import Memory
from memcli.store import memories
from memcli.when import utc_now

if TYPE_CHECKING:
    from memcli.agentfile.update import Update

# What a file that is read in every conversation is given, if nobody says.
_MOST = 2000


class Format(StrEnum):
    """The shape of an export."""

    JSONL = "jsonl"
    MARKDOWN = "markdown"


def export(
    db: options.Db = None,
    format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="A memory a line (jsonl, the default), or a document.",
        ),
    ] = None,
    namespace: options.Namespace = None,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Keep the strongest in this file, between two markers; nothing else "
            "in it changes.",
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="No more of a document than that, by estimate, the strongest first; "
            f"{_MOST} for --into.",
        ),
    ] = None,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="Also what no longer holds.")
    ] = False,
    as_of: options.AsOf = None,
    known_at: options.KnownAt = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="With --into: only errors.")
    ] = False,
    json_: options.Json = False,
) -> None:
    """Write memories to stdout, with the words they came from, or into a file.

    The strongest are what you wrote yourself; then instructions, preferences,
    decisions, procedures and corrections; then facts and what is to come; at last
    what is past. Among equals counts how sure, how often said and how new they are.
    """
    _check(format, namespace, into, max_tokens, superseded, json_)
    values = options.settings(db=db)
    path, known = options.database_path(values), options.moment(known_at)
    then = options.moment(as_of)
    with options.opened_then(path, known) as store:
        found = memories.select(
            store, namespace=namespace, superseded=superseded, as_of=then
        )
        mistyped = options.elsewhere(store, namespace) if not found else None
    if mistyped is not None and not quiet:
        options.notice(mistyped)
    if into is not None:
        from memcli.agentfile.update import update
        from memcli.store.ranking import Weighing

        done = update(
            _home(into),
            namespace.rstrip("/") if namespace else None,
            found,
            max_tokens or _MOST,
            (then or known or utc_now()).date(),
            Weighing(*options.weights(values)),
        )
        _tell(into, done, quiet, json_)
    elif json_:
        print_json([memory_json(memory) for memory in found])
    elif format is Format.MARKDOWN:
        _print_document(found, max_tokens, values)
    else:
        for memory in found:
            print(json.dumps(memory_json(memory), ensure_ascii=False))


def _check(
    format: Format | None,
    namespace: str | None,
    into: Path | None,
    max_tokens: int | None,
    superseded: bool,
    json_: bool,
) -> None:
    if into is None:
        if max_tokens is not None and (json_ or format is not Format.MARKDOWN):
            raise UsageError("--max-tokens is for --format markdown or --into")
        return
    if format is Format.JSONL:
        raise UsageError("--into writes markdown; leave out --format jsonl")
    if superseded:
        raise UsageError("--into is for what holds now; leave out --superseded")
    if namespace is not None and not namespace.strip("/ "):
        raise UsageError("--namespace is empty; leave it out for all of them")


def _home(into: Path) -> Path:
    try:
        return into.expanduser()
    except RuntimeError:
        raise UsageError(f"{into}: there is no such user here") from None


def _tell(into: Path, done: "Update", quiet: bool, json_: bool) -> None:
    if json_:
        print_json({
            "file": str(into), "memories": done.memories, "left_out": done.left_out,
            "tokens": done.tokens, "changed": done.changed,
        })  # fmt: skip
    elif not quiet:
        same = "unchanged, " if into.exists() else "not made, "
        same = "" if done.changed else same
        held = plural(done.memories, "memory", "memories")
        about = f", about {done.tokens:,} tokens" if done.tokens else ""
        left = f"; {done.left_out:,} left out" if done.left_out else ""
        print(f"{into}: {same}{held}{about}{left}")


def _print_document(
    found: list[Memory], max_tokens: int | None, values: dict[str, Any]
) -> None:
    from memcli.agentfile import document

    layout = document.Layout(1, namespaces=True)
    if max_tokens is not None:
        from memcli.agentfile import strongest
        from memcli.store.ranking import Weighing

        weighing = Weighing(*options.weights(values))
        ranked = strongest.ranked(found, utc_now().date(), weighing)
        found = strongest.fitting(ranked, layout, max_tokens)
    # The first heading needs no empty line before it.
    for number, line in enumerate(document.lines(found, layout)):
        if number or line:
            print(line)
