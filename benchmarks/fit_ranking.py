"""Fit the weights of memcli/store/ranking.py, and say how well they carry over.

usage: python benchmarks/fit_ranking.py [--realmem PREPARED] [--work FOLDER]

Every set counts the same. Each is also ranked by weights that were fitted to the
others alone: that is the line to trust. The weights in ranking.py are these, rounded,
and are not written by this script.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize  # type: ignore[import-untyped]

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import sets
from memcli.embeddings.choose import DEFAULT_MODEL, encoder
from memcli.store.database import connect_to_read
from memcli.store.ranking import MESSAGES
from memcli.store.search import Query, considered

SHRINKAGE = 2e-3
NAMES = tuple(name for name in MESSAGES)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's candidates: their parts, shape (n, parts), and which of them answer
    it, (n,), out of so many answers."""

    parts: Array
    right: NDArray[np.bool_]
    answers: int


def asked(one: sets.Set, folder: Path) -> list[Asked]:
    """Every question of a set, put to its database."""
    db = connect_to_read(sets.database(one, folder, *sets.EVERYTHING))
    vectors = encoder(DEFAULT_MODEL).encode([q.text for q in one.questions])
    found = []
    for question, vector in zip(one.questions, vectors, strict=True):
        query = Query(question.text, vector, before=question.before)
        places, _, parts = considered(db, query)
        right = [(p.thread, p.message_id) in question.answers for p in places]
        values = [parts[name] for name in NAMES]
        found.append(
            Asked(np.stack(values, 1), np.array(right, np.bool_), len(question.answers))
        )
    return found


def fit(some: Sequence[Sequence[Asked]]) -> Array:
    """The weights under which the answers are likeliest to be drawn, each set counting
    the same (a list-wise softmax loss: Cao et al., "Learning to Rank", 2007)."""
    questions = [
        (one, 1 / len(group)) for group in some for one in group if one.right.any()
    ]

    def loss(weights: Array) -> tuple[float, Array]:
        total, slope = SHRINKAGE * weights @ weights, 2 * SHRINKAGE * weights
        for one, share in questions:
            scores = one.parts @ weights
            likely = np.exp(scores - scores.max())
            likely /= likely.sum()
            wanted = one.right / one.right.sum()
            total -= share / len(some) * (wanted @ np.log(likely + 1e-12))
            slope = slope + share / len(some) * ((likely - wanted) @ one.parts)
        return float(total), slope

    found: Array = minimize(loss, np.zeros(len(NAMES)), jac=True, method="L-BFGS-B").x
    return found


def recall(group: Sequence[Asked], weights: Array, at: int = 10) -> float:
    """The mean share of a question's answers among the first ten, in percent."""
    shares = []
    for one in group:
        first = np.argsort(-(one.parts @ weights), kind="stable")[:at]
        shares.append(one.right[first].sum() / one.answers)
    return 100 * float(np.mean(shares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--realmem", type=Path)
    parser.add_argument("--work", type=Path, default=Path(gettempdir(), "memcli-sets"))
    args = parser.parse_args()
    chosen = sets.to_search(sets.realmem(args.realmem) if args.realmem else [])
    groups = {one.name: asked(one, args.work) for one in chosen}
    shipped = np.array([MESSAGES[name] for name in NAMES])
    together = fit(list(groups.values()))
    table = Table(box=None, header_style="bold")
    for column in ("R@10", "as shipped", "fitted to the others", "fitted to all"):
        table.add_column(column, justify="left" if column == "R@10" else "right")
    for name, group in groups.items():
        others = fit([other for n, other in groups.items() if n != name])
        figures = (recall(group, weights) for weights in (shipped, others, together))
        table.add_row(name, *(f"{figure:.1f}" for figure in figures))
    Console().print(table)
    for name, now, then in zip(NAMES, shipped, together, strict=True):
        print(f"{name:20} shipped {now:5.1f}   fitted {then:5.1f}")


if __name__ == "__main__":
    main()
