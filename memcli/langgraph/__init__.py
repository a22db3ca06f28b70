"""LangGraph's store over a memcli file: what agents write there is a memory, too.

>>> from memcli.langgraph import MemoryStore        # doctest: +SKIP
>>> with MemoryStore("memories.db") as store:       # doctest: +SKIP
...     store.put(("memories", "anna"), "theme", {"content": "Anna prefers dark mode."})

Needs the packages of `memcli[langgraph]`.
"""

from memcli.errors import MissingExtra

try:
    import langgraph.store.base as _base  # the package of that name, not this one
except ImportError as error:
    raise MissingExtra(
        "memcli.langgraph needs LangGraph: pip install 'memcli[langgraph]'"
    ) from error

from memcli.langgraph.store import MemoryStore

del _base
__all__ = ["MemoryStore"]
