"""Conversations to measure with: our own, and RealMem's users where they are at hand.

Our own are in conversations/ (its README tells the format). RealMem is arXiv
2601.06966; its users come prepared as folders of transcripts/*.jsonl and gold.json.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OWN = HERE / "conversations"
MEMCLI = Path(sys.executable).parent / "memcli"
# A user of RealMem that nothing is trained on or fitted to.
KEPT_ASIDE = "Kim_Ji_young"
# All that the extractor considered, for databases that several scripts share.
EVERYTHING = ("--min-confidence", "0")

Turn = tuple[str, str]  # thread id, message id


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, the turns that answer it, and the moment, if that matters."""

    text: str
    answers: frozenset[Turn]
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Set:
    """One person's, or two people's, conversations: a transcript line a message.

    `worth` are the turns that hold something to remember; `noise` the threads that
    hold nothing.
    """

    name: str
    lines: tuple[Mapping[str, Any], ...]
    questions: tuple[Question, ...]
    worth: frozenset[Turn]
    noise: frozenset[str] = frozenset()


def own(names: Iterable[str] | None = None) -> list[Set]:
    """The sets of conversations/, or those of them."""
    found = sorted(p.stem for p in OWN.glob("*.txt") if "." not in p.stem)
    return [_own(name) for name in (names or found)]


def realmem(prepared: Path, *, kept_aside: bool = False) -> list[Set]:
    """RealMem's users, without or only the one kept aside."""
    folders = sorted(p for p in prepared.iterdir() if (p / "gold.json").exists())
    return [_realmem(p) for p in folders if (p.name == KEPT_ASIDE) == kept_aside]


def in_haystack(one: Set, others: Iterable[Set]) -> Set:
    """The set among everything that others said in threads without any answer.

    The other threads are spread over the same months.
    """
    times = [datetime.fromisoformat(line["timestamp"]) for line in one.lines]
    hay: list[Mapping[str, Any]] = []
    threads = [thread for other in others for thread in _noise_threads(other)]
    for n, thread in enumerate(threads):
        start = min(times) + (max(times) - min(times)) * (n / len(threads))
        for i, line in enumerate(thread):
            sent = (start + timedelta(seconds=30 * i)).isoformat()
            hay.append({**line, "timestamp": sent})
    return replace(one, name=f"{one.name} in a haystack", lines=(*one.lines, *hay))


def to_search(users: Sequence[Set]) -> list[Set]:
    """What search is measured on: RealMem's users, our own people, and the chats with
    an assistant among whatever else there is of such chats."""
    found = [one for one in own() if not one.name.startswith(("assist", "noise"))]
    hay = [*own(["noise_h"]), *users]
    found += [in_haystack(one, hay) for one in own(["assist_d", "assist_e"])]
    return [*found, *users]


def database(one: Set, folder: Path, *options: str) -> Path:
    """The set reflected offline, in a database in the folder that is made once."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "-".join([one.name, *options]).replace(" ", "-")
    path, transcript = folder / f"{name}.db", folder / f"{name}.jsonl"
    if path.exists():
        return path
    with transcript.open("w", encoding="utf-8") as lines:
        for line in one.lines:
            lines.write(json.dumps(line, ensure_ascii=False) + "\n")
    part = path.with_suffix(".part")
    subprocess.run(
        [MEMCLI, "reflect", transcript, "--db", part, "--extractor", "offline",
         "--quiet-period", "0", *options],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return part.rename(path)


def _own(name: str) -> Set:
    lines: list[Mapping[str, Any]] = []
    worth: set[Turn] = set()
    session, start = "", datetime.min
    for line in (OWN / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            _, session, day, hour = line.split()
            start = datetime.fromisoformat(f"{day}T{hour}").replace(tzinfo=UTC)
            continue
        turn, label, speaker, text = line.split("|")
        thread = f"{name}-{session}"
        sent = start + timedelta(seconds=30 * int(turn.split(".")[1]))
        a_role = speaker in ("user", "assistant")
        lines.append(
            {
                "thread_id": thread, "id": turn, "timestamp": sent.isoformat(),
                "role": speaker if a_role else "user", "content": text,
                **({} if a_role else {"name": speaker}),
            }
        )  # fmt: skip
        if label == "1":
            worth.add((thread, turn))
    return Set(name, tuple(lines), tuple(_questions(name)), frozenset(worth))


def _questions(name: str) -> Iterator[Question]:
    path = OWN / f"{name}.questions.txt"
    for line in path.read_text(encoding="utf-8").splitlines():
        text, answers, _ = line.split("|")
        turns = [turn.strip() for turn in answers.split(",")]
        yield Question(
            text, frozenset((f"{name}-{turn.split('.')[0]}", turn) for turn in turns)
        )


def _realmem(folder: Path) -> Set:
    gold = json.loads((folder / "gold.json").read_bytes())
    lines = [
        json.loads(line)
        for path in sorted((folder / "transcripts").iterdir())
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    questions = [
        Question(
            q["query"],
            frozenset((thread, message) for thread, message in q["gold"]),
            datetime.fromisoformat(q["before"]),
        )
        for q in gold["queries"]
    ]
    worth = frozenset((thread, message) for thread, message in gold["gold_turns"])
    noise = frozenset(gold["noise_threads"])
    return Set(f"RealMem {folder.name}", tuple(lines), tuple(questions), worth, noise)


def _noise_threads(one: Set) -> Iterator[list[Mapping[str, Any]]]:
    """Threads that hold nothing to remember."""
    holding = {thread for thread, _ in one.worth}
    threads: dict[str, list[Mapping[str, Any]]] = {}
    for line in one.lines:
        threads.setdefault(line["thread_id"], []).append(line)
    for thread, lines in threads.items():
        if thread in one.noise or (not one.noise and thread not in holding):
            yield lines
