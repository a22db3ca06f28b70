"""What a candidate must pass, whoever made it."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from memcli.models import Candidate, Kind, Message, Quote, Thread, ThreadPart
from memcli.reflection.checks import check

SAID = datetime(2026, 8, 29, 9, 0, tzinfo=UTC)
THREAD = Thread("t", "generic", {}, SAID, SAID, 2, 1)
OLD = Message("k0", "t", "m0", "user", "I live in Oslo.", SAID)
NEW = Message("k1", "t", "m1", "user", "I live\n in Ghent, and like it.", SAID)
PART = ThreadPart(THREAD, (OLD,), (NEW,))
GOOD = Candidate(
    "The user lives in Ghent.", Kind.FACT, (Quote("m1", "I live in Ghent"),), 0.9, SAID
)


def test_a_verbatim_quote_passes_whatever_its_white_space() -> None:
    assert check([GOOD], PART, 0.6) == ([GOOD], {})


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (replace(GOOD, quotes=()), "without a quote"),
        (replace(GOOD, quotes=(Quote("m1", "I live in Gent"),)),
         "quote not found in the message"),
        (replace(GOOD, quotes=(Quote("m1", "  "),)), "quote not found in the message"),
        (replace(GOOD, quotes=(Quote("m0", "I live in Oslo."),)),
         "quotes a message it was not shown"),
        (replace(GOOD, quotes=(*GOOD.quotes, Quote("m9", "x"))),
         "quotes a message it was not shown"),
        (replace(GOOD, text=" "), "empty or far too long"),
        (replace(GOOD, text="x" * 1001), "empty or far too long"),
        (replace(GOOD, text="The user's password is hunter2x."), "holds a secret"),
        (replace(GOOD, text="The key is [redacted: AWS Key]."), "holds a secret"),
        (replace(GOOD, happens_on=date(2500, 1, 1)), "date out of reason"),
        (replace(GOOD, confidence=0.5), "below the confidence asked for"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_set_aside_and_counted(
    bad: Candidate, reason: str
) -> None:
    assert check([bad, GOOD], PART, 0.6) == ([GOOD], {reason: 1})
