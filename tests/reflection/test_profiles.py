"""Patching a profile, in any order."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from memcli.reflection.profiles import patched

VALUES = st.one_of(
    st.integers(0, 3),
    st.text("ab", max_size=2),
    st.dictionaries(st.sampled_from("xy"), st.integers(0, 3), max_size=2),
)
PATCHES = st.lists(
    st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), max_size=5
)


def applied(patches: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    times: dict[str, str] = {}
    for said_at, patch in patches:
        document, times, _ = patched(document, times, patch, said_at)
    return document


@given(PATCHES)
def test_nothing_is_forgotten_by_omission(patches: list[dict[str, Any]]) -> None:
    document: dict[str, Any] = {}
    times: dict[str, str] = {}
    for number, patch in enumerate(patches):
        before = set(document)
        document, times, _ = patched(document, times, patch, f"{number:03}")
        assert before <= set(document)


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), max_size=3),
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)
def test_the_later_word_counts_whatever_was_read_first(
    patches: list[dict[str, Any]], rng: Any
) -> None:
    said = [(f"{number:03}", patch) for number, patch in enumerate(patches)]
    shuffled = list(said)
    rng.shuffle(shuffled)
    assert applied(shuffled) == applied(said)


def test_an_older_value_does_not_take_the_place_of_a_newer_object() -> None:
    newer = ("2026-09", {"home": {"city": "Kiel"}})
    older = ("2026-08", {"home": "Ghent"})
    assert applied([newer, older]) == {"home": {"city": "Kiel"}}
