"""Ten processes at one database, and what must be true of it afterwards.

Two reflect while new transcripts come in, three read, three add, two forget; each
is a process of its own that calls `memcli` again and again. `python -m
tests.durability.siege 60` does it for a minute; the suite does it for some seconds.
"""

import io
import itertools
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from memcli.store import tombstones
from memcli.store.database import connect
from tests.durability.soundness import faults

ROOT = Path(__file__).parents[2]
NAMESPACE = "memories/me"
# Role and number; which of them a process is, it is told by this name.
WORKERS = (
    "reflect-waiting", "reflect-leaving", "read-0", "read-1", "read-2",
    "add-0", "add-1", "add-2", "forget-0", "forget-1",
)  # fmt: skip
# What the five threads of a transcript say, and so what is remembered of them. One
# run reads a file as a whole, so all five are there or none.
SAID = (
    "My sister works at Siemens in project q{}.",
    "I own a boat with number q{}.",
    "My dog is called Rexq{}.",
    "Our API runs on Postgres in cluster q{}.",
    "I prefer tea from garden q{}.",
)
REMEMBERED = (
    "The user's sister works at Siemens in project q{}.",
    "The user owns a boat with number q{}.",
    "The user's dog is called Rexq{}.",
    "The user's API runs on Postgres in cluster q{}.",
    "The user prefers tea from garden q{}.",
)
_NUMBER = re.compile(r"q(\d+)\.$")
_HARMLESS = re.compile(r"memcli: waiting for another run on \S+ to end\n")
_REFUSED = re.compile(
    r"memcli: another run is working on \S+; try again when it is done, "
    r"or wait for it with --wait\n"
)


@dataclass(frozen=True, slots=True)
class Call:
    """One command: what it was, how it ended, and when, by the machine's clock."""

    name: str
    code: int
    err: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Mine:
    """A memory that a process added: when that was done, and when, if ever, it
    began to forget it, and had."""

    id: int
    text: str
    added: float
    forgetting: float | None = None
    forgot: float | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What a reader was shown: the files of whose memories it saw some, and the
    texts that were added by hand."""

    began: float
    ended: float
    files: list[int]
    texts: list[str]


@dataclass(slots=True)
class Diary:
    """What one process did and saw; `complaints` are answers that cannot be."""

    calls: list[Call] = field(default_factory=list)
    mine: list[Mine] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a siege came to: what went wrong, a line each, and what was done."""

    faults: list[str]
    calls: list[Call]
    files: int

    def counts(self) -> Counter[str]:
        """How many of each command, and how many of those were refused."""
        counted = Counter(call.name for call in self.calls)
        refused = sum(call.code == 3 for call in self.calls)
        return counted + Counter({"reflect, refused with 3": refused})

    def slowest(self, name: str) -> float:
        """The longest that a command took, in seconds."""
        return max((c.ended - c.began for c in self.calls if c.name == name), default=0)


def besiege(folder: Path, seconds: float) -> Outcome:
    """Lay siege to a database in an empty folder for that long, then look at it.

    No database is there at the beginning, so the first to come make it.
    """
    (folder / "home").mkdir()
    (folder / "logs").mkdir()
    written = iter(itertools.count())
    _write_transcript(folder, next(written))
    processes = {name: _start(folder, name) for name in WORKERS}
    try:
        _wait_for(lambda: len(list(folder.glob("*.ready"))) == len(WORKERS), processes)
        (folder / "go").touch()
        until = time.monotonic() + seconds
        files = 1
        while time.monotonic() < until:
            time.sleep(0.2)
            _write_transcript(folder, next(written))
            files += 1
        (folder / "stop").touch()
        _wait_for(
            lambda: all(p.poll() is not None for p in processes.values()), processes
        )
    finally:
        for process in processes.values():
            process.kill()  # only those that are still there
            process.wait()
    diaries = {name: _read_diary(folder / f"{name}.json") for name in WORKERS}
    found = [
        f"{name}: ended with {process.returncode}: {_tail(folder / f'{name}.err')}"
        for name, process in processes.items()
        if process.returncode or _tail(folder / f"{name}.err")
    ]
    found += itertools.chain.from_iterable(
        _of_calls(name, diary) for name, diary in diaries.items()
    )
    with closing(connect(folder / "memories.db", create=False)) as db:
        found += faults(db)
        found += _of_the_store(db, list(diaries.values()), files)
        found += _of_views(db, diaries)
    return Outcome(found, [c for d in diaries.values() for c in d.calls], files)


# The outside: processes, files, and what they leave.


def _start(folder: Path, name: str) -> subprocess.Popen[bytes]:
    ours = ("MEMCLI_", "ANTHROPIC_", "XDG_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environment |= {
        "HOME": str(folder / "home"),
        "MEMCLI_DB": str(folder / "memories.db"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
        # Ten processes with a thread a core each would only be in their own way.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    with (folder / f"{name}.err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.durability.siege", "--worker", name],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stderr=err,
        )  # fmt: skip


def _wait_for(
    done: Callable[[], bool], processes: dict[str, subprocess.Popen[bytes]]
) -> None:
    """Wait for what the processes do together; for ever only while all are well."""
    patience = time.monotonic() + 300
    while not done():
        failed = [name for name, p in processes.items() if p.poll() not in (None, 0)]
        if failed or time.monotonic() > patience:
            return
        time.sleep(0.02)


def _write_transcript(folder: Path, number: int) -> None:
    """A file appears as a whole, the way an export does."""
    lines = [
        json.dumps({
            "thread_id": f"f{number}-{part}", "id": "1", "role": "user",
            "content": said.format(number), "timestamp": "2026-01-05T10:00:00Z",
        })
        for part, said in enumerate(SAID)
    ]  # fmt: skip
    part = folder / "transcript.part"
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.rename(folder / "logs" / f"{number}.jsonl")


def _read_diary(path: Path) -> Diary:
    if not path.exists():
        return Diary(complaints=["left no diary"])
    plain = json.loads(path.read_text(encoding="utf-8"))
    return Diary(
        [Call(**one) for one in plain["calls"]],
        [Mine(**one) for one in plain["mine"]],
        [View(**one) for one in plain["views"]],
        plain["complaints"],
    )


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-500:]


# What must be true afterwards.


def _of_calls(name: str, diary: Diary) -> Iterator[str]:
    for complaint in diary.complaints:
        yield f"{name}: {complaint}"
    for call in diary.calls:
        refused = name == "reflect-leaving" and call.code == 3
        left = _HARMLESS.sub("", call.err)
        if refused:
            left = _REFUSED.sub("", left)
        if left or not (refused or call.code == 0):
            yield f"{name}: {call.name} ended with {call.code}: {call.err[-300:]!r}"


def _of_the_store(
    db: sqlite3.Connection, diaries: Sequence[Diary], files: int
) -> Iterator[str]:
    """No write is lost, none is there twice, and nobody holds on to anything."""
    rows = db.execute("SELECT id, text, deleted_in, valid_to FROM memories").fetchall()
    texts = Counter(row["text"] for row in rows if row["valid_to"] is None)
    gone = {row["id"]: row["text"] for row in rows if row["deleted_in"] is not None}
    for one in itertools.chain.from_iterable(diary.mine for diary in diaries):
        if one.forgot is None:
            if texts.pop(one.text, 0) != 1:
                yield f"added, and not there once: {one.text}"
            continue
        if texts.pop(one.text, 0) or gone.get(one.id) != one.text:
            yield f"forgotten, and there: {one.text}"
        if tombstones.on(db, NAMESPACE, one.text, []) != "forgotten":
            yield f"forgotten, and may come back: {one.text}"
    for number in range(files):
        for text in _texts_of(number):
            if texts.pop(text, 0) != 1:
                yield f"said in a transcript, and not there once: {text}"
    for text in texts:
        yield f"nobody said: {text}"
    forgotten = sum(one.forgot is not None for d in diaries for one in d.mine)
    if tombstones.count(db) != forgotten:
        yield f"{tombstones.count(db)} tombstones for {forgotten} memories"
    for row in db.execute("SELECT id, kind, outcome FROM runs WHERE outcome <> 'done'"):
        yield f"run {row['id']} ({row['kind']}) ended as {row['outcome']}"
    for row in db.execute("SELECT host, pid, stage FROM leases"):
        yield f"still claimed: {tuple(row)}"


def _of_views(db: sqlite3.Connection, diaries: dict[str, Diary]) -> Iterator[str]:
    """No reader saw half a run, and all saw what was done before they looked."""
    together = _files_by_run(db)
    mine = [one for diary in diaries.values() for one in diary.mine]
    for name, diary in diaries.items():
        known: set[int] = set()
        for view in diary.views:
            seen = set(view.files)
            for run, files in together.items():
                if seen & files and not files <= seen:
                    yield f"{name}: saw {seen & files} of run {run}, which made {files}"
            if not known <= seen:
                yield f"{name}: saw {known - seen} before, and not again"
            known = seen
            texts = set(view.texts)
            for one in mine:
                added = one.added < view.began
                going = one.forgetting is not None and one.forgetting < view.ended
                if added and not going and one.text not in texts:
                    yield f"{name}: was not shown what was there: {one.text}"
                went = one.forgot is not None and one.forgot < view.began
                if went and one.text in texts:
                    yield f"{name}: was shown what was forgotten: {one.text}"


def _files_by_run(db: sqlite3.Connection) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for row in db.execute(
        "SELECT o.run_id, m.text FROM operations o JOIN memories m "
        "ON m.id = o.memory_id JOIN runs r ON r.id = o.run_id "
        "WHERE r.kind = 'reflect'"
    ):
        number = _number(row["text"])
        if number is not None:
            found.setdefault(row["run_id"], set()).add(number)
    return found


def _texts_of(number: int) -> list[str]:
    return [text.format(number) for text in REMEMBERED]


def _number(text: str) -> int | None:
    found = _NUMBER.search(text)
    return int(found[1]) if found else None


# The inside: what each process does.


class _Worker:
    """Calls memcli in this process, the way the command does, and takes notes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.diary = Diary()
        self._seen: list[Any] = []  # what was there when this process last looked

    def work(self) -> None:
        """Do what the name says until it is time to stop, and a last time then."""
        from memcli.__main__ import main  # what all commands need is loaded by now

        self._main = main
        do = {
            "reflect-waiting": lambda n: self.reflect("--wait"),
            "reflect-leaving": lambda n: self.reflect(),
            "read": self.read,
            "add": self.add,
            "forget": self.forget,
        }
        step = do.get(self.name) or do[self.name.split("-")[0]]
        Path(f"{self.name}.ready").touch()
        while not Path("go").exists():
            time.sleep(0.005)
        for number in itertools.count():
            last = Path("stop").exists()
            step(number)
            if last:
                break
            time.sleep(0.02)  # or the machine is too busy for anybody's turn
        plain = json.dumps(asdict(self.diary))
        Path(f"{self.name}.json").write_text(plain, encoding="utf-8")

    def reflect(self, *more: str) -> None:
        """Turn into memories what has come in."""
        self._call("reflect", "logs", "--extractor", "offline", "--quiet", *more)

    def add(self, number: int) -> None:
        """Add a memory that nobody else has."""
        self._add(f"Lamp {self._tag(number)} stands in the hall.")

    def forget(self, number: int) -> None:
        """Add a memory and forget it; every third is kept."""
        mine = self._add(f"Chair {self._tag(number)} stands in the attic.")
        if mine is None or number % 3 == 2:
            return
        call, out = self._call("forget", str(mine.id), "--json")
        if call.code == 0:
            self.diary.mine[-1] = Mine(
                mine.id, mine.text, mine.added, call.began, call.ended
            )
            if json.loads(out)["memories"] != [mine.id]:
                self.diary.complaints.append(f"forgot something else: {out}")

    def read(self, number: int) -> None:
        """Look at everything, search, or look at one memory, in turns."""
        if not Path("memories.db").exists():
            time.sleep(0.005)  # there is nothing to read yet, and that is said so
            return
        way = number % 4
        if way == 0:
            self._look(*self._call("show", "--json"))
        elif way == 1:
            self._look(*self._call("export", "--json"))
        elif way == 2:
            words = REMEMBERED[number % len(REMEMBERED)].format(number % 7)
            call, out = self._call("search", words, "--json")
            for memory in json.loads(out) if call.code == 0 else ():
                self._judge(memory)
        elif self._seen:
            one = self._seen[number % len(self._seen)]
            call, out = self._call("show", str(one["id"]), "--json")
            if call.code == 0:
                self._compare(json.loads(out))

    def _add(self, text: str) -> Mine | None:
        call, out = self._call("add", text, "--json")
        if call.code:
            return None
        done = json.loads(out)
        if done["known"]:
            self.diary.complaints.append(f"was new, and is said to be known: {text}")
        self.diary.mine.append(Mine(done["id"], text, call.ended))
        return self.diary.mine[-1]

    def _look(self, call: Call, out: str) -> None:
        if call.code:
            return
        self._seen = json.loads(out)
        parts: Counter[int] = Counter()
        texts = []
        for memory in self._seen:
            self._judge(memory)
            number = _number(memory["text"])
            if number is None:
                texts.append(memory["text"])
            else:
                parts[number] += 1
        for number, seen in parts.items():
            if seen != len(REMEMBERED):
                self.diary.complaints.append(f"saw {seen} memories of file {number}")
        self.diary.views.append(View(call.began, call.ended, list(parts), texts))

    def _judge(self, memory: dict[str, Any]) -> None:
        if not memory["sources"] and memory["by_hand"] is None:
            self.diary.complaints.append(f"has no sources: {memory['text']}")

    def _compare(self, memory: dict[str, Any]) -> None:
        """A memory and its history are of one moment."""
        last = memory["history"][-1]["after"]
        quotes = {source["quote"] for source in memory["sources"]}
        told = {quote for _, quote in last["sources"]}
        for name in ("text", "kind", "valid_from", "updated_at"):
            if memory[name] != last[name]:
                self.diary.complaints.append(
                    f"memory {memory['id']}: {name} is {memory[name]}, and its "
                    f"history ends with {last[name]}"
                )
        if quotes != told:
            self.diary.complaints.append(
                f"memory {memory['id']}: its sources are not those of its history"
            )

    def _call(self, *args: str) -> tuple[Call, str]:
        out, err = io.StringIO(), io.StringIO()
        sys.argv = ["memcli", *args]
        began = time.monotonic()
        code: object = 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                self._main()
            except SystemExit as stop:
                code = stop.code
            except Exception as error:
                print(f"Traceback: {error!r}", file=err)
                code = 99
        ended = time.monotonic()
        number = code if isinstance(code, int) else int(code is not None)
        call = Call(args[0], number, err.getvalue(), began, ended)
        self.diary.calls.append(call)
        return call, out.getvalue()

    def _tag(self, number: int) -> str:
        """A word that no other process says, and no rule takes for another."""
        return f"{self.name.replace('-', '')}x{number}"


def main() -> None:
    """`python -m tests.durability.siege SECONDS`: what was done, or what went wrong."""
    if sys.argv[1:2] == ["--worker"]:
        _Worker(sys.argv[2]).work()
        return
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with TemporaryDirectory(prefix="memcli-siege-") as folder:
        outcome = besiege(Path(folder), seconds)
    for name, count in sorted(outcome.counts().items()):
        print(f"{count:6} {name}")
    print(f"{outcome.files:6} transcripts of {len(SAID)} threads")
    for name in ("add", "forget", "show", "reflect"):
        print(f"{outcome.slowest(name):6.2f} s, the slowest {name}")
    for fault in outcome.faults[:50]:
        print(fault)
    if outcome.faults:
        sys.exit(f"{len(outcome.faults)} faults")
    print("no faults")


if __name__ == "__main__":
    main()
