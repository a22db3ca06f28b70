"""A vector for every message that has none."""

import sqlite3
import threading
from collections.abc import Iterator

from memcli.embeddings.choose import Encoder, encoder
from memcli.reflection.progress import Listener
from memcli.store import vectors
from memcli.store.database import transaction

_CHUNK = 128
# What is embedded while answers are waited for must not keep them waiting.
_SMALL_CHUNK = 24


def embed_messages(
    db: sqlite3.Connection, model: str, listener: Listener, stop: threading.Event
) -> None:
    """A vector for every message that has none, a chunk a transaction."""
    bare = vectors.without(db, "messages")
    if not bare:
        return
    listener.stage("embedding", len(bare))
    for done in _chunks(db, model, bare, _CHUNK, listener):
        listener.step(done)
        if stop.is_set():
            return


def embed_meanwhile(
    db: sqlite3.Connection, model: str, listener: Listener
) -> Iterator[int]:
    """The same a little at a time, between other things that a run has to do."""
    yield from _chunks(
        db, model, vectors.without(db, "messages"), _SMALL_CHUNK, listener
    )


def _chunks(
    db: sqlite3.Connection,
    model: str,
    bare: list[tuple[int, str]],
    size: int,
    listener: Listener,
) -> Iterator[int]:
    """Embeds and stores a chunk before each number it gives: how many that were."""
    if not bare:
        return
    encode = encoder(model)
    use_model(db, model, encode, listener)
    for start in range(0, len(bare), size):
        chunk = bare[start : start + size]
        found = encode.encode([text for _, text in chunk])
        with transaction(db):
            vectors.put(db, "messages", [id for id, _ in chunk], found)
        yield len(chunk)


def use_model(
    db: sqlite3.Connection, model: str, encode: Encoder, listener: Listener
) -> None:
    """Note the model that vectors are made with now."""
    with transaction(db):
        if vectors.use_model(db, model, encode.dimensions):
            listener.notice(f"embedding model is now {model}: embedding anew")
