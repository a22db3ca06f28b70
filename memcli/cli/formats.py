"""`memcli formats`: what can be read."""

from rich.text import Text

from memcli.cli import options
from memcli.cli.render import console, print_row
from memcli.cli.wording import print_json


def formats(json_: options.Json = False) -> None:
    """List the transcript formats that memcli reads.

    Files are told apart by their content, so nothing has to be chosen. Plain
    files, .gz, .zst and zip archives are read alike.
    """
    from memcli.transcripts.formats import every

    found = every()
    if json_:
        print_json([{"name": f.name, "about": f.about} for f in found])
        return
    out = console()
    width = max(len(format.name) for format in found)
    for format in found:
        print_row(out, Text(f"{format.name:<{width}}  ", "cyan"), Text(format.about))
