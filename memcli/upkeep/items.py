"""Items written: values checked, secrets left out, history kept.

What an agent puts under a key of its own is overwritten and deleted by it alone. No
tombstone stays behind, so the same may be put, or learned, again.
"""

import json
import math
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from memcli.errors import UsageError
from memcli.extractors.schemas import text_of, told
from memcli.redaction import redact
from memcli.store import items, runs, vectors
from memcli.store.database import transaction
from memcli.store.history import Change
from memcli.store.items import Content
from memcli.transcripts.normalise import clean
from memcli.upkeep import by_hand

# So much of a long value can be found; all of it is kept.
_MOST_TEXT = 20_000
# Python reads JSON by recursion, and who asks may be deep in calls of their own.
_MOST_LEVELS = 100
# Python neither writes nor reads a number with more digits.
_TOO_LARGE = 10**sys.int_info.default_max_str_digits


@dataclass(frozen=True, slots=True)
class Put:
    """What is to be under a key of a namespace; None for nothing."""

    namespace: str
    key: str
    content: Content | None


@dataclass(frozen=True, slots=True)
class Ready:
    """Vectors made before the file is locked, by text, and of which model."""

    model: str
    vectors: Mapping[str, vectors.Vector]


def content(
    value: Mapping[str, Any],
    fields: Sequence[str] | None,
    texts_at: Callable[[dict[str, Any], str], list[str]],
) -> Content:
    """What is stored for a value that is found by these `fields`, None for all of it;
    `texts_at` looks one up.

    Raises UsageError for what JSON cannot hold, with the path to it.
    """
    if not isinstance(value, Mapping):
        raise UsageError(f"the value is a {type(value).__name__}; put fields by name")
    plain: dict[str, Any] = _redacted(_plain(value, "value"))
    if fields is None:
        return Content(plain, _found_by(_readable(plain)))
    texts = [
        text if path == "content" else f"{path}: {text}"
        for path in fields
        for text in texts_at(plain, path)
        if text.strip()
    ]
    if not texts:
        return Content(plain, _found_by(_readable(plain)), ())
    return Content(plain, _found_by("; ".join(texts)), tuple(fields))


def new_texts(db: sqlite3.Connection, puts: Iterable[Put]) -> list[str]:
    """Texts that need a vector, each once."""
    found: dict[str, None] = {}
    for put in puts:
        if put.content is None or not put.content.is_found:
            continue
        item = items.get(db, put.namespace, put.key)
        if item is None or not (item.is_learned or items.is_same(item, put.content)):
            found[put.content.text] = None
    return list(found)


def write(
    db: sqlite3.Connection, puts: Sequence[Put], now: datetime, ready: Ready, by: str
) -> int | None:
    """Do all of it, or nothing; the run that history has it under, if it changed items.

    Learned memories are edited and forgotten as a person would, each by a run of its
    own.
    """
    with transaction(db):
        run_id = None
        what: runs.Kind = "put" if any(put.content for put in puts) else "delete"
        counts = dict.fromkeys(("inserted", "updated", "deleted"), 0)
        for put in puts:
            item = items.get(db, put.namespace, put.key)
            if item is not None and item.is_learned:
                _write_learned(db, item, put.content, now, ready.model, f"by {by}")
            elif item is not None and put.content and items.is_same(item, put.content):
                items.touch(db, item, now)
            elif item is not None or put.content is not None:
                run_id = run_id or runs.start_by_hand(db, now, what)
                change = Change(run_id, put.namespace, now)
                counts[_write(db, change, item, put, ready, by)] += 1
        if run_id is not None:
            runs.finish(db, run_id, now, "done", counts)
    return run_id


def _write(
    db: sqlite3.Connection,
    change: Change,
    item: items.Item | None,
    put: Put,
    ready: Ready,
    by: str,
) -> str:
    """One change; the column of `runs` that counts it."""
    if put.content is None:
        assert item is not None
        items.delete(db, change, item, f"deleted by {by}")
        vectors.remove(db, "memories", [item.id])
        return "deleted"
    if item is None:
        id, counted = (
            items.insert(db, change, put.key, put.content, f"put by {by}"),
            "inserted",
        )
    else:
        id, counted = item.id, "updated"
        items.update(db, change, item, put.content, f"put by {by}")
        vectors.remove(db, "memories", [id])
    _embed(db, id, put.content, ready)
    return counted


def _embed(db: sqlite3.Connection, id: int, content: Content, ready: Ready) -> None:
    """Without a vector that fits those that are there, the next run makes one."""
    vector = ready.vectors.get(content.text)
    if not content.is_found or vector is None:
        return
    model = vectors.model(db)
    if model is None:
        vectors.use_model(db, ready.model, len(vector))
    elif model != ready.model:
        return
    vectors.put(db, "memories", [id], np.asarray(vector).reshape(1, -1))


def _write_learned(
    db: sqlite3.Connection,
    item: items.Item,
    content: Content | None,
    now: datetime,
    model: str,
    by: str,
) -> None:
    if content is None:
        by_hand.forget(db, [item.id], now, by=by)
    elif dict(content.value) != item.value:
        by_hand.edit(db, item.id, by_hand.Edit(content.text), now, model, by=by)


# --- Values -----------------------------------------------------------------------


def _plain(value: Any, path: str, level: int = 0) -> Any:
    """The value as JSON holds it, apart from the caller's."""
    if level > _MOST_LEVELS:
        raise UsageError(f"the value has over {_MOST_LEVELS} levels; store it flatter")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) >= _TOO_LARGE:
            raise UsageError(f"{path} has too many digits; store its text")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UsageError(f"{path} is {value}, which JSON cannot hold")
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise UsageError(f"{path} has the key {key!r}; JSON has texts as keys")
        return {
            _text(key, path): _plain(item, f"{path}[{key!r}]", level + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item, f"{path}[{n}]", level + 1) for n, item in enumerate(value)]
    raise UsageError(
        f"{path} is a {type(value).__name__}, which JSON cannot hold; store its text"
    )


def _text(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{path} holds half of a surrogate pair, no text") from None
    return str(text)


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)[0]
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    if isinstance(value, dict):
        return {
            redact(key)[0]: _redacted_named(key, item) for key, item in value.items()
        }
    return value


def _redacted_named(name: str, value: Any) -> Any:
    """`{"db_password": …}` tells what it is, as JSON that somebody pasted would."""
    if isinstance(value, list):
        return [_redacted_named(name, item) for item in value]
    found = _redacted(value)
    if isinstance(found, str) and redact(json.dumps({name: found}))[1]:
        return "[redacted: Password]"
    return found


def _readable(value: Mapping[str, Any]) -> str:
    """A value as a text, for reading and searching.

    `{"content": …}` is how LangMem's tools keep a text, and
    `{"kind": …, "content": {…}}` how its manager keeps one of a schema.
    """
    inner, kind = value.get("content"), value.get("kind")
    if set(value) == {"kind", "content"} and isinstance(inner, dict):
        if set(inner) == {"content"}:
            return _readable(inner)
        return text_of(str(kind), inner)
    if set(value) == {"content"} and isinstance(inner, str):
        return inner
    return told(value)


def _found_by(text: str) -> str:
    # Fields that were no secret by themselves may be one beside their names.
    return redact(_one_line(text))[0] or "(empty)"


def _one_line(text: str) -> str:
    return " ".join(clean(text[:_MOST_TEXT]).split())
