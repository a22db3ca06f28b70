"""When a sentence speaks of: "next Friday" → the day, by the message's time.

Relative dates are useless a week later, and resolved against the day of the
import they are wrong (which is what other tools do). So they are replaced in
the text itself by what they meant when they were said.
"""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Tense = Literal["past", "future"]

_DAYS = {
    name.lower(): i for i, name in enumerate(calendar.day_name)
} | {name.lower(): i for i, name in enumerate(calendar.day_abbr)} | {
    "tues": 1, "thur": 3, "thurs": 3,
}  # fmt: skip
_MONTHS = {
    name.lower(): i for i, name in enumerate(calendar.month_name) if name
} | {name.lower(): i for i, name in enumerate(calendar.month_abbr) if name} | {
    "sept": 9
}  # fmt: skip
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
    "a couple of": 2, "couple of": 2, "a few": 3,
}  # fmt: skip
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}

_DAY = "|".join(sorted((d for d in _DAYS if len(d) > 3 or d != "sun"), key=len)[::-1])
_FULL_DAY = "|".join(name.lower() for name in calendar.day_name)
_MONTH = "|".join(sorted(_MONTHS, key=len)[::-1])
_PAST_VERB = re.compile(
    r"(?<!getting )(?<!get )(?<!be )(?<!is )(?<!are )\b(?:\w+ed|since|was|were|had|went|came|left"
    r"|(?<!have )(?<!has )(?<!['’]ve )(?<!['’]s )got|began|bought|sold|met|did|lost|won|quit|gave"
    r"|took|flew|ran|became|rang|drove|spoke|wrote|made|told|saw|said|found|built|broke"
    r"|sent|paid|ate|taught)"
    r"(?:\s+\w+){0,5}\s*$",
    re.IGNORECASE,
)
_COMING_VERB = re.compile(
    r"\b(?:starts?|begins?|is|are|['’]s|opens?|leaves?|flies|arrives?|due|expires?|ends?"
    r"|(?:fly|go|come|drive|travel|head|return)(?: back)?"
    r"|(?:will|['’]ll|going to) (?:be )?\w+"
    r"|(?:moved|postponed|rescheduled|delayed|put off|pushed back|brought forward)"
    r"(?: [\w'’-]+){0,8} (?:to|until|till))\s*$",
    re.IGNORECASE,
)
_NUMBER = r"\d{1,3}|" + "|".join(sorted(_NUMBERS, key=len)[::-1])
_ORDINAL = r"(?:st|nd|rd|th)"
_NTHS = re.findall(
    r"\w+",
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
    " thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth",
)
_ORDINALS = {word: i for i, word in enumerate(_NTHS, 1)} | {
    "twentieth": 20, "thirtieth": 30, "thirty-first": 31,
} | {f"twenty-{word}": 20 + i for i, word in enumerate(_NTHS[:9], 1)}  # fmt: skip
_WORDED = "|".join(sorted(_ORDINALS, key=len)[::-1])


@dataclass(frozen=True, slots=True)
class TimeMention:
    """A stretch of text that names a time, what to put there, and the day.

    `day` is None when the time is vaguer than a day.
    """

    start: int
    end: int
    text: str
    day: date | None
    tense: Tense | None = None


def mentions(text: str, said_on: date, tense: Tense | None) -> list[TimeMention]:
    """The times a sentence names, in order, not overlapping.

    `tense` decides between the last and the next of what comes again ("on
    Friday", "in May"); None takes the nearer one.
    """
    found: list[TimeMention] = []
    for pattern, resolve in _RULES:
        for match in pattern.finditer(text):
            if any(m.start < match.end() and match.start() < m.end for m in found):
                continue
            side = _tense_before(text, match.start()) or tense
            earlier = [m.day for m in found if m.end <= match.start() and m.day]
            later = [m.day for m in found if 0 <= m.start - match.end() < 6 and m.day]
            if resolve is _ordinal and later:
                # "from the 20th to the 27th of December": both of that month.
                mention = _ordinal(match, later[0], "past")
            elif resolve is _ordinal and earlier:
                # "on December 12, back on the 20th": the one that comes after it.
                mention = _ordinal(match, earlier[-1], "future")
            elif resolve is _month_day and earlier:
                # "on 19 June, not 12 June": of one year.
                mention = _month_day(match, earlier[-1], None)
            else:
                mention = resolve(match, said_on, side)
            if mention is not None:
                found.append(mention)
    return sorted(found, key=lambda mention: mention.start)


# What was decided to be done lies ahead, though the deciding is past.
_INTENDED = re.compile(
    r"\b(?:decided|agreed|planned|chose|promised|resolved) (?:not )?to \w+",
    re.IGNORECASE,
)


def _tense_before(text: str, at: int) -> Tense | None:
    """The verb beside a time tells its direction, whatever the rest of the
    sentence does: "… started in October" looks back, "… starts on Monday" ahead.
    """
    if _COMING_VERB.search(text, 0, at) or _INTENDED.search(text, 0, at):
        return "future"
    return "past" if _PAST_VERB.search(text, 0, at) else None


def resolved(text: str, found: list[TimeMention]) -> str:
    """The text with every mention replaced by what it means."""
    parts, at = [], 0
    for mention in found:
        parts += [text[at : mention.start], mention.text]
        at = mention.end
    return "".join(parts) + text[at:]


def spoken(day: date) -> str:
    """`4 September 2026`: unambiguous everywhere, and found by its words."""
    return f"{day.day} {calendar.month_name[day.month]} {day.year}"


def _at(
    match: re.Match[str],
    day: date,
    *,
    before: str = "on ",
    exact: bool = True,
    tense: Tense | None = None,
) -> TimeMention:
    """A mention of one day; a preposition that is there already is kept."""
    lead = match.groupdict().get("lead") or ""
    if lead and before.startswith("on the "):
        lead += before.removeprefix("on ")
    keep = lead or before
    if keep and not keep.endswith(" "):
        keep += " "
    return TimeMention(
        match.start(), match.end(), keep + spoken(day), day if exact else None, tense
    )


def _relative_day(
    match: re.Match[str], said_on: date, tense: Tense | None
) -> TimeMention:
    word = re.sub(r"\s+", " ", match["word"].lower())
    offset = {
        "today": 0, "tonight": 0, "this morning": 0, "this afternoon": 0,
        "this evening": 0, "tomorrow": 1, "yesterday": -1, "last night": -1,
        "the day after tomorrow": 2, "the day before yesterday": -2,
        "tomorrow morning": 1, "tomorrow evening": 1, "tomorrow night": 1,
        "tomorrow afternoon": 1, "yesterday evening": -1, "yesterday morning": -1,
    }[word]  # fmt: skip
    which: Tense | None = "future" if offset > 0 else "past" if offset < 0 else None
    return _at(match, said_on + timedelta(days=offset), tense=which)


def _weekday(
    match: re.Match[str], said_on: date, tense: Tense | None
) -> TimeMention | None:
    which = (match["which"] or "").lower().strip()
    if (match["lead"] or "").lower().startswith("since"):
        tense = "past"
    wanted = _DAYS[match["day"].lower()]
    part = match.groupdict().get("part")
    before = f"on the {part.lower()} of " if part else "on "
    monday = said_on - timedelta(days=said_on.weekday())
    if which == "next":  # the one of next week, as against "this Friday"
        return _at(
            match, monday + timedelta(days=7 + wanted), tense="future", before=before
        )
    ahead = (wanted - said_on.weekday()) % 7
    back = (said_on.weekday() - wanted) % 7
    if which == "last":
        return _at(
            match, said_on - timedelta(days=back or 7), tense="past", before=before
        )
    if which.startswith("this") or tense == "future":
        return _at(
            match, said_on + timedelta(days=ahead or 7), tense="future", before=before
        )
    if tense == "past":
        return _at(match, said_on - timedelta(days=back), tense="past", before=before)
    return None  # a weekday without a direction may be any or every one


def _period(
    match: re.Match[str], said_on: date, tense: Tense | None
) -> TimeMention | None:
    step = {"next": 1, "last": -1, "this": 0}[match["which"].lower()]
    unit = match["unit"].lower()
    tense = "future" if step > 0 else "past" if step < 0 else None
    monday = said_on - timedelta(days=said_on.weekday()) + timedelta(weeks=step)
    text: str
    if unit == "week":
        text = f"in the week of {spoken(monday)}"
    elif unit == "weekend":
        text = f"on the weekend of {spoken(monday + timedelta(days=5))}"
    elif unit == "month":
        text = "in " + _month_text(_add_months(said_on, step))
    elif unit == "year":
        text = f"in {said_on.year + step}"
    elif unit == "quarter":
        quarter = (said_on.month - 1) // 3 + step
        text = f"in Q{quarter % 4 + 1} {said_on.year + quarter // 4}"
    elif unit in _SEASONS:
        text = f"in {unit} {_season_year(unit, said_on, match['which'].lower())}"
    else:
        month = _MONTHS[unit]
        year = said_on.year
        if step > 0 and month <= said_on.month:
            year += 1
        if step < 0 and month >= said_on.month:
            year -= 1
        text = "in " + _month_text(date(year, month, 1))
    return TimeMention(match.start(), match.end(), text, None, tense)


def _season_year(season: str, said_on: date, which: str) -> int:
    start = _SEASONS[season]
    if which == "next":
        return said_on.year + (start <= said_on.month)
    if which == "last":
        return said_on.year - (start + 2 >= said_on.month)
    return said_on.year


def _distance(
    match: re.Match[str], said_on: date, tense: Tense | None
) -> TimeMention | None:
    amount_text = match["number"].lower()
    amount = _NUMBERS.get(amount_text) or int(amount_text)
    sign = -1 if match.groupdict().get("ago") else 1
    unit = match["unit"].lower().rstrip("s")
    which: Tense = "future" if sign > 0 else "past"
    vague = "few" in amount_text or "couple" in amount_text
    if unit in ("day", "week"):
        days = amount * (7 if unit == "week" else 1) * sign
        day = said_on + timedelta(days=days)
        exact = unit == "day" and not vague
        lead = "on " if exact else "around "
        return TimeMention(
            match.start(), match.end(), lead + spoken(day), day if exact else None,
            which,
        )  # fmt: skip
    try:
        if unit == "month":
            text = "around " + _month_text(_add_months(said_on, amount * sign))
        else:
            text = f"around {said_on.year + amount * sign}"
    except ValueError:
        return None
    return TimeMention(match.start(), match.end(), text, None, which)


def _month_day(
    match: re.Match[str], said_on: date, tense: Tense | None
) -> TimeMention | None:
    month = _MONTHS[match["month"].lower()]
    number = _day_number(match["number"])
    year = match.groupdict().get("year")
    try:
        if year:
            day = date(int(year), month, number)
        else:
            day = _nearest(
                [date(said_on.year + d, month, number) for d in (-1, 0, 1)],
                said_on, tense,
            )  # fmt: skip
    except ValueError:
        return None
    return _at(match, day, before="", tense=_side(day, said_on))


def _ordinal(
    match: re.Match[str], said_on: date, tense: Tense | None
) -> TimeMention | None:
    number = _day_number(match["number"])
    if (match["lead"] or "").lower().startswith("since"):
        tense = "past"
    options = []
    for step in (-1, 0, 1):
        first = _add_months(said_on, step).replace(day=1)
        if number <= calendar.monthrange(first.year, first.month)[1]:
            options.append(first.replace(day=number))
    if not options or not 1 <= number <= 31:
        return None
    day = _nearest(options, said_on, tense or "future")
    return _at(match, day, tense=_side(day, said_on))


def _day_number(text: str) -> int:
    """`24`, `twenty-fourth` → 24."""
    return _ORDINALS.get(text.lower().replace(" ", "-")) or int(text)


def _of_a_month(
    match: re.Match[str], said_on: date, tense: Tense | None
) -> TimeMention | None:
    """ "The 24th of this month"."""
    step = {"next": 1, "last": -1, "this": 0}[match["which"].lower()]
    month = _add_months(said_on.replace(day=1), step)
    try:
        day = month.replace(day=_day_number(match["number"]))
    except ValueError:
        return None
    return _at(match, day, before="", tense=_side(day, said_on))


def _iso(
    match: re.Match[str], said_on: date, tense: Tense | None
) -> TimeMention | None:
    try:
        day = date.fromisoformat(match["iso"])
    except ValueError:
        return None
    return _at(match, day, before="", tense=_side(day, said_on))


def _month_alone(
    match: re.Match[str], said_on: date, tense: Tense | None
) -> TimeMention | None:
    month = _MONTHS[match["month"].lower()]
    options = [date(said_on.year + d, month, 15) for d in (-1, 0, 1)]
    day = _nearest(options, said_on, tense)
    lead = match["lead"]
    return TimeMention(
        match.start(), match.end(), f"{lead}{_month_text(day)}", None,
        _side(day, said_on),
    )  # fmt: skip


def _year_alone(
    match: re.Match[str], said_on: date, tense: Tense | None
) -> TimeMention | None:
    year = int(match["year"])
    side: Tense | None = (
        "past" if year < said_on.year else "future" if year > said_on.year else None
    )
    return TimeMention(match.start(), match.end(), match[0], None, side)


def _nearest(options: list[date], said_on: date, tense: Tense | None) -> date:
    if tense == "future":
        options = [day for day in options if day >= said_on] or options
    elif tense == "past":
        options = [day for day in options if day <= said_on] or options
    return min(options, key=lambda day: abs(day - said_on))


def _side(day: date, said_on: date) -> Tense | None:
    return "future" if day > said_on else "past" if day < said_on else None


def _add_months(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def _month_text(day: date) -> str:
    return f"{calendar.month_name[day.month]} {day.year}"


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


Resolve = Callable[[re.Match[str], date, Tense | None], TimeMention | None]
_LEAD = r"(?P<lead>\b(?:on|by|until|till|from|before|after|since)\s+)?"
_PART = r"(?:\s+(?P<part>morning|afternoon|evening|night)\b)?"
_RULES: tuple[tuple[re.Pattern[str], Resolve], ...] = (
    (_rule(_LEAD + r"\b(?P<iso>20\d\d-\d\d-\d\d)\b"), _iso),
    (
        _rule(
            _LEAD
            + rf"(?:\b(?:{_FULL_DAY}),?\s+)?(?:the\s+)?\b(?:(?P<number>\d{{1,2}}"
            + rf"(?={_ORDINAL}?\s)|(?:{_WORDED})(?=\s+of\s)){_ORDINAL}?)"
            + rf"\s+(?:of\s+)?(?P<month>{_MONTH})\b\.?"
            + r"(?:,?\s+(?P<year>(?:19|20)\d\d)\b)?"
        ),
        _month_day,
    ),
    (
        _rule(
            _LEAD
            + rf"(?:\b(?:{_FULL_DAY}),?\s+)?\b(?P<month>{_MONTH})\.?\s+(?:the\s+)?"
            + rf"(?P<number>\d{{1,2}}(?={_ORDINAL}?\b)|(?<=the )(?:{_WORDED})\b)"
            + rf"{_ORDINAL}?\b(?!\s*(?::\d|%|[ap]m\b))"
            + r"(?:,?\s+(?P<year>(?:19|20)\d\d)\b)?"
        ),
        _month_day,
    ),
    (
        _rule(
            _LEAD + rf"the\s+(?P<number>\d{{1,2}}(?={_ORDINAL})|{_WORDED}){_ORDINAL}?"
            r"\s+of\s+(?P<which>this|next|last)\s+month\b"
        ),
        _of_a_month,
    ),
    (
        _rule(
            _LEAD + rf"\b(?:{_FULL_DAY}),?\s+the\s+"
            rf"(?P<number>\d{{1,2}}(?={_ORDINAL})|{_WORDED}){_ORDINAL}?\b(?!\s+of)"
        ),
        _ordinal,
    ),
    (
        _rule(
            r"(?P<lead>\b(?:on|by|until|till|from|before|after|since|starting)\s+)"
            rf"(?:(?:{_FULL_DAY}),?\s+)?the\s+"
            rf"(?P<number>\d{{1,2}}){_ORDINAL}\b(?!\s+(?:floor|time|century|of|row))"
        ),
        _ordinal,
    ),
    (
        _rule(
            _LEAD + r"(?P<word>the\s+day\s+after\s+tomorrow"
            r"|the\s+day\s+before\s+yesterday|tomorrow(?:\s+(?:morning|afternoon"
            r"|evening|night))?|yesterday(?:\s+(?:morning|evening))?|last\s+night"
            r"|this\s+(?:morning|afternoon|evening)|today|tonight)\b(?!['’]s)"
        ),
        _relative_day,
    ),
    (
        _rule(
            _LEAD + r"\b(?P<which>next|last|this(?:\s+coming)?)\s+"
            rf"(?P<day>{_FULL_DAY})\b{_PART}(?!s)"
        ),
        _weekday,
    ),
    (
        _rule(rf"(?P<lead>\b(?:on|by|until|till|since|before|after)\s+)(?P<which>)"
              rf"(?P<day>{_FULL_DAY})\b{_PART}(?!s|\s+(?:night|evening|morning)s)"
              rf"(?!,?\s+the\s+(?:\d|(?:{_WORDED})\b))"),
        _weekday,
    ),
    (
        _rule(
            r"\b(?:(?:in|over|during|at|by|until)\s+)?(?P<which>next|last|this)\s+"
            rf"(?P<unit>weekend|week|month|year|quarter|{'|'.join(_SEASONS)}"
            rf"|{_MONTH})\b"
        ),
        _period,
    ),
    (
        _rule(
            rf"\bin\s+(?:about\s+|around\s+)?(?P<number>{_NUMBER})\s+"
            r"(?P<unit>days?|weeks?|months?|years?)(?:['’]\s*time)?\b(?!\s+old)"
        ),
        _distance,
    ),
    (
        _rule(
            rf"\b(?:about\s+|around\s+)?(?P<number>{_NUMBER})\s+"
            r"(?P<unit>days?|weeks?|months?|years?)\s+(?P<ago>ago|back)\b"
        ),
        _distance,
    ),
    (
        _rule(
            r"(?P<lead>\b(?:in|since|until|by|from)\s+(?:early\s+|late\s+|mid-?\s*)?)"
            r"(?P<month>January|February|March|April|May|June|July|August|September"
            r"|October|November|December)\b(?!\s+\d)"
        ),
        _month_alone,
    ),
    (
        _rule(
            r"\b(?:in|since|until|by|from|of)\s+(?:(?:early|late|mid|spring|summer"
            rf"|autumn|fall|winter|{_MONTH})[\s-]+)?(?P<year>(?:19|20)\d\d)\b"
        ),
        _year_alone,
    ),
)  # fmt: skip
