"""What is marked in a text is what the question found it by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcli.cli.render import snippet
from memcli.store.marking import marked


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("He likes the dark mode.", "dark modes", ["dark", "mode"]),
        ("a dark-mode switch", "mode", ["dark-mode"]),
        ("calls parseConfig() twice", "parse_config", ["parseConfig"]),
        ("calls parse_config twice", "parseConfig", ["parse_config"]),
        ("calls parseConfig() twice", "config", ["parseConfig"]),
        ("calls parseConfigFile", "parse_config", ["parseConfigFile"]),
        ("calls parseContent", "parse_config", []),
        ("see src/api/auth.ts:88", "api/auth", ["src/api/auth.ts:88"]),
        ("see auth.ts", "src/api/auth.ts", ["auth.ts"]),
        ("since v2.3.1", "2.3", ["v2.3.1"]),
        ("C, C++ and C#", "C++", ["C++"]),
        ("net, .NET", ".NET", [".NET"]),
        ("PROJ-1423, PROJ-1424", "proj_1423", ["PROJ-1423"]),
        ("the configuration", "confi", ["configuration"]),
        ("Anna's hat", "Anna", ["Anna's"]),
        ("左手腕骨折了,打着石膏", "骨折和石膏", ["骨折", "石膏"]),
        ("结婚后结束了", "结婚", ["结婚"]),
        ("左手腕骨折……打着石膏", "骨折", ["骨折"]),
        ("他们的婚礼", "结婚", ["婚"]),
        ("うちの猫、むぎっていう茶トラ", "猫", ["猫"]),
        ("うちの猫、むぎっていう茶トラ", "茶トラ", ["茶トラ"]),
        ("부산에서 만났어", "부산", ["부산"]),
        ("อย่าสั่งอาหารทะเลให้เรา", "อาหารทะเล", ["อาหารทะเล"]),
        ("用Python写的", "python", ["Python"]),
        ("3月に買ったiPhone", "3月", ["3月"]),
        ("see ｶﾀｶﾅ, ﬁne", "カタカナ", ["ｶﾀｶﾅ"]),
        ("the ﬁle is here…", "file", ["ﬁle"]),
        ("what is the of", "the", ["the"]),
        ("plain", "", []),
    ],
)
def test_what_is_marked(text: str, query: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in marked(text, query)] == expected


@given(st.text(), st.text())
def test_marks_stand_in_the_text_one_after_the_other(text: str, query: str) -> None:
    reached = 0
    for start, end in marked(text, query):
        assert reached <= start < end <= len(text)
        reached = end


def test_a_snippet_of_writing_without_spaces_shows_what_was_found() -> None:
    text = "前言 " + "天地玄黄" * 200 + "骨折" + "宇宙洪荒" * 200
    shown = snippet(text, marked(text, "骨折"))
    assert "骨折" in shown
    assert 200 < len(shown) < 250


def test_a_snippet_begins_and_ends_between_words() -> None:
    text = "many words " * 40 + "needle " + "many words " * 40
    shown = snippet(text, marked(text, "needle"))
    assert set(shown.strip("… ").split()) == {"many", "words", "needle"}
