"""`memcli config`: what is in force, and where it was said."""

from memcli import config as settings
from memcli.cli import options
from memcli.cli.render import console
from memcli.cli.wording import print_json


def config(json_: options.Json = False) -> None:
    """Show every setting with its value and where that comes from.

    Flags win over the environment (MEMCLI_…), which wins over memcli.toml in
    the current folder, which wins over the one in the user's config folder.
    """
    found = settings.load({})
    if json_:
        print_json({
            name: {"value": item.value, "origin": item.origin}
            for name, item in found.items()
        })  # fmt: skip
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    out = console()
    table.add_column("setting", no_wrap=True)
    columns = ["value", "from", "what it is"] if out.width >= 90 else ["value", "from"]
    for column in columns:
        table.add_column(column, overflow="fold")
    for name, item in found.items():
        cells = [str(item.value), item.origin, item.setting.help]
        table.add_row(name, *cells[: len(columns)])
    out.print(table)
    files = ", ".join(str(path) for path in settings.config_files())
    out.print(f"\nfiles: {files}", markup=False)
