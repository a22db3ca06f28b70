"""A text stripped to what makes it the same statement as another."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:[.'’@#+\-/][^\W_]+)*[+#]*")
# Words that can come or go without changing what is stated. Never negations.
_LIGHT = {
    "a", "an", "the", "really", "very", "just", "also", "still", "always", "quite",
    "definitely", "actually", "generally", "usually", "normally", "simply", "much",
}  # fmt: skip


def words(text: str) -> list[str]:
    """Lower-case words of a text; `C++`, `v1.2` and `don't` stay whole."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def text_key(text: str) -> str:
    """Equal for texts that state the same in the same words."""
    return " ".join(word for word in words(text) if word not in _LIGHT)
