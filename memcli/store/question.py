"""What a question asks for, as far as its form tells: a time, a number, the answer of
an assistant, or how something goes on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

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
_QUESTION_WORD = re.compile(r"[^\W_]+(?:[.'’\-][^\W_]+)*['’]?")
# What stands in names and names nobody, and names that are words as well.
_TITLES = """
    a an the of and my mr mrs ms miss dr prof sir user admin team support bot guest
    unknown
"""
_WORDS_TOO = """
    will may mark grace hope rose art bill pat sue rob drew jack frank june april august
    faith joy dawn summer autumn max chase hunter brook dean guy ray sky cliff penny
    ruby amber ivy iris holly daisy earl duke king young long short brown white black
    green gray grey small little rich price page case day
"""
_NO_NAMES, _ORDINARY = frozenset(_TITLES.split()), frozenset(_WORDS_TOO.split())
# From so many telling words on a text is less and less a question that somebody
# types, and more and more the next turn of a conversation.
_SHORT, _LONG = 5, 15
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)


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


def asks_for_a_time(question: str, asked_at: datetime | None) -> bool:
    """Whether a question names a time and little else: "what did I do in May"."""
    periods = named_periods(question, asked_at or _ANY_DAY)
    rest = question
    for period in reversed(periods):
        start, end = period.words
        rest = rest[:start] + rest[end:]
    return bool(periods) and telling_words(rest) <= 1


def people_asked_about(question: str, authors: set[str]) -> set[str]:
    """Those of the authors whom a question names, unless it names all of several: then
    it says nothing of who spoke."""
    named = {author for author in authors if _names(question, author)}
    return set() if named == authors and len(authors) > 1 else named


def _names(question: str, author: str) -> bool:
    """Whether a question has a word that the author is called."""
    called = {word for word in words(author) if word not in _NO_NAMES and len(word) > 1}
    for match in _QUESTION_WORD.finditer(question):
        word = re.sub(r"['’]s?$", "", match[0])
        if word.casefold() not in called:
            continue
        # "Will" is a name, "will" none; and so it is not where every word is large.
        large = (word[:1].isupper() and match.start() > 0) or word != match[0]
        if word.casefold() not in _ORDINARY or large:
            return True
    return False


def telling_words(question: str) -> int:
    """How many words there are beside those that every text has."""
    return sum(word not in STOP_WORDS for word in dict.fromkeys(words(question)))
