"""Bring the block in a file up to date with what is remembered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from memcli.agentfile import block, document, file, strongest
from memcli.agentfile.document import Layout
from memcli.asking.tokens import estimate
from memcli.errors import UsageError
from memcli.models import Memory
from memcli.store.ranking import Weighing

# Agents may be shown a file without its comments; so the heading says what it is.
_HEAD = (
    "<!-- Written by memcli. What is changed between these two lines will be lost. -->",
    "",
    "## Remembered from earlier conversations",
)


@dataclass(frozen=True, slots=True)
class Update:
    """What came of it: how many memories are in the block, how many had no room in
    it, about how many tokens it is, and whether the file is another one now."""

    memories: int
    left_out: int
    tokens: int
    changed: bool


def update(
    path: Path,
    namespace: str | None,
    found: Sequence[Memory],
    most: int,
    today: date,
    weighing: Weighing,
) -> Update:
    """Write the strongest memories into the block of a namespace.

    Nothing is written when that changes nothing. Raises UsageError for a file that
    cannot be worked with, which is left as it is then, and for too few tokens.
    """
    name = block.name_of(namespace)
    begin, end = block.markers(name)
    room = most - sum(strongest.price(line) for line in (begin, *_HEAD, "", end))
    if room < 0:
        raise UsageError(
            f"--max-tokens {most} is too little: {most - room} are needed beside the "
            "memories"
        )
    layout = Layout(3, namespaces=len({memory.namespace for memory in found}) > 1)
    ranked = strongest.ranked(found, today, weighing)
    chosen = strongest.fitting(ranked, layout, room)
    inner = [*_HEAD, *document.lines(chosen, layout), ""] if chosen else []
    whole = "".join(f"{line}\n" for line in (begin, *inner, end))
    changed = _put(path, name, inner)
    tokens = estimate(whole) if chosen else 0
    return Update(len(chosen), len(found) - len(chosen), tokens, changed)


def _put(path: Path, name: str, inner: Sequence[str]) -> bool:
    """Put lines into a file's block; whether that changed anything."""
    before = file.read(path)
    text = file.decoded(before or b"", path)
    try:
        after = block.spliced(text, name, inner)
    except UsageError as error:
        raise UsageError(f"{path}, {error}") from None
    if after == text:
        return False
    file.replace(path, before, after.encode())
    return True
