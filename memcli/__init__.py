"""memcli: long-term memory out of the conversations already on your disk.

>>> import memcli
>>> with memcli.open("memories.db") as store:       # doctest: +SKIP
...     hits = store.search("dark mode", limit=3)

Beside an agent, what LangMem's quickstart does, on the same file:

>>> enricher = memcli.create_memory_store_enricher(  # doctest: +SKIP
...     "anthropic:claude-haiku-5-5", namespace=("memories", "{user_id}"),
...     store=memcli.open("memories.db"))
>>> executor = memcli.ReflectionExecutor(enricher)   # doctest: +SKIP
>>> executor.submit({"messages": messages}, after_seconds=1800,  # doctest: +SKIP
...     config={"configurable": {"thread_id": "t1", "user_id": "ana"}})
"""

from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memcli.background.enricher import (
        MemoryStoreEnricher,
        create_memory_store_enricher,
    )
    from memcli.background.executor import ReflectionExecutor
    from memcli.errors import MemcliError
    from memcli.library import Memories
    from memcli.models import Hit, Memory, Source

__version__ = "0.1.0"
__all__ = [
    "Hit",
    "MemcliError",
    "Memories",
    "Memory",
    "MemoryStoreEnricher",
    "ReflectionExecutor",
    "Source",
    "__version__",
    "create_memory_store_enricher",
    "open",
]

# Where each name is; a name is loaded when it is asked for, so that importing memcli
# costs nothing.
_HOMES = {
    "Hit": "models",
    "MemcliError": "errors",
    "Memories": "library",
    "Memory": "models",
    "MemoryStoreEnricher": "background.enricher",
    "ReflectionExecutor": "background.executor",
    "Source": "models",
    "create_memory_store_enricher": "background.enricher",
}


def open(path: "str | PathLike[str] | None" = None) -> "Memories":
    """Open a database, to search it or as the `store` of an enricher; a context
    manager. Without a path it is the one that the command line uses.

    One that is not there yet has nothing in it; what is submitted makes it. Raises
    memcli.errors.StoreError when the path cannot be a database of ours.
    """
    from memcli.library import Memories  # numpy and sqlite3 only when used

    if path is None:
        from pathlib import Path

        from memcli import config

        path = config.prepared(Path(config.load({})["db"].value).expanduser())
    return Memories(path)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'memcli' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"memcli.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
