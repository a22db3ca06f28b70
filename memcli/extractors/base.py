"""What an extractor is: a function of one thread's part, with a name."""

from dataclasses import dataclass
from typing import Protocol

from memcli.asking.asker import Asker
from memcli.models import Asked, Candidate, ThreadPart

# The signal of a candidate that nobody suggested: what a turn would give if it was
# thought likely enough to be worth keeping.
CONSIDERED = "worth keeping"


@dataclass(frozen=True, slots=True)
class Extraction:
    """Candidates, and the requests to a model that they took."""

    candidates: tuple[Candidate, ...]
    asked: tuple[Asked, ...] = ()


class Extractor(Protocol):
    """Sees one thread and knows no other; so it may run anywhere, in any order."""

    @property
    def name(self) -> str:
        """`offline` or `claude`."""

    @property
    def model(self) -> str:
        """The model it asks; for offline, the version of its rules."""

    @property
    def recipe(self) -> str:
        """A hash of all that decides about its candidates but the thread itself:
        extractor, model, prompt, schemas."""

    @property
    def asker(self) -> Asker | None:
        """What it asks its model through; None for one without a model."""

    @property
    def part_characters(self) -> int | None:
        """How much of a thread it can be given at once; None for all."""

    @property
    def reads_vectors_of(self) -> str | None:
        """The embedding model whose vectors of the messages it makes use of; None
        for one that looks at the words alone."""

    def extract(self, part: ThreadPart) -> Extraction:
        """The candidates of one part.

        Raises ExtractorError when this thread failed, ExtractorUnusable when
        every thread would, and, where a model is asked, TooLong, Outage,
        BudgetSpent or Interrupted.
        """

    def fingerprint(self, part: ThreadPart) -> str:
        """Equal for parts of which the answer would be the same."""

    def close(self) -> None:
        """Let go of connections; nothing is extracted after it."""
