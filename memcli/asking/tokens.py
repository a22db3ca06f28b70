"""How many tokens a text is, without asking anybody.

Tokenizers differ, so the first figure is for telling a price before a run, and
the second for promising one.
"""

import re

# English and code come to some three characters a token with the tokenizers of
# 2026; scripts of one sign a syllable or word to about one sign a token.
_CHARACTERS = 3.0
_DENSE = re.compile(r"[^\x00-\u024f\u2000-\u206f]")


def estimate(text: str) -> int:
    """Roughly how many tokens a text is; never 0."""
    dense = len(_DENSE.findall(text)) if not text.isascii() else 0
    return 1 + int((len(text) - dense) / _CHARACTERS + dense)


def at_most(text: str) -> int:
    """More tokens than that it cannot be: one token is at least one byte."""
    return len(text.encode())
