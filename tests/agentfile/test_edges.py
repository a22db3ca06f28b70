"""Hostile texts and files: nothing acts, nothing hangs."""

import signal

import pytest

from memcli.agentfile.block import markers, spliced
from memcli.agentfile.inert import inert


@pytest.mark.parametrize(
    "said", ["see [x](javascript:alert(1))", "see [x](mdc:.env)", "see [x]( <../key>)"]
)
def test_a_link_leads_to_a_page_or_nowhere(said: str) -> None:
    assert "](" not in inert(said)
    assert inert("see [the docs](https://example.org)").count("](") == 1


def test_no_sign_that_nobody_sees_stays() -> None:
    assert inert("a\u00ad <\u034fscript>\u3164@x \U000e0150") == "a &lt;script>&#64;x"
    assert inert("नमस्‍ते 👩‍🌾 ❤️") == "नमस्‍ते 👩‍🌾 ❤️"  # joiners are writing


@pytest.mark.parametrize("line", ["<!-- memcli:begin{}x", "<!-- memcli:begin a{}-"])
def test_a_long_line_that_is_nearly_a_marker_takes_no_time(line: str) -> None:
    text = line.format(" " * 20_000)
    signal.alarm(60)  # it was minutes, and is milliseconds
    try:
        begin, _ = markers("m")
        assert begin in spliced(text, "m", ["- x"])
    finally:
        signal.alarm(0)
