"""LangMem's quickstart, with the imports changed."""

import asyncio
import json
import time
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

import memcli
from memcli.errors import ExtractorError, NamespaceError, UsageError
from tests import messages_api as api
from tests.asking.conftest import attentive, extractions, shown
from tests.background.conftest import MODEL, Enricher, Executor, of, turns
from tests.conftest import Cli, Serve


def test_the_example_of_the_quickstart(serve: Serve) -> None:
    serve()
    store = memcli.open("memories.db")
    assert store.search("how does Ana like her editor?") == []  # nothing there yet
    enricher = memcli.create_memory_store_enricher(
        MODEL, namespace=("memories", "{user_id}"), store=store
    )
    executor = memcli.ReflectionExecutor(enricher)
    messages = [
        {"role": "user", "content": "I prefer dark mode in all my editors."},
        {"role": "assistant", "content": "Dark mode it is."},
    ]
    config = {"configurable": {"user_id": "ana", "thread_id": "t1"}}
    future = executor.submit({"messages": messages}, config=config)
    (memory,) = future.result(20)
    executor.shutdown()
    assert memory.text == "The user prefers dark mode in all my editors."
    assert memory.namespace == "memories/ana"
    (hit,) = store.search("dark mode")
    assert hit.sources[0].thread_id == "t1"
    assert hit.sources[0].quote == "I prefer dark mode in all my editors"


def test_process_does_it_at_once(enricher: Enricher) -> None:
    made = enricher()
    (memory,) = made.process(turns("I prefer tea."), of("t1"))
    assert memory.text == "The user prefers tea."
    assert made.process({"messages": turns("I prefer tea.")}, of("t1")) == []
    assert [hit.text for hit in made.search("tea", config=of())] == [memory.text]
    assert made.search("tea", config=of(user="ben")) == []


def test_users_with_a_thread_of_the_same_name_are_kept_apart(
    enricher: Enricher, cli: Cli
) -> None:
    made = enricher()
    made.process(turns("I prefer tea."), of("1", "ana"))
    made.process(turns("I prefer coffee."), of("1", "ben"))
    kept = cli("show", "--json").json
    assert {(m["namespace"], m["text"]) for m in kept} == {
        ("memories/ana", "The user prefers tea."),
        ("memories/ben", "The user prefers coffee."),
    }
    assert {m["sources"][0]["thread_id"] for m in kept} == {"1", "1~2"}


def test_a_namespace_that_cannot_be_filled_is_an_error_at_once(
    enricher: Enricher,
) -> None:
    told = r"""give config={"configurable": {"user_id": …}}"""
    with pytest.raises(NamespaceError, match=told):
        enricher().process(turns("I prefer tea."), {"configurable": {}})
    with pytest.raises(NamespaceError, match=told):
        enricher().process(turns("I prefer tea."), {"user_id": "ana"})
    with pytest.raises(NamespaceError, match=told):
        enricher().search("tea")


def test_a_time_that_is_none_is_told_at_once(
    enricher: Enricher, executor: Executor
) -> None:
    made = enricher(model="offline")
    made.process(turns("I prefer tea."), of("t1"))
    for after in ("30m", -1):
        with pytest.raises(UsageError, match="after_seconds"):
            executor(made).submit(turns("x"), of("t1"), after_seconds=after)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="'2026-09-01' is no time"):
        made.search("tea", config=of("t1"), before="2026-09-01")


def test_without_a_path_it_is_the_database_of_the_command_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEMCLI_DB")  # what is left is in the platform's data folder
    with memcli.open() as store:
        assert store.search("tea") == []
    assert cli("add", "Ana drinks tea.", "-n", "memories/ana").code == 0
    with memcli.open() as store:
        assert [hit.text for hit in store.search("tea")] == ["Ana drinks tea."]
    monkeypatch.setenv("MEMCLI_DB", "other.db")
    assert cli("add", "Ben drinks coffee.", "-n", "memories/ben").code == 0
    with memcli.open() as store:
        assert [hit.text for hit in store.search("drink")] == ["Ben drinks coffee."]


def test_a_search_takes_a_namespace_as_a_path_or_as_its_segments(
    enricher: Enricher,
) -> None:
    enricher(model="offline").process(turns("I prefer tea."), of("t1", "ana"))
    with memcli.open("memories.db") as store:
        for there in ("memories/ana", ("memories", "ana"), ["memories"]):
            assert len(store.search("tea", namespace=there)) == 1
        assert store.search("tea", namespace=("memories", "ben")) == []


class Drink(BaseModel):
    """What somebody drinks."""

    name: str
    hot: bool = False


def test_schemas_instructions_and_what_is_allowed_reach_the_model(
    serve: Serve, enricher: Enricher
) -> None:
    def answer(request: dict[str, Any]) -> api.Answer:
        name = request["tools"][0]["name"]
        if name == "decide":
            return attentive(request)
        return (200, api.message([{
            "type": "tool_use", "id": "t", "name": name,
            "input": {"Drink": [{
                "value": {"name": "tea", "hot": True}, "confidence": 0.9,
                "quotes": [{"message": "m1", "text": "I prefer hot tea"}],
            }]},
        }], "tool_use")[1])  # fmt: skip

    server = serve(answer)
    made = enricher(schemas=[Drink], instructions="Only drinks, please.")
    (memory,) = made.process(turns("I prefer hot tea."), of("t1"))
    assert (memory.schema, memory.value) == ("Drink", {"name": "tea", "hot": True})
    sent = json.dumps(extractions(server)[0])
    assert "Only drinks, please." in sent
    assert "What somebody drinks." in sent
    none = enricher(schemas=[Drink], enable_inserts=False)
    assert none.process(turns("I prefer hot tea."), of("t2", "ben")) == []


def test_messages_of_every_shape_in_one_list(serve: Serve, enricher: Enricher) -> None:
    from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

    server = serve()
    block = SimpleNamespace(
        model_dump=lambda: {"type": "text", "text": "Of Anthropic's package."}
    )
    openai = SimpleNamespace(
        model_dump=lambda: {"role": "assistant", "content": "Of OpenAI's package."}
    )
    messages = [
        {"role": "system", "content": "You are of no account."},
        HumanMessage("I prefer tea, says LangChain.", id="h1"),
        AIMessage("An answer of LangChain.", id="a1"),
        ToolMessage("of a tool", tool_call_id="c1"),
        {"role": "user", "content": [{"type": "text", "text": "I prefer blocks."}]},
        {"role": "assistant", "content": [block, {"type": "tool_use", "name": "x"}]},
        ("user", "I prefer pairs."),
        openai,
        "I prefer plain text.",
    ]
    made = enricher().process(messages, of("t1"))
    assert [memory.text for memory in made] == [
        "The user prefers tea.",
        "The user prefers blocks.",
        "The user prefers pairs.",
        "The user prefers plain text.",
    ]
    said = shown(extractions(server)[0])
    for words in ("Of Anthropic's", "Of OpenAI's", "An answer of LangChain"):
        assert words in said
    for words in ("of no account", "of a tool"):
        assert words not in said


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ("I prefer tea.", "must be a list"),
        ({"role": "user", "content": "I prefer tea."}, "must be a list"),
        (None, "must be a list"),
        ([42], r"messages\[0\] is a int"),
        ([{"content": "I prefer tea."}], r"messages\[0\]: no role"),
        (
            [*turns("I prefer tea."), {"role": "nobody", "content": "x"}],
            r"messages\[2\]",
        ),
    ],
)
def test_what_is_no_message_is_told_at_once(
    enricher: Enricher, messages: object, why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        enricher().process(messages, of("t1"))


def test_a_conversation_told_again_and_longer_is_sent_once(
    serve: Serve, enricher: Enricher
) -> None:
    server, made = serve(), enricher()
    history = turns("I prefer tea.")
    made.process(history, of("t1"))
    history += turns("I prefer jazz.", "I prefer tea.")
    (jazz,) = made.process(history, of("t1"))[:1]
    assert jazz.text == "The user prefers jazz."
    made.process(history[-2:] + turns("I prefer chess."), of("t1"))
    asked = [shown(request) for request in extractions(server)]
    assert len(asked) == 3
    assert asked[2].count("I prefer") == asked[1].count("I prefer") + 1


def test_a_model_that_is_no_claude_and_a_missing_key_are_refused() -> None:
    with pytest.raises(UsageError, match="openai:gpt-4o"):
        memcli.create_memory_store_enricher("openai:gpt-4o")
    with pytest.raises(UsageError, match="ANTHROPIC_API_KEY"):
        memcli.create_memory_store_enricher(MODEL)
    with pytest.raises(UsageError, match="need a model"):
        memcli.create_memory_store_enricher("offline", instructions="More.")
    with pytest.raises(UsageError, match="create_memory_store_enricher"):
        memcli.ReflectionExecutor(object())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"memcli\.open"):
        memcli.create_memory_store_enricher("offline", store={})  # type: ignore[arg-type]


def test_it_works_offline_as_well(enricher: Enricher) -> None:
    made = enricher(model="offline")
    (memory,) = made.process(turns("I prefer tabs over spaces."), of("t1"))
    assert "tabs over spaces" in memory.text


def test_the_error_of_a_conversation_reaches_who_waits(
    serve: Serve, enricher: Enricher, executor: Executor, cli: Cli
) -> None:
    serve(lambda request: api.error(400, "invalid_request_error", "no such thing"))
    made = enricher()
    with pytest.raises(ExtractorError, match="no such thing"):
        made.process(turns("I prefer tea."), of("t1"))
    future = executor(made).submit({"messages": turns("I prefer tea.")}, of("t2"))
    with pytest.raises(ExtractorError, match="no such thing"):
        future.result(20)
    serve()
    assert cli("retry").code == 0
    assert cli("reflect", "--submitted").code == 0
    assert len(cli("show", "--json").json) == 1  # the same was said twice


def test_the_async_forms_leave_the_loop_free(serve: Serve, enricher: Enricher) -> None:
    serve(latency=0.3)
    made = enricher()

    async def program() -> tuple[int, list[Any], list[Any], list[Any]]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async with memcli.ReflectionExecutor(made) as executor:
            soon = await executor.asubmit(turns("I prefer tea."), of("t1"))
            now = await made.aprocess(turns("I prefer jazz."), of("t2"))
            submitted = await soon
            found = await executor.asearch("tea", config=of())
        ticking.cancel()
        return ticks, submitted, now, found

    ticks, submitted, now, found = asyncio.run(program())
    assert [m.text for m in submitted] == ["The user prefers tea."]
    assert [m.text for m in now] == ["The user prefers jazz."]
    assert found[0].text == "The user prefers tea."
    assert ticks > 10


def test_the_first_answer_is_not_cancelled_by_the_next_submission(
    executor: Executor, serve: Serve
) -> None:
    serve(latency=0.5)
    running = executor()
    first = running.submit(turns("I prefer tea."), of("t1"))
    while not first.running():
        time.sleep(0.01)
    second = running.submit(turns("I prefer tea.", "I prefer jazz."), of("t1"))
    assert [m.text for m in first.result(20)] == ["The user prefers tea."]
    assert [m.text for m in second.result(20)] == ["The user prefers jazz."]
    with pytest.raises(CancelledError):
        waiting = running.submit(turns("I prefer chess."), of("t2"), after_seconds=60)
        running.submit(turns("I prefer chess."), of("t2"), after_seconds=60)
        waiting.result(0)
