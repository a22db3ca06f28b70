"""A vector for every message that has none."""

import sqlite3
import threading

from memcli.embeddings.choose import Encoder, encoder
from memcli.reflection.progress import Listener
from memcli.store import vectors
from memcli.store.database import transaction

_CHUNK = 128


def embed_messages(
    db: sqlite3.Connection, model: str, listener: Listener, stop: threading.Event
) -> None:
    """A vector for every message that has none, a chunk a transaction."""
    bare = vectors.without(db, "messages")
    if not bare:
        return
    listener.stage("embedding", len(bare))
    encode = encoder(model)
    use_model(db, model, encode, listener)
    for start in range(0, len(bare), _CHUNK):
        if stop.is_set():
            return
        chunk = bare[start : start + _CHUNK]
        found = encode.encode([text for _, text in chunk])
        with transaction(db):
            vectors.put(db, "messages", [id for id, _ in chunk], found)
        listener.step(len(chunk))


def use_model(
    db: sqlite3.Connection, model: str, encode: Encoder, listener: Listener
) -> None:
    with transaction(db):
        if vectors.use_model(db, model, encode.dimensions):
            listener.notice(f"embedding model is now {model}: embedding anew")
