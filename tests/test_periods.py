"""The times that questions name, and the words that only look like them."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcli.periods import named_periods

# A Wednesday.
NOW = datetime(2026, 9, 16, 10, 30, tzinfo=UTC)


def told(question: str, now: datetime = NOW) -> str:
    """As in `2023-05-01 2023-06-01 in May 2023`, the end no longer part of it."""
    ever = {
        datetime.min.replace(tzinfo=UTC): "*",
        datetime.max.replace(tzinfo=UTC): "*",
    }
    return "; ".join(
        f"{ever.get(p.start, p.start.date())} {ever.get(p.end, p.end.date())} "
        f"{question[slice(*p.words)]}"
        for p in named_periods(question, now)
    )


NAMED = {
    # Months.
    "What did I do in May?": "2026-05-01 2026-06-01 in May",
    "what did I do in october": "2025-10-01 2025-11-01 in october",
    "What happened in March with Anna?": "2026-03-01 2026-04-01 in March",
    "Where was I last May?": "2026-05-01 2026-06-01 last May",
    "Where was I last September?": "2025-09-01 2025-10-01 last September",
    "How much rain this May?": "2026-05-01 2026-06-01 this May",
    "What did Anna say in May 2023?": "2023-05-01 2023-06-01 in May 2023",
    "notes may 2023": "2023-05-01 2023-06-01 may 2023",
    "in May, 2023": "2023-05-01 2023-06-01 in May, 2023",
    "Sept. 2023": "2023-09-01 2023-10-01 Sept. 2023",
    "in May of last year": "2025-05-01 2025-06-01 in May of last year",
    "since May 2024": "2024-05-01 * since May 2024",
    "after March": "2026-04-01 * after March",
    "May we go in May?": "2026-05-01 2026-06-01 in May",
    # Days.
    "What happened on 7 May 2023?": "2023-05-07 2023-05-08 on 7 May 2023",
    "the 7th of May 2023": "2023-05-07 2023-05-08 the 7th of May 2023",
    "on May 7th": "2026-05-07 2026-05-08 on May 7th",
    "May 7th, 2023": "2023-05-07 2023-05-08 May 7th, 2023",
    "on 3 December": "2025-12-03 2025-12-04 on 3 December",
    "on 29 February": "2024-02-29 2024-03-01 on 29 February",
    "log of 2023-05-07": "2023-05-07 2023-05-08 of 2023-05-07",
    "2023-05-07T10:00:00Z": "2023-05-07 2023-05-08 2023-05-07T10:00:00Z",
    "in 2023-05": "2023-05-01 2023-06-01 in 2023-05",
    # Years and decades.
    "What did I learn in 2024?": "2024-01-01 2025-01-01 in 2024",
    "in 2023, what did I read": "2023-01-01 2024-01-01 in 2023",
    "How much did prices fall in 2023": "2023-01-01 2024-01-01 in 2023",
    "in the year 2024": "2024-01-01 2025-01-01 in the year 2024",
    "What did she play in the 90s?": "1990-01-01 2000-01-01 in the 90s",
    "in the late 90s": "1996-08-31 2000-01-01 in the late 90s",
    "1980s music": "1980-01-01 1990-01-01 1980s",
    # Seasons, quarters, Christmas.
    "in the summer of 2023": "2023-06-01 2023-09-01 in the summer of 2023",
    "summer 2023": "2023-06-01 2023-09-01 summer 2023",
    "What did I do last summer?": "2026-06-01 2026-09-01 last summer",
    "Where were we in spring?": "2026-03-01 2026-06-01 in spring",
    "in Q3 2024": "2024-07-01 2024-10-01 in Q3 2024",
    "in the fall": "2026-09-01 2026-12-01 in the fall",
    "at Christmas 2022": "2022-12-24 2022-12-27 at Christmas 2022",
    "What did I get for Christmas?": "2025-12-24 2025-12-27 for Christmas",
    # From today.
    "yesterday's meeting": "2026-09-15 2026-09-16 yesterday",
    "What is due today?": "2026-09-16 2026-09-17 today",
    "the day before yesterday": "2026-09-14 2026-09-15 the day before yesterday",
    "this week": "2026-09-14 2026-09-21 this week",
    "last week": "2026-09-07 2026-09-14 last week",
    "last month": "2026-08-01 2026-09-01 last month",
    "this year": "2026-01-01 2027-01-01 this year",
    "last quarter": "2026-04-01 2026-07-01 last quarter",
    "last weekend": "2026-09-12 2026-09-14 last weekend",
    "last Friday": "2026-09-11 2026-09-12 last Friday",
    "last Wednesday": "2026-09-09 2026-09-10 last Wednesday",
    "two weeks ago": "2026-08-30 2026-09-06 two weeks ago",
    "a year ago": "2025-03-18 2026-03-18 a year ago",
    "a couple of days ago": "2026-09-14 2026-09-15 a couple of days ago",
    "3 months ago": "2026-06-01 2026-07-02 3 months ago",
    "a few weeks ago": "2026-08-12 2026-09-02 a few weeks ago",
    "in the last two weeks": "2026-09-02 2026-09-17 in the last two weeks",
    "over the past year": "2025-09-16 2026-09-17 over the past year",
    # Parts.
    "in early 2023": "2023-01-01 2023-05-02 in early 2023",
    "mid-2023": "2023-05-02 2023-09-01 mid-2023",
    "late May": "2026-05-21 2026-06-01 late May",
    # From one to another, and open ends.
    "between March and May 2023": "2023-03-01 2023-06-01 between March and May 2023",
    "between March and May": "2026-03-01 2026-06-01 between March and May",
    "from 3 to 9 June": "2026-06-03 2026-06-10 from 3 to 9 June",
    "3-9 June 2023": "2023-06-03 2023-06-10 3-9 June 2023",
    "between June 3 and 9": "2026-06-03 2026-06-10 between June 3 and 9",
    "from November to February": "2025-11-01 2026-03-01 from November to February",
    "from June 3 to July 9": "2026-06-03 2026-07-10 from June 3 to July 9",
    "in March–May 2023": "2023-03-01 2023-06-01 in March–May 2023",
    "from 2019 to 2022": "2019-01-01 2023-01-01 from 2019 to 2022",
    "before 2023": "* 2023-01-01 before 2023",
    "until last summer": "* 2026-09-01 until last summer",
    "since yesterday": "2026-09-15 * since yesterday",
    # Elsewhere.
    "Was war im Mai 2023?": "2023-05-01 2023-06-01 im Mai 2023",
    "Was war im Mai?": "2026-05-01 2026-06-01 im Mai",
    "am 7. Mai 2023": "2023-05-07 2023-05-08 am 7. Mai 2023",
    "im Jahr 2023": "2023-01-01 2024-01-01 im Jahr 2023",
    "¿Qué hice en mayo de 2023?": "2023-05-01 2023-06-01 en mayo de 2023",
    "enero de 2023": "2023-01-01 2023-02-01 enero de 2023",
    "el 7 de mayo de 2023": "2023-05-07 2023-05-08 el 7 de mayo de 2023",
    "en el año 2023": "2023-01-01 2024-01-01 en el año 2023",
    "en août 2023": "2023-08-01 2023-09-01 en août 2023",
    "我在2023年5月做了什么": "2023-05-01 2023-06-01 2023年5月",
    "2023年5月7日の予定": "2023-05-07 2023-05-08 2023年5月7日",
    "去年去了哪里": "2025-01-01 2026-01-01 去年",
    "上个月": "2026-08-01 2026-09-01 上个月",
    "上周": "2026-09-07 2026-09-14 上周",
    "先月の会議": "2026-08-01 2026-09-01 先月",
    "昨日何をした": "2026-09-15 2026-09-16 昨日",
    # Several.
    "in May and June 2023": (
        "2023-05-01 2023-06-01 in May; 2023-06-01 2023-07-01 June 2023"
    ),
    "in 2022 and 2023": "2022-01-01 2023-01-01 in 2022; 2023-01-01 2024-01-01 2023",
    "on 3 May and 9 May 2023": (
        "2023-05-03 2023-05-04 on 3 May; 2023-05-09 2023-05-10 9 May 2023"
    ),
    "Was it before May 2023 or after yesterday?": (
        "* 2023-05-01 before May 2023; 2026-09-16 * after yesterday"
    ),
    "In June, May I go out?": "2026-06-01 2026-07-01 In June",
    "去年 vs this year": "2025-01-01 2026-01-01 去年; 2026-01-01 2027-01-01 this year",
}

NONE = [
    "When did I meet Anna?",
    "may I ask",
    "this may be true",
    "She may 7 times",
    "too late may I",
    "Should we march?",
    "the March on Washington",
    "since march on",
    "the sun",
    "who last sat here",
    "in the second",
    "in the fall of the wall",
    "when did I last fall",
    "in Spring Boot",
    "tuna in mayo",
    "NASA Mars 2020",
    "a letter from April",
    "between May and me",
    "the last time",
    "the last week of school",
    "two days before Christmas Eve",
    "in 2000 steps",
    "in 2024 tokens",
    "in 2000 different places",
    "after 2000 more",
    "from 2000 to 2500 words",
    "a budget of 2000",
    "version 2023.1",
    "room 2024",
    "in #2024",
    "in 2024px",
    "in 12024",
    "2023-13-45",
    "on the 7th floor",
    "in her 90s",
    "in his late 30s",
    "in the 30s timeout",
    "31 June",
    "9999 years ago",
    "seit Mai 2023",
    "antes de 2023",
    "2023年以前",
    "2023年度",
]


@pytest.mark.parametrize(("question", "periods"), NAMED.items(), ids=NAMED)
def test_what_names_a_time(question: str, periods: str) -> None:
    assert told(question) == periods


@pytest.mark.parametrize("question", NONE)
def test_what_names_none(question: str) -> None:
    assert told(question) == ""


def test_without_a_year_it_is_the_latest_that_had_begun() -> None:
    assert told("in September") == "2026-09-01 2026-10-01 in September"
    last_of_april = datetime(2026, 4, 30, 23, 59, tzinfo=UTC)
    assert told("in May", last_of_april) == "2025-05-01 2025-06-01 in May"
    january = datetime(2026, 1, 10, tzinfo=UTC)
    assert told("last winter", january) == "2024-12-01 2025-03-01 last winter"
    assert told("this winter", january) == "2025-12-01 2026-03-01 this winter"


def test_now_may_be_of_any_zone_or_none() -> None:
    tokyo = datetime(2026, 9, 17, 8, 0, tzinfo=timezone(timedelta(hours=9)))
    assert told("yesterday", tokyo) == "2026-09-15 2026-09-16 yesterday"
    assert told("yesterday", NOW.replace(tzinfo=None)) == told("yesterday")


# Words that mean something here, in any order.
WORDS = st.sampled_from(sorted({word for q in [*NAMED, *NONE] for word in q.split()}))
QUESTIONS = st.one_of(
    st.text(),
    st.lists(WORDS, max_size=12).map(" ".join),
    st.lists(WORDS, max_size=12).map("".join),
)


@given(QUESTIONS, st.datetimes(datetime(1970, 1, 2), datetime(2999, 1, 1)))
def test_whatever_is_asked(question: str, now: datetime) -> None:
    upto = 0
    for period in named_periods(question, now):
        assert period.start < period.end
        assert period.start.tzinfo is UTC
        assert period.end.tzinfo is UTC
        assert upto <= period.words[0] < period.words[1] <= len(question)
        upto = period.words[1]


@given(st.sampled_from([*NAMED, *NONE]), st.sampled_from(["  ", "\n", "\t"]))
def test_blanks_are_all_the_same(question: str, blank: str) -> None:
    spaced = named_periods(question.replace(" ", blank), NOW)
    plain = named_periods(question, NOW)
    assert [(p.start, p.end) for p in spaced] == [(p.start, p.end) for p in plain]


@pytest.mark.parametrize(
    "unit", ["x", "in May and ", "9", "2023-", "from May to ", "2023年", "a of ", " "]
)
def test_a_long_question_takes_no_longer(unit: str) -> None:
    named_periods(unit, NOW)
    began = time.process_time()
    named_periods(unit * (100_000 // len(unit)), NOW)
    assert time.process_time() - began < 0.5
