"""The reduce: candidates that wait → memories, one namespace's beside the others."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import numpy as np

from memcli.embeddings.choose import Encoder, encoder
from memcli.models import Op
from memcli.reflection.consolidate import decide
from memcli.reflection.embed import use_model
from memcli.reflection.neighbours import OpenMemories
from memcli.reflection.progress import Listener
from memcli.store import memories, runs, vectors
from memcli.store.database import transaction


def merge(
    db: sqlite3.Connection,
    run_id: int,
    model: str,
    clock: Callable[[], datetime],
    listener: Listener,
) -> Counter[str]:
    """All waiting candidates in the order they were said; how many operations.

    One transaction, so that readers see the memories before the run or after
    it. The order does not depend on which worker was done first.
    """
    waiting = runs.waiting(db)
    listed = sorted(
        (
            (candidate, extraction)
            for extraction in waiting
            for candidate in extraction.candidates
        ),
        key=lambda pair: (pair[0].said_at, pair[1].thread_id),
    )
    listener.stage("consolidating", len(listed))
    encode = encoder(model)
    use_model(db, model, encode, listener)
    operations: Counter[str] = Counter()
    inserted: list[tuple[int, vectors.Vector]] = []
    encoded = encode.encode([candidate.text for candidate, _ in listed])
    with transaction(db):
        _refill(db, encode)
        known: dict[str, OpenMemories] = {}
        for (candidate, extraction), vector in zip(listed, encoded, strict=True):
            namespace = extraction.namespace
            if namespace not in known:
                known[namespace] = OpenMemories(db, namespace, encode.dimensions)
            operation = decide(candidate, known[namespace].near(candidate, vector))
            memory_id = memories.apply(
                db, run_id, namespace, extraction.thread_id,
                candidate, operation, clock(),
            )  # fmt: skip
            if operation.op is Op.INSERT:
                inserted.append((memory_id, vector))
                known[namespace].close(operation.closes)
                if operation.valid_to is None:
                    known[namespace].add(memory_id, vector)
            operations[operation.op] += 1
            operations[Op.SUPERSEDE] += len(operation.closes)
            listener.step()
        if inserted:
            ids, rows = zip(*inserted, strict=True)
            vectors.put(db, "memories", ids, np.stack(rows))
        runs.mark_consolidated(db, [e.id for e in waiting], run_id)
    return operations


def _refill(db: sqlite3.Connection, encode: Encoder) -> None:
    """Memories lose their vectors when the embedding model changes."""
    bare = vectors.without(db, "memories")
    if bare:
        found = encode.encode([text for _, text in bare])
        vectors.put(db, "memories", [id for id, _ in bare], found)
