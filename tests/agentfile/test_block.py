"""What is between the markers is ours, and all else stays to the last byte."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memcli.agentfile.block import markers, name_of, spliced
from memcli.errors import UsageError

BEGIN, END = markers("m/anna")
# What somebody may have in a file: words, and all that could be taken for a line end
# or a marker.
PIECES = st.sampled_from([
    "# Title", "text", " ", "\t", "\n", "\n\n", "\r\n", "\r", "\x0b", "\u2028", "\x85",
    "\ufeff", "```", "<!-- a comment -->", "<!--", "-->", "memcli:begin ->",
    "x <!-- memcli:begin m/anna -->", "<!-- memcli:end m/anna --> x",
])  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=12).map("".join)
LINES = st.lists(st.sampled_from(["- one", "", "- two", "### three"]), max_size=5).map(
    lambda lines: ["<!-- ours -->", *lines]
)


@given(TEXTS, LINES)
@example("a\rb", ["x"])
@example("\ufeff", ["x"])
def test_a_new_block_is_put_after_what_was_there(text: str, lines: list[str]) -> None:
    after = spliced(text, "m/anna", lines)
    assert after.startswith(text)
    ours = re.split(r"\r\n|\n|\r", after[len(text) :].lstrip("\r\n"))
    assert ours == [BEGIN, *lines, END, ""]
    assert spliced(after, "m/anna", lines) == after


@given(TEXTS, TEXTS, LINES, LINES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_all_around_a_block_stays(
    above: str, below: str, first: list[str], second: list[str], end: str
) -> None:
    before = f"{above}{end}{BEGIN}{end}{end.join(first)}{end}{END}"
    after = spliced(f"{before}{end}{below}", "m/anna", second)
    assert after.startswith(f"{above}{end}{BEGIN}{end}")
    assert after.endswith(f"{END}{end}{below}")
    middle = after[len(f"{above}{end}{BEGIN}{end}") : -len(f"{END}{end}{below}")]
    assert re.split(r"\r\n|\n|\r", middle) == [*second, ""]
    assert spliced(after, "m/anna", second) == after
    back = spliced(after, "m/anna", first)
    assert spliced(back, "m/anna", second) == after


@given(st.text(), st.text())
@example("a--->b", "a-- -%2D")
def test_every_namespace_has_a_block_of_its_own(one: str, other: str) -> None:
    try:
        one.encode()
        other.encode()
    except UnicodeEncodeError:
        return
    both = spliced(spliced("# Mine\n", name_of(one), ["- 1"]), name_of(other), ["- 2"])
    assert ("- 1" in both) == (one != other)
    begin, end = markers(name_of(one))
    assert "--" not in begin.removeprefix("<!--").removesuffix("-->")
    assert spliced(both, name_of(one), []).count(f"{begin}\n{end}\n") == 1


def test_a_block_is_known_where_somebody_has_moved_it() -> None:
    moved = f"# One\n\n  {BEGIN}  \n- old\n{END}\n\n# Two"
    assert spliced(moved, "m/anna", ["- new"]) == moved.replace("old", "new")


def test_there_is_one_empty_line_before_a_new_block() -> None:
    for text, gap in [
        ("", ""), ("\ufeff", ""), ("a", "\n\n"), ("a\n", "\n"), ("a\n\n", ""),
        ("a\n\n\n", ""), ("a\r\nb", "\r\n\r\n"), ("a\r\n  ", "\r\n"),
        ("a\r\n", "\r\n"), ("a\r\n\r\n", ""), ("a\r", "\r"),
    ]:  # fmt: skip
        assert spliced(text, "m/anna", ["- x"]).startswith(f"{text}{gap}{BEGIN}")


def test_an_empty_block_is_not_made_but_one_that_is_there_is_emptied() -> None:
    assert spliced("mine\n", "m/anna", []) == "mine\n"
    assert spliced(f"a\n{BEGIN}\n- x\n{END}\nb", "m/anna", []) == (
        f"a\n{BEGIN}\n{END}\nb"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"a\n{BEGIN}\n- x\n", "line 2: .* has no end"),
        (f"a\r\n\r\n{END}\r\n", "line 3: .* has no beginning"),
        (f"{END}\n{BEGIN}\n", "line 1: .* has no beginning"),
        (f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", "line 3: .* twice"),
        (f"{BEGIN}\n{BEGIN}\n{END}\n{END}\n", "line 1: .* has no end"),
        (f"{BEGIN}\n{markers('m/ben')[1]}\n", "line 2: .*ben --> has no beginning"),
        # The end of the first and the beginning of the second were deleted.
        (f"{BEGIN}\nmy own\n{markers('m/ben')[1]}\n{END}", "has no beginning"),
        (f"{BEGIN}\n{END}\n{markers('m/ben')[0]}\n", "line 3: .* has no end"),
    ],
)
def test_markers_in_disorder_are_not_touched(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        spliced(text, "m/anna", ["- new"])
