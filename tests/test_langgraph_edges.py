"""Values that a hostile or careless agent puts into the store."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from memcli.errors import UsageError
from memcli.langgraph import MemoryStore

ME = ("memories", "me")


def nested(levels: int) -> dict[str, Any]:
    value: Any = "leaf"
    for _ in range(levels):
        value = {"a": [value]}
    return {"x": value}


def test_what_could_not_be_read_again_is_refused() -> None:
    with MemoryStore("memories.db") as store:
        store.put(ME, "deep", nested(49))
        assert store.get(ME, "deep").value == nested(49)  # type: ignore[union-attr]
        for value, told in (
            (nested(60), "over 100 levels"),
            (nested(5000), "over 100 levels"),
            ({"n": 10**5000}, "too many digits"),
            ({"n": -(10**4300)}, "too many digits"),
        ):
            with pytest.raises(UsageError, match=told):
                store.put(ME, "k", value)
        store.put(ME, "k", {"n": 10**4299})
        assert store.get(ME, "k").value == {"n": 10**4299}  # type: ignore[union-attr]
        assert len(store.search(ME)) == 2


def test_a_secret_in_the_name_of_a_field_or_in_a_list_is_replaced() -> None:
    key = "sk-ant-api03-" + "B" * 30
    with MemoryStore("memories.db") as store:
        store.put(ME, "k", {key: {"n": 1}, "db": {"password": ["hunter22!", "", "no"]}})
        item = store.get(ME, "k")
        assert item is not None
        assert item.value["[redacted: Anthropic API Key]"] == {"n": 1}
        assert item.value["db"]["password"] == ["[redacted: Password]", "", "no"]
    with closing(sqlite3.connect("memories.db")) as db:
        dumped = "\n".join(db.iterdump())
    assert key not in dumped and "hunter22" not in dumped
    assert json.loads(json.dumps(item.value)) == item.value
