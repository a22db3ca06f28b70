"""A run that is killed, at any moment, and run again ends as if it never had been.

`python -m tests.durability.kill 200` kills so many runs of each scenario, at every
boundary of a transaction and, for the rest, at random; the suite kills a few.
"""

import random
import re
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from memcli.store import memories
from memcli.store.database import connect
from memcli.when import to_text
from tests import messages_api as api
from tests.asking.conftest import decide, shown
from tests.conftest import said, write_lines
from tests.durability.forks import Command, Forks, Outcome, forking

WORKERS = 3
# Requests under way at the kill, or answered and not stored yet: the pool has twice as
# many in hand as workers, so that none waits while an answer is stored.
MOST_LOST = 2 * WORKERS
# Runs after which everything must be done; a batch takes one to come back.
MOST_RUNS = 6
# More new messages of the long thread than that do not fit one answer.
FIT = 7
_LONG = 12
# Many characters, and little to embed.
_ASIDE = "notwithstanding " * 12 + "all."

Json = dict[str, Any]


class Line(NamedTuple):
    """What somebody says, and what the model is to remember of it."""

    file: int
    thread: str
    day: str
    words: str
    memory: str
    user: str = "ann"
    about: str | None = None


LINES = (
    Line(0, "cat", "08-01", "I have a cat, Miso.", "The user has a cat called Miso."),
    Line(0, "tea", "08-02", "I drink green tea.", "The user drinks green tea."),
    Line(1, "cat-again", "08-03", "I have a cat, called Miso.",
         "The user has a cat called Miso."),
    Line(1, "ghent", "08-04", "I live in Ghent.", "The user lives in Ghent.",
         about="home"),
    Line(2, "thunder", "09-01", "Miso hates thunder.",
         "The user has a cat called Miso who is afraid of thunder."),
    Line(2, "bruges", "09-02", "I moved to Bruges.", "The user lives in Bruges.",
         about="home"),
    Line(3, "rowing", "09-03", "I row on Tuesdays.", "The user rows on Tuesdays."),
    Line(3, "antwerp", "09-04", "I moved to Antwerp.", "The user lives in Antwerp.",
         about="home"),
    Line(4, "deploy", "08-05", "I deploy with Ansible.",
         "The user deploys the shop with Ansible.", "ben"),
    Line(4, "laptop", "09-05", "I deploy with Ansible from a laptop.",
         "The user deploys the shop with Ansible from one laptop.", "ben"),
    Line(5, "tea-again", "09-06", "I still drink green tea.",
         "The user drinks green tea."),
    # Three colours, and three homes at one time: their order must not depend on
    # which of them were extracted before the kill.
    Line(0, "boat", "08-01", "I own a boat, Nora.",
         "The user has a boat called Nora.", "dan"),
    Line(1, "red", "08-11", "Nora is red now.",
         "The user has a boat called Nora that is painted red.", "dan"),
    Line(2, "blue", "08-21", "Nora is blue now.",
         "The user has a boat called Nora that is painted blue.", "dan"),
    Line(3, "lyon", "08-21", "I live in Lyon.", "The user lives in Lyon.", "dan",
         "home"),
    Line(4, "nice", "08-21", "I live in Nice.", "The user lives in Nice.", "dan",
         "home"),
    Line(5, "metz", "08-21", "I live in Metz.", "The user lives in Metz.", "dan",
         "home"),
    *(
        Line(5, "long", f"07-{n + 1:02}", f"I prefer lamp number {n}, " + _ASIDE,
             f"The user prefers lamp number {n}.", "cleo")
        for n in range(_LONG)
    ),
)  # fmt: skip
THREADS = sorted({line.thread for line in LINES})
_BY_WORDS = {line.words: line for line in LINES}


def write_logs(folder: Path) -> None:
    """All threads in six files, and one that says nothing."""
    for number in range(6):
        lines: list[Json] = []
        for line in LINES:
            if line.file == number:
                of = {"thread": line.thread, "user_id": line.user}
                at = f"2026-{line.day}T10:00"
                lines.append(said(line.words, at=f"{at}:00Z", **of))
                lines.append(said("Noted.", at=f"{at}:30Z", role="assistant", **of))
        if number == 0:
            lines.append(said("Hello?", thread="silent", role="assistant"))
        write_lines(folder / f"{number}.jsonl", *lines)


class Model:
    """Always answers the same, but refuses one thread when first asked about it.

    `sent` counts the requests about each thread, `judged` those of consolidation by
    what they show.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.sent: Counter[str] = Counter()
        self.judged: Counter[str] = Counter()

    def answer(self, request: Json) -> api.Answer:
        text = shown(request)
        if request["tools"][0]["name"] == "decide":
            self.judged[text] += 1
            return decide(request, lambda number: _decision(text, number))
        new = re.findall(r"\[(m\d+)\] [^\n]*\n  ([^\n]+)", text)
        found = [(label, _BY_WORDS[w]) for label, w in new if w in _BY_WORDS]
        (thread,) = {line.thread for _, line in found}
        self.sent[thread] += 1
        if thread == "rowing" and self.sent[thread] == 1:
            return api.message([], "refusal")
        if len(found) > FIT:
            return api.tool_call([], "max_tokens")
        return api.tool_call([_memory(label, line) for label, line in found])


def _memory(label: str, line: Line) -> Json:
    return {
        "text": line.memory, "kind": "fact", "confidence": 0.9,
        "quotes": [{"message": label, "text": line.words}],
        **({"about": line.about} if line.about else {}),
    }  # fmt: skip


def _decision(text: str, number: int) -> Json:
    """What is said of the cat or the boat ends what was said of it before."""
    listed = dict(re.findall(r"^\[(\d+)\] [^:]*:\d\d: (.*)$", text, re.MULTILINE))
    for name in ("Miso", "Nora"):
        above = [int(n) for n in listed if int(n) < number and name in listed[n]]
        if above and name in listed[str(number)]:
            return {"operation": "supersede", "target": max(above)}
    return {"operation": "insert"}


# The scenarios


@dataclass(frozen=True, slots=True)
class Scenario:
    """How the same files are reflected."""

    name: str
    options: tuple[str, ...]


SCENARIOS = (
    Scenario("model", ("--extractor", "claude", "--workers", str(WORKERS))),
    Scenario("batch", ("--extractor", "claude", "--workers", str(WORKERS), "--batch")),
    Scenario("offline", ("--extractor", "offline", "--workers", str(WORKERS))),
)


class Kill(NamedTuple):
    """In which run after the first, and when in it: one of both is given."""

    run: int
    moment: int | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        when = f"moment {self.moment}"
        if self.moment is None:
            when = f"{(self.seconds or 0) * 1000:.1f} ms"
        return f"run {self.run + 1}, {when}"


@dataclass
class Unbroken:
    """What the runs come to that nobody kills."""

    memories: list[Any]
    sent: Counter[str]
    runs: list[Outcome]

    def boundaries(self) -> list[Kill]:
        return [
            Kill(number, moment)
            for number, run in enumerate(self.runs)
            for moment in range(run.moments)
        ]

    def at_random(self, draw: random.Random, count: int) -> list[Kill]:
        numbers = [draw.randrange(len(self.runs)) for _ in range(count)]
        return [
            Kill(number, seconds=draw.uniform(0, 1.1 * self.runs[number].seconds))
            for number in numbers
        ]


@dataclass
class Tally:
    """What came of the kills of one scenario."""

    kills: int = 0
    died: int = 0
    sent_again: int = 0
    worst: int = 0
    wrong: list[str] = field(default_factory=list)


class Harness:
    """Files to reflect, a model to ask, and the process that forks."""

    def __init__(self, folder: Path, forks: Forks, server: api.Server, model: Model):
        self._folder, self._forks = folder, forks
        self._server, self._model = server, model
        self._number = 0
        write_logs(folder / "logs")

    def unbroken(self, scenario: Scenario) -> Unbroken:
        """The runs as they are without a kill. Fails when they are not done then."""
        self._to_the_end(scenario, self._fresh())  # the first takes longer
        store = self._fresh()
        runs = self._to_the_end(scenario, store)
        assert (wrong := self._left_over(store, runs)) == [], wrong
        assert not any(run.unseen for run in runs), "a commit that was not counted"
        return Unbroken(exported(store), self._model.sent.copy(), runs)

    def killed(
        self, scenario: Scenario, kill: Kill, whole: Unbroken, tally: Tally
    ) -> None:
        """Kill one run, run it again, and note what is not as it should be."""
        store = self._fresh()
        for _ in range(kill.run):
            self._run(scenario, store)
        died = self._run(scenario, store, kill)
        tally.kills += 1
        tally.died += died.killed
        before = _Before(store, self._model)
        wrong = before.wrong + self._left_over(
            store, self._to_the_end(scenario, store), started=store.exists()
        )
        if not wrong and exported(store) != whole.memories:
            wrong.append(_difference(exported(store), whole.memories))
        again = self._model.sent - whole.sent
        for thread, count in again.items():
            if count > before.under_way[thread]:
                wrong.append(f"{thread} was answered, committed, and asked about again")
        judged = sum(count - 1 for count in self._model.judged.values())
        if judged > before.judging:
            wrong.append("a ruling that was committed was asked for again")
        lost = again.total() + judged
        if lost > MOST_LOST:
            wrong.append(f"{lost} requests were sent again")
        tally.sent_again += lost
        tally.worst = max(tally.worst, lost)
        tally.wrong += [f"{scenario.name}, {kill}: {what}" for what in wrong]
        shutil.rmtree(store.parent)

    def _fresh(self) -> Path:
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        self._model.forget()
        self._server.requests.clear()
        self._server.headers.clear()
        self._server.batches.clear()
        self._server.stored.clear()
        return folder / "memories.db"

    def _run(
        self, scenario: Scenario, store: Path, kill: Kill | None = None
    ) -> Outcome:
        return self._forks.run(
            Command(
                ["reflect", "../logs", "--quiet", *scenario.options],
                str(store.parent),
                {
                    "HOME": str(store.parent),
                    "MEMCLI_DB": str(store),
                    "MEMCLI_NAMESPACE": "memories/{user_id:-me}",
                    "ANTHROPIC_API_KEY": "test-key",
                    "ANTHROPIC_BASE_URL": self._server.url,
                },
                kill.moment if kill else None,
                kill.seconds if kill else None,
            )
        )

    def _to_the_end(self, scenario: Scenario, store: Path) -> list[Outcome]:
        runs = []
        for _ in range(MOST_RUNS):
            runs.append(self._run(scenario, store))
            if runs[-1].code or not _under_way(store):
                break
        return runs

    def _left_over(
        self, store: Path, runs: Sequence[Outcome], *, started: bool = True
    ) -> list[str]:
        """What a store that is done should not have."""
        last = runs[-1]
        if last.code:
            return [f"the run after it ended with {last.code}: {last.err.strip()}"]
        with closing(connect(store)) as db:
            found = damage(db)
            for what, query in (
                ("threads that are not reflected", "FROM messages "
                 "WHERE reflected_in IS NULL"),
                ("answers that wait", "FROM extractions WHERE consolidated_in IS NULL"),
                ("runs that seem to go on", "FROM runs WHERE outcome = 'running'"),
                ("claims", "FROM leases"),
                ("stages that seem to go on", "FROM journal j JOIN runs r "
                 "ON r.id = j.run_id WHERE j.ended_at IS NULL AND r.outcome = 'done'"),
                ("messages without a vector", "FROM messages WHERE embedded = 0"),
                ("memories without a vector", "FROM memories WHERE embedded = 0 "
                 "AND deleted_in IS NULL"),
                ("threads that failed", "FROM threads WHERE error IS NOT NULL"),
            ):  # fmt: skip
                number = db.execute(f"SELECT count(*) {query}").fetchone()[0]
                found += [f"{number} {what}"] if number else []
        return found


class _Before:
    """What was known to whom when a run had been killed.

    Looked up in a copy: the run that follows finds the files as the kill left them.
    """

    def __init__(self, store: Path, model: Model) -> None:
        self.wrong: list[str] = []
        booked: Counter[str] = Counter()
        rulings = 0
        folder = store.parent / "as the kill left it"
        folder.mkdir()
        for file in (store, store.with_name(f"{store.name}-wal")):
            if file.exists():
                shutil.copy(file, folder)
        with closing(sqlite3.connect(folder / store.name)) as db:
            self.wrong += damage(db)
            tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if tables:
                booked = Counter(
                    thread
                    for (thread,) in db.execute(
                        "SELECT thread_id FROM requests WHERE thread_id IS NOT NULL "
                        "UNION ALL SELECT thread_id FROM batch_requests r "
                        "JOIN batches b ON b.id = r.batch_id WHERE r.outcome IS NULL "
                    )
                )
                (rulings,) = db.execute("SELECT count(*) FROM judgements").fetchone()
        self.under_way = model.sent - booked
        self.judging = model.judged.total() - rulings


def damage(db: sqlite3.Connection) -> list[str]:
    """What is wrong with the file, or with an index of it."""
    found = [
        f"damaged: {tuple(row)}"
        for check in ("integrity_check", "foreign_key_check")
        for row in db.execute(f"PRAGMA {check}")
        if tuple(row) != ("ok",)
    ]
    indexes = db.execute(
        "SELECT name FROM sqlite_master WHERE name IN ('memories_fts', 'messages_fts')"
    )
    for (name,) in indexes.fetchall():
        try:
            db.execute(f"INSERT INTO {name}({name}, rank) VALUES('integrity-check', 1)")
        except sqlite3.DatabaseError as error:
            found.append(f"{name}: {error}")
    return found


def _under_way(store: Path) -> bool:
    with closing(connect(store)) as db:
        batches = "SELECT count(*) FROM batches WHERE harvested_at IS NULL"
        new = "SELECT count(*) FROM messages WHERE reflected_in IS NULL"
        return any(db.execute(query).fetchone()[0] for query in (batches, new))


def exported(store: Path) -> list[Any]:
    """All memories without numbers and without the times at which they were made."""
    with closing(connect(store)) as db:
        listed = memories.select(db, superseded=True)
        texts = {memory.id: memory.text for memory in listed}
        return sorted(
            (
                memory.namespace, memory.text, memory.kind.value, memory.confidence,
                to_text(memory.valid_from),
                to_text(memory.valid_to) if memory.valid_to else "",
                texts.get(memory.superseded_by or 0, ""),
                sorted((s.thread_id, s.message_id, s.quote) for s in memory.sources),
            )
            for memory in listed
        )  # fmt: skip


def _difference(found: list[Any], expected: list[Any]) -> str:
    missing = [one for one in expected if one not in found]
    more = [one for one in found if one not in expected]
    return f"memories missing {missing}, and not expected {more}"


def spread(kills: Sequence[Kill], count: int) -> list[Kill]:
    """So many of them, evenly from first to last."""
    if count >= len(kills):
        return list(kills)
    step = (len(kills) - 1) / max(1, count - 1)
    return [kills[round(n * step)] for n in range(count)]


@contextmanager
def harness(folder: Path) -> Iterator[Harness]:
    """All that is needed to kill runs, in a folder of its own."""
    model = Model()
    with (
        forking() as forks,
        api.serving(model.answer, batches_end=True) as server,
    ):
        yield Harness(folder, forks, server, model)


def main() -> None:
    """Kill so many runs of each scenario; 1 if any of them leaves a trace."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    kills = 0
    wrong: list[str] = []
    with TemporaryDirectory(prefix="memcli-kill-") as name, harness(Path(name)) as at:
        for scenario in SCENARIOS:
            whole, tally = at.unbroken(scenario), Tally()
            boundaries = whole.boundaries()
            draw = random.Random(scenario.name)
            rest = max(0, wanted - len(boundaries))
            chosen = spread(boundaries, wanted) + whole.at_random(draw, rest)
            for kill in chosen:
                at.killed(scenario, kill, whole, tally)
            print(
                f"{scenario.name}: {tally.kills} kills ({len(chosen) - rest} of "
                f"{len(boundaries)} boundaries, {rest} at random), {tally.died} in "
                f"mid-run; {tally.sent_again} requests sent again, at most "
                f"{tally.worst} after one kill; {len(tally.wrong)} violations",
                flush=True,
            )
            for line in tally.wrong[:20]:
                print(f"  {line}", flush=True)
            kills, wrong = kills + tally.kills, wrong + tally.wrong
    print(f"{kills} runs killed and run again, {len(wrong)} violations")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
