"""The commands, put together."""

from typing import Annotated

import typer

from memcli import __version__
from memcli.cli.config import config
from memcli.cli.export import export
from memcli.cli.formats import formats
from memcli.cli.inspect import inspect
from memcli.cli.reflect import reflect
from memcli.cli.search import search
from memcli.cli.show import show
from memcli.cli.status import status
from memcli.cli.watch import watch

app = typer.Typer(
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


for command in (
    reflect, watch, search, show, status, inspect, formats, export, config,
):  # fmt: skip
    app.command()(command)
