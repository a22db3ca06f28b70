"""LangGraph's store over the file answers as the one in memory does."""

import asyncio
import json
import math
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.store.base import (
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore

from memcli.errors import NamespaceError, UsageError
from memcli.langgraph import MemoryStore
from tests.conftest import Cli, Serve, said, write_lines
from tests.messages_api import tool_call
from tests.upkeep.conftest import change

ME = ("memories", "me")


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    with MemoryStore("memories.db") as opened:
        yield opened


# --- As the one in memory ---------------------------------------------------------


class Reference(InMemoryStore):
    """Without the namespaces that it lists since somebody asked for them, or since
    they were emptied."""

    def _handle_list_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        kept = dict(self._data)
        for namespace in [name for name, held in kept.items() if not held]:
            del self._data[namespace]
        found = super()._handle_list_namespaces(op)
        self._data.clear()
        self._data.update(kept)
        return found

    def _apply_put_ops(self, put_ops: dict[tuple[tuple[str, ...], str], PutOp]) -> None:
        for namespace in [name for name in self._data if name not in self.held]:
            del self._data[namespace]
        there = {
            (namespace, key): op
            for (namespace, key), op in put_ops.items()
            if op.value is not None or key in self._data.get(namespace, {})
        }
        super()._apply_put_ops(there)
        self.held |= {ns for (ns, _), op in there.items() if op.value is not None}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.held: set[tuple[str, ...]] = set()


LABELS = st.sampled_from(["a", "b", "a/b", "%2F", "é", "a\n"])
NAMESPACES: st.SearchStrategy[tuple[str, ...]] = st.sampled_from(
    [("a",), ("b",), ("b", "a"), ("a", "a/b"), ("a", "%2F", "é"), ("a\n",), ("a/b",)]
)
PREFIXES = st.lists(LABELS, max_size=2).map(tuple)
KEYS = st.sampled_from(["k", "l", "m/n", "", "ключ", "0"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("xy", max_size=2), inner)
    ),
    max_leaves=6,
)
VALUES = st.dictionaries(st.sampled_from(["x", "y", "content"]), JSON, max_size=3)
NUMBERS = st.fixed_dictionaries({"n": st.integers(0, 3)})
FILTERS = st.one_of(
    st.none(),
    st.builds(lambda n: {"n": n}, st.integers(0, 3)),
    st.builds(
        lambda name, n: {"n": {name: n}},
        st.sampled_from(["$eq", "$ne"]),
        st.integers(0, 3),
    ),
    st.sampled_from(
        [{"x": {"x": None}}, {"x": []}, {"x": {}}, {"y": True}, {"content": [0, 1]}]
    ),
)
PUTS = st.builds(
    lambda namespace, key, value, index: PutOp(namespace, key, value, index),
    NAMESPACES,
    KEYS,
    VALUES | NUMBERS,
    st.sampled_from([None, False, ["x"]]),
)
CONDITIONS = st.builds(
    MatchCondition,
    st.sampled_from(["prefix", "suffix"]),
    st.lists(LABELS | st.just("*"), min_size=1, max_size=2).map(tuple),
)
OPS: st.SearchStrategy[Op] = st.one_of(
    PUTS,
    PUTS,
    st.builds(lambda namespace, key: PutOp(namespace, key, None), NAMESPACES, KEYS),
    st.builds(lambda *given: GetOp(*given), NAMESPACES, KEYS),
    st.builds(
        lambda *given: SearchOp(*given),
        PREFIXES,
        FILTERS,
        st.integers(0, 5),
        st.integers(0, 3),
    ),
    st.builds(
        ListNamespacesOp,
        st.none() | st.lists(CONDITIONS, max_size=2).map(tuple),
        st.none() | st.integers(1, 3),
        st.integers(0, 5),
        st.integers(0, 3),
    ),
)


def told(result: Result) -> Any:
    """A result without its times, which are those of two clocks; 1 is not True."""
    if isinstance(result, SearchItem):
        return (*told_item(result), result.score)
    if isinstance(result, Item):
        return told_item(result)
    if isinstance(result, list):
        return [told(one) if isinstance(one, Item) else one for one in result]
    return result


def told_item(item: Item) -> tuple[object, ...]:
    return item.namespace, item.key, json.dumps(item.value)


@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(OPS, min_size=1, max_size=4)), max_size=12
    )
)
@settings(max_examples=60)
def test_it_answers_as_the_store_in_memory(
    batches: Sequence[tuple[bool, list[Op]]],
) -> None:
    reference = Reference()
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryStore(Path(folder, "x.db")) as ours,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr("memcli.langgraph.store.encoder", lambda model: Short())
        for is_async, ops in batches:
            expected = reference.batch(ops)
            found = asyncio.run(ours.abatch(ops)) if is_async else ours.batch(ops)
            assert [told(one) for one in found] == [told(one) for one in expected]


class Short:
    """Vectors at once: what they say plays no part here."""

    dimensions = 8

    def encode(self, texts: Sequence[str]) -> Any:
        import numpy as np

        return np.full((len(texts), 8), 8**-0.5, np.float32)


@given(st.lists(PUTS, max_size=8), st.sampled_from(["x", "dark mode", "ключ", "%"]))
@settings(max_examples=10)
def test_a_query_ranks_and_leaves_nothing_out(
    puts: Sequence[PutOp], query: str
) -> None:
    reference = Reference(
        index={"dims": 1, "embed": lambda texts: [[1.0] for _ in texts]}
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryStore(Path(folder, "x.db")) as ours,
    ):
        for put in puts:
            reference.batch([put])
            ours.batch([put])
        ask = SearchOp((), None, 100, 0, query)
        (expected,), (found,) = reference.batch([ask]), ours.batch([ask])
        assert isinstance(expected, list) and isinstance(found, list)
        assert sorted(told_item(one) for one in found if isinstance(one, Item)) == (
            sorted(told_item(one) for one in expected if isinstance(one, Item))
        )
        scores = [one.score for one in found if isinstance(one, SearchItem)]
        scored = [score for score in scores if score is not None]
        assert scores == scored + [None] * (len(scores) - len(scored))


@pytest.mark.parametrize(
    "wanted", [{"n": {"$gt": 1}}, {"n": {"$gte": 2, "$lt": 3}}, {"n": {"$lte": "1"}}]
)
def test_numbers_are_compared(store: MemoryStore, wanted: dict[str, Any]) -> None:
    reference = InMemoryStore()
    for one in (reference, store):
        for n in range(5):
            one.put(ME, str(n), {"n": n}, index=False)
    expected = [item.key for item in reference.search(ME, filter=wanted)]
    assert expected and len(expected) < 5
    assert [item.key for item in store.search(ME, filter=wanted)] == expected
    with pytest.raises(ValueError, match=r"\$near"):
        store.search(ME, filter={"n": {"$near": 1}})


def test_what_is_put_again_keeps_its_birthday(store: MemoryStore) -> None:
    store.put(ME, "k", {"n": 1})
    first = store.get(ME, "k")
    store.put(ME, "k", {"n": 2})
    second = store.get(ME, "k")
    assert first and second
    assert second.created_at == first.created_at <= first.updated_at
    assert second.updated_at >= first.updated_at


def test_a_value_is_nobody_elses(store: MemoryStore) -> None:
    value: dict[str, Any] = {"list": [1]}
    store.put(ME, "k", value)
    value["list"].append(2)
    found = store.get(ME, "k")
    assert found and found.value == {"list": [1]}
    found.value["list"].append(3)
    again = store.get(ME, "k")
    assert again and again.value == {"list": [1]}


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, r"value\['at'\] is a datetime"),
        ({"a": [{"b": math.nan}]}, r"value\['a'\]\[0\]\['b'\] is nan"),
        ({"a": {1: 2}}, r"value\['a'\] has the key 1"),
        ("text", "is a str; put fields by name"),
        ({"a": "\ud800"}, r"value\['a'\] holds half of a surrogate"),
    ],
)
def test_what_json_cannot_hold_is_refused_as_a_whole(
    store: MemoryStore, value: Any, where: str
) -> None:
    with pytest.raises(UsageError, match=where):
        store.batch([PutOp(ME, "good", {"n": 1}), PutOp(ME, "bad", value)])
    assert store.search(ME) == []


def test_namespaces_and_keys_that_are_none_are_refused(store: MemoryStore) -> None:
    for namespace in ((), ("a.b",), ("",), ("langgraph",)):
        with pytest.raises(ValueError, match=r"[Nn]amespace"):
            store.put(namespace, "k", {})
    with pytest.raises(NamespaceError):
        store.put(("\ud800",), "k", {})
    with pytest.raises(NamespaceError, match=r"\('memories', 'ines'\)"):
        store.put("memories/ines", "k", {})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="key"):
        store.put(ME, "\ud800", {})
    with pytest.raises(NotImplementedError):
        store.put(ME, "k", {}, ttl=5)


# --- What memcli makes of it ------------------------------------------------------


def test_what_an_agent_puts_is_found_and_explained(
    cli: Cli, store: MemoryStore
) -> None:
    store.put(ME, "theme", {"content": "The user prefers a dark theme."})
    store.put(ME, "theme", {"content": "The user prefers a light theme."})
    (hit,) = cli("search", "which colours does the screen have", "--json").json
    assert (hit["text"], hit["key"]) == ("The user prefers a light theme.", "theme")
    history = cli("history", hit["id"]).out
    assert history.count("put by an agent (LangGraph)") == 2
    assert "- The user prefers a dark theme." in history
    assert "theme" in cli("show", hit["id"]).out
    assert "put" in cli("runs").out
    assert "light theme" in cli("diff", "2").out
    assert "light theme" in cli("export", "--format", "markdown").out
    assert cli("audit").out == ""
    assert cli("show", "--known-at", "2020-01-01").out == ""
    (known,) = cli("show", "--known-at", "2099-01-01", "--json").json
    assert known["value"] == {"content": "The user prefers a light theme."}
    assert cli("edit", hit["id"], "Anything").code == 2


def test_the_same_put_again_makes_no_history(cli: Cli, store: MemoryStore) -> None:
    for _ in range(3):
        store.put(ME, "n", {"n": 1})
    assert len(cli("history", "1", "--json").json) == 1
    change("UPDATE memories SET updated_at = '2020-01-01T00:00:00.000Z'")
    store.put(ME, "n", {"n": 1})
    found = store.get(ME, "n")
    assert found and found.updated_at >= found.created_at
    store.put(ME, "n", {"n": 1.0})
    store.put(ME, "n", {"n": 1.0}, index=False)
    assert len(cli("history", "1", "--json").json) == 3


def test_a_put_and_a_deletion_can_be_undone(cli: Cli, store: MemoryStore) -> None:
    store.put(ME, "k", {"content": "Ines lives in Ghent."})
    store.put(ME, "k", {"content": "Ines lives in Bern."}, index=False)
    store.delete(ME, "k")
    assert cli("search", "Ines").out == ""
    assert cli("undo", "3").code == 0
    assert store.search(ME, query="Ines Bern")[0].score is None
    assert cli("undo", "2").code == 0
    found = store.search(ME, query="Where does Ines live?")
    assert [item.value for item in found] == [{"content": "Ines lives in Ghent."}]
    assert found[0].score is not None
    store.delete(ME, "k")
    store.put(ME, "k", {"content": "Ines lives in Rome."})
    refused = cli("undo", "6")
    assert (refused.code, "undo 7 first" in refused.err) == (2, True)
    assert cli("undo", "7").code == cli("undo", "6").code == 0
    assert store.search(ME)[0].value == {"content": "Ines lives in Ghent."}
    assert cli("audit").out == ""


def test_how_an_item_is_found_can_be_undone(cli: Cli, store: MemoryStore) -> None:
    value = {"content": "Ines lives in Ghent."}
    store.put(ME, "k", value)
    store.put(ME, "k", value, index=False)
    assert cli("undo", "2").code == 0
    assert store.search(ME, query="Ines")[0].score is not None
    assert cli("undo", "3").code == 0
    assert store.search(ME, query="Ines")[0].score is None
    write_lines(Path("logs/a.jsonl"), said("I prefer tea."))
    assert cli("reflect", "logs", "--extractor", "offline").code == 0
    (hit,) = cli("search", "Ines", "--json", "--explain").json
    assert hit["why"]["cosine"] == 0
    (then,) = cli(
        "search", "Ines", "--json", "--explain", "--known-at", "2099-01-01"
    ).json
    assert then["why"]["cosine"] == 0
    assert cli("audit").out == ""


def test_items_that_are_alike_stay_two(cli: Cli, store: MemoryStore) -> None:
    for key in "ab":
        store.put(ME, key, {"content": "Dana plays the cello."})
    assert cli("audit", "--fix").code == 0
    found = store.search(ME, query="cello")
    assert sorted(item.key for item in found) == ["a", "b"]
    assert all(item.score is not None for item in found)


def test_a_person_can_forget_what_an_agent_put(cli: Cli, store: MemoryStore) -> None:
    store.put(ME, "a", {"content": "Dana plays the cello."})
    store.put(("other",), "b", {"content": "Omar plays the flute."})
    assert cli("forget", "1").code == 0
    store.put(ME, "a", {"content": "Dana plays the cello."})
    assert store.get(ME, "a")
    assert cli("forget", "--namespace", "other", "--yes").code == 0
    assert store.list_namespaces() == [ME]
    assert cli("forget", "--before", "2099-01-01", "--yes").code == 0
    assert store.search(()) == []


def test_fields_that_are_not_indexed_are_not_found(store: MemoryStore) -> None:
    value = {"title": "Cello lessons", "body": "The invoice of the plumber."}
    store.put(ME, "some", value, index=["title"])
    store.put(ME, "none", {"body": "The invoice of the plumber."}, index=False)
    scores = {item.key: item.score for item in store.search(ME, query="plumber")}
    assert scores == {"some": None, "none": None}
    found = store.search(ME, query="cello lessons")
    assert [(item.key, item.score is None) for item in found] == [
        ("some", False), ("none", True),
    ]  # fmt: skip
    assert found[0].value == value


def test_secrets_are_not_stored(cli: Cli, store: MemoryStore) -> None:
    key = "sk-ant-" + "a1" * 20
    store.put(ME, "k", {"note": f"use {key}", "login": {"password": "hunter"}})
    found = store.get(ME, "k")
    assert found
    assert found.value["login"] == {"password": "[redacted: Password]"}
    assert key not in cli("export").out and "hunter" not in cli("export").out
    assert cli("audit").out == ""


# --- Beside what is learned -------------------------------------------------------


@pytest.fixture
def learn(cli: Cli) -> Callable[..., None]:
    def reflect(*sentences: str, thread: str = "t1") -> None:
        lines = [
            said(text, id=str(n), thread=thread) for n, text in enumerate(sentences)
        ]
        write_lines(Path(f"logs/{thread}.jsonl"), *lines)
        done = cli("reflect", "logs", "--extractor", "offline")
        assert done.code == 0, done.err

    return reflect


def test_what_was_learned_is_there_too(
    cli: Cli, store: MemoryStore, learn: Callable[..., None]
) -> None:
    learn("I live in Ghent.", "I'm allergic to peanuts.")
    (one, other) = store.search(ME)
    assert one.key == str(uuid.UUID(int=1))
    assert one.value == {
        "kind": "Memory", "content": {"content": "The user lives in Ghent."},
    }  # fmt: skip
    assert store.search(ME, query="Where do I live?")[0].score is not None
    store.put(ME, one.key, {"content": "The user lives in Bern."})
    found = store.get(ME, one.key)
    assert found and found.value["content"] == {"content": "The user lives in Bern."}
    store.delete(ME, other.key)
    assert [item.key for item in store.search(ME)] == [one.key]
    learn("I'm allergic to peanuts.", thread="a copy")
    assert [item["text"] for item in cli("show", "--json").json] == [
        "The user lives in Bern."
    ]


def test_learning_leaves_items_as_they_are(
    cli: Cli, store: MemoryStore, learn: Callable[..., None]
) -> None:
    value = {"content": "The user lives in Ghent."}
    store.put(ME, "home", value)
    learn("I live in Ghent.")
    (memory,) = cli("show", "--json").json
    assert (memory["key"], memory["strength"]) == ("home", 1)
    learn("I moved from Ghent to Bern.", thread="t2")
    found = store.get(ME, "home")
    assert found and found.value == value
    assert cli("forget", "--thread", "t1", "--yes").code == 0
    found = store.get(ME, "home")
    assert found and found.value == value
    held = [one for one in cli("show", "--json").json if "key" in one]
    assert [one["strength"] for one in held] == [0]
    assert cli("audit").out == ""


def test_a_thread_that_is_done_anew_leaves_items(
    cli: Cli, store: MemoryStore, learn: Callable[..., None], serve: Serve
) -> None:
    value = {"content": "The user lives in Ghent."}
    store.put(ME, "home", value)
    learn("I live in Ghent.", "I prefer tea.")
    serve(lambda request: tool_call([]))
    assert cli("reflect", "logs", "--stale", "--extractor", "claude").code == 0
    assert [item.value for item in store.search(ME)] == [value]


# --- At once ----------------------------------------------------------------------


def test_threads_and_processes_share_the_file(store: MemoryStore) -> None:
    store.put(ME, "first", {"n": 0}, index=False)
    started = multiprocessing.get_context("spawn")
    others = [started.Process(target=_put_many, args=(n,)) for n in range(2)]
    for other in others:
        other.start()
    threads = [
        threading.Thread(target=_put_and_look, args=(store, n)) for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.join()
        assert other.exitcode == 0
    found = store.search(ME, limit=1000)
    assert len({item.key for item in found}) == len(found) == 1 + 4 * 20
    shared = store.search(("shared",))
    assert [item.key for item in shared] == ["one"]


def _put_many(n: int) -> None:
    with MemoryStore("memories.db") as store:
        _put_and_look(store, f"process {n}")


def _put_and_look(store: MemoryStore, name: object) -> None:
    for n in range(20):
        store.put(ME, f"{name}-{n}", {"n": n}, index=False)
        store.put(("shared",), "one", {"by": str(name), "n": n}, index=False)
        found = store.get(ME, f"{name}-{n}")
        assert found and found.value == {"n": n}


def test_the_event_loop_goes_on_while_a_run_writes(store: MemoryStore) -> None:
    from memcli.store.database import connect

    other = connect(Path("memories.db"))
    turns = 0

    async def main() -> None:
        nonlocal turns
        other.execute("BEGIN IMMEDIATE")
        put = asyncio.create_task(store.aput(ME, "k", {"n": 1}, index=False))
        for _ in range(20):
            assert await store.aget(ME, "k") is None
            turns += 1
        assert not put.done()
        other.execute("COMMIT")
        await put
        assert await store.aget(ME, "k")

    asyncio.run(main())
    other.close()
    assert turns == 20


def test_reading_and_writing_go_on_beside_a_run(
    cli: Cli, store: MemoryStore, learn: Callable[..., None]
) -> None:
    stop = threading.Event()
    done = 0

    def work() -> None:
        nonlocal done
        while not stop.is_set():
            store.put(ME, f"k{done}", {"n": done}, index=False)
            assert store.get(ME, f"k{done}")
            done += 1

    thread = threading.Thread(target=work)
    thread.start()
    learn("I live in Ghent.", "I'm allergic to peanuts.")
    stop.set()
    thread.join()
    assert done
    assert len(store.search(ME, limit=10_000)) == done + 2


# --- Opening ----------------------------------------------------------------------


def test_the_file_is_made_private_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    store = MemoryStore(path)
    assert path.stat().st_mode & 0o777 == 0o600
    store.close()
    store.close()
    with pytest.raises(UsageError, match="closed"):
        store.get(ME, "k")


def test_it_takes_what_memcli_opened(tmp_path: Path) -> None:
    import memcli

    with memcli.open(tmp_path / "m.db") as opened, MemoryStore(opened) as store:
        store.put(("memories", "ana"), "k", {"content": "Ana plays the oboe."})
        assert [hit.text for hit in opened.search("oboe")] == ["Ana plays the oboe."]


def test_the_example_of_the_readme_works(cli: Cli, store: MemoryStore) -> None:
    readme = Path(__file__).parent.parent / "README.md"
    section = readme.read_text().split("## In LangGraph")[1].split("\n## ")[0]
    code = section.split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ
    )
    assert (done.stdout, done.stderr) == ("Ines prefers a dark theme.\n", "")
    assert "Ines prefers a dark theme." in cli("search", "what colours").out


def test_without_langgraph_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['langgraph'] = None\n"
        "import memcli\n"
        "try: import memcli.langgraph\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ
    )
    assert "pip install 'memcli[langgraph]'" in done.stdout, done.stderr
