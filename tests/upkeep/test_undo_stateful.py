"""Undo is the exact inverse of a run, whatever was done before and after it.

A machine does to one store, in any order, what people and nightly runs do to it, and
remembers what there was to see before each run. `python -m
tests.upkeep.test_undo_stateful 500` tries so many histories; the suite tries a few.
"""

import json
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from numpy.typing import NDArray

from memcli.embeddings import bert
from memcli.embeddings.bert import BertEncoder
from memcli.embeddings.choose import DEFAULT_MODEL, Encoder, encoder
from memcli.errors import UsageError
from memcli.extractors.base import Extraction
from memcli.extractors.offline.extractor import OfflineExtractor
from memcli.models import ThreadPart
from memcli.reflection.progress import Silence
from memcli.reflection.reflect import Request, reflect
from memcli.store import tombstones, vectors
from memcli.store.database import connect
from memcli.store.search import Query, search_memories
from memcli.upkeep import by_hand
from memcli.upkeep.by_hand import Edit
from memcli.upkeep.undo import Undone, undo
from tests.durability.soundness import faults

T = TypeVar("T")
NAMESPACE = "memories/me"
START = datetime(2026, 11, 1, 9, tzinfo=UTC)
# What is said, so chosen that one word ends another, or says it again.
SENTENCES = (
    "I live in Ghent.",
    "I live in Lisbon.",
    "I live in Graz.",
    "I prefer tea over coffee.",
    "I no longer drink coffee.",
    "I use Vim for everything.",
    "I switched from vim to Helix.",
    "I use dark mode everywhere.",
    "I switched to light mode.",
    "I work at Acme.",
    "My dog is called Rex and I live in Ghent.",
    "Thanks, that is all.",
)
# What people write themselves: some of it is what the above comes to.
OWN_WORDS = (
    "The user lives in Ghent.",
    "The user lives in Lisbon.",
    "The user prefers tea over coffee.",
    "The user uses Vim for everything.",
    "The user keeps bees.",
    "The user works at Acme.",
)
LATER_RUN = re.compile(r"run (\d+) \((?:memory|memories) ([\d, …]+)\)")
ADVICE = re.compile(r"undo (\d+) first")

days = st.integers(0, 300)
said = st.sampled_from(SENTENCES)
written = st.sampled_from(OWN_WORDS)
which = st.integers(0, 10_000)  # one of those that are there, counted around
statements = st.tuples(days, said)


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to see in a store. Memories that are not there are not in it."""

    memories: dict[int, dict[str, Any]]
    sources: dict[int, frozenset[tuple[int, str]]]
    tombstones: frozenset[tuple[int, str, str]]
    reflected: frozenset[str]
    counting: frozenset[int]

    def given(self) -> set[tuple[str, str, frozenset[tuple[int, str]]]]:
        """What is remembered, whatever its number."""
        return {
            (row["namespace"], row["text"], self.sources.get(id, frozenset()))
            for id, row in self.memories.items()
        }

    def without(self, ids: Iterable[int]) -> "Seen":
        """The same, but for some memories."""
        gone = set(ids)
        return Seen(
            {id: row for id, row in self.memories.items() if id not in gone},
            {id: quotes for id, quotes in self.sources.items() if id not in gone},
            self.tombstones,
            self.reflected,
            self.counting,
        )


def seen(db: sqlite3.Connection) -> Seen:
    """What there is to see in a store now."""
    memories = {
        row["id"]: {name: row[name] for name in row.keys() if name != "updated_at"}  # noqa: SIM118
        for row in db.execute("SELECT * FROM memories WHERE deleted_in IS NULL")
    }
    sources: dict[int, set[tuple[int, str]]] = {}
    for row in db.execute("SELECT memory_id, message, quote FROM sources"):
        if row["memory_id"] in memories:
            quotes = sources.setdefault(row["memory_id"], set())
            quotes.add((row["message"], row["quote"]))
    return Seen(
        memories,
        {id: frozenset(quotes) for id, quotes in sources.items()},
        frozenset(standing(db)),
        frozenset(
            row["key"]
            for row in db.execute(
                "SELECT key FROM messages WHERE reflected_in IS NOT NULL"
            )
        ),
        frozenset(
            row["id"]
            for row in db.execute(
                "SELECT id FROM extractions "
                "WHERE replaced = 0 AND consolidated_in IS NOT NULL"
            )
        ),
    )


def standing(db: sqlite3.Connection) -> Iterator[tuple[int, str, str]]:
    """The tombstones that count, as (number, statement, gist)."""
    for row in db.execute(f"SELECT * FROM tombstones t WHERE {tombstones.STANDS}"):
        yield row["id"], row["statement"], row["gist"]


class Other(OfflineExtractor):
    """Later rules than those that are in force: threads are stale for them. They
    have no eye for one of the sentences."""

    def __init__(self, version: int, blind_for: str | None) -> None:
        self.recipe = f"offline rules-test-{version}"
        self._blind_for = blind_for

    def extract(self, part: ThreadPart) -> Extraction:
        """What the rules give, but for that sentence."""
        found = super().extract(part).candidates
        return Extraction(
            tuple(
                candidate
                for candidate in found
                if all(quote.text != self._blind_for for quote in candidate.quotes)
            )
        )


class Histories(RuleBasedStateMachine):
    """Everything that people and runs do to a store, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory(prefix="memcli-undo-")
        self.folder = Path(self._folder.name)
        (self.folder / "logs").mkdir()
        (self.folder / "memories.db").write_bytes(_empty_store())
        self.db = connect(self.folder / "memories.db")
        self.now = START
        self.threads: dict[str, int] = {}  # how many messages each has
        self.extractor: OfflineExtractor = OfflineExtractor()
        self.before: dict[int, Seen] = {}
        self.after: dict[int, Seen] = {}

    def teardown(self) -> None:
        self.db.close()
        self._folder.cleanup()

    # What runs do.

    @rule(spoken=st.lists(statements, min_size=1, max_size=4))
    def reflect_new_threads(self, spoken: list[tuple[int, str]]) -> None:
        for day, text in spoken:
            thread = f"t{len(self.threads)}"
            self.threads[thread] = 0
            self._say(thread, day, text)
        self._reflect()

    @precondition(lambda self: self.threads)
    @rule(number=which, spoken=statements)
    def reflect_a_thread_that_grew(self, number: int, spoken: tuple[int, str]) -> None:
        self._say(self._one_of(sorted(self.threads), number), *spoken)
        self._reflect()

    @precondition(lambda self: self.threads)
    @rule(blind_for=st.none() | said, number=which, grown=st.none() | statements)
    def reflect_anew_by_other_rules(
        self, blind_for: str | None, number: int, grown: tuple[int, str] | None
    ) -> None:
        if grown is not None:
            self._say(self._one_of(sorted(self.threads), number), *grown)
        self.extractor = Other(len(self.after), blind_for)
        self._reflect(stale=True)

    @rule()
    def reflect_what_is_due(self) -> None:
        self._reflect()

    # What people do.

    @rule(text=written, day=days)
    def add(self, text: str, day: int) -> None:
        since = START - timedelta(days=day)
        self._do(lambda: by_hand.add(
            self.db, NAMESPACE, text, self._clock(), DEFAULT_MODEL, since=since
        ))  # fmt: skip

    @precondition(lambda self: self._open())
    @rule(text=written, number=which)
    def add_in_place_of_another(self, text: str, number: int) -> None:
        old = self._one_of(self._open(), number)
        self._do(lambda: by_hand.add(
            self.db, NAMESPACE, text, self._clock(), DEFAULT_MODEL, replaces=[old]
        ))  # fmt: skip

    @precondition(lambda self: self._there())
    @rule(number=which, text=written)
    def edit_the_text(self, number: int, text: str) -> None:
        self._edit(number, Edit(text=text))

    @precondition(lambda self: self._there())
    @rule(number=which, day=days)
    def edit_when_it_ended(self, number: int, day: int) -> None:
        self._edit(number, Edit(until=START - timedelta(days=day)), refusable=True)

    @precondition(lambda self: self._there())
    @rule(number=which, more=st.none() | which)
    def forget(self, number: int, more: int | None) -> None:
        ids = [self._one_of(self._there(), n) for n in (number, more) if n is not None]
        self._do(lambda: by_hand.forget(self.db, ids, self._clock()))

    # What is taken back.

    @precondition(lambda self: self.after)
    @rule()
    def undo_the_latest(self) -> None:
        """Also when that is an undo, or the undo of one."""
        latest = max(self.after)
        then, there = self._then(latest), set(self._there())
        self._undo(latest)
        self._compare(seen(self.db), then, f"run {latest} was undone")
        self._can_be_found(set(then.memories) - there)

    @precondition(lambda self: self.after)
    @rule()
    def undo_the_latest_and_bring_it_back(self) -> None:
        latest = max(self.after)
        then, now = self._then(latest), seen(self.db)
        by = self._undo(latest)
        self._compare(seen(self.db), then, f"run {latest} was undone")
        again = self._undo(by.run_id)
        self._compare(seen(self.db), now, f"the undo of run {latest} was undone")
        self._undo(again.run_id)
        self._compare(seen(self.db), then, f"run {latest} was undone once more")

    @precondition(lambda self: self.after and self._kind(max(self.after)) == "reflect")
    @rule()
    def undo_the_latest_reflection_and_reflect_again(self) -> None:
        latest, now = max(self.after), seen(self.db)
        self._undo(latest)
        self._compare(seen(self.db), self.before[latest], f"run {latest} was undone")
        redone = self.db.execute(
            "SELECT 1 FROM redone_threads WHERE run_id = ?", (latest,)
        ).fetchone()
        self._reflect(stale=redone is not None)
        assert seen(self.db).given() == now.given()
        assert seen(self.db).reflected == now.reflected

    @precondition(lambda self: self._undoable())
    @rule(number=which, due_again=st.booleans())
    def undo_any(self, number: int, due_again: bool) -> None:
        run = self._one_of(self._undoable(), number)
        now, expected = seen(self.db), self._expected_without(run, due_again)
        there, touched = set(self._there()), self._touched(run)
        try:
            self._undo(run, due_again=due_again)
        except UsageError as error:
            assert seen(self.db) == now
            self._is_a_reason(run, str(error))
            return
        then = seen(self.db)
        self._compare(then.without(touched), expected.without(touched), "the others")
        self._compare(then, expected, f"run {run} was undone")
        self._can_be_found(set(expected.memories) - there)

    @precondition(lambda self: self._undoable())
    @rule(number=which)
    def undo_as_told(self, number: int) -> None:
        """Whoever does what a refusal says to do first gets there."""
        run = self._one_of(self._undoable(), number)
        self._undo_as_told(run, iter(range(5 * len(self.after))))
        assert run not in self._undoable()

    # What holds all the time.

    @invariant()
    def the_store_is_sound(self) -> None:
        assert faults(self.db) == []

    @invariant()
    def the_vectors_are_those_of_the_texts(self) -> None:
        for id in self._there():
            row = self.db.execute("SELECT text FROM memories WHERE id = ?", (id,))
            vector = vectors.get(self.db, "memories", id)
            assert vector is not None
            assert float(vector @ _vector(row.fetchone()["text"])) > 0.999

    # How it is done.

    def _say(self, thread: str, day: int, text: str) -> None:
        self.threads[thread] += 1
        number = self.threads[thread]
        line = {
            "thread_id": thread,
            "id": f"m{number}",
            "role": "user",
            "content": text,
            "timestamp": (START - timedelta(days=day, minutes=-number)).isoformat(),
        }
        with (self.folder / "logs" / f"{thread}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _reflect(self, *, stale: bool = False) -> None:
        if not self.threads:
            return
        request = Request(
            paths=[str(self.folder / "logs")],
            namespace="memories/{user_id:-me}",
            quiet=timedelta(0),
            workers=1,
            embedding_model=DEFAULT_MODEL,
            min_confidence=0.6,
            stale=stale,
        )
        self._do(lambda: reflect(
            self.db, request, lambda: self.extractor, self._clock, Silence(),
            threading.Event(),
        ))  # fmt: skip

    def _edit(self, number: int, wanted: Edit, *, refusable: bool = False) -> None:
        id = self._one_of(self._there(), number)
        try:
            self._do(lambda: by_hand.edit(
                self.db, id, wanted, self._clock(), DEFAULT_MODEL
            ))  # fmt: skip
        except UsageError as error:
            assert refusable and "would end before it begins" in str(error)

    def _undo(self, run: int, *, due_again: bool = True) -> Undone:
        return self._do(lambda: undo(self.db, run, self._clock(), due_again=due_again))

    def _undo_as_told(self, run: int, patience: Iterator[int]) -> None:
        while True:
            assert next(patience, None) is not None, f"run {run}: no end of advice"
            try:
                self._undo(run)
                return
            except UsageError as error:
                told = self._told(str(error))
            self._undo_as_told(told, patience)

    def _do(self, what: Callable[[], T]) -> T:
        """Do something, and remember what there was to see before and after."""
        last, before = max(self.after, default=0), seen(self.db)
        done = what()
        rows = self.db.execute("SELECT id, kind FROM runs WHERE id > ?", (last,))
        made = rows.fetchall()
        assert len(made) <= 1
        for row in made:
            self.before[row["id"]], self.after[row["id"]] = before, seen(self.db)
            note(f"run {row['id']}: {row['kind']}")
        return done

    def _clock(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    def _one_of(self, those: Sequence[T], number: int) -> T:
        return those[number % len(those)]

    def _there(self) -> list[int]:
        return self._ids("deleted_in IS NULL")

    def _open(self) -> list[int]:
        """Those that a memory of now can take the place of."""
        return self._ids("deleted_in IS NULL AND valid_to IS NULL")

    def _ids(self, where: str) -> list[int]:
        rows = self.db.execute(f"SELECT id FROM memories WHERE {where} ORDER BY id")
        return [row["id"] for row in rows]

    def _undoable(self) -> list[int]:
        rows = self.db.execute("SELECT id FROM runs WHERE undone_by IS NULL")
        return [row["id"] for row in rows]

    def _kind(self, run: int) -> str:
        row = self.db.execute("SELECT kind FROM runs WHERE id = ?", (run,)).fetchone()
        kind: str = row["kind"]
        return kind

    def _touched(self, run: int) -> set[int]:
        rows = self.db.execute(
            "SELECT DISTINCT memory_id FROM operations WHERE run_id = ?", (run,)
        )
        return {row["memory_id"] for row in rows}

    # What is expected.

    def _expected_without(self, run: int, due_again: bool) -> Seen:
        """What is there to see when a run, maybe in the middle, is taken back."""
        now, before, after = seen(self.db), self.before[run], self.after[run]
        touched = self._touched(run)
        memories = {id: row for id, row in now.memories.items() if id not in touched}
        sources = {id: found for id, found in now.sources.items() if id not in touched}
        memories |= {i: row for i, row in before.memories.items() if i in touched}
        sources |= {i: found for i, found in before.sources.items() if i in touched}
        holding = self._holding() ^ {self._root(run)}
        return Seen(
            memories,
            sources,
            self._tombstones_of(holding),
            self._reflected_without(run, due_again),
            now.counting - (after.counting - before.counting)
            | (before.counting - after.counting),
        )

    def _reflected_without(self, run: int, due_again: bool) -> frozenset[str]:
        """Which messages count as reflected when a run is taken back, or comes back
        since what took it back is."""
        root, now = self._root(run), seen(self.db).reflected
        its = self.after[root].reflected - self.before[root].reflected
        if root in self._holding():
            if root != run:  # as it was before it came back
                its -= self.before[run].reflected
            return now - its if due_again else now
        return now | its

    def _then(self, run: int) -> Seen:
        """What there is to see when the latest run is taken back."""
        return self.before[run]

    def _root(self, run: int) -> int:
        """The run that a chain of undoings is about: that is what holds or not."""
        while True:
            row = self.db.execute(
                "SELECT undoes FROM runs WHERE id = ?", (run,)
            ).fetchone()
            if row["undoes"] is None:
                return run
            run = row["undoes"]

    def _holding(self) -> set[int]:
        """The runs that count, without the undoings."""
        rows = self.db.execute(
            "SELECT id FROM runs WHERE undone_by IS NULL AND kind <> 'undo'"
        )
        return {row["id"] for row in rows}

    def _tombstones_of(self, holding: set[int]) -> frozenset[tuple[int, str, str]]:
        """Those that the runs that hold come to, one after the other."""
        found: set[tuple[int, str, str]] = set()
        for run in sorted(holding):
            found -= self.before[run].tombstones - self.after[run].tombstones
            found |= self.after[run].tombstones - self.before[run].tombstones
        return frozenset(found)

    def _compare(self, found: Seen, expected: Seen, when: str) -> None:
        assert found.memories == expected.memories, when
        assert found.sources == expected.sources, when
        assert found.tombstones == expected.tombstones, when
        assert found.reflected == expected.reflected, when
        assert found.counting == expected.counting, when

    def _can_be_found(self, ids: set[int]) -> None:
        """What came back is found by what it says."""
        for id in ids:
            row = self.db.execute("SELECT text FROM memories WHERE id = ?", (id,))
            text = row.fetchone()["text"]
            query = Query(text, _vector(text), limit=100, superseded=True)
            hits = search_memories(self.db, query)
            assert str(id) in {one for hit in hits for one in (hit.id, *hit.also)}

    def _told(self, reason: str) -> int:
        """The run that is to be undone first; it can be, since nobody has."""
        found = ADVICE.search(reason) or re.search(r"again by run (\d+)", reason)
        assert found, reason
        assert int(found[1]) in self._undoable(), reason
        return int(found[1])

    def _is_a_reason(self, run: int, reason: str) -> None:
        """A later run really stands on what this one did."""
        told = self._told(reason)
        named = LATER_RUN.findall(reason)
        if not named:
            assert "reflected again" in reason
            rows = self.db.execute(
                "SELECT 1 FROM messages WHERE reflected_in = ?", (told,)
            )
            assert rows.fetchone() is not None, reason
        for later, listed in named:
            assert int(later) > run, reason
            for id in re.findall(r"\d+", listed):
                rows = self.db.execute(
                    "SELECT memory_id, after FROM operations WHERE run_id = ?",
                    (int(later),),
                )
                assert any(
                    row["memory_id"] == int(id)
                    or json.loads(row["after"])["superseded_by"] == int(id)
                    for row in rows
                ), reason


@cache
def _empty_store() -> bytes:
    """A store that has had every migration: they take longer than a history."""
    with TemporaryDirectory(prefix="memcli-undo-") as folder:
        path = Path(folder, "empty.db")
        connect(path).close()
        return path.read_bytes()


@cache
def _vector(text: str) -> NDArray[np.float32]:
    found: NDArray[np.float32] = encoder(DEFAULT_MODEL).encode([text])[0]
    return found


class _Remembering:
    """An encoder that does a sentence once: the same few come up all the time."""

    def __init__(self, of: Encoder) -> None:
        self.dimensions = of.dimensions
        self._of = of
        self._known: dict[str, NDArray[np.float32]] = {}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See Encoder."""
        if not texts:
            return self._of.encode(texts)
        for text in texts:
            if text not in self._known:
                self._known[text] = self._of.encode([text])[0]
        return np.stack([self._known[text] for text in texts])


def _try(histories: int, steps: int, *, shrunk: bool = True) -> None:
    remembering = cache(lambda folder: _Remembering(BertEncoder(folder)))
    with patch.object(bert, "BertEncoder", remembering):
        run_state_machine_as_test(
            Histories,
            settings=settings(
                max_examples=histories,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                report_multiple_bugs=False,
                phases=(Phase.generate, Phase.shrink) if shrunk else (Phase.generate,),
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_undo_brings_back_exactly_what_was_there_before_the_run() -> None:
    _try(12, 15)


def main() -> None:
    """`python -m tests.upkeep.test_undo_stateful HISTORIES STEPS`."""
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    began = time.monotonic()
    _try(histories, steps)
    print(f"{histories} histories of {steps} steps, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
