"""Told again by an agent, not said again by a person.

Agents put memories back into conversations. A line that holds the text of a memory
which was known by then is no new evidence: else what was once remembered, rightly
or not, would confirm itself for ever.
"""

import re

from memcli.textkey import particulars, text_key

# Shorter texts are said by people, too.
_SHORTEST = 3
_LONGEST = 40
# Of a long line only what is around the quote matters.
_AROUND = 60
# So much of what a candidate tells must be in the memory that stands in the line.
_COVERED = 0.6


def keys_around(message: str, quote: str) -> list[str]:
    """The normalised runs of words in the lines that hold a quote: what a memory's
    `text_key` would be if it stood there."""
    found: dict[str, None] = {}
    for line in _lines(message, quote):
        words = _near(text_key(line).split(), text_key(quote).split())
        for start in range(len(words)):
            for end in range(start + _SHORTEST, min(start + _LONGEST, len(words)) + 1):
                found[" ".join(words[start:end])] = None
    return list(found)


def says_again(text: str, known: str) -> bool:
    """Whether a candidate says little but what a memory said; what else stands in
    the line is a person's to say."""
    telling = particulars(text)
    return len(telling & particulars(known)) > _COVERED * len(telling)


def _lines(message: str, quote: str) -> list[str]:
    """The lines a quote stands in; the quote itself where it spans several."""
    wanted = " ".join(quote.split())
    holding = [
        line
        for line in re.split(r"[\r\n]+", message)
        if wanted in " ".join(line.split())
    ]
    return holding or [line for line in re.split(r"[\r\n]+", quote) if line.strip()]


def _near(words: list[str], quoted: list[str]) -> list[str]:
    if len(words) <= _AROUND:
        return words
    at = next(
        (
            start
            for start in range(len(words) - len(quoted) + 1)
            if words[start : start + len(quoted)] == quoted
        ),
        0,
    )
    first = max(0, at - _AROUND // 3)
    return words[first : first + _AROUND]
