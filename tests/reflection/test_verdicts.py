"""Following a model's verdicts: as far as times, speakers and words allow."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from memcli.asking.answers import DoesNotFit
from memcli.models import Candidate, Kind, Memory, Op, Quote, Source
from memcli.reflection.consolidate import Allowed, Verdict, follow, permitted
from memcli.reflection.judging import Case, _rulings, questions, reread
from memcli.reflection.profiles import patched

JAN, MAR, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 3, 5))


def memory(id: int = 1, text: str = "Anna lives in Ghent.", **more: Any) -> Memory:
    source = Source("t", "m", "q", more.get("valid_from", JAN), "user", "Anna")
    given = {
        "namespace": "memories/me", "kind": Kind.FACT, "confidence": 0.9,
        "valid_from": JAN, "valid_to": None, "created_at": JAN, "updated_at": JAN,
        "sources": (source,), **more,
    }  # fmt: skip
    return Memory(id, text=text, **given)


def candidate(text: str = "Anna lives in Bruges.", **more: Any) -> Candidate:
    given: dict[str, Any] = {
        "kind": Kind.FACT, "quotes": (Quote("m", text),), "confidence": 0.9,
        "said_at": MAR, "author": "Anna", **more,
    }  # fmt: skip
    return Candidate(text, **given)


def verdict(op: Any, text: str | None = None) -> Verdict:
    return Verdict(op, "so it is", text)


@pytest.mark.parametrize("op", ["supersede", "delete", "update", "strengthen"])
def test_a_memory_that_ended_or_is_anothers_is_left_alone(op: Any) -> None:
    ended = memory(valid_to=MAR)
    assert follow(verdict(op, "Anna lives in Bruges."), ended, candidate()) is None
    bens = candidate(author="Ben")
    assert follow(verdict(op, "Anna lives in Bruges."), memory(), bens) is None
    assert follow(verdict(op), None, candidate()) is None


def test_what_was_said_earlier_deletes_nothing() -> None:
    newer = memory(valid_from=MAY)
    assert follow(verdict("delete"), newer, candidate()) is None
    done = follow(verdict("delete"), memory(), candidate())
    assert done is not None and done.op is Op.DELETE


def test_what_was_said_again_later_holds_from_then_on() -> None:
    known = memory()
    said_again = replace(known.sources[0], said_at=MAY)
    again = replace(known, sources=(*known.sources, said_again))
    done = follow(verdict("supersede"), again, candidate())
    assert done is not None
    assert (done.closes, done.valid_to, done.superseded_by) == ((), MAY, 1)


def test_without_updates_the_past_stays_in_the_past() -> None:
    done = follow(verdict("supersede"), memory(valid_from=MAY), candidate())
    assert done is not None
    allowed = permitted(done, Allowed(updates=False))
    assert allowed is not None
    assert (allowed.valid_to, allowed.superseded_by) == (MAY, 1)


def decisions(*listed: dict[str, Any]) -> dict[str, Any]:
    return {"decisions": [{"reason": "so it is", **one} for one in listed]}


def question(count: int = 2) -> Any:
    cases = [
        Case(n, candidate(f"Anna lives in {n}."), (memory(),)) for n in range(count)
    ]
    (asked,) = questions("memories/me", cases)
    return asked


def test_a_target_stands_above_its_statement() -> None:
    asked = question()
    down = decisions({"new": 2, "operation": "strengthen", "target": 3})
    with pytest.raises(DoesNotFit):
        _rulings(down, asked)
    up = decisions({"new": 3, "operation": "strengthen", "target": 2})
    assert _rulings(up, asked)[1].candidate == 0


def test_a_text_with_a_secret_is_not_taken_over() -> None:
    key = "AKIA" + "QUAYSIDE7BOATS42"
    answer = decisions(
        {"new": 2, "operation": "update", "target": 1, "text": f"Anna has {key}.",
         "reason": f"because of {key}"}
    )  # fmt: skip
    ruling = _rulings(answer, question())[0]
    assert ruling.verdict.text is None
    assert key not in ruling.verdict.reason


def test_a_refused_answer_stays_refused_when_it_is_read_again() -> None:
    known = [memory(n, f"Anna owns boat {n}.") for n in range(1, 7)]
    cases = [Case(n, candidate(f"No boat {n}."), (m,)) for n, m in enumerate(known)]
    (asked,) = questions("memories/me", cases)
    all_gone = decisions(
        *({"new": 7 + n, "operation": "delete", "target": 1 + n} for n in range(6))
    )
    assert reread(all_gone, asked) == {}
    one_gone = decisions({"new": 7, "operation": "delete", "target": 1})
    assert len(reread(one_gone, asked)) == 1


def test_a_lists_time_is_that_of_its_latest_word() -> None:
    document: dict[str, Any] = {}
    times: dict[str, str] = {}
    for said_at, patch in (("3", {"a": [1]}), ("1", {"a": [2]}), ("2", {"a": "x"})):
        document, times, _ = patched(document, times, patch, said_at)
    assert document == {"a": [1, 2]}
