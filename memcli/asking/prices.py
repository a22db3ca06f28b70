"""What a request costs: a dated table, which the user can override."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from importlib import resources
from typing import Any

from memcli.errors import UsageError
from memcli.models import Usage

_MILLION = 1_000_000
# Batches are answered within a day, at half the price.
BATCH_FACTOR = 0.5
_RATES = ("input", "output", "cache_write", "cache_read")


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars per million tokens."""

    input: float
    output: float
    cache_write: float
    cache_read: float


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs.

    A request with more than `over` input tokens, cached or not, costs `above`.
    `effort` says whether the model can be told how much to think.
    """

    rates: Rates
    over: int | None = None
    above: Rates | None = None
    effort: bool = False

    def cost(self, usage: Usage, *, batch: bool = False) -> float:
        """The dollars of one request."""
        shown = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        rates = self.rates
        if self.over is not None and self.above is not None and shown > self.over:
            rates = self.above
        dollars = (
            usage.input_tokens * rates.input
            + usage.output_tokens * rates.output
            + usage.cache_write_tokens * rates.cache_write
            + usage.cache_read_tokens * rates.cache_read
        ) / _MILLION
        return dollars * BATCH_FACTOR if batch else dollars

    def most(self, input_tokens: int, output_tokens: int) -> float:
        """What a request of that size can cost at most: all of it written to the
        cache, and all that may be answered answered."""
        rates = self.rates
        if self.over is not None and self.above is not None:
            rates = self.above if input_tokens > self.over else rates
        dearest = max(rates.input, rates.cache_write)
        return (input_tokens * dearest + output_tokens * rates.output) / _MILLION


def price_of(model: str, overrides: Mapping[str, Any]) -> Price | None:
    """The price of a model, or None where nobody has told it.

    Names that platforms decorate (`anthropic.claude-haiku-5-5`,
    `claude-haiku-5-5@20261007`) cost what the model they name costs. Raises
    UsageError for an override that is no price.
    """
    if model in overrides:
        return _price(model, overrides[model])
    table = _table()["models"]
    bare = model.rsplit("/", 1)[-1]
    bare = bare[bare.find("claude") :] if "claude" in bare else bare
    bare = bare.split("@")[0].split(":")[0]
    while bare and bare not in table:  # off with dates and versions: -20261007-v1
        bare = bare.rpartition("-")[0]
        if not bare.startswith("claude-"):
            return None
    known = table.get(bare)
    if known is None or not _same_model(model, bare):
        return None
    return _price(bare, known)


def as_of() -> date:
    """The day of the table."""
    day: date = _table()["as_of"]
    return day


def _same_model(model: str, bare: str) -> bool:
    """`claude-opus-5` must not price `claude-opus-5-1`: what follows a known name
    may only be a date or a version of the same model."""
    rest = model.split(bare, 1)[-1].lstrip("-@:")
    return not rest or rest[:1] == "v" or rest.startswith("20")


def _price(model: str, entry: object) -> Price:
    try:
        assert isinstance(entry, dict)
        assert all(v >= 0 for v in entry.values() if isinstance(v, int | float))
        above = entry.get("above")
        return Price(
            rates=_rates(entry),
            over=int(entry["over"]) if "over" in entry else None,
            above=_rates(above) if above else None,
            effort=bool(entry.get("effort", False)),
        )
    except (KeyError, TypeError, ValueError, AssertionError):
        raise UsageError(
            f"prices for {model!r}: give input and output, and if you like "
            "cache_write and cache_read, in dollars per million tokens"
        ) from None


def _rates(entry: Mapping[str, Any]) -> Rates:
    """Caching costs a quarter more to write and a tenth to read, if not said."""
    plain = Rates(float(entry["input"]), float(entry["output"]), 0, 0)
    return replace(
        plain,
        cache_write=float(entry.get("cache_write", 1.25 * plain.input)),
        cache_read=float(entry.get("cache_read", 0.1 * plain.input)),
    )


def _table() -> dict[str, Any]:
    text = (resources.files("memcli.asking") / "prices.toml").read_text("utf-8")
    return tomllib.loads(text)
