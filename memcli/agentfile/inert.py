"""Text of others as one line of Markdown that is text and does nothing.

What is remembered was said by somebody, and may be written to be more than text where
agents read it: a heading, an end of our block, `@file` that is replaced by the file, a
command that is run. Entities stand for such signs, since a backslash can be undone by
another one before it.
"""

import re

from memcli.transcripts.normalise import visible

_ACTING = (
    (re.compile(r"`{3,}"), "``"),  # a fence; two are code within a line
    (re.compile(r"~{3,}"), "~~"),
    (re.compile(r"<(?=[A-Za-z/!?])"), "&lt;"),  # tags and comments
    (re.compile(r"(?<=--)>|(?<=--!)>"), "&gt;"),
    # `@file` is an import wherever a word begins; mail addresses stay.
    (re.compile(r"(?<![^\W_])@(?=\S)"), "&#64;"),
    # An image, and in agents' commands and skills what is run when they are read.
    (re.compile(r"!(?=[`\[])"), "! "),
    # A link to a program, or to a file that an editor puts in its place.
    (re.compile(r"\]\((?=\s*<?(?!https?://)[^\s])", re.IGNORECASE), "] ("),
    # At the start: headings, quotes, lists, rules, tables, definitions.
    (re.compile(r"^(?=[#>+*\-_=\[|~:$%{])"), r"\\"),
    (re.compile(r"^(\d{1,9})(?=[.)](?: |$))"), r"\1\\"),
)


def inert(text: str) -> str:
    """The text on one line, without anything that would act."""
    text = visible(text)
    for pattern, instead in _ACTING:
        text = pattern.sub(instead, text)
    return text
