"""One ranking out of words, meaning and conversation."""

from memcli.store.ranking import POOL, Place, Ranked, fuse, in_conversation


def order(ranked: list[Ranked]) -> list[int]:
    return [item.id for item in ranked]


def test_what_both_sides_like_is_first() -> None:
    assert order(fuse({1: 5.0, 2: 4.0}, {2: 0.8, 3: 0.7}))[0] == 2


def test_one_side_is_enough() -> None:
    assert order(fuse({}, {3: 0.2, 4: 0.9})) == [4, 3]
    assert order(fuse({3: 1.0, 4: 2.0}, {})) == [4, 3]
    assert fuse({}, {}) == []


def test_a_clear_winner_counts_more_than_the_first_of_equals() -> None:
    lexical = {1: 9.0, 2: 1.0}
    dense = {1: 0.50, 2: 0.52}
    assert order(fuse(lexical, dense)) == [1, 2]


def test_scores_are_stretched_over_a_full_pool() -> None:
    dense = {id: 0.9 - id / 1000 for id in range(POOL)}
    ranked = fuse({}, dense)
    assert ranked[-1].parts["meaning"] == 0
    assert ranked[0].parts["meaning"] == 1
    assert ranked[0].parts["cosine"] == 0.9


def test_the_message_between_two_that_fit_is_lifted() -> None:
    ranked = fuse({}, {1: 0.8, 2: 0.5, 3: 0.8, 9: 0.55})
    assert order(ranked)[2:] == [9, 2]
    places = {
        1: Place("t", None, 2, 20),
        2: Place("t", 1, 3, 20),
        3: Place("t", 2, None, 20),
        9: Place("u", None, None, 20),
    }
    ids = order(in_conversation(ranked, places))
    assert ids.index(2) < ids.index(9)


def test_a_long_message_is_lifted_less_by_its_neighbours() -> None:
    ranked = fuse({}, {1: 0.8, 2: 0.5, 3: 0.8, 4: 0.5})
    places = {
        1: Place("t", None, 2, 20),
        2: Place("t", 1, None, 2000),
        3: Place("u", None, 4, 20),
        4: Place("u", 3, None, 20),
    }
    ids = order(in_conversation(ranked, places))
    assert ids.index(4) < ids.index(2)
