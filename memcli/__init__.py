"""memcli: long-term memory out of the conversations already on your disk.

>>> import memcli
>>> with memcli.open("memories.db") as store:       # doctest: +SKIP
...     hits = store.search("dark mode", limit=3)
"""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memcli.library import Memories

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(path: "str | PathLike[str]") -> "Memories":
    """Open a database that `memcli reflect` made; use it as a context manager.

    Raises memcli.errors.StoreError when there is none, or it is not ours.
    """
    from memcli.library import Memories  # numpy and sqlite3 only when used

    return Memories(path)
