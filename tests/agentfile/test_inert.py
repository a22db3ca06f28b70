"""What somebody said is text in the file, whatever it tries to be."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from memcli.agentfile.block import markers, spliced
from memcli.agentfile.document import Layout, lines
from memcli.agentfile.inert import inert
from memcli.models import Kind, Memory

AT = datetime(2026, 9, 1, tzinfo=UTC)
TRICKS = st.sampled_from([
    "<!--", "-->", "--!>", "<!-- memcli:end m -->", "<script>", "</system-reminder>",
    "\n", "\r", "\u2028", "\x00", "\x1b[2J", "\u202e", "\u200b", "# ", "## h", "> ",
    "- ", "* ", "1. ", "1) ", "---", "===", "```", "~~~", "``", "`", "[x]: ",
    "@", "@~/.ssh/id_rsa", "\\", "&", ";", "!", "![a](b)", "_", "**", "|", "    ", "a",
    "[ ] ", "!`id`", "\U000e0041", "(", "[",
])  # fmt: skip
SAID = st.lists(TRICKS | st.text(max_size=3), max_size=8).map("".join)


def memory(text: str, id: int = 1, namespace: str = "m", **more: object) -> Memory:
    given = {"kind": Kind.FACT, "confidence": 0.9, "valid_from": AT, **more}
    return Memory(
        id=id, namespace=namespace, text=text, valid_to=None, created_at=AT,
        updated_at=AT, **given,  # type: ignore[arg-type]
    )  # fmt: skip


@given(st.lists(SAID, min_size=1, max_size=4), SAID)
def test_any_text_is_one_item_of_a_list(texts: list[str], namespace: str) -> None:
    known = [memory(text, id, namespace) for id, text in enumerate(texts)]
    document = list(lines(known, Layout(2, namespaces=True)))
    block = spliced("# Mine\n", "m", ["<!-- ours -->", *document])
    # Nothing in it is taken for a marker.
    assert spliced(block, "m", []) == "# Mine\n\n" + "\n".join(markers("m")) + "\n"
    kinds = [t.type for t in MarkdownIt("commonmark").enable("table").parse(block)]
    opened = [kind for kind in kinds if kind.endswith("_open") or "_" not in kind]
    assert opened.count("list_item_open") == len(texts)
    assert opened.count("bullet_list_open") == 1
    assert opened.count("heading_open") == 3
    assert kinds.count("html_block") == 3  # the markers, and what is ours
    assert set(kinds) <= {
        "heading_open", "heading_close", "inline", "html_block", "paragraph_open",
        "paragraph_close", "bullet_list_open", "bullet_list_close", "list_item_open",
        "list_item_close",
    }  # fmt: skip
    inner = [
        child.type
        for token in MarkdownIt("commonmark").parse(block)
        for child in token.children or []
    ]
    assert "html_inline" not in inner
    assert "image" not in inner


@given(SAID)
def test_nothing_in_a_text_acts(text: str) -> None:
    found = inert(text)
    assert "<!--" not in found
    assert "-->" not in found
    assert not re.search(r"(?:^|[^A-Za-z0-9])@\S", re.sub(r"[^\W_]@", "", found))
    assert not re.search(r"`{3}|~{3}|!`", found)
    assert not set(found) & set("\n\r\x1b\x00\u202e\u200b")
    assert len(found.splitlines()) <= 1


@pytest.mark.parametrize(
    "text",
    [
        "The user prefers dark mode in `VS Code`, 5 < 6 > 4 & so on.",
        "Mail goes to anna.b@example.org, never to Ben!",
        "The team uses C#, F# and a->b, e.g. in x_y_z (2*3).",
        "Die Nutzerin mag Äpfel; 彼女は猫が好き; она живёт в Риге.",
        "5 °C is cold. 1.5 l is enough.",
        "Runs `a | b` from C:\\new\\table",
    ],
)
def test_what_people_usually_say_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


def test_what_was_disarmed_still_reads_the_same() -> None:
    for text in (
        "# no heading", "@docs/x.md is read", "a <b> c <!-- d --> e", "1. first",
        "- 5 °C", "=== same", "[x]: http://example.org", "use @scope/pkg",
    ):  # fmt: skip
        html = MarkdownIt("commonmark").render(f"- {inert(text)}")
        shown = re.sub(r"<[^>]*>", "", html).strip()
        for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
            shown = shown.replace(entity, sign)
        assert shown == text
