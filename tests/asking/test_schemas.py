"""Memories of a shape that the user gives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import messages_api as api
from tests.asking.conftest import decide
from tests.conftest import Cli, Serve, said, write_lines

MODELS = '''
from typing import Literal
from pydantic import BaseModel, Field

class Dish(BaseModel):
    """A dish somebody likes or dislikes."""
    name: str
    verdict: Literal["likes", "dislikes"]
    tags: list[str] = []

class Address(BaseModel):
    city: str
    country: str = "NL"

class Person(BaseModel):
    """Who the user is."""
    name: str
    address: Address | None = None
    languages: list[str] = Field(default_factory=list)
    age: int | None = Field(default=None, ge=0, le=150)
'''


def answering(values: list[dict[str, Any]]) -> Callable[[dict[str, Any]], api.Answer]:
    """Calls the tool with these lists, one for each request about a conversation."""
    waiting = iter(values)

    def answer(request: dict[str, Any]) -> api.Answer:
        if request["tools"][0]["name"] == "decide":
            return decide(request, lambda number: {"operation": "insert"})
        status, body = api.tool_call([])
        body["content"][0]["input"] = next(waiting)
        return status, body

    return answer


def item(value: dict[str, Any], quote: str, **more: Any) -> dict[str, Any]:
    cited = {"quotes": [{"message": "m1", "text": quote}], "confidence": 0.9}
    return {"value": value, **cited, **more}


def thread(name: str, text: str, at: str = "2026-09-01T10:00:00Z") -> Path:
    return write_lines(Path(f"{name}.jsonl"), said(text, thread=name, at=at))


def test_a_collection_is_stored_shown_searched_and_exported(
    cli: Cli, serve: Serve
) -> None:
    Path("shapes.py").write_text(MODELS)
    ramen = {"name": "ramen", "verdict": "likes", "tags": ["soup", "noodles"]}
    server = serve(answering([{"Dish": [item(ramen, "I love ramen")]}]))
    done = cli("reflect", thread("a", "I love ramen, it is soup."),
               "--schema", "shapes.py:Dish")  # fmt: skip
    assert done.code == 0, done.err
    (tool,) = server.requests[0]["tools"]
    dish = tool["input_schema"]["properties"]["Dish"]
    assert dish["description"] == "A dish somebody likes or dislikes."
    assert "title" not in json.dumps(tool)
    (memory,) = cli("show", "--json").json
    assert (memory["schema"], memory["value"]) == ("Dish", ramen)
    assert memory["text"] == "Dish: name: ramen; verdict: likes; tags: soup, noodles"
    assert "Dish" in cli("show").out
    assert cli("search", "noodles", "--json").json[0]["value"] == ramen
    assert json.loads(cli("export").out)["value"] == ramen
    assert "## Dish" in cli("export", "--format", "markdown").out


def test_a_value_that_does_not_fit_is_asked_again_with_the_reason(
    cli: Cli, serve: Serve
) -> None:
    Path("shapes.py").write_text(MODELS)
    wrong = {"name": "ramen", "verdict": "adores"}
    right = {"name": "ramen", "verdict": "likes"}
    server = serve(answering([{"Dish": [item(wrong, "ramen")]},
                              {"Dish": [item(right, "ramen")]}]))  # fmt: skip
    cli("reflect", thread("a", "I love ramen"), "--schema", "shapes.py:Dish")
    assert "Dish.0.value: verdict" in json.dumps(server.requests[1]["messages"][2])
    (memory,) = cli("show", "--json").json
    assert memory["value"] == right | {"tags": []}


def test_a_profile_is_patched_and_forgets_nothing_by_omission(
    cli: Cli, serve: Serve
) -> None:
    Path("shapes.py").write_text(MODELS)
    later = {"Person": [item({"address": {"city": "Delft"}, "languages": ["fr"]},
                             "I moved to Delft")]}  # fmt: skip
    first = {"Person": [item({"name": "Anna", "languages": ["nl"],
                              "address": {"city": "Ghent", "country": "BE"}},
                             "I am Anna from Ghent")]}  # fmt: skip
    serve(answering([later, first]))
    # The later word is read first: what counts is when it was said.
    for path in (
        thread("b", "I moved to Delft", "2026-09-01T10:00:00Z"),
        thread("a", "I am Anna from Ghent", "2026-08-01T10:00:00Z"),
    ):
        done = cli("reflect", path, "--profile", "shapes.py:Person", "--json")
        assert done.code == 0, done.err
    assert done.json["memories"]["updated"] == 1
    (memory,) = cli("show", "--json").json
    assert memory["value"] == {
        "name": "Anna",
        "address": {"city": "Delft", "country": "BE"},
        "languages": ["fr", "nl"],
    }
    assert len(memory["sources"]) == 2
    assert cli("search", "Anna", "--json").json[0]["id"] == "1"
    reason = cli("show", "1", "--json").json["history"][-1]["reason"]
    assert reason.startswith("patched: ")


def test_each_namespace_has_a_profile_of_its_own(cli: Cli, serve: Serve) -> None:
    Path("shapes.py").write_text(MODELS)
    serve(answering([{"Person": [item({"name": n}, "It is me")]} for n in "AB"]))
    for name in "ab":
        cli("reflect", thread(name, "It is me"), "--profile", "shapes.py:Person",
            "--namespace", f"memories/{name}")  # fmt: skip
    found = {m["namespace"]: m["value"]["name"] for m in cli("show", "--json").json}
    assert sorted(found.values()) == ["A", "B"]


def test_a_json_schema_file_and_several_at_once(cli: Cli, serve: Serve) -> None:
    Path("shapes.py").write_text(MODELS)
    Path("city.json").write_text(json.dumps({
        "title": "City", "type": "object",
        "properties": {"name": {"type": "string"}, "seen": {"type": "integer"}},
        "required": ["name"], "additionalProperties": False,
    }))  # fmt: skip
    server = serve(answering([
        {"City": [item({"name": "Delft", "seen": "often"}, "Delft")]},
        {"City": [item({"name": "Delft", "seen": 2}, "Delft")],
         "Dish": [item({"name": "fries", "verdict": "likes"}, "fries")]},
    ]))  # fmt: skip
    done = cli("reflect", thread("a", "I was in Delft twice, and I like fries"),
               "--schema", "city.json", "--schema", "shapes.py:Dish")  # fmt: skip
    assert done.code == 0, done.err
    told = json.dumps(server.requests[1]["messages"][2])
    assert "seen does not fit type: integer" in told
    assert "often" not in told  # a value is private, also from the log
    assert {m["schema"] for m in cli("show", "--json").json} == {"City", "Dish"}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("shapes.py:Nothing", "no pydantic model Nothing"),
        ("shapes.py", "write module:Class"),
        ("nowhere.py:Dish", "there is no file nowhere.py"),
        ("no.such.module:Dish", "cannot be imported"),
        ("broken.py:Dish", "cannot be imported"),
        ("missing.json", "No such file"),
        ("list.json", "a schema of an object is wanted"),
        ("bad.json", "'nothing' is not valid"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_before_anything_is_sent(
    cli: Cli, serve: Serve, spec: str, why: str
) -> None:
    Path("shapes.py").write_text(MODELS)
    Path("broken.py").write_text("1 / 0")
    Path("list.json").write_text("[]")
    Path("bad.json").write_text('{"type": "object", "properties": {"a": {"type": '
                                '"nothing"}}}')  # fmt: skip
    server = serve()
    done = cli("reflect", thread("a", "I love ramen"), "--schema", spec)
    assert done.code == 2
    assert why in done.err
    assert server.requests == []


def test_schemas_need_a_model(cli: Cli) -> None:
    Path("shapes.py").write_text(MODELS)
    done = cli("reflect", thread("a", "Hello"), "--schema", "shapes.py:Dish")
    assert done.code == 2
    assert "need a model" in done.err


def test_a_value_that_holds_a_secret_is_set_aside(cli: Cli, serve: Serve) -> None:
    Path("shapes.py").write_text(MODELS)
    key = "AKIA" + "QUAYSIDE7BOATS42"
    value = {"name": key, "verdict": "likes"}
    serve(answering([{"Dish": [item(value, "I love ramen")]}]))
    done = cli("reflect", thread("a", "I love ramen"), "--schema", "shapes.py:Dish",
               "--json")  # fmt: skip
    assert done.json["candidates"]["set_aside"] == {"holds a secret": 1}
    assert cli("show", "--json").json == []


def test_definitions_of_older_drafts_are_understood(cli: Cli, serve: Serve) -> None:
    Path("trip.json").write_text(json.dumps({
        "title": "Trip", "type": "object", "required": ["to"],
        "properties": {"to": {"$ref": "#/definitions/Place"}},
        "definitions": {"Place": {"type": "object", "required": ["city"],
                                  "properties": {"city": {"type": "string"}}}},
    }))  # fmt: skip
    value = {"to": {"city": "Delft"}}
    server = serve(answering([{"Trip": [item(value, "Delft")]}]))
    done = cli("reflect", thread("a", "To Delft!"), "--schema", "trip.json")
    assert done.code == 0, done.err
    given = server.requests[0]["tools"][0]["input_schema"]
    assert list(given["$defs"]) == ["Trip.Place"]
    assert "#/$defs/Trip.Place" in json.dumps(given["properties"])
    (memory,) = cli("show", "--json").json
    assert memory["value"] == value


def test_a_part_of_a_nested_profile_is_kept(cli: Cli, serve: Serve) -> None:
    Path("shapes.py").write_text(
        "from pydantic import BaseModel\n"
        "class Home(BaseModel):\n    city: str\n    zip: str\n"
        "class Person(BaseModel):\n    name: str\n    home: Home\n"
    )
    parts: list[dict[str, Any]] = [
        {"home": {"city": "Kiel", "zip": None}},
        {"home": {"zip": "24103"}},
    ]
    serve(answering([{"Person": [item(part, "I moved")]} for part in parts]))
    for name, day in (("a", "01"), ("b", "02")):
        done = cli("reflect", thread(name, "I moved", f"2026-09-{day}T10:00:00Z"),
                   "--profile", "shapes.py:Person")  # fmt: skip
        assert done.code == 0, done.err
    (memory,) = cli("show", "--json").json
    assert memory["value"] == {"home": {"city": "Kiel", "zip": "24103"}}


def test_values_that_differ_are_not_the_same_memory(cli: Cli, serve: Serve) -> None:
    Path("shapes.py").write_text(
        "from pydantic import BaseModel\n"
        "class Trip(BaseModel):\n    start: str\n    end: str\n"
    )
    there, back = {"start": "Ghent", "end": "Delft"}, {"start": "Delft", "end": "Ghent"}
    serve(answering([{"Trip": [item(there, "I go"), item(back, "I go")]}]))
    cli("reflect", thread("a", "I go there and back"), "--schema", "shapes.py:Trip")
    assert [m["value"] for m in cli("show", "--json").json] == [there, back]


@pytest.mark.parametrize("odd", ["raise KeyError('x')", "1 / 0", "raise ValueError()"])
def test_a_validator_that_raises_whatever_it_likes_harms_nobody(
    cli: Cli, serve: Serve, odd: str
) -> None:
    Path("shapes.py").write_text(
        "from pydantic import BaseModel, field_validator\n"
        "class Odd(BaseModel):\n    name: str\n"
        "    @field_validator('name')\n    @classmethod\n"
        f"    def check(cls, value):\n        {odd}\n"
    )
    serve(answering([{"Odd": [item({"name": "x"}, "Hello")]}] * 6))
    done = cli("reflect", thread("a", "Hello there"), "--schema", "shapes.py:Odd")
    assert done.code == 1
    assert "Traceback" not in done.err


def test_a_schema_file_that_exits_is_an_error(cli: Cli, serve: Serve) -> None:
    Path("shapes.py").write_text("import sys\nsys.exit()\n")
    serve()
    done = cli("reflect", thread("a", "Hello"), "--schema", "shapes.py:Odd")
    assert done.code == 2


def test_nothing_is_required_of_a_part_of_a_profile(cli: Cli, serve: Serve) -> None:
    Path("shapes.py").write_text(MODELS)
    server = serve(answering([{"Person": []}]))
    cli("reflect", thread("a", "Hello there"), "--profile", "shapes.py:Person")
    given = server.requests[0]["tools"][0]["input_schema"]["properties"]["Person"]
    assert "required" not in given["items"]["properties"]["value"]
