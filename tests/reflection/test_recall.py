"""What an agent puts back into a conversation is no new evidence."""

from pathlib import Path

import pytest

from memcli.reflection.recall import keys_around
from tests.conftest import Cli, Serve, said, write_lines
from tests.messages_api import tool_call


def believes(quote: str, text: str) -> object:
    """A model that takes every mention for a statement."""

    def answer(request: dict[str, object]) -> tuple[int, dict[str, object]]:
        from tests.asking.conftest import decide, shown

        if request["tools"][0]["name"] == "decide":  # type: ignore[index]
            return decide(request, lambda number: {"operation": "insert"})
        if quote not in shown(request):
            return tool_call([])
        return tool_call([{
            "text": text, "kind": "preference", "confidence": 0.95,
            "quotes": [{"message": "m1", "text": quote}],
        }])  # fmt: skip

    return answer


def tell(cli: Cli, name: str, text: str, at: str) -> dict[str, int]:
    write_lines(Path(f"{name}.jsonl"), said(text, thread=name, id="1", at=at))
    done = cli("reflect", f"{name}.jsonl", "--extractor", "claude", "--json",
               "--quiet-period", "0")  # fmt: skip
    assert done.code == 0, done.err
    found: dict[str, int] = done.json["candidates"]["set_aside"]
    return found


LATER = "2098-01-01T00:00:00Z"  # any time after the memory was made


@pytest.mark.parametrize(
    "served",
    ["Prefers the dark mode of vim",
     "here is what you know of me - Prefers the dark mode of vim (since May)",
     "  12  0.83  Prefers the dark mode of vim\n      preference, 2026-05-01, me in t"],
)  # fmt: skip
def test_a_memory_that_was_pasted_does_not_strengthen_itself(
    cli: Cli,
    serve: Serve,
    served: str,
) -> None:
    serve(believes("dark mode of vim", "Prefers the dark mode of vim"))
    tell(cli, "a", "the dark mode of vim is what I always want", "2026-03-01T10:00:00Z")
    assert cli("show", "1", "--json").json["strength"] == 1
    aside = tell(cli, "b", served, LATER)
    assert sum(aside.values()) == 1, aside
    assert cli("show", "1", "--json").json["strength"] == 1
    assert len(cli("show", "--json").json) == 1


def test_saying_it_again_in_ones_own_words_does(cli: Cli, serve: Serve) -> None:
    serve(believes("dark mode of vim", "Prefers the dark mode of vim"))
    tell(cli, "a", "the dark mode of vim is what I always want", "2026-03-01T10:00:00Z")
    aside = tell(cli, "b", "I still love the dark mode of vim", LATER)
    assert aside == {}
    assert cli("show", "1", "--json").json["strength"] == 2


def test_an_old_memory_that_an_agent_repeats_does_not_come_back_to_life(
    cli: Cli,
    serve: Serve,
) -> None:
    serve(believes("home is Ghent", "The user's home is Ghent"))
    tell(cli, "a", "my home is Ghent now", "2026-03-01T10:00:00Z")
    cli("edit", "1", "The user's home is Lisbon")
    aside = tell(cli, "b", "known: The user's home is Ghent", LATER)
    assert sum(aside.values()) == 1
    assert [m["text"] for m in cli("show", "--json").json] == [
        "The user's home is Lisbon"
    ]


def test_a_memory_in_the_persons_own_words_may_be_said_again(cli: Cli) -> None:
    """An instruction is kept as it was given; giving it again is no paste."""
    for name, day in (("a", "2026-03-01"), ("b", "2026-04-01")):
        line = said("Always run the tests before committing.", thread=name, id="1",
                    at=f"{day}T10:00:00Z")  # fmt: skip
        write_lines(Path(f"{name}.jsonl"), line)
        cli("reflect", f"{name}.jsonl", "--extractor", "offline")
    (memory,) = cli("show", "--json").json
    assert memory["strength"] == 2


def test_keys_are_the_runs_of_words_in_the_line_of_the_quote() -> None:
    keys = keys_around("first line\n- User prefers dark mode\nlast", "dark mode")
    assert "user prefers dark mode" in keys
    assert not any("first" in key or "last" in key for key in keys)
    long = " ".join(f"w{n}" for n in range(500)) + " user prefers dark mode"
    assert "user prefers dark mode" in keys_around(long, "prefers dark mode")
    assert keys_around("short one", "short") == []
