"""Which namespaces a client may see and change.

They are fixed when the server starts. Whatever a client asks for is held against them
by whole segments: `memories/ana` has `memories/ana/work` in it, not `memories/anabel`.
"""

from dataclasses import dataclass

from memcli.errors import UsageError
from memcli.namespaces import includes, plain


@dataclass(frozen=True, slots=True)
class Bounds:
    """The namespaces that are served, with all below them; none for everything."""

    namespaces: tuple[str, ...] = ()

    def has(self, namespace: str) -> bool:
        """Whether memories of this namespace are served."""
        return not self.namespaces or any(
            includes(outer, namespace) for outer in self.namespaces
        )

    def to_search(self, asked: str | None) -> list[str | None]:
        """The namespaces to search, none within another; None for all there are.

        Raises UsageError for one that is not served.
        """
        if asked is not None:
            return [self._within(asked)]
        apart = [
            one
            for one in dict.fromkeys(self.namespaces)
            if not any(one != o and includes(o, one) for o in self.namespaces)
        ]
        return list(apart) or [None]

    def to_write(self, asked: str | None) -> str:
        """The namespace for a new memory: what was asked for, else the first one.

        Raises UsageError for one that is not served, and where none is fixed.
        """
        if asked is not None:
            return self._within(asked)
        if not self.namespaces:
            raise UsageError("say which namespace it goes to")
        return self.namespaces[0]

    def _within(self, asked: str) -> str:
        found = plain(asked)
        if not self.has(found):
            raise UsageError(
                f"namespace {asked!r} is not served here; what is: "
                f"{', '.join(self.namespaces)}, and what is below"
            )
        return found


def bounds(named: list[str]) -> Bounds:
    """The bounds of these namespaces. Raises NamespaceError for what is no name."""
    return Bounds(tuple(plain(name) for name in named))
