"""Repeat, replacement or news: decided on plain data."""

from datetime import UTC, datetime, timedelta

import pytest

from memcli.models import Candidate, Kind, Memory, Op, Quote, Source
from memcli.reflection.consolidate import Neighbours, decide

START = datetime(2026, 8, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def candidate(
    text: str,
    at: int,
    about: str | None = None,
    replaces: str | None = None,
    author: str | None = None,
) -> Candidate:
    quotes = (Quote("m", text),)
    return Candidate(
        text, Kind.FACT, quotes, 0.8, day(at), about, replaces, author=author
    )


def memory(
    text: str,
    since: int,
    until: int | None = None,
    id: int = 1,
    author: str | None = None,
) -> Memory:
    return Memory(
        id, "n", Kind.FACT, text, 0.8, day(since),
        None if until is None else day(until), day(since), day(since),
        sources=(Source("t", "m", text, day(since), "user", author),),
    )  # fmt: skip


def near(
    same: list[Memory] | None = None,
    timeline: list[Memory] | None = None,
    similar: list[tuple[Memory, float]] | None = None,
) -> Neighbours:
    return Neighbours(same or [], timeline or [], similar or [])


def test_nothing_near_is_news() -> None:
    assert decide(candidate("The user lives in Ghent.", 1), near()).op is Op.INSERT


def test_the_same_words_strengthen() -> None:
    known = memory("The user lives in Ghent.", 0)
    done = decide(candidate("The user lives in Ghent.", 1), near(same=[known]))
    assert (done.op, done.target, done.reason) == (Op.STRENGTHEN, 1, "said again")


def test_nearly_the_same_words_strengthen() -> None:
    known = memory("The user prefers dark roast coffee in the morning.", 0)
    said = candidate("The user really likes dark roast coffee in the mornings.", 1)
    done = decide(said, near(similar=[(known, 0.95)]))
    assert (done.op, done.reason) == (Op.STRENGTHEN, "said again in other words")


def test_other_words_names_numbers_or_a_negation_are_no_repeat() -> None:
    for known, said in [
        (
            "The user drinks green tea in summer.",
            "The user drinks green tea in winter.",
        ),
        ("The user likes cats.", "The user hates cats."),
        ("The user prefers tea.", "The user prefers tea in the morning."),
        ("The user moves on 3 March.", "The user moves on 4 March."),
        ("The user works with Anna.", "The user works with Hanna."),
        ("The user drinks coffee.", "The user doesn't drink coffee."),
    ]:
        done = decide(candidate(said, 1), near(similar=[(memory(known, 0), 0.98)]))
        assert done.op is Op.INSERT, said


def test_saying_again_what_ended_is_news() -> None:
    """Dark mode, light mode, dark mode again: three memories, one that holds."""
    dark = memory("The user prefers dark mode.", 0, until=10, id=1)
    light = memory("The user prefers light mode.", 10, id=2)
    again = candidate("The user prefers dark mode.", 20, about="the user: theme")
    done = decide(again, near(same=[dark], timeline=[dark, light]))
    assert (done.op, done.closes) == (Op.INSERT, (2,))


def test_a_new_value_ends_the_old_one() -> None:
    ghent = memory("The user lives in Ghent.", 0)
    said = candidate("The user moved to Utrecht.", 5, about="the user: residence")
    done = decide(said, near(timeline=[ghent]))
    assert (done.op, done.closes, done.valid_to) == (Op.INSERT, (1,), None)


def test_an_older_value_takes_its_place_in_the_past() -> None:
    """An export of last year, read today, must not undo what holds now."""
    utrecht = memory("The user lives in Utrecht.", 100, id=7)
    said = candidate("The user lives in Ghent.", 5, about="the user: residence")
    done = decide(said, near(timeline=[utrecht]))
    assert (done.op, done.closes) == (Op.INSERT, ())
    assert (done.valid_to, done.superseded_by) == (day(100), 7)


def test_a_value_between_two_others_ends_one_and_is_ended_by_the_other() -> None:
    first = memory("The user lives in Ghent.", 0, until=100, id=1)
    last = memory("The user lives in Oslo.", 100, id=2)
    said = candidate("The user lives in Utrecht.", 50, about="the user: residence")
    done = decide(said, near(timeline=[first, last]))
    assert (done.closes, done.valid_to, done.superseded_by) == ((1,), day(100), 2)


def test_a_change_that_names_the_old_thing_ends_what_was_known_of_it() -> None:
    vim = memory("The user edits everything with vim.", 0, id=1)
    tea = memory("The user drinks tea.", 0, id=2)
    said = candidate("The user switched from vim to Helix.", 5, replaces="vim")
    done = decide(said, near(similar=[(tea, 0.7), (vim, 0.6)]))
    assert done.closes == (1,)


def test_a_change_that_names_nothing_known_ends_nothing() -> None:
    tea = memory("The user drinks tea.", 0)
    said = candidate("The user switched from vim to Helix.", 5, replaces="vim")
    assert decide(said, near(similar=[(tea, 0.8)])).closes == ()


def test_a_change_ends_what_shares_its_telling_words() -> None:
    dark = memory("The user prefers dark mode.", 0)
    said = candidate("The user switched to light mode.", 5, replaces="")
    assert decide(said, near(similar=[(dark, 0.7)])).closes == (1,)


def test_a_likeness_alone_ends_nothing() -> None:
    espresso = memory("The user prefers espresso.", 0)
    said = candidate("The user switched to green tea.", 5, replaces="")
    assert decide(said, near(similar=[(espresso, 0.8)])).closes == ()


def test_a_change_does_not_end_what_was_said_later() -> None:
    dark = memory("The user prefers dark mode.", 9)
    said = candidate("The user switched to light mode.", 5, replaces="")
    assert decide(said, near(similar=[(dark, 0.7)])).closes == ()


def test_what_one_person_changes_is_not_changed_for_another() -> None:
    known = memory("Anna prefers dark mode.", 1, author="Anna")
    said = candidate("Petra switched to light mode.", 5, replaces="", author="Petra")
    assert decide(said, near(similar=[(known, 0.8)])).closes == ()
    nameless = candidate("The user switched to light mode.", 5, replaces="")
    assert decide(nameless, near(similar=[(known, 0.8)])).closes == ()
    own = candidate("Anna switched to light mode.", 5, replaces="", author="Anna")
    assert decide(own, near(similar=[(known, 0.8)])).closes == (1,)


def test_a_shared_name_is_nothing_in_common() -> None:
    known = memory("Sam Kowalski is allergic to cats.", 1, author="Sam Kowalski")
    said = candidate(
        "Sam Kowalski works at Kwiek now.", 5, replaces="", author="Sam Kowalski"
    )
    assert decide(said, near(similar=[(known, 0.8)])).closes == ()


def test_what_two_people_say_alike_is_two_memories() -> None:
    text = "{} takes the early train to Bruges on Mondays and Fridays in winter."
    known = memory(text.format("Anna"), 1, author="Anna")
    said = candidate(text.format("Ben"), 5, author="Ben")
    assert decide(said, near(similar=[(known, 0.95)])).op is Op.INSERT


def test_a_team_may_be_spoken_of_by_any_of_its_people() -> None:
    known = memory("The webshop team uses Postgres.", 1, author="Anna")
    said = candidate(
        "The webshop team switched from Postgres to SQLite.", 5, replaces="Postgres",
        author="Ben",
    )  # fmt: skip
    assert decide(said, near(similar=[(known, 0.8)])).closes == (1,)


@pytest.mark.parametrize(
    ("known", "said", "same"),
    [
        ("The user likes tea over cocoa.", "The user likes cocoa over tea.", False),
        (
            "They moved from Rome to Bonn.",
            "They moved from Bonn to Rome.",
            False,
        ),
        (
            "They moved from Rome to Bonn.",
            "They moved to Bonn from Rome.",
            True,
        ),
        ("Use tabs instead of spaces.", "Use spaces instead of tabs.", False),
        ("Ann reports to Bob.", "Bob reports to Ann.", False),
        ("Ann likes Bob.", "Bob likes Ann.", False),
        ("The user did task 2 of 3.", "The user did task 3 of 2.", False),
        ("In all apps the user likes tabs.", "The user likes tabs in all apps.", True),
    ],
)
def test_the_same_words_the_other_way_round_are_no_repeat(
    known: str, said: str, same: bool
) -> None:
    done = decide(candidate(said, 1), near(similar=[(memory(known, 0), 0.99)]))
    assert (done.op is Op.STRENGTHEN) is same
