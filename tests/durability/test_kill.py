"""A run may die at any moment; the next one carries on, and pays for nothing twice."""

import random
from collections.abc import Iterator

import pytest

from tests.durability.kill import (
    SCENARIOS,
    Harness,
    Scenario,
    Tally,
    harness,
    spread,
)

_BOUNDARIES = 5
_AT_RANDOM = 1


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with harness(tmp_path_factory.mktemp("kill")) as found:
        yield found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_killed_run_is_taken_up_and_ends_as_if_it_had_not_been_killed(
    at: Harness, scenario: Scenario
) -> None:
    whole, tally = at.unbroken(scenario), Tally()
    kills = spread(whole.boundaries(), _BOUNDARIES)
    kills += whole.at_random(random.Random(scenario.name), _AT_RANDOM)
    for kill in kills:
        at.killed(scenario, kill, whole, tally)
    assert not tally.wrong, "\n".join(tally.wrong)
    assert tally.died >= _BOUNDARIES - 1  # how many commits a run makes may differ
