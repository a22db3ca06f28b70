"""A vector for every message that has none."""

import sqlite3
import threading
from collections.abc import Iterator

import numpy as np

from memcli.embeddings.choose import Encoder, encoder
from memcli.reflection.progress import Listener
from memcli.store import vectors
from memcli.store.database import transaction

_CHUNK = 128
# What is embedded while answers are waited for must not keep them waiting.
_SMALL_CHUNK = 24
# Short texts are said again; so many of their vectors are kept at hand, some 6 MB.
_SHORT, _REMEMBERED = 300, 4000


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
    said: dict[str, vectors.Vector] = {}
    for start in range(0, len(bare), size):
        chunk = bare[start : start + size]
        found = _encoded([text for _, text in chunk], encode, said)
        with transaction(db):
            vectors.put(db, "messages", [id for id, _ in chunk], found)
        yield len(chunk)


def _encoded(
    texts: list[str], encode: Encoder, said: dict[str, vectors.Vector]
) -> vectors.Vectors:
    """The vectors of the texts, shape (len(texts), dimensions).

    "Run the tests" is said a thousand times: what was encoded lately is in `said`.
    """
    fresh = [text for text in dict.fromkeys(texts) if text not in said]
    made = encode.encode(fresh) if fresh else ()
    of_these = dict(zip(fresh, made, strict=True))
    found = np.stack([said[t] if t in said else of_these[t] for t in texts])
    if len(said) > _REMEMBERED:
        said.clear()
    said |= {t: vector for t, vector in of_these.items() if len(t) <= _SHORT}
    return found


def use_model(
    db: sqlite3.Connection, model: str, encode: Encoder, listener: Listener
) -> None:
    """Note the model that vectors are made with now."""
    with transaction(db):
        if vectors.use_model(db, model, encode.dimensions):
            listener.notice(f"embedding model is now {model}: embedding anew")
