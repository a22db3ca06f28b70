"""A text stripped to what makes it the same statement as another."""

import re
import unicodedata

# Vowel signs are no letters to `\w`, but part of the word; and a sign or a currency
# is part of the number.
_LETTERS = r"(?:[^\W_]|[\u0300-\u036f\u064b-\u065f\u0900-\u0dff\u0e00-\u0eff\u200d])+"
_WORD = re.compile(
    rf"(?:(?<!\w)[+\-−$€£¥](?=[\d.]))?{_LETTERS}(?:[.'’@#+\-/]{_LETTERS})*[+#%€]*"
)
# Words that can come or go without changing what is stated. Never negations.
_LIGHT = {
    "a", "an", "the", "really", "very", "just", "also", "still", "always", "quite",
    "definitely", "actually", "generally", "usually", "normally", "simply", "much",
}  # fmt: skip


NEGATIONS = {
    "not", "no", "never", "none", "cannot", "without", "neither", "nor", "stopped",
    "hates", "hate", "dislikes", "dislike", "avoids", "avoid", "against", "isn't",
    "doesn't", "don't", "didn't", "won't", "can't", "wasn't", "aren't", "longer",
}  # fmt: skip
# Words for the same attitude; which of them was used does not matter.
_ATTITUDES = {
    "like": "like", "love": "like", "enjoy": "like", "prefer": "like", "adore": "like",
    "fan": "like", "fond": "like", "hate": "hate", "dislike": "hate", "stand": "hate",
    "detest": "hate", "loathe": "hate",
}  # fmt: skip
# Words that do not tell one statement from another.
SMALL = {
    "the", "user", "a", "an", "of", "to", "in", "on", "at", "for", "and", "or", "with",
    "is", "has", "have", "was", "are", "their", "they", "it", "that", "this", "from",
    "no", "not", "longer", "used", "uses", "use", "using", "prefers", "likes", "now",
    "switched", "moved", "changed", "went", "back", "really", "very", "also", "can't",
    "doesn't", "don't", "isn't", "won't", "never", "always", "just", "would", "be",
}  # fmt: skip


def words(text: str) -> list[str]:
    """Lower-case words of a text; `C++`, `v1.2` and `don't` stay whole."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def text_key(text: str) -> str:
    """Equal for texts that state the same in the same words."""
    return " ".join(word for word in words(text) if word not in _LIGHT)


def particulars(text: str) -> set[str]:
    """The telling words of a text, without endings, attitudes made equal."""
    found = set()
    for word in words(text):
        stem = word
        if len(word) > 3:
            stem = re.sub(r"(?:ed|ing|e)$", "", re.sub(r"(?:ies|es|s)$", "", word))
        attitude = _ATTITUDES.get(stem) or _ATTITUDES.get(stem + "e")
        if attitude or word not in SMALL:
            found.add(attitude or stem)
    return found


def is_negated(text: str) -> bool:
    return bool(NEGATIONS & set(words(text)))


# From Ghent to Lisbon is not to Ghent from Lisbon.
_DIRECTIONS = {"from", "to", "before", "after", "over", "than"}
# Nor is two of three three of two, or tabs instead of spaces spaces instead of tabs.
_TURNING = _DIRECTIONS | {
    "of", "instead", "rather", "by", "under", "above", "below", "into", "against",
    "versus", "vs", "behind",
}  # fmt: skip


def is_turned(one: str, other: str) -> bool:
    """Whether two texts with the same words say them of each other's things: tea over
    coffee is not coffee over tea, and whom Ann likes is not who likes Ann."""
    shared = particulars(one) & particulars(other)
    mine, theirs = _objects(one), _objects(other)
    common = mine.keys() & theirs.keys()
    if common:
        apart = [mine[direction] ^ theirs[direction] for direction in common]
        return any(words and words <= shared for words in apart)
    first, its = _first_name(one), _first_name(other)
    return first != its and {first, its} <= _names(one) & _names(other)


def _objects(text: str) -> dict[str, set[str]]:
    """The telling words right after each word that gives a direction."""
    found: dict[str, set[str]] = {}
    direction = None
    for word in words(text):
        if word in _TURNING:
            direction = word
        elif direction is not None and (telling := particulars(word)):
            found.setdefault(direction, set()).update(telling)
            direction = None
    return found


def _first_name(text: str) -> str:
    """The first telling word, if it has a capital; else nothing."""
    for word in _WORD.findall(unicodedata.normalize("NFKC", text)):
        if particulars(word):
            return word.casefold() if word[:1].isupper() else ""
    return ""


def _names(text: str) -> set[str]:
    found = _WORD.findall(unicodedata.normalize("NFKC", text))
    return {word.casefold() for word in found if word[:1].isupper()}


def gist(text: str) -> str:
    """Equal for texts that state the same in nearly the same words: their telling
    words in order, with what denies or turns them."""
    telling: list[str] = []
    for word in words(text):
        if word in NEGATIONS:
            telling.append("not")
        elif word in _DIRECTIONS:
            telling.append(word)
        else:
            telling += [one for one in particulars(word) if one not in telling]
    return " ".join(telling)
