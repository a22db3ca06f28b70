"""`memcli audit`: what is wrong with the store, and putting it right."""

import sys
from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from memcli.cli import options
from memcli.cli.render import console, print_row
from memcli.cli.wording import counts, plural, print_json
from memcli.upkeep.audit import Finding
from memcli.upkeep.audit import audit as look
from memcli.upkeep.repair import repair
from memcli.when import utc_now


def audit(
    db: options.Db = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Put right what needs nobody's judgement.")
    ] = False,
    wait: options.Wait = False,
    json_: options.Json = False,
) -> None:
    """Look for duplicates, contradictions, memories without date or source, secrets,
    broken references, stray vectors and drifted indexes.

    Exit codes: 0 nothing found, or all of it fixed; 1 something is left.
    """
    path = options.database_path(options.settings(db=db))
    run_id = None
    if fix:
        with options.alone(path, wait=wait) as store:
            before = list(look(store, utc_now()))
            run_id = repair(store, before, utc_now())
            left = list(look(store, utc_now()))
            fixed = len(before) - len(left)
    else:
        with options.opened(path) as store:
            left, fixed = list(look(store, utc_now())), 0
    if json_:
        print_json({
            "fixed": fixed, "run": run_id,
            "findings": [_plain(finding) for finding in left],
        })  # fmt: skip
    else:
        _print(left, fixed)
    if left:
        raise typer.Exit(1)


def _plain(finding: Finding) -> dict[str, object]:
    return {k: v for k, v in asdict(finding).items() if k != "key"}


def _print(left: list[Finding], fixed: int) -> None:
    out = console()
    for finding in left:
        lead = Text.assemble(
            (f"{finding.check:<13}  ", "yellow"), (f"{finding.where}  ", "cyan")
        )
        body = Text(finding.what)
        if finding.fix is not None:
            body.append(f" (--fix {finding.fix})", "dim")
        print_row(out, lead, body)
    if fixed:
        print(f"{plural(fixed, 'finding')} fixed", file=sys.stderr)
    if left:
        found = counts(Counter[str](finding.check for finding in left))
        print(f"{plural(len(left), 'finding')}: {found}", file=sys.stderr)
    elif not fixed:
        print("nothing found", file=sys.stderr)
