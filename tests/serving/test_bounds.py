"""No client gets outside of the namespaces that the command line fixed."""

from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcli.errors import UsageError
from memcli.serving.bounds import Bounds, bounds
from memcli.store import memories
from memcli.store.database import in_memory
from tests.conftest import Cli
from tests.serving.clients import TRANSPORTS, Transport, call, connected

OUTSIDE = (
    "memories", "memories/", "memories/anabel", "memories/an", "memories/ana%",
    "memories/ana_", "memories/*", "%", "*", "", "/", "memories//ana", "/memories/ana",
    "memories/ana/../ben", "memories/ana/..", "memories/ana/.", "memories/ana//",
    "memories/ana\x00", "memories/ana\n", "memories/ana ", "MEMORIES/ANA",
    "memories/Ana", "memories/ana0", "memories/ana/{user_id}", "memories/ben",
    "memories/ana' OR 1=1 --", "memories\\ana", "ana", "mеmories/ana",
)  # fmt: skip

_names = st.text("ab/%_*. 0A~é", max_size=8)


@pytest.mark.parametrize("asked", OUTSIDE)
def test_no_name_leads_outside(asked: str) -> None:
    served = bounds(["memories/ana", "team/x"])
    with pytest.raises(UsageError):
        served.to_search(asked)
    with pytest.raises(UsageError):
        served.to_write(asked)


def test_what_is_below_is_inside_and_the_first_is_where_things_go() -> None:
    served = bounds(["memories/ana/", "team/x", "memories/ana/work"])
    assert served.to_search("memories/ana/work") == ["memories/ana/work"]
    assert served.to_search("team/x/") == ["team/x"]
    assert served.to_search(None) == ["memories/ana", "team/x"]
    assert served.to_write("team/x/y") == "team/x/y"
    assert served.to_write(None) == "memories/ana"


@given(served=st.lists(_names, min_size=1, max_size=3), asked=_names, kept=_names)
def test_what_is_let_in_is_inside_by_whole_segments(
    served: list[str], asked: str, kept: str
) -> None:
    try:
        held = bounds(served)
        (prefix,) = held.to_search(asked)
    except UsageError:
        return
    assert prefix is not None
    fixed = [name.removesuffix("/").split("/") for name in served]
    assert any(prefix.split("/")[: len(one)] == one for one in fixed)
    # And SQL finds below it only what Python, too, takes to be served.
    clause, values = memories.below(prefix)
    with in_memory() as db:
        sql = f"SELECT {clause} FROM (SELECT ? AS namespace)"
        (below,) = db.execute(sql, (*values, kept)).fetchone()
    db.close()
    assert not below or held.has(kept)


@given(_names)
def test_with_nothing_fixed_everything_is_served(kept: str) -> None:
    assert Bounds().has(kept)
    assert Bounds().to_search(None) == [None]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_tries_to_leave_gets_an_error_from_every_tool(
    cli: Cli, transport: Transport
) -> None:
    cli("add", "Ana keeps her bees in Delft.", "-n", "memories/ana")
    cli("add", "Anabel keeps her bees in Utrecht.", "-n", "memories/anabel")
    cli("add", "Ben keeps his bees in Breda.", "-n", "memories/ben")
    cli("add", "Ana keeps a goat.", "-n", "memories/ana/farm")
    cli("add", "Ana had a hen.", "-n", "memories/ana")
    cli("forget", "5")
    before = cli("show", "--json").out

    async def main() -> None:
        async with connected(
            transport, "--write", "--namespace", "memories/ana"
        ) as client:
            found = await call(client, "search_memories", query="who keeps bees, goats")
            assert {hit["id"] for hit in found.data["memories"]} == {1, 4}
            for asked in OUTSIDE[:8]:  # all of them are tried above
                for tool, more in (
                    ("search_memories", {"query": "bees"}),
                    ("add_memory", {"text": "The bees are gone."}),
                ):
                    answer = await call(client, tool, namespace=asked, **more)
                    assert answer.refused and answer.data is None, (tool, asked)
                    assert "Breda" not in answer.text

            # What is not theirs is as if it were not there, forgotten or never made.
            for tool, more in (
                ("show_memory", {}),
                ("update_memory", {"text": "No bees."}),
                ("update_memory", {"text": "No bees.", "why": "changed"}),
                ("forget_memory", {}),
            ):
                for id in (2, 5, 99):
                    answer = await call(client, tool, id=id, **more)
                    assert answer.refused
                    assert answer.text == f"no memory {id}; a search shows the numbers"

    anyio.run(main)
    assert cli("show", "--json").out == before


def test_two_namespaces_are_searched_as_one(cli: Cli) -> None:
    cli("add", "Ana keeps her bees in Delft.", "-n", "memories/ana")
    cli("add", "The team's bees are in Breda.", "-n", "team/x")
    cli("add", "Ben keeps his bees in Utrecht.", "-n", "memories/ben")

    async def main() -> None:
        named = ("-n", "memories/ana", "-n", "team/x")
        async with connected("stdio", "--write", *named) as client:
            found = await call(client, "search_memories", query="bees")
            assert {hit["id"] for hit in found.data["memories"]} == {1, 2}
            one = await call(client, "search_memories", query="bees", limit=1)
            assert one.data["memories"] == found.data["memories"][:1]
            added = await call(
                client, "add_memory", text="The hives are blue.", namespace="team/x"
            )
            assert added.data["namespace"] == "team/x"

    anyio.run(main)
    assert Path("memories.db").exists()
