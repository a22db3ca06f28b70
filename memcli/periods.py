"""The times that a question names: "in May 2023", "last summer", "two weeks ago".

A question is read from word to word. At each, the rules below are tried in turn,
after the preposition if there is one. What is in doubt is no time: "may", "march",
"fall" and "2000" are ordinary words and numbers too.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

_EVER = datetime.min.replace(tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)
_Bounds = tuple[datetime, datetime]  # a start, and the end that is no part of it


@dataclass(frozen=True, slots=True)
class Period:
    """A time that a question names, and the characters that name it.

    From `start` to `end`, which is no longer part of it, in UTC. What has no first
    moment ("before 2023") starts at `datetime.min`, what has no last one ("since
    May") ends at `datetime.max`.
    """

    start: datetime
    end: datetime
    words: tuple[int, int]


def named_periods(question: str, now: datetime) -> tuple[Period, ...]:
    """The times that a question names, in order, not overlapping.

    A month, day or season without a year is the latest that had begun by `now`. A
    `now` without a time zone is UTC.
    """
    now = now.replace(tzinfo=UTC) if now.tzinfo is None else now.astimezone(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    text = question[:2_000]  # what comes after is not read
    found: list[Period] = []
    at = 0
    while word := _pattern(_WORD).search(text, at):
        at = word.end()
        if periods := _read(text, word.start(), today):
            found += periods
            at = periods[-1].words[1]
        elif no_time := _pattern(_NO_TIME).match(text, word.start()):
            at = no_time.end()
    return tuple(period for period in found if period.start < period.end)


def _days(year: int, month: int, first: int, last: int) -> _Bounds:
    start, end = (datetime(year, month, day, tzinfo=UTC) for day in (first, last))
    return start, end + timedelta(days=1)


def _months(year: int, month: int, count: int = 1) -> _Bounds:
    """From the first of a month; month 13 is the January after."""
    start, end = (
        datetime(year + n // 12, n % 12 + 1, 1, tzinfo=UTC)
        for n in (month - 1, month - 1 + count)
    )
    return start, end


def _whole(today: datetime, unit: str, step: int) -> _Bounds:
    """This day, week, month… (step 0), the last (-1)."""
    if unit == "year":
        return _months(today.year + step, 1, 12)
    if unit == "quarter":
        return _months(today.year, (today.month - 1) // 3 * 3 + 1 + 3 * step, 3)
    if unit == "month":
        return _months(today.year, today.month + step)
    if unit in ("week", "weekend"):
        monday = today + timedelta(days=7 * step - today.weekday())
        end = monday + timedelta(days=7)
        return (monday if unit == "week" else end - timedelta(days=2)), end
    if unit in _WEEKDAYS:  # the last one
        step = -1 - (today.weekday() - _WEEKDAYS.index(unit) - 1) % 7
    return today + timedelta(days=step), today + timedelta(days=step + 1)


def _back(today: datetime, unit: str, count: int) -> datetime:
    """The day so many days, weeks, months or years ago."""
    if unit in ("day", "week"):
        return today - timedelta(days=count * (1 if unit == "day" else 7))
    months = count * (1 if unit == "month" else 12)
    first, after = _months(today.year, today.month - months)
    return first + timedelta(days=min(today.day, (after - first).days) - 1)


def _third(bounds: _Bounds, which: str) -> _Bounds:
    """The early, mid or late part."""
    start, end = bounds
    cuts = [start + timedelta(days=(end - start).days * n // 3) for n in range(4)]
    nth = ("early", "mid", "late").index(which.lower())
    return cuts[nth], cuts[nth + 1]


# The words: the months in English, German, Spanish and French, and so on.

_MONTHS = [
    "january januar jänner enero janvier", "february februar febrero février",
    "march märz marzo mars", "april abril avril", "may mai mayo",
    "june juni junio juin", "july juli julio juillet", "august agosto août",
    "september septiembre septembre", "october oktober octubre octobre",
    "november noviembre novembre", "december dezember diciembre décembre",
]  # fmt: skip
_FOREIGN = {name: (n, 1) for n, line in enumerate(_MONTHS, 1) for name in line.split()}
# The first month, and how many there are.
_NAMES = {
    **{m[:i]: (n, 1) for n, m in enumerate(_MONTHS, 1) for i in (3, m.index(" "))},
    "sept": (9, 1), "christmas": (12, 1), "xmas": (12, 1),
    "q1": (1, 3), "q2": (4, 3), "q3": (7, 3), "q4": (10, 3), "spring": (3, 3),
    "summer": (6, 3), "autumn": (9, 3), "fall": (9, 3), "winter": (12, 3),
}  # fmt: skip
_WEEKDAYS = [
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
]  # fmt: skip
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "couple": 2, "two": 2, "three": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "few": 5, "several": 5,
}  # fmt: skip
# How many days sooner and later "a month ago" may have been.
_OFF = {"day": (0, 1), "week": (3, 4), "month": (15, 16), "year": (182, 183)}
_UNITS = ("week", "weekend", "month", "quarter", "year")
# What is counted from now: the unit, and how many of them on.
_FROM_NOW = {
    "today": ("day", 0), "yesterday": ("day", -1), "day before yesterday": ("day", -2),
    "昨天": ("day", -1), "昨日": ("day", -1), "上周": ("week", -1),
    "先週": ("week", -1), "上个月": ("month", -1), "先月": ("month", -1),
    "去年": ("year", -1), "今年": ("year", 0),
    **{f"last {unit}": (unit, -1) for unit in (*_UNITS, *_WEEKDAYS)},
    **{f"this {unit}": (unit, 0) for unit in _UNITS},
}  # fmt: skip


# From what a pattern has matched to the time it means. What is no name of a time, or
# not in the calendar, raises LookupError, ValueError or OverflowError.


def _by_name(match: re.Match[str], today: datetime) -> _Bounds:
    """A month, a season, a quarter, Christmas, or days of a month."""
    groups = match.groupdict()
    name, year = groups["name"].lower(), groups.get("year")
    day, last = (int(groups.get(which) or 0) for which in ("day", "last"))
    month, count = (_FOREIGN if "foreign" in groups else _NAMES)[name]
    if day and count > 1:
        raise ValueError("a season has no such days")
    if name in ("christmas", "xmas"):
        day, last = 24, 26

    def of(year: int) -> _Bounds:
        if day:
            return _days(year, month, day, max(day, last))
        return _months(year, month, count)

    if year:
        back = 1 if year.lower().startswith("last") else 0
        return of(int(year) if year.isdecimal() else today.year - back)
    for latest in range(today.year, today.year - 9, -1):
        with suppress(ValueError):  # not every year has a 29 February
            if (bounds := of(latest))[1 if groups.get("over") else 0] <= today:
                return bounds
    raise ValueError("there was none")


def _date(match: re.Match[str], today: datetime) -> _Bounds:
    """A year, with a month and a day or without."""
    year, month, day = (int(part or 0) for part in (*match.groups(), 0, 0)[:3])
    if day:
        return _days(year, month, day, day)
    return _months(year, month or 1, 1 if month else 12)


def _decade(match: re.Match[str], today: datetime) -> _Bounds:
    year = int(match[1])
    if year < 100:
        year += 2000 if 2000 + year <= today.year else 1900
    return _months(year, 1, 120)


def _from_now(match: re.Match[str], today: datetime) -> _Bounds:
    return _whole(today, *_FROM_NOW[" ".join(match[1].lower().split())])


def _ago(match: re.Match[str], today: datetime) -> _Bounds:
    """As in "two weeks ago" or "the last two weeks"."""
    word, unit = (match["count"] or "one").lower(), match["unit"].lower()
    start = _back(today, unit, int(word) if word.isdecimal() else _NUMBERS[word])
    if not match[0].endswith("ago"):
        return start, today + timedelta(days=1)
    if word in ("few", "several"):
        return start, _back(today, unit, 2)
    before, after = _OFF[unit]
    return start - timedelta(days=before), start + timedelta(days=after)


# The rules. A blank in a pattern stands for blanks of any kind and number.

_Y = r"(?:19|20)\d\d"
_OF_YEAR = rf",? (?:of |del? )?(?P<year>{_Y}|(?:last|this) year)\b(?![.,]\d)"
_TO = r"(?:\s*[-–]\s*| (?:to|and|until) )"
_DAY = rf"(?P<day>\d\d?)(?:st|nd|rd|th)?(?:{_TO}(?P<last>\d\d?)(?:st|nd|rd|th)?)?\b"
_NAME = r"(?P<name>[^\W\d_]{3,9}|q[1-4])\b(?:\.(?=\s*\d))?"
_ABROAD = rf"(?:{_DAY}\.? (?:de )?)?(?P<foreign>){_NAME}"
_DOUBT = r"(?-i:may|march|mar|fall|spring)\b"  # ordinary words, if not capitalised
_SEASON = r"(?:the )?(?P<name>spring|summer|autumn|fall|winter)\b"
_COUNT = r"(?P<count>\d{1,4}|[a-z]{1,7})(?: of)?"
_UNIT = r"(?P<unit>day|week|month|year)s?\b"
# "in 2000 steps" and "in 2000.5" name no year, "in 2024 was" does.
_END = (
    r"\b(?=\s*$|\s*[?!;:)\]\"'’”…]|[.,](?!\d)|\s*[-–—](?!\d)|"
    " (?-i:I|[A-Z][a-z]+)| (?:about|after|and|are|as|at|because|before|but|by|did|do|"
    "does|for|from|had|has|have|he|how|if|is|it|my|on|or|our|she|than|that|the|then|"
    r"they|vs|was|we|were|what|when|where|which|while|who|why|with|you|your)\b)"
)
_IN = "in im en during around throughout range"
_OPEN = "since before after until till"
_ANY = f"{_IN} {_OPEN} part"
_ON = "on from around since before after until till range between"


class _Rule(NamedTuple):
    leads: str  # the words of which one must come before, if any must
    pattern: str
    bounds: Callable[[re.Match[str], datetime], _Bounds]


def _named(leads: str, pattern: str, end: str = "") -> tuple[_Rule, _Rule]:
    """With its year a name stands alone."""
    alone = _Rule("", pattern + _OF_YEAR, _by_name)
    return alone, _Rule(leads, pattern + end, _by_name)


_BY_CALENDAR = (
    _Rule("", rf"({_Y})-(\d\d)(?:-(\d\d)(?:T[\d:.]+Z?)?)?(?![\w-])", _date),
    _Rule("", rf"({_Y})年(?>(?:(\d\d?)月(?:(\d\d?)日)?)?)(?![度以之前后か])", _date),
    *_named(_ON, rf"(?:the )?{_DAY} (?:of )?{_NAME}"),
    *_named(_ON, rf"{_NAME} {_DAY}"),
    *_named(f"{_ANY} over", _SEASON, r"(?! of\b| (?-i:[A-Z]))"),  # "in Spring Boot"
    *_named(_IN, rf"(?!spring|fall){_NAME}"),
    _Rule(f"{_OPEN} part", rf"(?!{_DOUBT}|spring|fall){_NAME}", _by_name),
    _Rule(f"{_ANY} at on over for", "(?P<name>christmas|xmas)\\b", _by_name),
    _Rule("", rf"(?:(?P<over>(?<!the\s)last)|this(?! {_DOUBT})) {_NAME}", _by_name),
    _Rule("", rf"(?!mars){_ABROAD}{_OF_YEAR}", _by_name),  # NASA's Mars 2020
    _Rule("im en am el le", rf"{_ABROAD}(?:{_OF_YEAR})?", _by_name),
    _Rule(
        f"{_ANY} of de from for", rf"(?:(?:the year|jahr|el año) )?({_Y}){_END}", _date
    ),
    _Rule("range", rf"({_Y})(?={_TO}{_Y}\b)", _date),
    _Rule("", r"((?:19|20)\d0)s\b", _decade),
    _Rule(f"{_ANY} from", rf"the ['’]?(\d0)s{_END}", _decade),
    _Rule("part", rf"['’]?(\d0)s{_END}", _decade),
)
_BY_NOW = (
    _Rule("", r"(?:the )?(day before yesterday|yesterday|today)\b", _from_now),
    _Rule("", "(昨天|昨日|上周|先週|上个月|先月|去年|今年)", _from_now),
    _Rule("", r"((?:this|last) [a-z]{4,9})\b(?! of\b)", _from_now),
    _Rule("in over during", rf"the (?:last|past) (?:{_COUNT} )?{_UNIT}(?! of\b)", _ago),
    _Rule("", rf"(?:a )?{_COUNT} {_UNIT} ago\b", _ago),
)
_RULES = _BY_CALENDAR + _BY_NOW
_LEAD = (
    "(in|on|at|of|from|during|for|around|throughout|over|since|before|after|until|till|"
    "between|im|en|de|am|el|le) "
)
_PART = r"(?:the )?(early|mid|late)(?:-| )"
_AND = r"\s*([-–—])\s*| (?:and|or) "
# Where a time or its preposition may begin.
_WORD = r"[昨上先去今]|(?<![a-zß-ÿ\d_#$€/@–-])(?<!\d[.,:])[a-z\d]+"
# What is stepped over: "a total of 2000", "did she last march", "in his late 30s".
_NO_TIME = (
    r"(?:an? \w+|out) of |(?:days?|weeks?|months?|years?) (?:before|after) |"
    r"(?:more|less) than \w+ \w+ ago\b|(?:did|do|does|has|have|had) \w+ last |"
    r"(?:my|his|her|our|your|their) (?:early|mid|late)\b|(?:antes|después) de \w+|"
    r"(?:seit|vor|nach|von|bis|desde|hasta|depuis|avant|après) \w+"
)


@cache
def _pattern(written: str) -> re.Pattern[str]:
    """Compiled when it is first needed: that takes longer than most questions do."""
    return re.compile(written.replace(" ", r"\s+"), re.IGNORECASE)


def _term(
    text: str, at: int, today: datetime, lead: str, rules: tuple[_Rule, ...] = _RULES
) -> Period | None:
    """The time that is named right here, after that word."""
    part = _pattern(_PART).match(text, at)
    here = part.end() if part else at
    leads = {lead, "part" if part else lead}
    for rule in rules:
        if rule.leads and leads.isdisjoint(rule.leads.split()):
            continue
        if match := _pattern(rule.pattern).match(text, here):
            with suppress(LookupError, ValueError, OverflowError):
                bounds = rule.bounds(match, today)
                bounds = _third(bounds, part[1]) if part else bounds
                return Period(*bounds, (at, match.end()))
    return None


def _read(text: str, at: int, today: datetime) -> list[Period]:
    """The time that is named right here, or two, as in "in May and June"."""
    lead = _pattern(_LEAD).match(text, at)
    word, here = (lead[1].lower(), lead.end()) if lead else ("", at)
    spans = word in ("between", "from")
    role = "range" if spans else word
    first = None if word in _OPEN.split() else _term(text, here, today, role)
    joint = first and _pattern(_TO if spans else _AND).match(text, first.words[1])
    if first and joint and (second := _term(text, joint.end(), today, role)):
        # May, in "between May and June 2023", is that before June 2023.
        first = _term(text, here, second.start, role, _BY_CALENDAR) or first
        if spans or joint[1]:
            return [Period(first.start, second.end, (at, second.words[1]))]
        return [replace(first, words=(at, first.words[1])), second]
    if not (only := _term(text, here, today, word)):
        return []
    start, end = only.start, only.end
    if word in ("since", "after"):
        start, end = (end if word == "after" else start), _NEVER
    elif word in ("before", "until", "till"):
        start, end = _EVER, (start if word == "before" else end)
    return [Period(start, end, (at, only.words[1]))]
