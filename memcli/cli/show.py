"""`memcli show [ID]`: all memories, some, or one with all that is known of it."""

import sys
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.text import Text

from memcli.cli import options
from memcli.cli.render import (
    console,
    day,
    entry_json,
    memory_json,
    origin_line,
    print_row,
)
from memcli.cli.wording import dollars, plural, print_json
from memcli.errors import UsageError
from memcli.models import Memory, Message
from memcli.store import extractions, history, memories, runs, threads
from memcli.when import to_text

_NONE = "no memories; --superseded shows what no longer holds"


def show(
    id: Annotated[
        str | None,
        typer.Argument(help="A memory's number, or msg-… from a search in messages."),
    ] = None,
    db: options.Db = None,
    namespace: options.Namespace = None,
    thread: Annotated[
        str | None, typer.Option(metavar="ID", help="Only what this thread gave.")
    ] = None,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="Also what no longer holds.")
    ] = False,
    as_of: options.AsOf = None,
    known_at: options.KnownAt = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="With an ID, what made each quote a memory."),
    ] = False,
    json_: options.Json = False,
) -> None:
    """Show memories; with an ID, one with its sources, quotes and history."""
    path = options.database_path(options.settings(db=db))
    held, known = options.moment(as_of), options.moment(known_at)
    if id is not None and id.startswith("msg-") and (held or known):
        raise UsageError("--as-of and --known-at are about memories, not messages")
    with options.opened_then(path, known) as store:
        if id is not None and id.startswith("msg-"):
            _show_message(store, id, json_)
        elif id is not None:
            _show_one(store, id, held, json_, explain)
        else:
            if thread is not None and threads.get(store, thread) is None:
                raise UsageError(f"no thread {thread}; `memcli search` names threads")
            found = memories.select(
                store, namespace=namespace, thread_id=thread, superseded=superseded,
                as_of=held,
            )  # fmt: skip
            none = options.elsewhere(store, namespace) if not found else None
            _show_many(found, json_, none or _NONE)


def _show_many(found: list[Memory], as_json: bool, none: str) -> None:
    if as_json:
        print_json([memory_json(memory) for memory in found])
        return
    out = console()
    if not found:
        print(none, file=sys.stderr)
        return
    for namespace, group in groupby(found, key=lambda memory: memory.namespace):
        listed = list(group)
        out.print(
            Text(f"{namespace}  ({plural(len(listed), 'memory', 'memories')})", "bold")
        )
        for memory in listed:
            lead = Text.assemble(
                (f"{memory.id:>4}", "cyan"), f"  {memory.schema or memory.kind:<11}  ",
                (f"{day(memory.valid_from)}  ", "dim"),
            )  # fmt: skip
            body = Text(memory.text)
            if memory.valid_to is not None:
                body.append(f" (until {day(memory.valid_to)})", "dim")
            if memory.strength > 1:
                body.append(f" (said {memory.strength} times)", "dim")
            print_row(out, lead, body)


def _show_one(
    store: Any, id: str, held: datetime | None, as_json: bool, explain: bool
) -> None:
    memory = options.memory(store, id)
    number = memory.id
    if held is not None and not _held(memory, held):
        raise UsageError(f"memory {id} did not hold then; `memcli show {id}` says when")
    entries = history.of_memory(store, number)
    cost = runs.cost_of_memory(store, number)
    why = extractions.why(store, memory.namespace, memory.sources) if explain else {}
    if as_json:
        found = memory_json(memory)
        for source, plain in zip(memory.sources, found["sources"], strict=True):
            if explain:
                plain["why"] = why.get(source)
        print_json(
            found | {"dollars": cost, "history": [entry_json(e) for e in entries]}
        )
        return
    out = console()
    print_row(out, Text(f"{memory.id}  ", "cyan"), Text(memory.text, "bold"))
    holds = f"since {day(memory.valid_from)}"
    if memory.valid_to is not None:
        holds = f"from {day(memory.valid_from)} until {day(memory.valid_to)}"
    if memory.superseded_by is not None:
        holds += f", then {memory.superseded_by}"
    facts = [
        ("kind", memory.kind.value),
        ("namespace", memory.namespace),
        ("holds", holds),
        ("confidence", f"{memory.confidence:.2f}"),
    ]
    if memory.happens_on:
        facts.insert(3, ("day", memory.happens_on.isoformat()))
    if memory.schema is not None:
        facts[0] = ("schema", memory.schema)
    if memory.item_key is not None:
        facts.insert(1, ("key", memory.item_key))
    if memory.by_hand is not None:
        facts.append(("by hand", f"a person wrote it, {day(memory.by_hand)}"))
    if memory.deleted:
        facts.append(("deleted", "taken away, see the history"))
    if cost != 0:
        facts.append(("cost", dollars(cost)))
    for name, value in facts:
        print_row(out, Text(f"    {name:<11} ", "dim"), Text(value))
    if memory.sources:
        out.print(Text("    said", "dim"))
    for source in memory.sources:
        print_row(out, Text("      "), Text(f"“{source.quote}”"))
        origin = f"{origin_line(source)}, message {source.message_id}"
        print_row(out, Text("        "), Text(origin, "dim"))
        if explain:
            told = why.get(source, "not kept")
            print_row(out, Text("        "), Text(f"signal: {told}", "dim"))
    out.print(Text("    history", "dim"))
    for entry in entries:
        what = f"{day(entry.at)}: {entry.op}, {entry.reason}"
        print_row(out, Text("      "), Text(f"run {entry.run_id}, {what}"))


def _held(memory: Memory, moment: datetime) -> bool:
    ended = memory.valid_to is not None and memory.valid_to <= moment
    return memory.valid_from <= moment and not ended


def _show_message(store: Any, id: str, as_json: bool) -> None:
    """A message, with the turns around it."""
    number = id.removeprefix("msg-")
    row = store.execute(
        "SELECT thread_id FROM messages WHERE id = ?",
        (int(number) if number.isdecimal() and len(number) < 19 else -1,),
    ).fetchone()
    if row is None:
        raise UsageError(f"no message {id}; `memcli search --in messages` finds them")
    turns = list(threads.messages(store, row["thread_id"]))
    at = next(i for i, (row_id, _, _) in enumerate(turns) if row_id == int(number))
    around = turns[max(0, at - 2) : at + 3]
    if as_json:
        print_json([_message_json(row_id, message) for row_id, message, _ in around])
        return
    out = console()
    out.print(Text(f"thread {row['thread_id']}", "dim"))
    for row_id, message, _ in around:
        who = message.name or message.role
        style = "bold" if row_id == int(number) else ""
        out.print(Text.assemble(
            (f"msg-{row_id}", "cyan"), (f"  {day(message.sent_at)}  {who}", "dim")
        ))  # fmt: skip
        out.print(Text(message.text, style))


def _message_json(row_id: int, message: Message) -> dict[str, Any]:
    return {
        "id": f"msg-{row_id}",
        "thread_id": message.thread_id,
        "message_id": message.id,
        "role": message.role,
        "name": message.name,
        "sent_at": to_text(message.sent_at),
        "text": message.text,
    }
