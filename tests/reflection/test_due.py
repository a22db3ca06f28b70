"""Which threads are due, and which part of them."""

from datetime import UTC, datetime, timedelta

import pytest

from memcli.models import Message, Thread, ThreadPart
from memcli.reflection.due import part_to_reflect, says_nothing, split_by_quiet

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def thread(minutes_ago: int) -> Thread:
    last = NOW - timedelta(minutes=minutes_ago)
    return Thread("t", "generic", {}, last, last, 3, 1)


def message(number: int, text: str = "x") -> Message:
    return Message(f"k{number}", "t", f"m{number}", "user", text, NOW)


def test_a_thread_is_due_once_it_was_quiet_long_enough() -> None:
    due, waiting = split_by_quiet(
        [thread(29), thread(30), thread(31)], timedelta(minutes=30), NOW
    )
    assert [t.last_at for t in due] == [thread(30).last_at, thread(31).last_at]
    assert [w.due_at for w in waiting] == [NOW + timedelta(minutes=1)]


def test_without_a_quiet_period_everything_is_due() -> None:
    ahead = thread(-60)
    assert split_by_quiet([ahead], timedelta(0), NOW) == ([ahead], [])


def test_only_the_new_part_is_reflected_with_a_little_before_it() -> None:
    messages = [(message(i), i >= 20) for i in range(23)]
    part = part_to_reflect(thread(60), messages)
    assert [m.id for m in part.new] == ["m20", "m21", "m22"]
    assert [m.id for m in part.context] == [f"m{i}" for i in range(12, 20)]


def test_context_is_bounded_by_its_length_too() -> None:
    messages = [(message(i, "x" * 4000), i >= 5) for i in range(6)]
    assert [m.id for m in part_to_reflect(thread(60), messages).context] == ["m4"]


def test_an_edited_message_is_reflected_with_what_came_before_it() -> None:
    messages = [(message(0), False), (message(1), True), (message(2), False)]
    part = part_to_reflect(thread(60), messages)
    assert [m.id for m in part.new] == ["m1"]
    assert [m.id for m in part.context] == ["m0"]


@pytest.mark.parametrize(
    ("texts", "nothing"),
    [
        (["/clear"], True),
        (["/model opus", "/cost"], True),
        (["/clear", "I prefer tabs"], False),
        (["/plan move to Postgres"], False),
        ([], True),
    ],
)
def test_commands_alone_say_nothing(texts: list[str], nothing: bool) -> None:
    new = tuple(message(n, text) for n, text in enumerate(texts))
    assert says_nothing(ThreadPart(thread(0), (), new)) is nothing
