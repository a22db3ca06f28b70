"""What is first, and why: parts that are weighed, questions that ask for something."""

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcli.store import schema
from memcli.store.conversation import Place, parts
from memcli.store.folding import bare, folded
from memcli.store.matching import Matched
from memcli.store.question import asked, people_asked_about
from memcli.store.ranking import MESSAGES, Ranked, ranked
from memcli.store.search import Query, search_messages

AUTHORS = {"Maya", "Tom Reed", "Will", "the boss", "A", "Dr. Okoye", "Dr. Lee"}
NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)


def order(found: list[Place], matched: Matched, question: str = "and?") -> list[int]:
    ids = [place.id for place in found]
    return [one.id for one in ranked(ids, parts(found, matched, question), MESSAGES, 6)]


def place(
    id: int,
    *,
    thread: str = "t",
    before: int | None = None,
    after: int | None = None,
    role: str = "user",
    name: str | None = None,
    text: str = "some words that say a thing of the usual length",
    days: int = 0,
) -> Place:
    sent_at = (NOON - timedelta(days=days)).isoformat()
    return Place(
        id, thread, f"m{id}", before, after, role, name, text, sent_at, len(text) / 6  # type: ignore[arg-type]
    )  # fmt: skip


def matched(
    ids: list[int], *, held: list[list[int]] | None = None, meaning: list[float]
) -> Matched:
    """Rows of which `held` says which of three equally telling words they hold."""
    holding = np.array(held or [[0, 0, 0]] * len(ids), np.bool_)
    far = np.array(meaning, np.float64)
    return Matched(ids, np.full(3, 1 / 3), holding, far, far)


def test_parts_are_weighed_and_told() -> None:
    values = {"words": np.array([0.0, 1.0]), "meaning": np.array([1.0, 0.0])}
    first, second = ranked([7, 8], values, {"words": 1.0, "meaning": 3.0}, 2.0)
    assert (first.id, second.id) == (7, 8)
    assert first.parts == {"meaning": 3.0}
    assert second.parts == {"words": 1.0}
    assert first.score > 0.5 > second.score


def test_equals_stay_in_order() -> None:
    equal = ranked([3, 1, 2], {"words": np.ones(3)}, {"words": 1.0}, 0)
    assert [one.id for one in equal] == [1, 2, 3]


@given(
    st.dictionaries(
        st.sampled_from(sorted(MESSAGES)),
        st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2),
    )
)
def test_a_score_lies_between_0_and_1_and_is_the_order(
    values: Mapping[str, list[float]],
) -> None:
    as_arrays = {name: np.array(two) for name, two in values.items()}
    found: list[Ranked] = list(ranked([1, 2], as_arrays, MESSAGES, 6))
    assert all(0 <= one.score <= 1 for one in found)
    assert found[0].score >= found[1].score


def test_a_message_between_two_that_hold_the_words_is_lifted() -> None:
    found = [place(1, after=2), place(2, before=1, after=3), place(3, before=2),
             place(8, thread="u")]  # fmt: skip
    held = [[1, 1, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1]]
    ids = order(found, matched([1, 2, 3, 8], held=held, meaning=[0.0] * 4))
    assert ids.index(2) < ids.index(8)


def test_a_short_message_means_what_was_said_before_it_means() -> None:
    found = [place(1, after=2), place(2, before=1), place(8, thread="u", after=9),
             place(9, thread="u", before=8, text="long " * 500)]  # fmt: skip
    one = matched([1, 2, 8, 9], meaning=[0.9, 0.1, 0.9, 0.1])
    values = parts(found, one, "and?")
    assert values["meaning before"][1] > values["meaning before"][3] > 0


def test_the_thread_in_which_more_fits_is_the_one_looked_for() -> None:
    found = [place(1, thread="t"), place(2, thread="t"), place(3, thread="u")]
    assert order(found, matched([1, 2, 3], meaning=[0.5, 0.6, 0.6]))[0] == 2


def test_length_counts_beside_others_of_the_same_role() -> None:
    found = [
        place(1, text="ok"),
        place(2, text="my flat in Leith has two rooms"),
        place(3, role="assistant", text="That sounds nice. " * 30),
        place(4, role="assistant", text="That sounds nice. " * 20),
    ]
    lengths = parts(found, matched([1, 2, 3, 4], meaning=[0.0] * 4), "?")["length"]
    assert lengths[0] < 0 < lengths[1]
    assert abs(lengths[2]) < 0.5  # long, as assistants are


@pytest.mark.parametrize(
    ("question", "who"),
    [
        ("What did Maya buy?", {"Maya"}),
        ("what is maya's dog called", {"Maya"}),
        ("Which of Tom’s plans failed?", {"Tom Reed"}),
        ("Did Maya and Tom go to Rome?", {"Maya", "Tom Reed"}),
        ("Who bought a boat?", set()),
        ("tomorrow?", set()),
        ("what did Reed say", {"Tom Reed"}),
        ("what will I do", set()),
        ("What did Will say?", {"Will"}),
        ("what is will's plan", {"Will"}),
        ("bring a salad to the picnic", set()),
        ("what did Dr. Okoye say", {"Dr. Okoye"}),
    ],
)
def test_a_question_that_names_who_spoke(question: str, who: set[str]) -> None:
    assert people_asked_about(question, AUTHORS) == who


def test_what_a_person_said_whom_the_question_names_comes_first() -> None:
    found = [place(1, name="Maya"), place(2, name="Tom")]
    one = matched([1, 2], meaning=[0.5, 0.5])
    assert order(found, one, "What did Tom buy?") == [2, 1]
    assert order(found, one, "What did Maya buy?") == [1, 2]


@pytest.mark.parametrize(
    ("question", "answer", "other"),
    [
        ("When did I see the dentist?", "I was there last Tuesday at last",
         "I was there with a bad tooth"),
        ("how many records do I own", "I own 212 records by now, I think",
         "I own rather many records by now"),
    ],
)  # fmt: skip
def test_what_could_answer_when_or_how_many_comes_first(
    question: str, answer: str, other: str
) -> None:
    found = [place(1, text=other), place(2, text=answer)]
    assert order(found, matched([1, 2], meaning=[0.5, 0.5]), question) == [2, 1]


def test_what_the_assistant_said_is_first_where_that_is_asked() -> None:
    found = [place(1), place(2, role="assistant")]
    one = matched([1, 2], meaning=[0.5, 0.5])
    assert order(found, one, "what is good for a stiff shoulder")[0] == 1
    assert order(found, one, "which exercise did you suggest for it")[0] == 2


def test_only_a_conversation_that_goes_on_prefers_what_is_recent() -> None:
    found = [place(1, days=200), place(2)]
    one = matched([1, 2], meaning=[0.5, 0.45])
    assert order(found, one, "where do I work") == [1, 2]
    turn = (
        "Alright, the second draft of our chapter about lighthouses reads better, so "
        "let's finish the outline, add your harbour scene, and plan the next part"
    )
    assert order(found, one, turn) == [2, 1]


def test_nothing_found_has_no_parts() -> None:
    nothing = Matched(
        [], np.ones(3) / 3, np.zeros((0, 3), np.bool_), np.zeros(0), np.zeros(0)
    )
    assert order([], nothing) == []


@given(st.text(max_size=200), st.integers(0, 400))
def test_any_question_has_a_form(question: str, telling: int) -> None:
    assert 0 <= asked(question, telling).goes_on <= 1


def test_a_question_that_names_everybody_prefers_nobody() -> None:
    assert people_asked_about("Maya or Tom?", {"Maya", "Tom"}) == set()
    # Beside an assistant, one person is not everybody.
    assert people_asked_about("What did Maya say?", {"Maya"}) == {"Maya"}


def test_what_is_asked_of_a_time_alone_is_found_without_a_word_or_a_vector() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    schema.migrate(db)
    for n, day in enumerate(("2025-07-30", "2025-08-09", "2025-09-02")):
        db.execute(
            "INSERT INTO threads (id, format, metadata) VALUES (?, 'generic', '{}')",
            (f"t{n}",),
        )
        db.execute(
            "INSERT INTO messages (key, thread_id, message_id, role, text, sent_at) "
            "VALUES (?, ?, 'm', 'user', 'We went sailing.', ?)",
            (f"k{n}", f"t{n}", f"{day}T10:00:00.000Z"),
        )
    (hit,) = search_messages(db, Query("what did I do in August", None))
    assert hit.sources[0].thread_id == "t1"
    assert search_messages(db, Query("what did I do", None)) == []


def test_folding_keeps_the_best_and_its_place() -> None:
    order = [Ranked(1, 0.9, {}), Ranked(2, 0.8, {}), Ranked(3, 0.7, {})]
    texts = {1: "Run the tests.", 2: "Ship it", 3: "run  the TESTS"}
    found = folded(order, lambda id: bare(texts[id]), 2)
    assert [(one.item.id, one.also) for one in found] == [(1, [3]), (2, [])]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C", "C++"), ("v1.2", "v1.3"), ("5 °C", "− 5 °C"), ("50 %", "50"),
        ("< 100 ms", "> 100 ms"), ("👍", "👎"), ("at 10", "at 10:10"),
        ("is a vegetarian", "was a vegetarian"), ("works in IT", "works"),
        ("tea and coffee", "tea or coffee"), ("earns 1,000", "earns 1,000,000"),
    ],
)  # fmt: skip
def test_what_differs_in_a_sign_is_not_the_same(one: str, other: str) -> None:
    assert bare(one) != bare(other)
