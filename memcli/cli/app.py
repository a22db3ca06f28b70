"""The commands, put together. Only the one that is called is imported."""

from importlib import import_module
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from memcli import __version__

# Each is a function of that name in the module of that name, in this package.
COMMANDS = (
    "reflect", "apply", "watch", "search", "show", "add", "edit", "forget", "history",
    "runs", "diff", "undo", "status", "retry", "audit", "inspect", "formats",
    "export", "backup", "mcp", "config",
)  # fmt: skip


class _Commands(TyperGroup):
    """Imports a command when it is asked for: a search should not pay for the
    reading of transcripts, nor a run with nothing to do for the search."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(COMMANDS)

    def get_command(  # type: ignore[override]
        self, ctx: typer.Context, cmd_name: str
    ) -> TyperCommand | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"memcli.cli.{cmd_name}")
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(cmd_name)(getattr(module, cmd_name))
        command = typer.main.get_command(alone)
        assert isinstance(command, TyperCommand)
        return command


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
