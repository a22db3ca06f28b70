"""The purse of a run: nothing goes over its limit, whoever holds what."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcli.asking.spending import Purse
from memcli.errors import BudgetSpent, Interrupted

AMOUNTS = st.floats(0.001, 5)


@given(st.floats(0, 10), st.lists(st.tuples(AMOUNTS, st.floats(0, 1), st.booleans())))
def test_what_is_spent_never_exceeds_the_limit(
    limit: float, requests: list[tuple[float, float, bool]]
) -> None:
    purse, stop = Purse(limit), threading.Event()
    for most, share, is_lost in requests:
        try:
            purse.hold(most, stop)
        except BudgetSpent:
            continue
        if is_lost:  # it timed out, and was sent again if there was enough
            try:
                purse.lost(most)
            except BudgetSpent:
                purse.settle(most, 0)
                continue
        purse.settle(most, most * share)
    assert purse.spent <= limit + 1e-9


def test_workers_wait_for_what_others_may_give_back() -> None:
    purse, stop = Purse(1.0), threading.Event()
    purse.hold(0.9, stop)
    held = threading.Event()

    def second() -> None:
        purse.hold(0.5, stop)
        held.set()

    worker = threading.Thread(target=second, daemon=True)
    worker.start()
    assert not held.wait(0.3)
    purse.settle(0.9, 0.1)
    assert held.wait(5)
    with pytest.raises(BudgetSpent):
        purse.settle(0.5, 0.5)
        purse.hold(0.5, stop)


def test_many_that_are_lost_at_once_are_not_all_sent_again() -> None:
    purse, stop = Purse(1.0), threading.Event()
    for _ in range(8):
        purse.hold(0.125, stop)
    again = 0
    for _ in range(8):
        try:
            purse.lost(0.125)
            again += 1
        except BudgetSpent:
            purse.settle(0.125, 0)
    assert purse.spent + again * 0.125 <= 1.0


def test_what_one_holds_another_cannot() -> None:
    purse, stop = Purse(1.0), threading.Event()
    purse.hold(0.6, stop)
    stop.set()
    with pytest.raises(Interrupted):  # it would wait, and the run was stopped
        purse.hold(0.6, stop)
