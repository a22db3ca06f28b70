"""Where a question's words stand in a text, for marking them on a screen."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from memcli.store.terms import (
    asked,
    cells,
    is_signed,
    literal,
    normal,
    other_names,
    tokens,
    unspaced,
)

_Span = tuple[int, int]
# No space in it, nor a sign such as … that is longer when normalised.
_CHUNK = re.compile(r"[^\s\u2020-\u206f\u2100-\u2bff]+")


@dataclass(slots=True)
class _Wanted:
    """What a question asks for, by how it is looked for in a text."""

    words: set[str] = field(default_factory=set)
    phrases: list[str] = field(default_factory=list)
    beginnings: tuple[str, ...] = ()
    pairs: set[str] = field(default_factory=set)
    characters: set[str] = field(default_factory=set)  # of those pairs


def marked(text: str, query: str) -> list[_Span]:
    """Where in a text stands what a query asks for, as (start, end): words, whole
    identifiers, and of writing without spaces the characters that it asks for."""
    wanted = _wanted(query)
    found = _marked(text, wanted)
    if not found and wanted.characters:
        # It was found by single characters, as 结婚 finds 婚礼.
        wanted.pairs |= wanted.characters
        found = _marked(text, wanted)
    return found


def _marked(text: str, wanted: _Wanted) -> list[_Span]:
    plain = normal(text)
    if len(plain) == len(text):
        return list(_spans(plain, wanted))
    found: list[_Span] = []
    for chunk in _CHUNK.finditer(text):
        plain = normal(chunk[0])
        spans = list(_spans(plain, wanted))
        if spans and len(plain) != len(chunk[0]):
            spans = [(0, len(chunk[0]))]  # where in it, cannot be told
        found += [(chunk.start() + one, chunk.start() + other) for one, other in spans]
    return found


def _wanted(query: str) -> _Wanted:
    found = _Wanted()
    for form in asked(query):
        if unspaced(form):
            of_pair = any(form in pair for pair in found.pairs)
            (found.characters if of_pair else found.pairs).add(form.rstrip("*"))
        elif " " in form:
            found.phrases.append(_stems(form.rstrip("*")))
        elif form.endswith("*"):
            found.beginnings += (form[:-1],)
        else:
            found.words.add(_stem(form))
    return found


def _spans(plain: str, wanted: _Wanted) -> Iterator[_Span]:
    for start, end, token, is_run in tokens(plain):
        if is_run:
            for one, other in _covered(cells(token), wanted.pairs):
                yield start + one, start + other
        elif _is_asked(token, wanted):
            yield start, end


def _is_asked(name: str, wanted: _Wanted) -> bool:
    others = list(other_names(name))
    for form in others if is_signed(name) else [literal(name), *others]:
        words = form.split()
        if any(_stem(word) in wanted.words for word in words):
            return True
        if any(word.startswith(wanted.beginnings) for word in words):
            return True
        if len(words) > 1 and any(p in _stems(form) for p in wanted.phrases):
            return True
    return False


def _covered(found: list[str], pairs: set[str]) -> Iterator[_Span]:
    """The stretches of a run that the pairs, or a character alone, cover."""
    begin = reach = position = 0
    for one, other in zip(found, [*found[1:], ""], strict=True):
        far = max(
            (len(form) for form in (one, one + other) if form in pairs), default=0
        )
        if far:
            if position > reach:
                yield from _filled(begin, reach)
            if position > reach or begin == reach:
                begin = position
            reach = max(reach, position + far)
        position += len(one)
    yield from _filled(begin, reach)


def _filled(begin: int, end: int) -> Iterator[_Span]:
    if end > begin:
        yield begin, end


def _stems(form: str) -> str:
    """Padded, so that a phrase is found in a longer one by its whole words."""
    return f" {' '.join(_stem(word) for word in form.split())} "


def _stem(word: str) -> str:
    """Rough: only for marking words on a screen. The index has a real stemmer."""
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
