"""`memcli edit ID [TEXT]`: put a memory right."""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from memcli.cli import options
from memcli.cli.wording import print_json
from memcli.errors import UsageError
from memcli.models import Kind
from memcli.upkeep import by_hand
from memcli.when import parse_day, utc_now


def edit(
    id: Annotated[str, typer.Argument(metavar="ID", help="A memory's number.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]", help="How it is to read; else an editor opens."
        ),
    ] = None,
    db: options.Db = None,
    kind: Annotated[Kind | None, typer.Option(help="What sort of thing it is.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Since when it holds.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="When it ended.")
    ] = None,
    day: Annotated[
        str | None, typer.Option(metavar="DATE", help="The day it is about.")
    ] = None,
    json_: options.Json = False,
) -> None:
    """Change what a memory says, what sort it is, or when it holds.

    What it said before is not learned again from the same words, and no run
    rewrites what you wrote.
    """
    values = options.settings(db=db)
    path = options.database_path(values)
    text = " ".join(words) if words else None
    with options.opened(path) as store:
        memory = options.memory(store, id)
    if text is None and not (kind or since or until or day):
        text = _edited(memory.text)
    wanted = by_hand.Edit(
        text,
        kind,
        parse_day(since) if since else None,
        parse_day(until) if until else None,
        parse_day(day).date() if day else None,
    )
    with options.opened_to_write(path) as store:
        done = by_hand.edit(
            store, memory.id, wanted, utc_now(), values["embedding-model"]
        )
    if json_:
        print_json({"id": done.memory_id, "run": done.run_id})
    elif done.run_id is None:
        print(f"memory {done.memory_id} is so already")
    else:
        print(
            f"memory {done.memory_id} changed; `memcli undo {done.run_id}` "
            "takes it back"
        )


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _edited(text: str) -> str:
    """The text out of the person's editor."""
    if not _at_a_terminal():
        raise UsageError("say how it is to read: memcli edit ID TEXT")
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:  # of this user only
        file = Path(folder, "memory.txt")
        file.write_text(text + "\n", encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(f"the editor {editor!r} failed: {error}") from error
        return file.read_text(encoding="utf-8")
