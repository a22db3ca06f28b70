"""A conversation, and an enricher that a stand-in for the Messages API answers."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import memcli
from tests import messages_api as api
from tests.asking.conftest import attentive
from tests.conftest import Serve

MODEL = "anthropic:claude-haiku-5-5"
Enricher = Callable[..., memcli.MemoryStoreEnricher]
Executor = Callable[..., memcli.ReflectionExecutor]


def turns(*texts: str) -> list[dict[str, Any]]:
    """What a person said, with an answer to each."""
    return [
        turn
        for text in texts
        for turn in (
            {"role": "user", "content": text},
            {"role": "assistant", "content": "Noted."},
        )
    ]


def of(thread: str | None = None, user: str = "ana") -> dict[str, Any]:
    """The config of a call."""
    return {
        "configurable": {"user_id": user, **({"thread_id": thread} if thread else {})}
    }


@pytest.fixture
def enricher(serve: Serve) -> Enricher:
    """Makes an enricher over `memories.db`, of each user's own namespace."""

    def make(**options: Any) -> memcli.MemoryStoreEnricher:
        settled = {
            "namespace": ("memories", "{user_id}"),
            "store": memcli.open("memories.db"),
            **options,
        }
        model = settled.pop("model", MODEL)
        if "ANTHROPIC_API_KEY" not in os.environ and model != "offline":
            serve(attentive)
        return memcli.create_memory_store_enricher(model, **settled)

    return make


@pytest.fixture
def executor(enricher: Enricher) -> Iterator[Executor]:
    """Makes an executor that is shut down at the end of the test."""
    with ExitStack() as stack:

        def make(
            of_: memcli.MemoryStoreEnricher | None = None, **options: Any
        ) -> memcli.ReflectionExecutor:
            made = memcli.ReflectionExecutor(of_ or enricher(), **options)
            stack.callback(made.shutdown, cancel_futures=True)
            return made

        yield make


class Gate:
    """A model that answers when it is let; `asked` is set when it is asked."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.open = threading.Event()

    def __call__(self, request: dict[str, Any]) -> api.Answer:
        self.asked.set()
        self.open.wait(20)
        return attentive(request)
