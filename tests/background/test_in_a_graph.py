"""The guide as it stands there: inside a LangGraph workflow, with a LangChain model."""

import asyncio
from concurrent.futures import Future
from typing import Any

import pytest

import memcli
from memcli.errors import UsageError
from tests import messages_api as api
from tests.asking.conftest import attentive, extractions, shown
from tests.background.conftest import MODEL
from tests.conftest import Serve


def chatty(request: dict[str, Any]) -> api.Answer:
    """Answers a chat, and remembers when it is asked to."""
    if request.get("tools"):
        return attentive(request)
    return api.message([{"type": "text", "text": "Noted, of course."}])


def test_the_guide_to_delayed_processing(serve: Serve) -> None:
    from langchain_anthropic import ChatAnthropic
    from langgraph.func import entrypoint

    server = serve(chatty)
    llm = ChatAnthropic(model="claude-haiku-5-5", base_url=server.url)  # type: ignore[call-arg]
    # What the guide does, with the imports changed, from here …
    enricher = memcli.create_memory_store_enricher(
        MODEL, namespace=("memories", "{user_id}")
    )
    executor = memcli.ReflectionExecutor(enricher)
    store = memcli.open("agent.db")
    submitted: list[Future[list[memcli.Memory]]] = []

    @entrypoint(store=store)  # type: ignore[arg-type]
    def chat(message: str) -> Any:
        response = llm.invoke(message)
        to_process = {"messages": [{"role": "user", "content": message}, response]}
        submitted.append(executor.submit(to_process, after_seconds=0.3))
        return response.content

    config: Any = {"configurable": {"thread_id": "t1", "user_id": "ana"}}
    assert chat.invoke("I prefer dark mode in all my apps", config=config)
    assert chat.invoke("I prefer tea", config=config)
    # … to here.
    assert submitted[0].cancelled()
    assert len(submitted[1].result(20)) == 2
    executor.shutdown()
    (request,) = list(extractions_of(server))
    assert shown(request).count("Noted, of course.") == 2
    assert [hit.text for hit in store.search("dark mode", limit=1)] == [
        "The user prefers dark mode in all my apps."
    ]


def test_an_async_node_and_a_store_of_another_kind(serve: Serve) -> None:
    from langgraph.func import entrypoint
    from langgraph.store.memory import InMemoryStore

    serve(chatty)
    enricher = memcli.create_memory_store_enricher(MODEL, namespace="memories/ana")

    async def one(message: str) -> Any:
        found = await enricher.aprocess([{"role": "user", "content": message}])
        return [memory.text for memory in found]

    there = entrypoint(store=memcli.open("agent.db"))(one)  # type: ignore[arg-type]
    assert asyncio.run(there.ainvoke("I prefer tea")) == ["The user prefers tea."]
    elsewhere = entrypoint(store=InMemoryStore())(one)
    with pytest.raises(UsageError, match="InMemoryStore cannot keep memories"):
        asyncio.run(elsewhere.ainvoke("I prefer tea"))


def extractions_of(server: api.Server) -> list[dict[str, Any]]:
    """Without what the chat itself asked."""
    with_tools = [request for request in server.requests if request.get("tools")]
    server.requests[:] = with_tools
    return extractions(server)
