"""Vectors in pages of bits: what a search finds is what an exact one would."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memcli.store import schema, vectors
from memcli.store.filters import Mask, only
from memcli.store.nearest import Warm, nearest


def mask_of(ids: set[int]) -> Mask:
    return only(np.array(sorted(ids), np.int64))


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
        found = nearest(db, "messages", query, 10).found
        assert [c for _, c in found] == sorted((c for _, c in found), reverse=True)
        share.append(len(exact & {id for id, _ in found}) / 10)
    assert np.mean(share) > 0.97
    assert nearest(db, "messages", matrix[41], 1).found[0][0] == 42


def test_a_filter_is_exact(db: sqlite3.Connection) -> None:
    matrix = unit(3000)
    vectors.put(db, "messages", range(3000), matrix)
    among = set(range(5, 3000, 7))
    found = nearest(db, "messages", matrix[3], 5, among=mask_of(among)).found
    wanted = sorted(among, key=lambda id: -float(matrix[id] @ matrix[3]))[:5]
    assert [id for id, _ in found] == wanted


def test_pages_fill_and_removed_vectors_are_gone(db: sqlite3.Connection) -> None:
    matrix = unit(9000, dimensions=16)
    vectors.put(db, "messages", range(9000), matrix)
    pages = db.execute("SELECT count(*) FROM messages_vector_pages").fetchone()[0]
    assert pages == 3
    vectors.remove(db, "messages", [7, 8999])
    assert vectors.get(db, "messages", 7) is None
    assert nearest(db, "messages", matrix[7], 1).found[0][0] != 7
    assert nearest(db, "messages", matrix[8999], 1).found[0][0] != 8999


def crowded(rows: int) -> vectors.Vectors:
    """Vectors all about as near to one: what tells them apart is noise."""
    found = unit(1, seed=3) + 0.4 * unit(rows, seed=4)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found.astype(np.float32)


def test_where_vectors_are_crowded_more_of_them_are_rescored(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = crowded(6000)
    vectors.put(db, "messages", range(6000), matrix)
    query = unit(1, seed=3)[0]
    best = set(np.argsort(-(matrix @ query))[:10].tolist())
    found = nearest(db, "messages", query, 10).found
    assert len(best & {id for id, _ in found}) >= 9
    monkeypatch.setattr("memcli.store.nearest.RESCORED_AT_MOST", 300)
    found = nearest(db, "messages", query, 10).found
    assert len(best & {id for id, _ in found}) < 9


def test_a_filter_of_many_ids_leaves_the_best_of_them(db: sqlite3.Connection) -> None:
    matrix = like_embeddings(10_000)
    vectors.put(db, "messages", range(10_000), matrix)
    vectors.remove(db, "messages", range(0, 10_000, 50))
    among = set(range(0, 9000, 2)) | {20_000}  # more than there are is no harm
    there = [id for id in among if id < 10_000 and id % 50]
    share = []
    for query in matrix[1:20]:
        wanted = sorted(there, key=lambda id: -float(matrix[id] @ query))[:10]
        found = nearest(db, "messages", query, 10, among=mask_of(among)).found
        assert all(id in among for id, _ in found)
        share.append(len(set(wanted) & {id for id, _ in found}) / 10)
    assert np.mean(share) > 0.97


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "vectors.db"
    with closing(opened(file)) as db:
        schema.migrate(db)
        db.execute("PRAGMA journal_mode = WAL")
        vectors.put(db, "messages", range(600), unit(600))
    return file


def opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.row_factory = sqlite3.Row
    return db


def nearest_of(
    db: sqlite3.Connection, query: vectors.Vector, warm: Warm | None = None
) -> int:
    return nearest(db, "messages", query, 1, warm=warm).found[0][0]


def pages_read(db: sqlite3.Connection, query: vectors.Vector, warm: Warm) -> int:
    """How many statements of a search read pages of bits."""
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    nearest_of(db, query, warm)
    db.set_trace_callback(None)
    return sum("vector_pages" in statement for statement in seen)


def test_pages_are_kept_from_the_second_search_on(path: Path) -> None:
    query = unit(600)[7]
    with closing(opened(path)) as db:
        warm = Warm(db)
        assert [pages_read(db, query, warm) for _ in range(4)] == [1, 1, 0, 0]
        assert nearest_of(db, query, warm) == 7


def test_what_another_connection_commits_is_seen_at_once(path: Path) -> None:
    query = unit(1, seed=8)[0]
    with closing(opened(path)) as db, closing(opened(path)) as other:
        warm = Warm(db)
        before = [nearest_of(db, query, warm) for _ in range(3)]
        vectors.put(other, "messages", [700], query.reshape(1, -1))
        assert nearest_of(db, query, warm) == 700
        vectors.remove(other, "messages", [700])
        assert [nearest_of(db, query, warm) for _ in range(3)] == before
        # Within a transaction it is one state, whatever is committed meanwhile.
        db.execute("BEGIN")
        nearest_of(db, query, warm)
        vectors.put(other, "messages", [700], query.reshape(1, -1))
        assert [nearest_of(db, query, warm) for _ in range(3)] == before
        db.execute("ROLLBACK")
        assert nearest_of(db, query, warm) == 700


def test_a_connection_that_writes_keeps_nothing(path: Path) -> None:
    query = unit(600)[7]
    with closing(opened(path)) as db:
        warm = Warm(db)
        for _ in range(3):
            assert nearest_of(db, query, warm) == 7
        db.execute("BEGIN")
        vectors.remove(db, "messages", [7])
        assert [nearest_of(db, query, warm) == 7 for _ in range(3)] == [False] * 3
        db.execute("ROLLBACK")
        assert nearest_of(db, query, warm) == 7


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
    found = nearest(db, "messages", query, 100).found
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
