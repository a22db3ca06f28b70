"""What a question asks for, as far as its form tells: a time, a number, the answer of
an assistant, or how something goes on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from memcli.periods import named_periods
from memcli.store.ranking import Floats
from memcli.store.terms import STOP_WORDS
from memcli.textkey import words

_A_TIME = re.compile(
    r"\W*(?:when|since when|until when|how long|(?:on |in |at )?(?:what|which) "
    r"(?:date|day|time|month|year|week|season|weekend)|what's the date)\b",
    re.IGNORECASE,
)
_A_NUMBER = re.compile(
    r"\bhow (?:many|much|old|tall|far|big|often|long|heavy|large)\b"
    r"|\bwhat (?:number|price|size|age|time|score|amount)\b",
    re.IGNORECASE,
)
_THE_ASSISTANT = re.compile(
    r"\byou(?:r)?\b(?:(?! I\b).){0,40}?\b(?:suggest|recommend|g[ai]ve|t[eo]ld|tell|said"
    r"|say|list|work(?:ed)? out|propos|mention|explain|advi[sc]|wr[io]te|c[oa]me up"
    r"|provid|draft|calculat)",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|last|next|ago|since|until"
    r"|this (?:week|month|morning|weekend|year|summer|winter|spring|autumn)"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|(?:jan|febr)uary|march|april|june|july|august|(?:septem|octo|novem|decem)ber"
    r"|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"
    r"|\d{1,2}(?:st|nd|rd|th)|(?:19|20)\d\d|\d{1,2}(?::\d\d)? ?(?:am|pm)|\d\d?:\d\d)\b"
    r"|\d\d\d\d-\d\d-\d\d|\d+[年月日]",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty"
    r"|forty|fifty|dozen|hundred|thousand|half|twice|once|both)\b",
    re.IGNORECASE,
)
# From so many telling words on a text is less and less a question that somebody
# types, and more and more the next turn of a conversation.
_SHORT, _LONG = 5, 15


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question asks for. `goes_on` is how far it is not a question but a turn
    of a conversation, from 0 to 1: what that goes on with is recent."""

    a_time: bool
    a_number: bool
    the_assistant: bool
    goes_on: float


def asked(question: str, telling: int) -> Asked:
    """The form of a question of so many telling words."""
    goes_on = min(1.0, max(0.0, (telling - _SHORT) / (_LONG - _SHORT)))
    return Asked(
        a_time=bool(_A_TIME.match(question)),
        a_number=bool(_A_NUMBER.search(question)),
        the_assistant=goes_on < 1 and bool(_THE_ASSISTANT.search(question)),
        goes_on=goes_on,
    )


def names_a_time(text: str) -> bool:
    """Whether a text could answer when."""
    return bool(_TIME.search(text))


def names_a_number(text: str) -> bool:
    """Whether a text could answer how many."""
    return bool(_NUMBER.search(text))


def in_the_time(
    question: str, moments: Sequence[datetime], asked_at: datetime | None
) -> Floats:
    """1 for each moment within a time that the question names, else 0.

    "In May" is the last one. Where nothing was said then, since the conversations
    ended long ago, it is the last one of theirs.
    """
    if moments:
        newest = max(moments)
        for now in (asked_at or newest, newest):
            periods = named_periods(question, now)
            within = [any(p.start <= one < p.end for p in periods) for one in moments]
            if any(within):
                return np.array(within, np.float64)
    return np.zeros(len(moments))


def people_asked_about(question: str, authors: set[str]) -> set[str]:
    """Those of the authors whom a question names, unless it names all of them: then
    it says nothing of who spoke."""
    said = {re.sub(r"['’]s?$", "", word) for word in words(question)}
    named = {author for author in authors if said & _calls(author)}
    return named if named != authors else set()


def _calls(author: str) -> set[str]:
    """What somebody is called: the whole name where it is one word, or the first."""
    return set(words(author)[:1])


def telling_words(question: str) -> int:
    """How many words there are beside those that every text has."""
    return sum(word not in STOP_WORDS for word in dict.fromkeys(words(question)))
