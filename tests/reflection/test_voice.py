"""Whose words a quote is."""

import pytest

from memcli.reflection.voice import in_a_part, objection


@pytest.mark.parametrize(
    ("text", "a_part"),
    [
        ("I play the cello in a quartet.", False),
        ("I play the electric guitar on Sundays.", False),
        ("I play the bartender, you are a guest. I drink only gin.", True),
        ("You play the teacher. I live on the moon.", True),
    ],
)
def test_who_plays_an_instrument_plays_no_part(text: str, a_part: bool) -> None:
    assert in_a_part([text]) == [a_part]
    assert (objection(text, text) is not None) is a_part
