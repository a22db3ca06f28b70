"""Where a call comes from: its config, its store, the LangGraph workflow around it."""

import sys
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from memcli import namespaces
from memcli.errors import UsageError

Config = Mapping[str, Any]


class Placed(Protocol):
    """Anything that knows its database: `memcli.open(path)`, a LangGraph store."""

    @property
    def path(self) -> Path: ...


Store = str | PathLike[str] | Placed


def place(store: Store) -> Path:
    """The path of a store's database. Raises UsageError for a store of another kind."""
    if isinstance(store, str | PathLike):
        return Path(store).expanduser()
    path = getattr(store, "path", None)
    if isinstance(path, Path):
        return path
    raise UsageError(
        f"{type(store).__name__} cannot keep memories: give store=memcli.open(path)"
    )


def variables(template: str, config: Config | None) -> dict[str, str]:
    """What a template asks for, and who the user is, from a call's config; nothing
    else of it is looked at, since it may hold anything."""
    known = configurable(config_of_graph() if config is None else config)
    names = {*namespaces.variables(template), "user_id"} - {"thread_id"}
    return {
        name: str(known[name])
        for name in sorted(names)
        if isinstance(known.get(name), str | int | UUID) and str(known[name]).strip()
    }


def configurable(config: Config | None) -> Mapping[str, Any]:
    whole: Any = {} if config is None else config
    found = whole.get("configurable", {}) if isinstance(whole, Mapping) else None
    if not isinstance(found, Mapping):
        raise UsageError('config: write {"configurable": {"thread_id": …}}')
    return found


def config_of_graph() -> Config:
    """The config of the LangGraph run that we are called in, if we are in one."""
    if "langgraph.config" not in sys.modules:
        return {}
    from langgraph.config import get_config

    try:
        return get_config()
    except RuntimeError:
        return {}


def store_of_graph() -> Any:
    if "langgraph.config" not in sys.modules:
        return None
    from langgraph.config import get_store

    try:
        return get_store()
    except (RuntimeError, KeyError):
        return None
