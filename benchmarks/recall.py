"""How much of what was said search finds, and how much of it extraction keeps.

usage: python benchmarks/recall.py [--realmem PREPARED] [--work FOLDER]

Search: the mean share of a question's answers among the first ten messages, for memcli
and, in the same run, for full text alone (FTS5's BM25), the same over the message and
the one before it, vectors alone, and the last two fused by rank (k = 60).
Extraction: the offline extractor at three operating points: turns cited by a memory
against turns that are worth one.
"""

import argparse
import sqlite3
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from statistics import mean
from tempfile import gettempdir

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import memcli
from benchmarks import sets
from benchmarks.sets import Question, Set, Turn
from memcli.embeddings.choose import DEFAULT_MODEL, encoder
from memcli.store.database import connect_to_read
from memcli.store.terms import STOP_WORDS
from memcli.textkey import words

Ranking = Callable[[Question], list[Turn]]
# Where memories are kept by default, a laxer bar, and everything that is considered.
BARS = (0.6, 0.3, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--realmem", type=Path)
    parser.add_argument("--work", type=Path, default=Path(gettempdir(), "memcli-sets"))
    args = parser.parse_args()
    users = sets.realmem(args.realmem) if args.realmem else []
    aside = sets.realmem(args.realmem, kept_aside=True) if args.realmem else []
    console = Console(width=140)
    console.print(_search(sets.to_search(users) + aside, args.work))
    console.print(_extraction(sets.own() + users + aside, args.work))


def _search(some: Sequence[Set], work: Path) -> Table:
    table = _table(
        "R@10, messages", "questions", "BM25", "with previous", "vectors", "fused",
        "memcli",
    )  # fmt: skip
    for one in some:
        path = sets.database(one, work, *sets.EVERYTHING)
        rankings = [*_peers(one, path), _memcli(path)]
        figures = [100 * mean(_found(q, r) for q in one.questions) for r in rankings]
        table.add_row(one.name, str(len(one.questions)), *(f"{f:.1f}" for f in figures))
    return table


def _extraction(some: Sequence[Set], work: Path) -> Table:
    table = _table("extraction, P / R / F1", *(f"from {bar:g}" for bar in BARS),
                   "best F1", "noise turns at default")  # fmt: skip
    for one in some:
        path = sets.database(one, work, *sets.EVERYTHING)
        confidence = _cited(path)
        figures = [_score(confidence, one.worth, bar) for bar in BARS]
        best = max(_score(confidence, one.worth, c)[2] for c in confidence.values())
        table.add_row(
            one.name,
            *(f"{p:.2f} / {r:.2f} / {f:.3f}" for p, r, f in figures),
            f"{best:.3f}", _noise(one, confidence),
        )  # fmt: skip
    return table


def _peers(one: Set, path: Path) -> list[Ranking]:
    """The rankings one would write without memcli, over all messages of a set."""
    turns = [(line["thread_id"], line["id"]) for line in one.lines]
    sent = [datetime.fromisoformat(line["timestamp"]) for line in one.lines]
    texts = [line["content"] for line in one.lines]
    both = [
        f"{texts[i - 1]} {text}" if i and turns[i - 1][0] == turns[i][0] else text
        for i, text in enumerate(texts)
    ]
    encode = encoder(DEFAULT_MODEL).encode
    vectors = _vectors(path, turns)

    def first(question: Question, scores: np.ndarray) -> list[Turn]:
        allowed = [question.before is None or at < question.before for at in sent]
        scores = np.where(allowed, scores, -np.inf)
        return [turns[i] for i in np.argsort(-scores, kind="stable")]

    def by_vectors(question: Question) -> list[Turn]:
        return first(question, vectors @ encode([question.text])[0])

    alone, with_previous = _bm25(texts), _bm25(both)

    def fused(question: Question) -> list[Turn]:
        score = dict.fromkeys(turns, 0.0)
        scores = (with_previous(question), vectors @ encode([question.text])[0])
        for ranking in (first(question, some) for some in scores):
            for rank, turn in enumerate(ranking):
                score[turn] += 1 / (60 + rank)
        allowed = dict.fromkeys(first(question, np.zeros(len(turns))))
        return sorted(allowed, key=lambda turn: -score[turn])

    return [
        lambda question: first(question, alone(question)),
        lambda question: first(question, with_previous(question)),
        by_vectors,
        fused,
    ]


def _bm25(texts: Sequence[str]) -> Callable[[Question], np.ndarray]:
    """FTS5 with porter stemming and stop words: the score of every text."""
    db = sqlite3.connect(":memory:")
    db.execute(
        "CREATE VIRTUAL TABLE f USING "
        "fts5(text, tokenize='porter unicode61 remove_diacritics 2')"
    )
    db.executemany("INSERT INTO f (rowid, text) VALUES (?, ?)", enumerate(texts))

    def score(question: Question) -> np.ndarray:
        telling = [w for w in words(question.text) if w not in STOP_WORDS]
        scores = np.zeros(len(texts))
        quoted = " OR ".join('"' + w.replace('"', '""') + '"' for w in telling)
        if quoted:
            rows = db.execute("SELECT rowid, bm25(f) FROM f WHERE f MATCH ?", (quoted,))
            for row, value in rows:
                scores[row] = -value
        return scores

    return score


def _vectors(path: Path, turns: Sequence[Turn]) -> np.ndarray:
    """The stored vectors, in the order of the turns, shape (len(turns), 384)."""
    rows = connect_to_read(path).execute(
        "SELECT thread_id, message_id, vector FROM messages "
        "JOIN messages_vectors USING (id)"
    )
    found = {(row[0], row[1]): np.frombuffer(row[2], "<f4") for row in rows}
    nothing = np.zeros(384, np.float32)
    return np.stack([found.get(turn, nothing) for turn in turns])


def _memcli(path: Path) -> Ranking:
    store = memcli.open(path)

    def ranking(question: Question) -> list[Turn]:
        hits = store.search(
            question.text, scope="messages", limit=10, before=question.before
        )
        return [(s.thread_id, s.message_id) for hit in hits for s in hit.sources]

    return ranking


def _found(question: Question, ranking: Ranking) -> float:
    return len(question.answers & set(ranking(question)[:10])) / len(question.answers)


def _cited(path: Path) -> dict[Turn, float]:
    """The greatest confidence of a memory that cites each turn."""
    rows = connect_to_read(path).execute(
        "SELECT m.thread_id, m.message_id, max(o.confidence) FROM memories o "
        "JOIN sources s ON s.memory_id = o.id JOIN messages m ON m.id = s.message "
        "WHERE o.valid_to IS NULL GROUP BY m.id"
    )
    return {(row[0], row[1]): row[2] for row in rows}


def _score(
    confidence: dict[Turn, float], worth: frozenset[Turn], bar: float
) -> tuple[float, float, float]:
    """Precision, recall and F1 of the turns cited with at least that confidence."""
    cited = {turn for turn, c in confidence.items() if c >= bar}
    right = len(cited & worth)
    precision, recall = right / max(1, len(cited)), right / max(1, len(worth))
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def _noise(one: Set, confidence: dict[Turn, float]) -> str:
    """User turns of threads that hold nothing which the default makes memories of."""
    turns = {
        (line["thread_id"], line["id"])
        for line in one.lines
        if line["thread_id"] in one.noise and line["role"] == "user"
    }
    fired = sum(confidence.get(turn, 0) >= BARS[0] for turn in turns)
    return f"{fired} of {len(turns)}" if turns else ""


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column(first)
    for other in others:
        table.add_column(other, justify="right")
    return table


if __name__ == "__main__":
    main()
