"""LangMem's own tools, in LangGraph's own agent, on the store over the file."""

import asyncio
import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from memcli.langgraph import MemoryStore
from tests import messages_api as api
from tests.conftest import Cli, Serve, said, write_lines


def obedient(request: dict[str, Any]) -> api.Answer:
    """A model that calls the tool that the person names, and says what came of it."""
    last = request["messages"][-1]["content"]
    if isinstance(last, list) and last[-1]["type"] == "tool_result":
        content = last[-1]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        return api.message([{"type": "text", "text": text}])
    text = last if isinstance(last, str) else last[-1]["text"]
    call = {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex}", **json.loads(text)}
    return api.message([call], "tool_use")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of LangGraph 1 itself
def test_an_agent_with_langmems_tools_keeps_its_memories_in_the_file(
    cli: Cli, serve: Serve
) -> None:
    from langchain_anthropic import ChatAnthropic
    from langgraph.prebuilt import create_react_agent
    from langmem import create_manage_memory_tool, create_search_memory_tool

    write_lines(Path("a.jsonl"), said("I live in Ghent.", user_id="anna"))
    cli("reflect", "a.jsonl", "--extractor", "offline")
    server = serve(obedient)
    namespace = ("memories", "{user_id}")
    with MemoryStore("memories.db") as store:
        agent = create_react_agent(
            ChatAnthropic(model="claude-haiku-5-5"),  # type: ignore[call-arg]
            tools=[
                create_manage_memory_tool(namespace),
                create_search_memory_tool(namespace),
            ],
            store=store,
        )

        def told(name: str, *, user: str = "anna", **given: object) -> str:
            """What the agent says when it is told to call a tool."""
            order = json.dumps({"name": name, "input": given})
            state: Any = {"messages": [{"role": "user", "content": order}]}
            config: Any = {"configurable": {"user_id": user}}
            answer: str = agent.invoke(state, config)["messages"][-1].content
            return answer

        made = told("manage_memory", content="The user prefers dark mode.")
        key = made.removeprefix("created memory ")
        assert uuid.UUID(key)
        (hit,) = cli("search", "which theme", "--json").json
        assert (hit["text"], hit["key"], hit["namespace"]) == (
            "The user prefers dark mode.", key, "memories/anna",
        )  # fmt: skip

        found = json.loads(told("search_memory", query="where do I live"))
        assert found[0]["value"]["content"] == {"content": "The user lives in Ghent."}
        assert {one["key"] for one in found} == {key, found[0]["key"]}
        assert json.loads(told("search_memory", user="omar", query="theme")) == []
        searching = create_search_memory_tool(("memories", "anna"), store=store)
        again = asyncio.run(searching.ainvoke({"query": "where do I live"}))
        assert json.loads(again) == found

        told("manage_memory", content="The user prefers light mode.",
             action="update", id=key)  # fmt: skip
        told("manage_memory", content="The user lives in Bern.",
             action="update", id=found[0]["key"])  # fmt: skip
        listed = cli("show", "--json").json
        assert {memory["text"] for memory in listed} == {
            "The user prefers light mode.", "The user lives in Bern.",
        }  # fmt: skip
        told("manage_memory", action="delete", id=key)
        assert [one.value["content"] for one in store.search(("memories",))] == [
            {"content": "The user lives in Bern."}
        ]
    explained = cli("history", hit["id"]).out
    assert re.findall(r"(insert|update|delete): (\w+) by an agent", explained) == [
        ("insert", "put"), ("update", "put"), ("delete", "deleted"),
    ]  # fmt: skip
    assert len(server.requests) == 2 * 6
    assert cli("audit").out == ""


def test_langmems_manager_works_on_what_memcli_learned(cli: Cli, serve: Serve) -> None:
    from langchain_anthropic import ChatAnthropic
    from langmem import create_memory_store_manager

    write_lines(Path("a.jsonl"), said("I live in Ghent.", user_id="anna"))
    cli("reflect", "a.jsonl", "--extractor", "offline")
    learned = str(uuid.UUID(int=1))

    def moving(request: dict[str, Any]) -> api.Answer:
        """Puts the old memory right, by the id that it is shown."""
        shown = json.dumps(request)
        assert "The user lives in Ghent." in shown
        (known,) = set(re.findall(r"instance id=(\S+) schema_type", shown))
        patch = {"op": "replace", "path": "/content", "value": "The user is in Bern."}
        given = {"json_doc_id": known, "planned_edits": "Bern", "patches": [patch]}
        call = {"type": "tool_use", "id": "toolu_1", "name": "PatchDoc", "input": given}
        return api.message([call], "tool_use")

    serve(moving)
    with MemoryStore("memories.db") as store:
        manager = create_memory_store_manager(
            ChatAnthropic(model="claude-haiku-5-5"),  # type: ignore[call-arg]
            namespace=("memories", "anna"),
            store=store,
        )
        said_now: Any = {"messages": [{"role": "user", "content": "I moved to Bern."}]}
        manager.invoke(said_now)
        found = store.get(("memories", "anna"), learned)
    assert found and found.value["content"] == {"content": "The user is in Bern."}
    assert cli("show", "--json").json[0]["text"] == "The user is in Bern."
