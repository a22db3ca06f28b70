"""Times and durations as people and files write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcli.errors import UsageError
from memcli.when import (
    format_duration,
    from_text,
    parse_duration,
    parse_timestamp,
    to_text,
)

MOMENT = datetime(2026, 9, 1, 10, 30, tzinfo=UTC)
EPOCH = int(MOMENT.timestamp())


@pytest.mark.parametrize(
    "value",
    [
        "2026-09-01T10:30:00Z",
        "2026-09-01T12:30:00+02:00",
        "2026-09-01 10:30:00",
        EPOCH,
        float(EPOCH),
        str(EPOCH),
        EPOCH * 1000,
        EPOCH * 1_000_000,
        EPOCH * 1_000_000_000,
        f"{EPOCH}.000000",
        {"$date": "2026-09-01T10:30:00.000Z"},
        {"$date": EPOCH * 1000},
    ],
)
def test_every_form_of_a_moment(value: object) -> None:
    assert parse_timestamp(value) == MOMENT


@pytest.mark.parametrize(
    "value",
    [None, True, "", "yesterday", "0", 0, -5, [], {}, 1e30, float("nan"),
     "0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z"],
)  # fmt: skip
def test_what_is_no_moment(value: object) -> None:
    assert parse_timestamp(value) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90s", 90),
        ("30m", 1800),
        ("6h", 21600),
        ("1d", 86400),
        ("1.5h", 5400),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "30", "soon", "-5m", "5 parsecs", "9" * 400 + "d"]
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="90s, 30m, 6h"):
        parse_duration(text)


def test_durations_are_written_rounded_up() -> None:
    written = [
        format_duration(timedelta(seconds=s)) for s in (0, 59.2, 61, 1799.5, 7200)
    ]
    assert written == ["0s", "60s", "2m", "30m", "2h"]


@given(st.datetimes(datetime(1990, 1, 2), datetime(2999, 1, 1), timezones=st.just(UTC)))
def test_stored_times_come_back_and_sort_as_they_read(moment: datetime) -> None:
    assert abs(from_text(to_text(moment)) - moment) < timedelta(milliseconds=1)
    later = moment + timedelta(milliseconds=5)
    assert to_text(moment) < to_text(later)


@given(st.one_of(st.text(), st.floats(), st.integers()))
def test_no_value_makes_parsing_fail(value: object) -> None:
    parse_timestamp(value)
