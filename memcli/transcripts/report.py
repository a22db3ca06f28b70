"""What reading one file came to: the format, and a count for every skip."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from memcli.models import Message
from memcli.transcripts.cursor import Cursor

# Enough to find the trouble in a file; the counts are always complete.
MAX_PROBLEMS = 10
BROKEN_TRANSCRIPT = "broken JSON that looks like a transcript"


@dataclass(slots=True)
class FileReport:
    """Filled while a file is read.

    `skipped` counts what was left out, by reason; `problems` holds the first
    few bad lines as `file:line: why`, without any of the file's contents.
    `withdrawn` are keys of messages that are no longer part of the
    conversation, and since when if the file tells. `self_contained` turns False
    when a message depends on more of the file than its own lines. `whole` tells
    that it was read from its start.
    """

    path: str
    format: str | None = None
    messages: int = 0
    copies: int = 0  # of messages in files that were read before
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    first_at: datetime | None = None
    last_at: datetime | None = None
    error: str | None = None
    bad_lines: int = 0
    withdrawn: dict[str, datetime | None] = field(default_factory=dict)
    self_contained: bool = True
    whole: bool = False
    cursor: Cursor | None = None
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def puzzling(self) -> bool:
        """Whether the file has no message, and no good reason to have none.

        A file of subagent turns or of summaries alone is as it should be; one
        of bad lines, or mostly of unknown events, may be a format that has
        moved on.
        """
        if self.messages > 0 or not self.whole:
            return False
        unknown = sum(n for why, n in self.skipped.items() if why.startswith("unknown"))
        return self.bad_lines > 0 or 2 * unknown > self.skipped.total()

    @property
    def unfit(self) -> bool:
        """Whether the file ought to have given messages, and gave none."""
        broken = BROKEN_TRANSCRIPT in self.reasons and self.format is None
        return self.error is not None or self.puzzling or broken

    @property
    def broken(self) -> bool:
        """Whether there is JSON in the file that does not hold together."""
        return any("JSON" in why and "object" not in why for why in self.skipped)

    @property
    def why_silent(self) -> str:
        """What was found instead of messages."""
        found = ", ".join(f"{n:,} {why}" for why, n in self.skipped.most_common(3))
        return f"{self.format}, but no message in it ({found or 'nothing'})"

    def recognised(self, format: str) -> None:
        """Note the format. An archive may hold several; the first one names it."""
        self.format = self.format or format

    def unknown(self, reason: str) -> None:
        """Note a document whose format is not known; what is wrong in it is not
        for us to say."""
        self.reasons[reason] += 1
        if self.format is None:
            self.skipped.clear()
            self.problems.clear()
            self.bad_lines = 0

    def count(self, message: Message) -> None:
        """Note a message that was read."""
        self.messages += 1
        self.threads.add(message.thread_id)
        if self.first_at is None or message.sent_at < self.first_at:
            self.first_at = message.sent_at
        if self.last_at is None or message.sent_at > self.last_at:
            self.last_at = message.sent_at

    def skip(self, reason: str) -> None:
        """Count something that was left out on purpose."""
        self.skipped[reason] += 1

    def problem(self, line: int, reason: str) -> None:
        """Count a line that could not be used, and remember where it is."""
        self.skipped[reason] += 1
        self.bad_lines += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{self.path}:{line}: {reason}")
