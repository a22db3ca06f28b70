"""What reading one file came to: the format, and a count for every skip."""

from collections import Counter
from dataclasses import dataclass, field

# Enough to find the trouble in a file; the counts are always complete.
MAX_PROBLEMS = 10


@dataclass(slots=True)
class FileReport:
    """Filled while a file is read.

    `skipped` counts what was left out, by reason; `problems` holds the first
    few bad lines as `file:line: why`, without any of the file's contents.
    """

    path: str
    format: str | None = None
    messages: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    error: str | None = None
    bad_lines: int = 0

    @property
    def puzzling(self) -> bool:
        """Whether the file has no message, and no good reason to have none.

        A file of subagent turns or of summaries alone is as it should be; one
        of bad lines or unknown events may be a format that has moved on.
        """
        unknown = any(reason.startswith("unknown") for reason in self.skipped)
        return self.messages == 0 and (unknown or self.bad_lines > 0)

    def skip(self, reason: str) -> None:
        """Count something that was left out on purpose."""
        self.skipped[reason] += 1

    def problem(self, line: int, reason: str) -> None:
        """Count a line that could not be used, and remember where it is."""
        self.skipped[reason] += 1
        self.bad_lines += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{self.path}:{line}: {reason}")
