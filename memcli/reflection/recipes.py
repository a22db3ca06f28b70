"""An enricher as plain data: what a program asked for, in the file with what it
submitted, so that any process can go on with it."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

from memcli import config
from memcli.errors import UsageError
from memcli.extractors.choose import Wanted
from memcli.extractors.schemas import Schema
from memcli.reflection.consolidate import Allowed
from memcli.reflection.run import Request
from memcli.when import parse_duration

# What LangChain calls the ways to a Claude, and what they are called here.
_PROVIDERS = {
    "anthropic": "anthropic",
    "bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "anthropic_bedrock": "bedrock",
    "vertex": "vertex",
    "google_anthropic_vertex": "vertex",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what an enricher makes of a conversation."""

    extractor: str
    model: str
    provider: str
    instructions: str = ""
    schemas: tuple[Schema, ...] = ()
    allowed: Allowed = field(default_factory=Allowed)
    min_confidence: float = 0.6

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it. Of a pydantic model that is its JSON Schema."""
        return {
            "extractor": self.extractor,
            "model": self.model,
            "provider": self.provider,
            "instructions": self.instructions,
            "schemas": [
                {
                    "name": schema.name,
                    "about": schema.about,
                    "json_schema": dict(schema.json_schema),
                    "profile": schema.profile,
                }
                for schema in self.schemas
            ],
            "allowed": asdict(self.allowed),
            "min_confidence": self.min_confidence,
        }


@dataclass(frozen=True, slots=True)
class Means:
    """What a process has to work with: money in dollars, time, workers."""

    budget: float | None
    asked_for_budget: bool
    timeout: timedelta
    patience: timedelta
    workers: int
    embedding_model: str
    key_file: str
    prices: Mapping[str, Any]

    def without(self, spent: float | None) -> "Means":
        """What is left when so many dollars are gone."""
        if self.budget is None or not spent:
            return self
        return replace(self, budget=max(0.0, self.budget - spent))


def from_plain(plain: Mapping[str, Any]) -> Recipe:
    """What `Recipe.plain` gave, made a recipe again."""
    return Recipe(
        extractor=plain["extractor"],
        model=plain["model"],
        provider=plain["provider"],
        instructions=plain["instructions"],
        schemas=tuple(Schema(**schema) for schema in plain["schemas"]),
        allowed=Allowed(**plain["allowed"]),
        min_confidence=plain["min_confidence"],
    )


def model_of(name: str) -> tuple[str, str, str]:
    """`anthropic:claude-haiku-5-5` → the extractor, its model, and its provider.

    `offline` is the extractor that asks nobody. Raises UsageError for a model that
    is no Claude.
    """
    if not isinstance(name, str):
        raise UsageError(
            f"the model is named by text, such as 'anthropic:claude-haiku-5-5', not "
            f"by a {type(name).__name__}"
        )
    provider, colon, model = name.partition(":")
    if name == "offline":
        return "offline", "", "anthropic"
    if colon and provider in _PROVIDERS and model:
        return "claude", model, _PROVIDERS[provider]
    if name.startswith("claude-"):
        return "claude", name, "anthropic"
    raise UsageError(
        f"model {name!r}: write 'anthropic:MODEL', 'bedrock:MODEL', 'vertex:MODEL', or "
        "'offline'"
    )


def means(values: Mapping[str, Any]) -> Means:
    """From settings, by name. Raises UsageError."""
    budget, asked_for = config.dollars(values["budget"])
    return Means(
        budget=budget,
        asked_for_budget=asked_for,
        timeout=parse_duration(values["timeout"]),
        patience=parse_duration(values["patience"]),
        workers=values["workers"],
        embedding_model=values["embedding-model"],
        key_file=values["key-file"],
        prices=config.prices(),
    )


def wanted(recipe: Recipe, by: Means) -> Wanted:
    """What the extractor is to be."""
    return Wanted(
        name=recipe.extractor,
        model=recipe.model,
        provider=recipe.provider,
        instructions=recipe.instructions,
        schemas=recipe.schemas,
        budget=by.budget,
        asked_for_budget=by.asked_for_budget,
        prices=by.prices,
        timeout=by.timeout,
        patience=by.patience,
        key_file=by.key_file,
    )


def request(
    recipe: Recipe,
    enricher: int,
    by: Means,
    may_begin: Callable[[str], bool] = lambda thread_id: True,
) -> Request:
    """What a run is to do for an enricher: all that was submitted to it and is due."""
    return Request(
        paths=(),
        namespace="",
        quiet=timedelta(0),
        workers=by.workers,
        embedding_model=by.embedding_model,
        min_confidence=recipe.min_confidence,
        may_find_nothing=True,
        allowed=recipe.allowed,
        budget=by.budget if recipe.extractor == "claude" else None,
        enricher=enricher,
        may_begin=may_begin,
    )
