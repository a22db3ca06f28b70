"""Vectors in pages of bits: what a search finds is what an exact one would."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memcli.store import schema, vectors


def database() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.row_factory = sqlite3.Row
    schema.migrate(db)
    return db


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = database()
    yield connection
    connection.close()


def unit(rows: int, seed: int = 0, dimensions: int = 384) -> vectors.Vectors:
    found = np.random.default_rng(seed).normal(size=(rows, dimensions))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found.astype(np.float32)


def like_embeddings(rows: int) -> vectors.Vectors:
    """Vectors with few true dimensions, as those of texts have."""
    draw = np.random.default_rng(5)
    found = draw.normal(size=(rows, 40)) @ draw.normal(size=(40, 384))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found.astype(np.float32)


def test_the_nearest_are_those_of_an_exact_search(db: sqlite3.Connection) -> None:
    matrix = like_embeddings(10_000)
    vectors.put(db, "messages", range(1, 10_001), matrix)
    share = []
    for query in matrix[:20] + 0.03 * unit(20, seed=1):
        query /= np.linalg.norm(query)
        exact = set((np.argsort(-(matrix @ query))[:10] + 1).tolist())
        found = vectors.nearest(db, "messages", query, 10).found
        assert [c for _, c in found] == sorted((c for _, c in found), reverse=True)
        share.append(len(exact & {id for id, _ in found}) / 10)
    assert np.mean(share) > 0.97
    assert vectors.nearest(db, "messages", matrix[41], 1).found[0][0] == 42


def test_a_filter_is_exact(db: sqlite3.Connection) -> None:
    matrix = unit(3000)
    vectors.put(db, "messages", range(3000), matrix)
    among = set(range(5, 3000, 7))
    found = vectors.nearest(db, "messages", matrix[3], 5, among=among).found
    wanted = sorted(among, key=lambda id: -float(matrix[id] @ matrix[3]))[:5]
    assert [id for id, _ in found] == wanted


def test_pages_fill_and_removed_vectors_are_gone(db: sqlite3.Connection) -> None:
    matrix = unit(9000, dimensions=16)
    vectors.put(db, "messages", range(9000), matrix)
    pages = db.execute("SELECT count(*) FROM messages_vector_pages").fetchone()[0]
    assert pages == 3
    vectors.remove(db, "messages", [7, 8999])
    assert vectors.get(db, "messages", 7) is None
    assert vectors.nearest(db, "messages", matrix[7], 1).found[0][0] != 7
    assert vectors.nearest(db, "messages", matrix[8999], 1).found[0][0] != 8999


steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "remove"]), st.sets(st.integers(0, 30), min_size=1)
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_any_puts_and_removes_leave_what_a_dictionary_would(
    steps: list[tuple[str, set[int]]],
) -> None:
    db = database()
    model: dict[int, Any] = {}
    for seed, (step, ids) in enumerate(steps):
        listed = sorted(ids)
        if step == "put":
            fresh = unit(len(listed), seed, 24)
            vectors.put(db, "messages", listed, fresh)
            model |= dict(zip(listed, fresh, strict=True))
        else:
            vectors.remove(db, "messages", listed)
            model = {id: v for id, v in model.items() if id not in ids}
    query = unit(1, 99, 24)[0]
    found = vectors.nearest(db, "messages", query, 100).found
    wanted = sorted(model, key=lambda id: (-float(model[id] @ query), id))
    assert [id for id, _ in found] == wanted
    db.close()


def test_another_model_starts_afresh(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO threads (id, format, metadata) VALUES ('t', 'x', '{}')")
    db.execute(
        "INSERT INTO messages (id, key, thread_id, message_id, role, text, sent_at) "
        "VALUES (1, 'k', 't', 'm', 'user', 'hi', '2026')"
    )
    assert not vectors.use_model(db, "one", 16)
    vectors.put(db, "messages", [1], unit(1, dimensions=16))
    assert vectors.without(db, "messages") == []
    assert not vectors.use_model(db, "one", 16)
    assert vectors.use_model(db, "two", 24)
    assert vectors.without(db, "messages") == [(1, "hi")]
    assert vectors.model(db) == "two"
