"""Vectors: bits to scan, floats to rescore, in plain tables.

The sign of each dimension is one bit: a 32nd of the bytes, in pages of 4,096 vectors.
Inserts fill the last page, deletes leave a hole, so nothing is ever rebuilt. How they
are searched is told in nearest.py.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Owner = Literal["memories", "messages"]
Vector = NDArray[np.float32]  # shape (dimensions,)
Vectors = NDArray[np.float32]  # shape (n, dimensions)

Ids = NDArray[np.int64]
Words = NDArray[np.unsignedinteger]  # bits, as many in an item as fit
Page = tuple[Ids, Words]

# `embedded` of a row that is to have no vector; 1 is done, 0 still to be done.
NEVER = 2

PAGE = 4096
HOLE = -1


def use_model(db: sqlite3.Connection, name: str, dimensions: int) -> bool:
    """Note which model the vectors are of; True when older ones were dropped.

    Vectors of two models cannot be compared, so a new model starts afresh;
    whatever lost its vector is embedded again by the same run.
    """
    row = db.execute("SELECT name FROM embedding_models ORDER BY id DESC").fetchone()
    if row is not None and row["name"] == name:
        return False
    for owner in ("memories", "messages"):
        db.execute(f"DELETE FROM {owner}_vectors")
        db.execute(f"DELETE FROM {owner}_vector_pages")
        db.execute(f"UPDATE {owner} SET embedded = 0 WHERE embedded = 1")
    db.execute(
        "INSERT INTO embedding_models (name, dimensions) VALUES (?, ?)",
        (name, dimensions),
    )
    return row is not None


def model(db: sqlite3.Connection) -> str | None:
    """The model the vectors are of; None while there are none."""
    row = db.execute("SELECT name FROM embedding_models ORDER BY id DESC").fetchone()
    return row["name"] if row else None


def without(db: sqlite3.Connection, owner: Owner) -> list[tuple[int, str]]:
    """Rows that still need a vector, as (id, text)."""
    rows = db.execute(f"SELECT id, text FROM {owner} WHERE embedded = 0 ORDER BY id")
    return [(row["id"], row["text"]) for row in rows]


def put(
    db: sqlite3.Connection, owner: Owner, ids: Sequence[int], vectors: Vectors
) -> None:
    """Store unit vectors, shape (len(ids), dimensions); replaces older ones."""
    remove(db, owner, ids)
    done = 0
    while done < len(ids):
        page, count, page_ids, bits = _last_page(db, owner, vectors.shape[1])
        some = slice(done, done + PAGE - count)
        fresh = np.asarray(ids[some], dtype=np.int64)
        page_ids = np.concatenate([page_ids, fresh])
        bits = np.concatenate([bits, np.packbits(vectors[some] > 0, axis=1)])
        db.execute(
            f"INSERT OR REPLACE INTO {owner}_vector_pages VALUES (?, ?, ?, ?)",
            (page, len(page_ids), page_ids.tobytes(), bits.tobytes()),
        )
        db.executemany(
            f"INSERT INTO {owner}_vectors (id, page, slot, vector) VALUES (?, ?, ?, ?)",
            [
                (int(id), page, count + i, np.asarray(vector, "<f4").tobytes())
                for i, (id, vector) in enumerate(zip(fresh, vectors[some], strict=True))
            ],
        )
        db.executemany(
            f"UPDATE {owner} SET embedded = 1 WHERE id = ?",
            [(int(id),) for id in fresh],
        )
        done += len(fresh)


def remove(
    db: sqlite3.Connection, owner: Owner, ids: Sequence[int], *, wipe: bool = False
) -> None:
    """Forget the vectors of these rows; their slots become holes, which with `wipe`
    hold no bits of them."""
    for id in ids:
        row = db.execute(
            f"DELETE FROM {owner}_vectors WHERE id = ? RETURNING page, slot", (id,)
        ).fetchone()
        if row is None:
            continue
        blob = db.execute(
            f"SELECT ids FROM {owner}_vector_pages WHERE page = ?", (row["page"],)
        ).fetchone()["ids"]
        page_ids = np.frombuffer(blob, np.int64).copy()
        page_ids[row["slot"]] = HOLE
        db.execute(
            f"UPDATE {owner}_vector_pages SET ids = ? WHERE page = ?",
            (page_ids.tobytes(), row["page"]),
        )
        if wipe:
            _wipe(db, owner, row["page"], row["slot"])


def _wipe(db: sqlite3.Connection, owner: Owner, page: int, slot: int) -> None:
    row = db.execute(
        f"SELECT count, bits FROM {owner}_vector_pages WHERE page = ?", (page,)
    ).fetchone()
    bits = np.frombuffer(row["bits"], np.uint8).copy().reshape(row["count"], -1)
    bits[slot] = 0
    db.execute(
        f"UPDATE {owner}_vector_pages SET bits = ? WHERE page = ?",
        (bits.tobytes(), page),
    )


def misplaced(db: sqlite3.Connection, owner: Owner) -> int:
    """How many vectors are not in the slot that they, or a page, says."""
    pages: dict[int, NDArray[np.int64]] = {}
    wrong = 0
    for row in db.execute(f"SELECT page, count, ids, bits FROM {owner}_vector_pages"):
        ids = np.frombuffer(row["ids"], np.int64)
        pages[row["page"]] = ids
        if len(ids) != row["count"] or (len(ids) and len(row["bits"]) % len(ids)):
            wrong += 1
    placed = sum(int((ids != HOLE).sum()) for ids in pages.values())
    found = 0
    for row in db.execute(f"SELECT id, page, slot FROM {owner}_vectors"):
        ids = pages.get(row["page"], np.empty(0, np.int64))
        if row["slot"] < len(ids) and ids[row["slot"]] == row["id"]:
            found += 1
        else:
            wrong += 1
    return wrong + placed - found


def place_anew(db: sqlite3.Connection, owner: Owner) -> None:
    """Write the pages anew from the vectors, without holes."""
    if not misplaced(db, owner):
        return
    rows = db.execute(f"SELECT id, vector FROM {owner}_vectors ORDER BY id").fetchall()
    db.execute(f"DELETE FROM {owner}_vectors")
    db.execute(f"DELETE FROM {owner}_vector_pages")
    if rows:
        joined = np.frombuffer(b"".join(row["vector"] for row in rows), "<f4")
        put(db, owner, [row["id"] for row in rows], joined.reshape(len(rows), -1))


def mark_bare(db: sqlite3.Connection, owner: Owner, ids: Sequence[int]) -> None:
    """Note that these rows have no vector; the next run makes them."""
    db.executemany(
        f"UPDATE {owner} SET embedded = 0 WHERE id = ?", [(id,) for id in ids]
    )


def mark_never(db: sqlite3.Connection, owner: Owner, ids: Sequence[int]) -> None:
    """Note that these rows are to have no vector."""
    db.executemany(
        f"UPDATE {owner} SET embedded = {NEVER} WHERE id = ?", [(id,) for id in ids]
    )


def get(db: sqlite3.Connection, owner: Owner, id: int) -> NDArray[np.float32] | None:
    """The vector of one row, or None."""
    row = db.execute(
        f"SELECT vector FROM {owner}_vectors WHERE id = ?", (id,)
    ).fetchone()
    return np.frombuffer(row["vector"], "<f4") if row else None


def of(db: sqlite3.Connection, owner: Owner, ids: Sequence[int]) -> dict[int, Vector]:
    """The vectors of these rows; rows without one are absent."""
    found: dict[int, Vector] = {}
    for start in range(0, len(ids), PAGE):
        some = ids[start : start + PAGE]
        marks = ",".join("?" * len(some))
        for row in db.execute(
            f"SELECT id, vector FROM {owner}_vectors WHERE id IN ({marks})", some
        ):
            found[row["id"]] = np.frombuffer(row["vector"], "<f4")
    return found


def of_open_memories(
    db: sqlite3.Connection, namespace: str, dimensions: int
) -> tuple[list[int], Vectors]:
    """Ids and vectors of the memories that hold in exactly this namespace."""
    rows = db.execute(
        "SELECT v.id, v.vector FROM memories m JOIN memories_vectors v ON v.id = m.id "
        "WHERE m.namespace = ? AND m.valid_to IS NULL ORDER BY v.id",
        (namespace,),
    ).fetchall()
    joined = np.frombuffer(b"".join(row["vector"] for row in rows), "<f4")
    return [row["id"] for row in rows], joined.reshape(len(rows), dimensions)


def similarities(
    db: sqlite3.Connection, owner: Owner, query: NDArray[np.float32], ids: Sequence[int]
) -> dict[int, float]:
    """The exact cosine of each row to a unit vector; rows without one are absent."""
    found: list[int] = []
    blobs: list[bytes] = []
    for start in range(0, len(ids), PAGE):
        some = ids[start : start + PAGE]
        marks = ",".join("?" * len(some))
        for id, vector in db.execute(
            f"SELECT id, vector FROM {owner}_vectors WHERE id IN ({marks})", some
        ):
            found.append(id)
            blobs.append(vector)
    if not found:
        return {}
    matrix = np.frombuffer(b"".join(blobs), "<f4").reshape(len(found), -1)
    return dict(zip(found, (matrix @ query).tolist(), strict=True))


def pages(db: sqlite3.Connection, owner: Owner) -> Iterator[Page]:
    """Ids and bits of all vectors, a page at a time; a removed one's id is HOLE."""
    for row in db.execute(f"SELECT ids, bits FROM {owner}_vector_pages"):
        ids = np.frombuffer(row["ids"], np.int64)
        bits = np.frombuffer(row["bits"], np.uint8).reshape(len(ids), -1)
        yield ids, as_words(bits)


def as_words(bits: NDArray[np.uint8]) -> Words:
    """The same bits, 64 at a time where that comes out even."""
    return bits.view(np.uint64) if bits.shape[-1] % 8 == 0 else bits


def _last_page(
    db: sqlite3.Connection, owner: Owner, dimensions: int
) -> tuple[int, int, NDArray[np.int64], NDArray[np.uint8]]:
    """The page that takes the next vectors: number, count, ids, bits."""
    row = db.execute(
        f"SELECT * FROM {owner}_vector_pages ORDER BY page DESC LIMIT 1"
    ).fetchone()
    width = (dimensions + 7) // 8
    if row is None or row["count"] >= PAGE:
        number = 0 if row is None else row["page"] + 1
        return number, 0, np.empty(0, np.int64), np.empty((0, width), np.uint8)
    ids = np.frombuffer(row["ids"], np.int64)
    bits = np.frombuffer(row["bits"], np.uint8).reshape(-1, width)
    return row["page"], row["count"], ids, bits
