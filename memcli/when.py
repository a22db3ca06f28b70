"""Times as people and files write them: timestamps, durations, days.

Everything inside memcli is UTC; text in the database is ISO 8601 with
milliseconds and a `Z`, so that it sorts as it reads.
"""

import re
from datetime import UTC, datetime, timedelta

from memcli.errors import UsageError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)?", re.ASCII)
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

# Epoch numbers tell their unit by magnitude: seconds stay below 1e11 until the
# year 5138, milliseconds below 1e14, microseconds below 1e17.
_EPOCH_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


def parse_duration(text: str) -> timedelta:
    """`0`, `90s`, `30m`, `6h`, `1d`, `2w`; a bare number other than 0 is refused.

    Raises UsageError with the forms that are understood.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match and (match[2] or float(match[1]) == 0):
        try:
            seconds = float(match[1]) * _UNIT_SECONDS[match[2] or "s"]
            return timedelta(seconds=seconds)
        except OverflowError:
            pass
    raise UsageError(f"{text!r} is not a duration; write 0, 90s, 30m, 6h or 1d")


def format_duration(duration: timedelta) -> str:
    """The largest unit that reads well, rounded up: `45s`, `30m`, `5h`, `3d`."""
    seconds = max(0.0, duration.total_seconds())
    for limit, unit in ((60, "s"), (3600, "m"), (86400, "h")):
        if seconds <= limit:
            return f"{-int(-seconds // _UNIT_SECONDS[unit])}{unit}"
    return f"{-int(-seconds // 86400)}d"


def parse_timestamp(value: object) -> datetime | None:
    """A moment out of what transcripts hold, or None where there is none.

    Takes ISO text (with `Z`, an offset, or naive, which is read as UTC), epoch
    seconds, milliseconds, microseconds or nanoseconds as number or digits, and
    Mongo's `{"$date": …}`.
    """
    if isinstance(value, dict):
        value = value.get("$date")
        if isinstance(value, dict):
            value = value.get("$numberLong")
        if isinstance(value, dict):
            return None
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _from_epoch(float(value))
    if not isinstance(value, str):
        return None
    text = value.strip()
    if re.fullmatch(r"\d{9,19}(\.\d+)?", text, re.ASCII):
        return _from_epoch(float(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _sane(_as_utc(moment))


def _from_epoch(number: float) -> datetime | None:
    for limit, per_second in _EPOCH_UNITS:
        if 0 < number < limit:
            return _sane(datetime.fromtimestamp(number / per_second, UTC))
    return None


def _as_utc(moment: datetime) -> datetime | None:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _sane(moment: datetime | None) -> datetime | None:
    """Clocks that were never set write 1970; no chat log is that old."""
    return moment if moment is not None and moment >= _EARLIEST else None


def utc_now() -> datetime:
    """The clock; what decides by it is given it, so that tests can set it."""
    return datetime.now(UTC)


def parse_day(text: str) -> datetime:
    """A moment for options such as `--before`: a day or a full timestamp.

    Raises UsageError when it is neither.
    """
    moment = parse_timestamp(text)
    if moment is None:
        raise UsageError(f"{text!r} is not a date; write 2026-05-01 or an ISO time")
    return moment


def parse_moment(text: str) -> datetime:
    """The end of a day (in UTC), or the very time that is given.

    Raises UsageError when it is neither.
    """
    moment = parse_day(text)
    if re.fullmatch(r"\d{4}-?\d\d-?\d\d", text.strip(), re.ASCII):
        moment += timedelta(days=1, milliseconds=-1)
    return moment


def to_text(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds: the form kept in the database."""
    utc = moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


def from_text(text: str) -> datetime:
    """The inverse of `to_text`."""
    return datetime.fromisoformat(text)
