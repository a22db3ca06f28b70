"""How likely a turn is worth keeping: small trees over `features`, from `worth.json`.

The file is made by `benchmarks/train_extractor.py`, which says of what. Plain Python:
a thread of twenty turns is done before NumPy would have begun.
"""

import base64
import json
import math
import struct
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from memcli.extractors.offline import features
from memcli.extractors.offline.features import Row, Vectors
from memcli.models import Message

# The embedding model whose vectors the scores were learned on.
READS_VECTORS_OF = "all-MiniLM-L6-v2"

# A leaf is its value; a branch is [column, threshold, 1 if nan goes left, left, right].
Node = float | list[Any]


@dataclass(frozen=True, slots=True)
class Model:
    """What `worth.json` holds.

    `score` are the weights of a vector's dimensions, and a constant. `steps` and
    `levels`, of one length and rising, are the trees' sums and the probabilities
    that these turned out to mean; between them it is a straight line.
    """

    score: tuple[float, ...]
    trees: tuple[Node, ...]
    start: float
    steps: tuple[float, ...]
    levels: tuple[float, ...]


def worth(messages: Sequence[Message], vectors: Vectors | None) -> list[float]:
    """For each message of a thread the probability that it is worth keeping.

    `vectors` are of READS_VECTORS_OF by message key; None, or none for a message,
    where they are not known.
    """
    model = shipped()
    weights: Any = None

    def score(vector: Any) -> float:
        nonlocal weights
        if weights is None:
            import numpy as np  # whoever has vectors has it loaded

            weights = np.asarray(model.score[:-1], np.float32)
        return float(vector @ weights) + model.score[-1]

    found = features.rows(messages, vectors, score)
    return [calibrated(model, total(model, row)) for row in found]


@cache
def shipped() -> Model:
    """The model that comes with the package."""
    text = files("memcli.extractors.offline").joinpath("worth.json").read_text("utf-8")
    return parsed(json.loads(text))


def parsed(content: Mapping[str, Any]) -> Model:
    """The model in the content of a file as the training writes it."""
    if tuple(content["columns"]) != features.COLUMNS:
        raise ValueError("worth.json is of other features; train it anew")
    packed = base64.b64decode(content["score"])
    return Model(
        struct.unpack(f"<{len(packed) // 4}f", packed),
        tuple(content["trees"]),
        content["start"],
        tuple(content["steps"]),
        tuple(content["levels"]),
    )


def total(model: Model, row: Row) -> float:
    """What the trees say of a row, in log odds."""
    found = model.start
    for node in model.trees:
        while type(node) is list:
            value, threshold = row[node[0]], node[1]
            if value <= threshold:
                node = node[3]
            elif value > threshold:
                node = node[4]
            else:  # nan is neither
                node = node[3] if node[2] else node[4]
        found += node  # type: ignore[operator]
    return found


def calibrated(model: Model, found: float) -> float:
    """The probability that a sum of the trees means."""
    if math.isnan(found):
        return 0.0
    steps, levels = model.steps, model.levels
    at = bisect_right(steps, found)
    if at == 0:
        return levels[0]
    if at == len(steps):
        return levels[-1]
    share = (found - steps[at - 1]) / (steps[at] - steps[at - 1])
    return levels[at - 1] + share * (levels[at] - levels[at - 1])
