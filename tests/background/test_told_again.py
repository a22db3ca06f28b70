"""What a program hands over comes to one conversation, however it tells it."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memcli.reflection.submitted import Accepted, Conversation, accept
from memcli.store import threads
from memcli.store.database import connect
from tests.background.conftest import Enricher, of, turns
from tests.conftest import Cli

NOW = datetime(2026, 11, 1, 10, tzinfo=UTC)
# A recipe is not looked at when something is accepted.
RECIPE = {"model": "none"}


def hand_over(
    db: sqlite3.Connection, messages: Sequence[object], thread: str = "t1", **more: Any
) -> Accepted:
    given = Conversation(messages, thread, {"user_id": more.pop("user", "ana")})
    settled = {"now": NOW, "due_at": NOW, **more}
    return accept(db, given, RECIPE, "memories/{user_id}", **settled)


def stored(db: sqlite3.Connection, thread: str = "t1") -> list[str]:
    return [message.text for _, message, _ in threads.messages(db, thread)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), max_size=8),
    st.booleans(),
)
def test_the_whole_again_windows_and_what_is_new_come_to_the_same(
    steps: list[tuple[int, int]], secret: bool
) -> None:
    """Each time some more was said, and the program gives that with as much of what
    came before as it likes: nothing of it, some last ones, or all."""
    key = f" sk-ant-api03-{'a1B2' * 20}" if secret else ""
    said_ = [
        {"role": ("user", "assistant")[n % 2], "content": f"Turn {n}.{key}"}
        for n in range(60)
    ]
    thread = uuid4().hex
    with closing(connect(Path("memories.db"))) as db:
        end = 0
        for more, back in steps:
            begin = 0 if back == 9 else max(0, end - back)
            end += more
            hand_over(db, said_[begin:end], thread)
        assert [text.split(".")[0] for text in stored(db, thread)] == [
            f"Turn {n}" for n in range(end)
        ]


def test_what_is_said_again_is_there_again(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "memories.db")) as db:
        hand_over(db, turns("Shall we?", "Yes."))
        hand_over(db, turns("And now?", "Yes."))
        assert stored(db) == [
            "Shall we?", "Noted.", "Yes.", "Noted.",
            "And now?", "Noted.", "Yes.", "Noted.",
        ]  # fmt: skip
        # The same from the other one is not the same.
        hand_over(db, [{"role": "user", "content": "Noted."}])
        assert len(stored(db)) == 9
        hand_over(db, turns("Yes.", "Yes."), "t2")
        hand_over(db, turns("Yes.", "Yes.", "Done."), "t2")
        assert len(stored(db, "t2")) == 6


def test_what_could_not_be_accepted_leaves_nothing_behind(tmp_path: Path) -> None:
    """Messages alone would be taken for a transcript, and go where those go."""
    with closing(connect(tmp_path / "memories.db")) as db:
        db.execute(
            "CREATE TRIGGER full BEFORE INSERT ON submissions "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
        with pytest.raises(sqlite3.DatabaseError, match="full"):
            hand_over(db, turns("I prefer tea."))
        assert stored(db) == []


def test_the_whole_again_after_its_beginning_was_forgotten_doubles_nothing(
    tmp_path: Path, cli: Cli
) -> None:
    def at(month: int, text: str) -> dict[str, Any]:
        return {"role": "user", "content": text, "timestamp": f"2026-0{month}-01"}

    told = [at(1, "I prefer tea."), at(3, "I prefer jazz."), at(4, "I prefer chess.")]
    path = tmp_path / "memories.db"
    with closing(connect(path)) as db:
        hand_over(db, told)
    done = cli("forget", "--before", "2026-02-01", "--yes", "--db", path)
    assert done.code == 0
    with closing(connect(path)) as db:
        hand_over(db, [*told, at(5, "I prefer rain.")])
        assert stored(db) == ["I prefer jazz.", "I prefer chess.", "I prefer rain."]


def test_a_thread_without_a_word_is_still_its_user_s(enricher: Enricher) -> None:
    made = enricher()
    assert made.process([{"role": "system", "content": "Hi."}], of("1", "ana")) == []
    (memory,) = made.process(turns("I prefer tea."), of("1", "ben"))
    assert memory.namespace == "memories/ben"
    (memory,) = made.process(turns("I prefer jazz."), of("1", "ana"))
    assert memory.namespace == "memories/ana"
