"""`memcli export`: all memories, for other programs or for reading."""

import json
from collections.abc import Iterable
from enum import StrEnum
from itertools import groupby
from typing import Annotated

import typer

from memcli.cli import options
from memcli.cli.render import day, memory_json
from memcli.cli.wording import print_json
from memcli.models import Memory
from memcli.store import memories


class Format(StrEnum):
    """The shape of an export."""

    JSONL = "jsonl"
    MARKDOWN = "markdown"


def export(
    db: options.Db = None,
    format: Annotated[
        Format, typer.Option("--format", "-f", help="A memory a line, or a document.")
    ] = Format.JSONL,
    namespace: options.Namespace = None,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="Also what no longer holds.")
    ] = False,
    as_of: options.AsOf = None,
    known_at: options.KnownAt = None,
    json_: options.Json = False,
) -> None:
    """Write memories to stdout, with the words they came from."""
    values = options.settings(db=db)
    path, known = options.database_path(values), options.moment(known_at)
    with options.opened_then(path, known) as store:
        found = memories.select(
            store,
            namespace=namespace,
            superseded=superseded,
            as_of=options.moment(as_of),
        )
    if json_:
        print_json([memory_json(memory) for memory in found])
    elif format is Format.JSONL:
        for memory in found:
            print(json.dumps(memory_json(memory), ensure_ascii=False))
    else:
        for line in _markdown(found):
            print(line)


def _markdown(found: Iterable[Memory]) -> Iterable[str]:
    for number, (namespace, group) in enumerate(
        groupby(found, key=lambda memory: memory.namespace)
    ):
        if number:
            yield ""
        yield f"# {namespace}"
        by_kind = sorted(group, key=_heading)
        for kind, listed in groupby(by_kind, key=_heading):
            yield ""
            yield f"## {kind}"
            yield ""
            for memory in listed:
                until = f", until {day(memory.valid_to)}" if memory.valid_to else ""
                yield f"- {memory.text} ({day(memory.valid_from)}{until})"


def _heading(memory: Memory) -> str:
    return memory.schema or memory.kind.value
