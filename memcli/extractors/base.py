"""What an extractor is: a function of one thread's part, with a name."""

from dataclasses import dataclass
from typing import Protocol

from memcli.models import Candidate, ThreadPart


@dataclass(frozen=True, slots=True)
class Extraction:
    """Candidates, and the tokens they cost (0 for an extractor without a model)."""

    candidates: tuple[Candidate, ...]
    input_tokens: int = 0
    output_tokens: int = 0


class Extractor(Protocol):
    """Sees one thread and knows no other; so it may run anywhere, in any order."""

    name: str
    model: str

    def extract(self, part: ThreadPart) -> Extraction:
        """The candidates of one part.

        Raises ExtractorError when this thread failed, ExtractorUnusable when
        every thread would.
        """

    def close(self) -> None:
        """Let go of connections; nothing is extracted after it."""
