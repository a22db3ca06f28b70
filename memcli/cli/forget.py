"""`memcli forget`: single memories, or whole conversations for good."""

import sqlite3
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from memcli import namespaces
from memcli.cli import options
from memcli.cli.wording import plural, print_json
from memcli.errors import NamespaceError, StoreError, UsageError
from memcli.store import database, submissions, threads
from memcli.upkeep import by_hand, purge
from memcli.upkeep.scope import Found, Scope, find
from memcli.when import parse_day, utc_now


def forget(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID...]", help="Memories; their conversations stay."),
    ] = None,
    db: options.Db = None,
    thread: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Everything of a conversation, for good."),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAME",
            help="Everything in a namespace and below, for good.",
        ),
    ] = None,
    before: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Everything said before a day, for good."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")
    ] = False,
    yes: options.Yes = False,
    wait: options.Wait = False,
    json_: options.Json = False,
) -> None:
    """Forget memories, so that they do not come back; or remove conversations.

    With IDs: the memories go, and the same is not learned again from the same words
    or a copy of them. History keeps them, and `memcli undo` brings them back.

    With --thread, --namespace or --before (together: what fits all of them): the
    messages go, the memories and quotes that came from them, and every trace in
    history, for good; the file is compacted, and the same conversations are not read
    again. Your transcripts, your backups and what a provider keeps are yours to
    remove.
    """
    values = options.settings(db=db)
    path = options.database_path(values)
    named = bool(thread or namespace or before)
    if bool(ids) == named:
        raise UsageError(
            "say what to forget: memories by number, or --thread, --namespace, --before"
        )
    if ids:
        _forget_memories(path, ids, dry_run, json_)
        return
    scope = Scope(tuple(thread or ()), namespace, parse_day(before) if before else None)
    with options.opened(path) as store:
        scope = _checked(store, scope, values["namespace"])
        found = find(store, scope)
    if not (found.messages or found.memories):
        print("nothing of that is there", file=sys.stderr)
    if dry_run or not (found.messages or found.memories):
        _tell(found, path, "would be removed", json_)
        return
    if not yes:
        _ask(found)
    with options.alone(path, wait=wait) as store:
        found = purge.purge(store, scope, utc_now())
        _wipe(store, found)
    _tell(found, path, "removed for good", json_)


def _wipe(store: sqlite3.Connection, found: Found) -> None:
    try:
        database.wipe_free_space(store)
    except (sqlite3.Error, StoreError) as error:
        raise StoreError(
            f"{_what(found)} removed, but their words may still be in the file's free "
            f"pages ({error}); `memcli audit --fix` wipes them"
        ) from error


def _forget_memories(path: Path, ids: list[str], dry_run: bool, as_json: bool) -> None:
    with options.opened(path) as store:
        listed = [options.memory(store, id) for id in ids]
    run_id = None
    if not dry_run:
        with options.opened_to_write(path) as store:
            run_id = by_hand.forget(store, [one.id for one in listed], utc_now())
    if as_json:
        print_json({"run": run_id, "memories": [memory.id for memory in listed]})
        return
    for memory in listed:
        print(f"{memory.id}  {memory.text}")
    if run_id is None:
        print("would be forgotten")
    else:
        print(f"forgotten; `memcli undo {run_id}` brings it back")


def _checked(store: Any, scope: Scope, template: str) -> Scope:
    """The scope with the threads that a namespace would get."""
    for id in scope.threads:
        if threads.get(store, id) is None:
            raise UsageError(f"no thread {id}; `memcli search` names threads")
    if scope.namespace is None:
        return scope
    below = scope.namespace.rstrip("/")
    also = []
    sent = submissions.pending(store)
    for thread in threads.unreflected(store):
        try:
            filled = (
                sent[thread.id].namespace
                if thread.id in sent
                else namespaces.fill(template, thread.metadata, thread.id)
            )
        except NamespaceError:
            continue
        if filled == below or filled.startswith(below + "/"):
            also.append(thread.id)
    return Scope(scope.threads, scope.namespace, scope.before, tuple(also))


def _ask(found: Found) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"{_what(found)} would go for good; --yes does it")
    print(f"{_what(found)} will go for good, and cannot be brought back.")
    if not typer.confirm("Remove them?"):
        raise typer.Exit(1)


def _what(found: Found) -> str:
    return (
        f"{plural(len(found.messages), 'message')} and "
        f"{plural(len(found.memories), 'memory', 'memories')}"
    )


def _tell(found: Found, path: Path, done: str, as_json: bool) -> None:
    copies = [str(copy) for copy in database.backups_beside(path)]
    if as_json:
        print_json({
            "messages": len(found.messages), "threads": list(found.threads),
            "memories": list(found.memories), "kept_with_less": list(found.thinned),
            "messages_staying": found.staying,
            "copies": copies,
        })  # fmt: skip
        return
    if not (found.messages or found.memories):
        return
    print(f"{_what(found)} {done}")
    if found.staying:
        messages = plural(found.staying, "message stays", "messages stay")
        print(f"{messages}, since another namespace has memories of the conversation")
    if found.thinned:
        kept = plural(len(found.thinned), "memory stays", "memories stay")
        print(f"{kept}, since other conversations said the same")
    if copies:
        print(
            "still in copies from before an update, which are yours to delete: "
            + ", ".join(copies),
            file=sys.stderr,
        )
