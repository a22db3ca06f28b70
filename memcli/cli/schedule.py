"""`memcli schedule`: a nightly run, by crontab, systemd or launchd."""

import shlex
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from memcli.cli import options
from memcli.cli.wording import print_json
from memcli.errors import UsageError
from memcli.schedule import schedulers, systemd
from memcli.schedule.job import (
    DEFAULT_NAME,
    Job,
    Scheduler,
    check_name,
    parse_time,
)

Name = Annotated[
    str, typer.Option(metavar="NAME", help="Tells several schedules apart.")
]
As = Annotated[
    str | None, typer.Option("--as", metavar="KIND", help="crontab, systemd, launchd.")
]

schedule = typer.Typer(
    name="schedule",
    help="A nightly run: show, install or remove it. Alone, it shows what there is.",
    add_completion=False,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)


@schedule.callback()
def _alone(context: typer.Context, json_: options.Json = False) -> None:
    if context.invoked_subcommand is None:
        show(json_)
    elif json_:
        raise UsageError(f"write --json after {context.invoked_subcommand}")


@schedule.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
def install(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Files and folders to read, and options of `memcli reflect`.",
        ),
    ],
    at: Annotated[str, typer.Option(metavar="HH:MM", help="Local time.")] = "03:30",
    as_: As = None,
    name: Name = DEFAULT_NAME,
    save_key: Annotated[
        bool,
        typer.Option(
            "--save-key", help="Write ANTHROPIC_API_KEY into a file for the runs."
        ),
    ] = False,
    print_: Annotated[
        bool, typer.Option("--print", help="Print what would be written; do nothing.")
    ] = False,
    json_: options.Json = False,
) -> None:
    """Have `memcli reflect` run every night in the current folder, as it would now.

    All other options are those of `memcli reflect`, such as --db, --extractor,
    --budget, --batch, --key-file and --log, and are checked now. Installing again
    changes what is there.
    """
    from memcli.cli import nightly

    check_name(name)
    time = parse_time(at)
    scheduler = _scheduler(as_, name, dry=print_)
    wish = nightly.understand(words)
    key_file = nightly.key_file(wish, save=save_key)
    extractor = nightly.extractor(wish, key_file)
    job = nightly.job(wish, name, time, extractor, key_file)
    texts = scheduler.texts(job)
    if print_:
        _print(scheduler, texts, json_)
        return
    if save_key:
        nightly.keep_key(key_file)
    changed = scheduler.install(job)
    if scheduler is systemd and not systemd.lingers():
        options.notice(
            "the timer rests while you are logged out; `loginctl enable-linger` lets "
            "it run all the same"
        )
    if json_:
        print_json(_described(scheduler, job) | {"changed": changed})
        return
    print("installed" if changed else "already so; nothing was changed")
    _show(scheduler, job)


@schedule.command()
def show(json_: options.Json = False) -> None:
    """Show what is installed, when it runs next, and where key and log are."""
    found = schedulers.everything()
    if json_:
        print_json([_described(scheduler, job) for scheduler, job in found])
        return
    for scheduler, job in found:
        _show(scheduler, job)
    if not found:
        print("nothing is installed; `memcli schedule install PATH…` does it")


@schedule.command()
def remove(
    name: Name = DEFAULT_NAME, as_: As = None, json_: options.Json = False
) -> None:
    """Take the nightly run out. The log and the key stay where they are."""
    check_name(name)
    wanted = schedulers.ALL if as_ is None else (schedulers.named(as_),)
    removed = [scheduler.NAME for scheduler in wanted if scheduler.remove(name)]
    if json_:
        print_json({"name": name, "removed": removed})
    elif removed:
        print(f"{name} was removed from {', '.join(removed)}")
    else:
        print(f"nothing was installed as {name}")


def _scheduler(as_: str | None, name: str, *, dry: bool) -> Scheduler:
    """The one that was named, or that has it already, or that is usual here."""
    named = None if as_ is None else schedulers.named(as_)
    if named is not None and dry:
        return named
    having = schedulers.having(name)
    if having is not None and named is not None and named is not having:
        raise UsageError(
            f"{name} is in {having.NAME} already; `memcli schedule remove` takes it "
            "out there, and another --name is another schedule"
        )
    scheduler = named or having or schedulers.usual()
    if not dry:
        schedulers.check_usable(scheduler)
    return scheduler


def _print(scheduler: Scheduler, texts: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json({"as": scheduler.NAME, "texts": texts})
        return
    for file, text in texts.items():
        if len(texts) > 1:
            print(f"# {file}")
        print(text, end="" if len(texts) == 1 else "\n")


def _described(scheduler: Scheduler, job: Job) -> dict[str, Any]:
    at = scheduler.next_run(job)
    return {
        "name": job.name,
        "as": scheduler.NAME,
        "at": job.at,
        "next_run": at.isoformat() if at else None,
        "folder": job.folder,
        "command": list(job.command),
        "environment": dict(job.environment),
        "database": job.option("--db"),
        "extractor": job.option("--extractor"),
        "key_file": job.option("--key-file"),
        "key_problem": _key_problem(job),
        "log": job.option("--log"),
    }


def _show(scheduler: Scheduler, job: Job) -> None:
    told = _described(scheduler, job)
    print(f"{job.name}: {scheduler.NAME}, every day at {job.at}")
    rows = {
        "next run": _moment(scheduler.next_run(job)),
        "command": shlex.join(job.command),
        "folder": job.folder,
        "database": told["database"] or "as the settings in that folder say",
        "key": _key(job, told["key_problem"]),
        "log": told["log"] or "none",
    }
    rows |= job.environment
    for name, text in rows.items():
        print(f"    {name:9} {text}")


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "not known; is the timer active?"


def _key(job: Job, problem: str | None) -> str:
    if problem is not None:
        return f"PROBLEM: {problem}"
    if file := job.option("--key-file"):
        return file
    if job.option("--extractor") == "offline":
        return "none needed"
    return "no key file; as the settings in that folder and the platform say"


def _key_problem(job: Job) -> str | None:
    """Why the next run will fail for want of a key, if it will."""
    from memcli.asking.keyfile import read_key

    file = job.option("--key-file")
    if file is None:
        return None
    try:
        read_key(Path(file))
    except UsageError as error:
        return str(error)
    return None
