"""Which extractor a run uses, and a line that says so."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from memcli.asking import client
from memcli.asking.keyfile import read_key
from memcli.errors import UsageError
from memcli.extractors.base import Extractor

if TYPE_CHECKING:
    from memcli.extractors.schemas import Schema


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run was told about its extractor. `budget` is in dollars, None for
    no ceiling; `asked_for_budget` tells a ceiling somebody named from the default."""

    name: str
    model: str
    provider: str = "anthropic"
    instructions: str = ""
    schemas: "tuple[Schema, ...]" = ()
    budget: float | None = None
    asked_for_budget: bool = False
    prices: Mapping[str, Any] = field(default_factory=dict)
    timeout: timedelta = timedelta(minutes=5)
    patience: timedelta = timedelta(minutes=10)
    key_file: str = ""


def check(wanted: Wanted, *, dry: bool = False, batch: bool = False) -> None:
    """Raise UsageError for a choice that cannot work, also when nothing is due.

    A `dry` run asks nobody, and needs no key.
    """
    if wanted.name not in ("auto", "claude", "offline"):
        raise UsageError(
            f"unknown extractor {wanted.name!r}; write auto, claude or offline"
        )
    credential = client.credential(wanted.provider, wanted.key_file)
    if wanted.name == "claude" and credential is None and not dry:
        raise UsageError(
            "the claude extractor needs ANTHROPIC_API_KEY in the environment, or a "
            "file that holds the key, named by --key-file or the setting key-file"
        )
    asks = not dry and not _is_offline(wanted)
    if asks and client.needs_file(wanted.provider, wanted.key_file):
        read_key(Path(wanted.key_file).expanduser())
    if asks and wanted.provider == "anthropic":
        client.check_address()
    if batch and wanted.provider != "anthropic":
        raise UsageError(f"{wanted.provider} has no Message Batches; leave out --batch")
    if _is_offline(wanted):
        for option, given in (
            ("--schema and --profile", wanted.schemas),
            ("--instructions", wanted.instructions),
            ("Batches", batch),
        ):
            if given:
                raise UsageError(
                    f"{option} need a model: set ANTHROPIC_API_KEY, or what "
                    "--extractor claude needs, and leave out --extractor offline"
                )


def choose(
    wanted: Wanted, stop: threading.Event, *, dry: bool = False
) -> tuple[Extractor, str]:
    """The extractor, and what to tell the user about the choice.

    `auto` takes Claude when a key is configured. Raises UsageError as `check`
    does: a nightly run must not fall back to something else unasked.
    """
    check(wanted, dry=dry)
    if _is_offline(wanted):
        why = ""
        if wanted.name == "auto":
            why = " (no ANTHROPIC_API_KEY; nothing leaves this machine)"
        from memcli.extractors.offline.extractor import OfflineExtractor

        return OfflineExtractor(), f"extractor: offline{why}"
    return _claude(wanted, stop)


def _is_offline(wanted: Wanted) -> bool:
    """Only a key makes `auto` ask a model, or a platform that was named: an address
    or a login may be there for something else."""
    if wanted.name == "auto":
        return wanted.provider == "anthropic" and not client.has_key(wanted.key_file)
    return wanted.name == "offline"


def _claude(wanted: Wanted, stop: threading.Event) -> tuple[Extractor, str]:
    from memcli.asking.asker import Asker
    from memcli.asking.prices import as_of, price_of
    from memcli.asking.spending import Purse
    from memcli.extractors.claude import ClaudeExtractor

    model = client.model_name(wanted.provider, wanted.model)
    price = price_of(model, wanted.prices)
    budget = wanted.budget
    if price is None:
        if wanted.asked_for_budget and budget is not None:
            raise UsageError(
                f"no price is known for {model}, so --budget cannot be kept; give one "
                f'in memcli.toml: [prices."{model}"] with input and output, in dollars '
                "per million tokens"
            )
        budget = None
    asker = Asker(
        model,
        cast("client.Provider", wanted.provider),
        wanted.prices,
        Purse(budget),
        wanted.timeout,
        wanted.patience,
        stop,
        wanted.key_file,
    )
    extractor = ClaudeExtractor(
        asker, instructions=wanted.instructions, schemas=wanted.schemas
    )
    credential = client.credential(wanted.provider, wanted.key_file)
    told = [_way(wanted.provider, credential)]
    if budget is not None:
        of = "memcli.toml" if model in wanted.prices else str(as_of())
        told.append(f"at most ${budget:g} a run by the prices of {of}")
    elif price is None:
        told.append("its price is not known, so there is no ceiling")
    else:
        told.append("no ceiling")
    if wanted.name == "auto":
        told.append("--extractor offline costs nothing")
    return extractor, f"extractor: claude, {model} ({'; '.join(told)})"


def _way(provider: str, credential: str | None) -> str:
    if provider != "anthropic":
        return f"through {credential}"
    if credential is None:
        return "no key"
    return f"{credential} is set" if credential.isupper() else credential
