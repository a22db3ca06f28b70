"""Files → what is in them, without a database: what `memcli inspect` shows."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from memcli.models import Message
from memcli.transcripts.discover import STDIN, FoundFile, discover, shown
from memcli.transcripts.read import read_file
from memcli.transcripts.report import FileReport


@dataclass(slots=True)
class Totals:
    """What all the files come to; a message in two of them counts once."""

    seen: int = 0
    files: Counter[str] = field(default_factory=Counter)
    not_transcripts: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    copies: int = 0
    threads: set[str] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)
    first_at: datetime | None = None
    last_at: datetime | None = None

    def nothing_recognised(self) -> str:
        """One line on what was found instead of transcripts."""
        if not self.seen:
            return "no transcripts: there are no files there"
        found = "; ".join(f"{n:,} {why}" for why, n in self.not_transcripts.items())
        files = "1 file" if self.seen == 1 else f"{self.seen:,} files"
        return f"no transcripts in {files}: {found}"


def survey(
    paths: Sequence[str],
    now: datetime,
    totals: Totals,
    show: Callable[[Message], None] | None = None,
) -> Iterator[FileReport]:
    """Read the files one by one; `totals` grows, `show` is given each new message.

    Raises UnreadableInput for a path that does not exist.
    """
    seen: set[int] = set()
    names = [name for name in paths if name != STDIN]
    sources: list[FoundFile] = []
    if STDIN in paths:
        sources.append(FoundFile(STDIN, 0, int(now.timestamp() * 1e9), 0))
    closed: list[str] = []
    for found in itertools.chain(sources, discover(names, closed.append)):
        report = FileReport(shown(found.path))
        # A withdrawal is known when the file is at its end, so messages wait.
        fresh: dict[tuple[str, str], Message | None] = {}
        for item in read_file(found, report, now):
            key = hash((item.message.key, item.message.role))
            if key in seen:
                totals.copies += 1
                report.copies += 1
                continue
            seen.add(key)
            fresh[item.message.key, item.message.role] = item.message if show else None
        for taken_back in [key for key in fresh if key[0] in report.withdrawn]:
            del fresh[taken_back]
            report.messages -= 1
        totals.messages += len(fresh)
        _add(totals, report)
        yield report
        for message in fresh.values():
            if show is not None and message is not None:
                show(message)
    for folder in closed:
        yield FileReport(shown(folder), error="permission denied")


def _add(totals: Totals, report: FileReport) -> None:
    totals.seen += 1
    if report.format is None:
        totals.not_transcripts += report.reasons
        return
    totals.files[report.format] += 1
    totals.threads |= report.threads
    totals.skipped += report.skipped
    times = [t for t in (totals.first_at, report.first_at) if t is not None]
    totals.first_at = min(times, default=None)
    times = [t for t in (totals.last_at, report.last_at) if t is not None]
    totals.last_at = max(times, default=None)
