"""Make memcli/extractors/offline/worth.json, and say how good it is.

usage: python benchmarks/train_extractor.py [--realmem PREPARED] [--out FILE]

Reads benchmarks/conversations/*.txt and, with --realmem, folders of RealMem users
(arXiv 2601.06966, Apache-2.0) as prepared for measuring: transcripts/*.jsonl and
gold.json. The same input gives the same bytes. Nothing of the texts is in the file:
it holds weights, and where they are from.

The table is of sets that were held out, whole families at once: what is said of a
two-person chat is said by a model that saw no two-person chat.
"""

import argparse
import base64
import hashlib
import json
import os
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # sums in one order

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent.parent))

from memcli.extractors.offline import features, worth  # noqa: E402
from memcli.models import Message, Role  # noqa: E402

HERE = Path(__file__).parent
CONVERSATIONS = HERE / "conversations"
OUT = HERE.parent / "memcli" / "extractors" / "offline" / "worth.json"
# Kept aside to look at once, at the very end.
KEPT_ASIDE = ("Kim_Ji_young",)
# How much each family counts, whatever the number of its turns; a set of it counts
# an equal part.
FAMILY_WEIGHTS = {
    "realmem": 12.0, "pair": 3.0, "assist": 1.5, "coding": 0.75, "noise": 0.75,
    "lang": 0.5,
}  # fmt: skip
# A probability is to mean the same in every family.
EVEN_WEIGHTS = dict.fromkeys(FAMILY_WEIGHTS, 1.0)
TREES, LEAVES, RATE, SMALLEST_LEAF, SHRINKAGE = 100, 8, 0.08, 25, 5.0
# The share of the features that a branch may choose from: so no few of them, which
# fit one set, are in all the trees.
FEATURES = 0.3
KNOTS = 12

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One set: threads of messages, which are worth keeping, and their vectors.

    `wanted` and `noise` have an entry a message, in the order of the threads;
    `noise` are turns of threads in which nothing is worth keeping.
    """

    name: str
    family: str
    threads: tuple[tuple[Message, ...], ...]
    vectors: dict[str, Any]
    wanted: Flags
    noise: Flags

    @property
    def messages(self) -> list[Message]:
        return [message for thread in self.threads for message in thread]


def conversation(path: Path) -> Labelled:
    """A set of our own; see conversations/README.md."""
    threads: list[list[Message]] = []
    wanted: list[bool] = []
    start, session = datetime.min, ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            _, session, at = line.split(" ", 2)
            start = datetime.fromisoformat(at).replace(tzinfo=UTC)
            threads.append([])
            continue
        id, label, who, text = line.split("|")
        sent_at = start + timedelta(seconds=30 * len(threads[-1]))
        role: Role = "assistant" if who == "assistant" else "user"
        name = None if who in ("user", "assistant") else who
        thread = f"{path.stem}-{session}"
        threads[-1].append(
            Message(f"{thread}:{id}", thread, id, role, text, sent_at, name)
        )
        wanted.append(label == "1")
    said = [m.role == "user" for thread in threads for m in thread]
    noise = [
        path.stem.startswith("noise") and user and not wants
        for user, wants in zip(said, wanted, strict=True)
    ]
    return _labelled(path.stem, path.stem.split("_")[0], threads, wanted, noise)


def realmem_user(folder: Path) -> Labelled:
    """One prepared user of RealMem."""
    gold = json.loads((folder / "gold.json").read_text())
    cited = {tuple(turn) for turn in gold["gold_turns"]}
    empty = set(gold["noise_threads"])
    threads, wanted, noise = [], [], []
    for path in sorted((folder / "transcripts").iterdir()):
        thread = []
        for line in path.read_text(encoding="utf-8").splitlines():
            said = json.loads(line)
            thread.append(
                Message(
                    said["id"], said["thread_id"], said["id"], said["role"],
                    said["content"], datetime.fromisoformat(said["timestamp"]),
                )
            )  # fmt: skip
            wanted.append((said["thread_id"], said["id"]) in cited)
            noise.append(said["role"] == "user" and said["thread_id"] in empty)
        threads.append(thread)
    return _labelled(folder.name, "realmem", threads, wanted, noise)


def _labelled(
    name: str,
    family: str,
    threads: Sequence[Sequence[Message]],
    wanted: Sequence[bool],
    noise: Sequence[bool],
) -> Labelled:
    messages = [message for thread in threads for message in thread]
    vectors = dict(
        zip((m.key for m in messages), encoded([m.text for m in messages]), strict=True)
    )
    return Labelled(
        name, family, tuple(map(tuple, threads)), vectors,
        np.array(wanted), np.array(noise),
    )  # fmt: skip


_ENCODER: list[Any] = []


def encoded(texts: Sequence[str]) -> Any:
    """Unit vectors of texts, shape (len(texts), 384)."""
    from memcli.embeddings.choose import encoder

    if not _ENCODER:
        _ENCODER.append(encoder(worth.READS_VECTORS_OF))
    return _ENCODER[0].encode(texts)


# --- fitting --------------------------------------------------------------------


def weights(
    sets: Sequence[Labelled], of: Mapping[str, float] = FAMILY_WEIGHTS
) -> list[Array]:
    """A weight for each message, the mean over all of them 1."""
    of_family = {f: sum(s.family == f for s in sets) for f in of}
    each = [of[s.family] / of_family[s.family] / len(s.wanted) for s in sets]
    rows = sum(len(s.wanted) for s in sets)
    whole = sum(weight * len(s.wanted) for weight, s in zip(each, sets, strict=True))
    return [
        np.full(len(s.wanted), weight * rows / whole)
        for weight, s in zip(each, sets, strict=True)
    ]


def matrix(one: Labelled) -> Array:
    """The vectors of a set, shape (messages, 384)."""
    return np.array([one.vectors[m.key] for m in one.messages], np.float64)


def fit_score(sets: Sequence[Labelled]) -> Array:
    """Weights of the dimensions and a constant: worth keeping by meaning alone."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=0.3, max_iter=2000)
    model.fit(
        5 * np.vstack([matrix(s) for s in sets]),
        np.concatenate([s.wanted for s in sets]),
        sample_weight=np.concatenate(weights(sets)),
    )
    return np.append(5 * model.coef_[0], model.intercept_[0])


def rows(one: Labelled, score: Array | None) -> Array:
    """The features of a set; without a score, as if there were no vectors."""

    def scored(vector: Any) -> float:
        assert score is not None
        return float(vector @ score[:-1] + score[-1])

    found: list[list[float]] = []
    for thread in one.threads:
        found += features.rows(
            thread, one.vectors if score is not None else None, scored
        )
    return np.array(found)


def fit_trees(x: Array, wanted: Flags, weight: Array) -> tuple[float, list[Any]]:
    """Where the sum starts, and the trees, in the form of `worth.Node`."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=TREES, learning_rate=RATE, max_leaf_nodes=LEAVES,
        min_samples_leaf=SMALLEST_LEAF, l2_regularization=SHRINKAGE,
        max_features=FEATURES, early_stopping=False, random_state=0,
    )  # fmt: skip
    model.fit(x, wanted, sample_weight=weight)
    trees = [_nested(predictors[0].nodes, 0) for predictors in model._predictors]
    return round(float(model._baseline_prediction.ravel()[0]), 4), trees


def _nested(nodes: Any, at: int) -> Any:
    node = nodes[at]
    if node["is_leaf"]:
        return round(float(node["value"]), 4)
    return [
        int(node["feature_idx"]),
        float(f"{node['num_threshold']:.4g}"),
        int(node["missing_go_to_left"]),
        _nested(nodes, int(node["left"])),
        _nested(nodes, int(node["right"])),
    ]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A score and trees, before they are calibrated."""

    score: Array
    start: float
    trees: list[Any]

    def sums(self, x: Array) -> Array:
        """What the trees say of rows, in log odds, as `worth` will compute it."""
        model = worth.Model((), tuple(self.trees), self.start, (), ())
        return np.array([worth.total(model, row) for row in x.tolist()])


def fit(sets: Sequence[Labelled]) -> Fitted:
    """Everything but the calibration.

    The trees see scores of models that did not know the set, as they will later.
    Each row is there a second time as if there were no vectors, at a third of the
    weight.
    """
    groups = _groups(sets)
    scores = {
        group: fit_score([s for s in sets if group_of(s) != group]) for group in groups
    }
    with_vectors = [rows(s, scores[group_of(s)]) for s in sets]
    bare = [rows(s, None) for s in sets]
    weight = np.concatenate(weights(sets))
    wanted = np.concatenate([s.wanted for s in sets])
    start, trees = fit_trees(
        np.vstack(with_vectors + bare),
        np.concatenate([wanted, wanted]),
        np.concatenate([0.75 * weight, 0.25 * weight]),
    )
    return Fitted(fit_score(sets), start, trees)


def group_of(one: Labelled) -> str:
    """What is held out together: a family; of RealMem, whose users are different
    people with the same author, one user."""
    return one.name if one.family == "realmem" else one.family


def _groups(sets: Iterable[Labelled]) -> list[str]:
    return list(dict.fromkeys(group_of(s) for s in sets))


def held_out(sets: Sequence[Labelled]) -> list[tuple[Array, Array]]:
    """For each set the sums of a model that saw nothing of its group: with vectors,
    and without."""
    found: dict[str, tuple[Array, Array]] = {}
    for group in _groups(sets):
        model = fit([s for s in sets if group_of(s) != group])
        for one in sets:
            if group_of(one) == group:
                found[one.name] = (
                    model.sums(rows(one, model.score)),
                    model.sums(rows(one, None)),
                )
    return [found[s.name] for s in sets]


def calibration(
    sums: Sequence[Array], wanted: Sequence[Flags], weight: Sequence[Array]
) -> tuple[list[float], list[float]]:
    """Sums and the probabilities they mean, at KNOTS places, both rising."""
    from sklearn.isotonic import IsotonicRegression

    every, weigh = np.concatenate(sums), np.concatenate(weight)
    truth = np.concatenate(wanted)
    order = np.argsort(every, kind="stable")
    parts = np.array_split(order, KNOTS * 4)
    places = [float(np.average(every[p], weights=weigh[p])) for p in parts]
    shares = [float(np.average(truth[p], weights=weigh[p])) for p in parts]
    smooth = IsotonicRegression(y_min=0.005, y_max=0.98).fit_transform(
        places, shares, sample_weight=[float(weigh[p].sum()) for p in parts]
    )
    steps, levels = [round(places[0], 3)], [round(float(smooth[0]), 4)]
    for place, level in list(zip(places, smooth, strict=True))[2::4]:
        # A flat stretch would lose the order within it.
        if place > steps[-1] + 0.01:
            steps.append(round(place, 3))
            levels.append(round(max(float(level), levels[-1] + 0.002), 4))
    steps.append(round(steps[-1] + 1.5, 3))
    levels.append(round(min(0.99, levels[-1] + 0.05), 4))
    return steps, levels


# --- telling ----------------------------------------------------------------------


def measures(p: Array, wanted: Flags, bar: float) -> tuple[float, float, float]:
    """Precision, recall and F1 of what is at or above the bar."""
    chosen = p >= bar
    hits = float((chosen & wanted).sum())
    precision = hits / chosen.sum() if chosen.any() else 0.0
    recall = hits / wanted.sum() if wanted.any() else 0.0
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


def best_bar(p: Array, wanted: Flags) -> float:
    """The bar with the best F1."""
    return float(max(np.unique(p), key=lambda bar: measures(p, wanted, bar)[2]))


def table(sets: Sequence[Labelled], probabilities: Sequence[Array]) -> None:
    """Each family at its best bar, at a half, and where three in four are right."""
    head = f"{'':12}{'turns':>7}{'worth':>7}  {'best bar: P / R / F1':>26}"
    print(head + f"{'at .5':>20}{'at .75':>20}   noise fired")
    names = [*dict.fromkeys(s.family for s in sets), *(s.name for s in sets)]
    for name in names:
        which = [i for i, s in enumerate(sets) if name in (s.family, s.name)]
        p = np.concatenate([probabilities[i] for i in which])
        wanted = np.concatenate([sets[i].wanted for i in which])
        noise = np.concatenate([sets[i].noise for i in which])
        best = best_bar(p, wanted)
        cells = [
            " / ".join(f"{x:.2f}" if i < 2 else f"{x:.3f}" for i, x in enumerate(m))
            for m in (measures(p, wanted, bar) for bar in (best, 0.5, 0.75))
        ]
        fired = " ".join(
            f"{(p[noise] >= bar).mean():.3f}" if noise.any() else "-"
            for bar in (best, 0.5, 0.75)
        )
        print(
            f"{name:12.12}{len(p):7}{wanted.mean():7.2f}  {best:6.2f}: {cells[0]}"
            f"{cells[1]:>20}{cells[2]:>20}   {fired}"
        )


def written(model: Fitted, steps: list[float], levels: list[float],
            sets: Sequence[Labelled]) -> str:  # fmt: skip
    """The data file."""
    packed = struct.pack(f"<{len(model.score)}f", *model.score)
    content = {
        "made_by": "benchmarks/train_extractor.py",
        "trained_on": [
            {
                "set": s.name,
                "turns": len(s.wanted),
                "source": "RealMem, arXiv 2601.06966, Apache-2.0"
                if s.family == "realmem"
                else "written for memcli, benchmarks/conversations",
                "sha256": _digest(s),
            }
            for s in sets
        ],
        "embedding_model": worth.READS_VECTORS_OF,
        "columns": features.COLUMNS,
        "score": base64.b64encode(packed).decode(),
        "start": model.start,
        "steps": steps,
        "levels": levels,
        "trees": model.trees,
    }
    lines = [f'"{key}": {_compact(value)}' for key, value in content.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _digest(one: Labelled) -> str:
    """Of the texts and labels that were trained on."""
    said = [(m.role, m.name, m.text) for m in one.messages]
    return hashlib.sha256(repr((said, one.wanted.tolist())).encode()).hexdigest()[:16]


def read_sets(realmem: Path | None) -> list[Labelled]:
    """Our own sets, then the users of RealMem."""
    paths = sorted(CONVERSATIONS.glob("*.txt"))
    found = [conversation(p) for p in paths if ".questions" not in p.name]
    if realmem is not None:
        found += [
            realmem_user(folder)
            for folder in sorted(realmem.iterdir())
            if (folder / "gold.json").exists() and folder.name not in KEPT_ASIDE
        ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--realmem", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    sets = read_sets(args.realmem)
    out_of_fold = held_out(sets)
    steps, levels = calibration(
        [sums for both in out_of_fold for sums in both],
        [s.wanted for s in sets for _ in range(2)],
        [w * share for w in weights(sets, EVEN_WEIGHTS) for share in (0.75, 0.25)],
    )
    as_model = worth.Model((), (), 0.0, tuple(steps), tuple(levels))
    for at, title in enumerate(("with vectors", "without vectors")):
        print(f"held out by family, {title}")
        table(sets, [
            np.array([worth.calibrated(as_model, x) for x in both[at]])
            for both in out_of_fold
        ])  # fmt: skip
    args.out.write_text(written(fit(sets), steps, levels, sets), encoding="utf-8")
    print(f"{args.out}: {args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
