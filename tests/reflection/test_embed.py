"""A text that is said again is embedded once, and every message has its vector."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memcli.reflection.embed import _encoded


class Counting:
    """Vectors that tell their text, and how many texts were encoded."""

    dimensions = 2

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        return np.array([[len(t), sum(map(ord, t))] for t in texts], np.float32)


@given(st.lists(st.lists(st.sampled_from(["a", "b", "ab", "x" * 400]), min_size=1)))
def test_each_gets_its_own_vector(chunks: list[list[str]]) -> None:
    counting = Counting()
    said: dict[str, NDArray[np.float32]] = {}
    for chunk in chunks:
        found = _encoded(chunk, counting, said)
        assert np.array_equal(found, Counting().encode(chunk))
    short = [text for text in counting.encoded if len(text) < 400]
    assert len(short) == len(set(short))
