"""Our encoder against sentence-transformers, on messages of real lengths.

usage: python benchmarks/encoding.py [TEXTS]   (default 1,000)

Prints texts a second, alternating, and the ratio pair by pair.
"""

import random
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.generate import ANSWER, CHATTER, PLACES, THINGS, VERBS
from memcli.embeddings.bert import BertEncoder
from memcli.embeddings.choose import DEFAULT_MODEL, model_folder


def texts(count: int) -> list[str]:
    """Short questions and long answers, as conversations have them."""
    draw = random.Random(3)
    found = []
    for _ in range(count):
        words = [draw.choice(VERBS), draw.choice(THINGS), draw.choice(PLACES)]
        body = [
            draw.choice([ANSWER, *CHATTER]) for _ in range(draw.choice([0, 1, 4, 12]))
        ]
        found.append(f"I {' '.join(words)}. {' '.join(body)}")
    return found


def main() -> None:
    """Time both in turn."""
    from sentence_transformers import SentenceTransformer

    folder = model_folder(DEFAULT_MODEL)
    assert folder is not None
    ours, theirs = BertEncoder(folder), SentenceTransformer(str(folder), device="cpu")
    sample = texts(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
    ratios = []
    for _ in range(3):
        a = seconds(partial(ours.encode, sample))
        best = min(
            seconds(partial(theirs.encode, sample, batch_size=size))
            for size in (16, 32)
        )
        ratios.append(best / a)
        print(f"ours {len(sample) / a:.0f}/s, theirs {len(sample) / best:.0f}/s")
    print(f"ours is {median(ratios):.2f} times as fast")


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
