"""The commands, put together. Only the one that is called is imported."""

import inspect
from importlib import import_module
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from memcli import __version__

# Each is a function of that name, or a group of commands, in the module of that
# name, in this package.
COMMANDS = (
    "reflect", "apply", "watch", "search", "show", "add", "edit", "forget", "history",
    "runs", "diff", "undo", "status", "retry", "audit", "inspect", "formats",
    "export", "backup", "schedule", "mcp", "config",
)  # fmt: skip


def command(name: str) -> TyperCommand | TyperGroup:
    """One of the commands, imported."""
    found = getattr(import_module(f"memcli.cli.{name}"), name)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(found)
        found = alone
    made = typer.main.get_command(found)
    assert isinstance(made, TyperCommand | TyperGroup)
    for one in (made, *getattr(made, "commands", {}).values()):
        one.help = _flowing(one.help)
    return made


def _flowing(help: str | None) -> str:
    """A docstring without the ends of its lines, which are not those of a terminal."""
    paragraphs = inspect.cleandoc(help or "").split("\n\n")
    return "\n\n".join(" ".join(one.split()) for one in paragraphs)


class _Commands(TyperGroup):
    """Imports a command when it is asked for: a search should not pay for the
    reading of transcripts, nor a run with nothing to do for the search."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(COMMANDS)

    def get_command(  # type: ignore[override]
        self, ctx: typer.Context, cmd_name: str
    ) -> TyperCommand | TyperGroup | None:
        return command(cmd_name) if cmd_name in COMMANDS else None


app = typer.Typer(
    cls=_Commands,
    help="Long-term memory out of the conversations already on your disk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"memcli {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    pass
