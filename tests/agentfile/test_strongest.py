"""What comes first when there is no room for all."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from memcli.agentfile.document import Layout, lines
from memcli.agentfile.strongest import fitting, ranked
from memcli.asking.tokens import estimate
from memcli.models import Kind, Memory, Source
from memcli.store.ranking import USUAL, Weighing
from tests.agentfile.test_inert import AT, memory

TODAY = date(2026, 11, 1)


def first(*known: Memory, weighing: Weighing = USUAL) -> list[str]:
    return [memory.text for memory in ranked(known, TODAY, weighing)]


def said(times: int) -> tuple[Source, ...]:
    return tuple(Source(f"t{n}", "1", "", AT, "user") for n in range(times))


def test_sort_of_memory_decides_first() -> None:
    past, coming = date(2026, 10, 31), date(2026, 11, 1)
    assert first(
        memory("done", 1, kind=Kind.PLAN, happens_on=past, by_hand=AT),
        memory("planned", 2, kind=Kind.PLAN, happens_on=coming),
        memory("fact", 3, confidence=0.8),
        memory("never", 4, kind=Kind.INSTRUCTION, confidence=0.7),
        memory("shape", 5, schema="Dish", confidence=0.6),
        memory("mine", 6, by_hand=AT),
        memory("happened", 7, kind=Kind.EVENT, happens_on=past),
    ) == ["mine", "never", "shape", "planned", "fact", "done", "happened"]


def test_then_it_counts_how_often_how_sure_and_how_new() -> None:
    assert first(
        memory("old", 1, valid_from=AT - timedelta(days=700)),
        memory("unsure", 2, confidence=0.6),
        memory("once", 3, valid_from=AT - timedelta(days=1)),
        memory("often", 4, sources=said(5)),
        memory("new", 5),
    ) == ["often", "new", "once", "old", "unsure"]
    assert first(
        memory("often", 1, sources=said(5)),
        memory("sure", 2, confidence=1.0),
        weighing=Weighing(0.1, 0.0, 0.0),
    ) == ["sure", "often"]
    assert first() == []


def test_what_is_too_long_leaves_its_room_to_the_next() -> None:
    known = [memory("long " * 200, 1), memory("short", 2)]
    chosen = fitting(known, Layout(2, namespaces=False), 40)
    assert [memory.text for memory in chosen] == ["short"]


WORDS = st.text(st.sampled_from("ab -@<日"), min_size=1, max_size=60)


@given(
    st.lists(st.tuples(WORDS, st.sampled_from(Kind), st.sampled_from("mno"))),
    st.integers(1, 400),
    st.sampled_from(["\n", "\r\n"]),
)
def test_a_document_is_never_longer_than_asked_for(
    given: list[tuple[str, Kind, str]], most: int, end: str
) -> None:
    layout = Layout(2, namespaces=True)
    known = [memory(t, i, n, kind=k) for i, (t, k, n) in enumerate(given)]
    chosen = fitting(known, layout, most)
    document = "".join(line + end for line in lines(chosen, layout))
    assert not chosen or estimate(document) <= most
    assert len(chosen) == len(known) or most < estimate(
        "".join(line + "\r\n" * 3 for line in lines(known, layout))
    ) + 2 * len(known)


def test_headings_count_too() -> None:
    layout = Layout(2, namespaces=False)
    for length in (1, 2, 3):
        known = [memory("a" * length, n, kind=kind) for n, kind in enumerate(Kind)]
        for most in range(10, 150):
            chosen = fitting(known, layout, most)
            document = "".join(line + "\r\n" for line in lines(chosen, layout))
            assert not chosen or estimate(document) <= most


def test_a_new_memory_is_one_more_line() -> None:
    known = [
        memory(f"n{n}", n, kind=list(Kind)[n % 8], valid_from=AT + timedelta(days=n))
        for n in range(40)
    ]
    layout = Layout(3, namespaces=False)
    before = list(lines(known, layout))
    more = replace(known[0], id=99, text="new", valid_from=AT + timedelta(days=60))
    after = list(lines([more, *known], layout))
    after.remove("- new (2026-10-31)")
    assert before == after
