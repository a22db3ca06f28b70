"""Words under which a text can also be found, and how a question asks for them.

The full-text index knows the words between spaces and signs: not that `parseConfig`
and `parse_config` are one name, nor where a word ends in Chinese or Thai. So a text
gets other names, kept in a column of their own, and a question asks for its words as
they stand and by the same other names:

- identifiers apart and in one word (`parse config`, `parseconfig`), versions without
  what is glued to them, names that differ by a sign only (`C++`, `.NET`) spelt out;
- writing without spaces as overlapping pairs of characters (as Lucene's CJKBigramFilter
  does), Han also as single ones; Hangul too, whose words carry their particles.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

# Most rows get no word, and none gets more than these: a log or minified code that was
# pasted must not double the file.
MOST_NAMES = 400
MOST_PAIRS = 4000
_MOST_ASKED = 64
# So few words were typed by hand, and the last of them is perhaps not typed to its end.
_SHORT = 3

# Vowel signs, tones and stacked consonants of Thai, Lao, Burmese and Khmer. To
# unicode61 they are no part of a word unless it is told so, which the schema does.
MARKS = "".join(
    chr(code)
    for first, last in (
        (0xE31, 0xE31), (0xE34, 0xE3A), (0xE47, 0xE4E), (0xEB1, 0xEB1),
        (0xEB4, 0xEBC), (0xEC8, 0xECD), (0x102B, 0x103E), (0x1056, 0x1059),
        (0x105E, 0x1060), (0x1062, 0x1064), (0x1067, 0x106D), (0x1071, 0x1074),
        (0x1082, 0x108D), (0x108F, 0x108F), (0x109A, 0x109D), (0x17B4, 0x17D3),
        (0x17DD, 0x17DD), (0xA9E5, 0xA9E5), (0xAA7B, 0xAA7D),
    )
    for code in range(first, last + 1)
)  # fmt: skip
_LETTERS = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e50-\u0e59"  # Thai
    "\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0ed0-\u0edf"  # Lao
    "\u1000-\u102a\u103f-\u1049\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070"
    "\u1075-\u1081\u108e\u1090-\u1099\ua9e0-\ua9e4\ua9e6-\ua9fe\uaa60-\uaa76"  # Burmese
    "\u1780-\u17b3\u17d7\u17dc\u17e0-\u17e9"  # Khmer
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # kana
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
    "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb"  # Hangul
)
_UNSPACED = _LETTERS + MARKS
# Of the characters that NFKC makes others of, those that stand in words.
_COMPATIBLE = (
    "\ufb00-\ufb06\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc"
    "\U0001d400-\U0001d7ff"
    "ª²³µ¹º¼-¾\u2070-\u209c\u2100-\u211f\u2121\u2123-\u2189\u2460-\u24ff\u3200-\u33ff"
)
_UPPER, _LOWER = "A-ZÀ-ÖØ-ÞΑ-ΩЀ-Я", "a-zß-öø-ÿά-ώа-џ"

# Vowel signs of other scripts are no letters to `\w`, but part of the word.
_SIGNS = r"[\u0300-\u036f\u064b-\u065f\u0900-\u0dff\u200d]"
# A stretch of writing without spaces, with the numbers in it; else a name of words
# and of the signs that hold it together.
_RUN = rf"(?:(?:(?<!\d)\d{{1,4}})?[{_UNSPACED}])+"
_NAME = (
    r"(?<![A-Za-z\d_.])\.[Nn][Ee][Tt](?![A-Za-z\d_])"
    r"|(?<![A-Za-z\d_])(?:[A-Za-z]\#|[CcGg]\+\+)\d*(?![A-Za-z\d_+#])"
    r"|(?:(?:%s)+(?:(?:_+|://|::|[-‐./\\:@#+&'’])(?=[^\W_]))?){1,31}"
)
# A character with its signs, or a number.
_CELL = re.compile(rf"\d{{1,12}}|\D(?:[\u1039\u17d2]\D|[{MARKS}]){{0,8}}")
_WORDS = re.compile(rf"(?:[^\W_]|{_SIGNS})+")
_BETWEEN = re.compile(r"[./\\:@#+&'’]+")
_HYPHEN = re.compile(r"[_‐-]+")
_HUMP = re.compile(
    rf"[{_UPPER}]+(?![{_LOWER}])|[{_UPPER}]?[{_LOWER}]+|\d+|[^\W\d_{_UPPER}{_LOWER}]+"
)
_CAMEL = re.compile(rf"[{_LOWER}][{_UPPER}]|[{_UPPER}]{{2}}[{_LOWER}]{{2}}")
_NUMBERED = re.compile(r"[^\W\d_]{3}\d")
_VERSION = re.compile(r"([^\W\d_]*)(?<![\d.])(\d+(?:\.\d+)+)([^\W\d_]?)")
_DOTTED = re.compile(r"([^\W_]+)\.(js|io|ai|net)", re.IGNORECASE)
_SIGNED = re.compile(r"(\.net|[a-z]\#|[cg]\+\+)(\d*)", re.IGNORECASE)
_SPELT = {".net": "dotnet", "c++": "cplusplus", "g++": "gplusplus"}
_LINE = re.compile(r"(?<=\D)(?::\d+){1,2}$")
_POSSESSIVE = re.compile(r"['’][sS]$")
_ELIDED = re.compile(r"^[^\W\d_]{1,2}['’](?=\w{2})")
_BEGUN = re.compile(r"[^\W\d_]{3}$")
_ODD = re.compile(rf"[{_COMPATIBLE}]")
_SPACE = re.compile(r"\s")
_TRADE_MARKS = re.compile("[™℠]")  # letters to NFKC
_HASH = re.compile(r"(?=[a-f]*\d)[0-9a-f]{12,}", re.IGNORECASE)
_LONGEST_NAME, _LONGEST_FORM = 40, 100
_HAN = r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]"

# Whether a text has any of that. Every way begins with a character that prose has few
# of, so that most of a text is passed over at once.
_TELLS = (
    rf"[{_UNSPACED}{_COMPATIBLE}ßẞ{_UPPER}0-9_‐#+.-](?:"
    rf"(?<![{_UPPER}0-9_‐#+.-])"
    rf"|(?<=[{_LOWER}][{_UPPER}])"
    rf"|(?<=[{_UPPER}]{{2}})[{_LOWER}]{{2}}"
    r"|(?<=[^\W_][_‐-])_*[^\W_]"
    r"|(?<=[^\W\d_]{3}\d)"
    r"|(?<=\d\.)\d+[^\W\d_]"
    r"|(?<=[^\W\d_]\d)\d*\.\d"
    r"|(?<=[A-Za-z]\#)"
    r"|(?<=[CcGg]\+)\+"
    r"|(?<=\.)(?i:js|io|ai|net)\b)"
)


def extra_terms(text: str) -> str:
    """The words under which a text can also be found; none for plain prose."""
    names: dict[str, None] = {}
    pairs: dict[str, None] = {}
    left = MOST_NAMES
    for form, is_of_run in _other_forms(text):
        if is_of_run:
            if len(pairs) < MOST_PAIRS:
                pairs[form] = None
        elif form not in names and len(form) <= _LONGEST_FORM:
            size = form.count(" ") + 1
            if size <= left:
                names[form] = None
                left -= size
    return " ".join([*names, *pairs])


def expressions(text: str) -> list[str]:
    """A question as FTS5 takes it: what it asks for, each an expression, no operators.

    Every word is quoted, so that `AND`, `*`, `"` or `foo-bar` are text.
    """
    return [
        f'"{form[:-1]}"*' if form.endswith("*") else f'"{form}"' for form in asked(text)
    ]


def asked(text: str) -> list[str]:
    """What a question asks for, in lower case: words, names as the words they are made
    of, pairs of characters; with a star behind it, what begins so.

    Stop words are left out unless there is nothing else.
    """
    telling: dict[str, None] = {}
    rest: dict[str, None] = {}
    count, last = 0, ""
    characters: dict[str, None] = {}
    for _, _, token, is_run in tokens(normal(text)):
        count, last = count + 1, ""
        if is_run:
            for form in _asked_of_run(token):
                (rest if _SMALL.issuperset(form) else telling)[form] = None
            characters |= dict.fromkeys(_pattern(_HAN).findall(token))
        elif token.casefold().replace("’", "'") in STOP_WORDS:
            rest[literal(token)] = None
        else:
            telling |= dict.fromkeys(_asked_of_name(token))
            last = "" if is_signed(token) else literal(token)
        if len(telling) >= _MOST_ASKED:
            break
    if count <= _SHORT and _BEGUN.search(last):
        telling[f"{last}*"] = None
    if telling:
        # 结婚 and 婚礼 have no pair in common, and are of one thing.
        telling |= dict.fromkeys(char for char in characters if char not in _SMALL)
    return list(telling or rest)[:_MOST_ASKED]


def tokens(text: str) -> Iterator[tuple[int, int, str, bool]]:
    """Names and runs of writing without spaces in a normalised text: where they begin
    and end, what stands there, whether it is a run."""
    for token in _token(text.isascii()).finditer(text):
        yield token.start(), token.end(), token[0], token.lastgroup == "run"


@cache
def _token(ascii: bool) -> re.Pattern[str]:
    """Compiled when one is met: it takes 20 ms, which a question in English would wait
    for in vain."""
    if ascii:
        return re.compile(_NAME % r"[^\W_]")
    word = rf"[^\W_{_LETTERS}]|{_SIGNS}"
    return re.compile(rf"(?P<run>{_RUN})|{_NAME % word}")


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    """Likewise of what only texts need, or only some scripts."""
    return re.compile(pattern)


def normal(text: str) -> str:
    """NFKC, except that a vowel of Thai and one of Lao stay in one piece."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", _TRADE_MARKS.sub(" ", text))
    return text.replace("\u0e4d\u0e32", "\u0e33").replace("\u0ecd\u0eb2", "\u0eb3")


def unspaced(form: str) -> bool:
    """Whether a form is one of a run."""
    found = None if form.isascii() else _token(False).match(form)
    return found is not None and found["run"] is not None


def cells(run: str) -> list[str]:
    """The characters of a run, with their signs; a number is one."""
    found: list[str] = _CELL.findall(run)
    return found


def is_signed(name: str) -> bool:
    """Whether a sign makes the name: `C#` is not `C`."""
    return _SIGNED.fullmatch(name) is not None


def literal(name: str) -> str:
    """A name in the words that the index has of it."""
    return " ".join(_WORDS.findall(name.lower()))


def other_names(name: str) -> Iterator[str]:
    """What else a name is called; nothing for a plain word."""
    if signed := _SIGNED.fullmatch(name):
        sign = signed[1].lower()
        yield _SPELT.get(sign) or sign.replace("#", "sharp")
        return
    if not name.isascii() and (folded := name.casefold()) != name.lower():
        yield from _WORDS.findall(folded)  # `Straße` is `STRASSE`
    if len(name) > _LONGEST_NAME and (len(name) > 1000 or _is_noise(name)):
        return
    for part in _BETWEEN.split(name):
        yield from _other_names_of_part(part)
    if "." not in name:
        return
    if version := _VERSION.search(name):
        before, number, after = version.groups()
        if before or after:
            before = "" if before in ("v", "V") else f"{before.casefold()} "
            yield before + number.replace(".", " ")
    if dotted := _DOTTED.fullmatch(name):
        yield (dotted[1] + dotted[2]).casefold()


def _other_names_of_part(part: str) -> Iterator[str]:
    """`parse_config` in one word, `parseConfig` in two."""
    if len(part) > _LONGEST_NAME:
        return
    words = [word for word in _HYPHEN.split(part) if word]
    joined = "".join(words)
    if _HASH.fullmatch(joined) or (len(joined) >= 12 and _is_noise(joined)):
        return
    humps = words
    if _CAMEL.search(part) or _NUMBERED.search(part):
        humps = [hump for word in words for hump in _HUMP.findall(word)]
    if len(words) > 1 and not joined.isdecimal():
        yield joined.casefold()
    if len(humps) > len(words):
        yield " ".join(humps).casefold()


def _is_noise(name: str) -> bool:
    """Whether it changes case, or to numbers, as often as base64 does."""
    return 5 * len(_HUMP.findall(name)) > 2 * len(name)


def _telling_parts(text: str) -> Iterator[str]:
    """Of a text, what stands between spaces around something that tells."""
    end = 0
    while found := _pattern(_TELLS).search(text, end):
        at = found.start()
        start = max(text.rfind(" ", end, at), text.rfind("\n", end, at)) + 1
        space = _SPACE.search(text, found.end())
        end_before, end = end, space.start() if space else len(text)
        yield text[max(start, end_before) : end]


def _other_forms(text: str) -> Iterator[tuple[str, bool]]:
    """The other names in a text, and whether they are of a run."""
    for part in _telling_parts(text):
        plain = normal(part)
        if plain != part and _ODD.search(part):
            # In the index the text has its characters as they are.
            for word in _WORDS.findall(plain.casefold()):
                if not unspaced(word):
                    yield word, False
        yield from _other_forms_of_part(plain)


def _other_forms_of_part(plain: str) -> Iterator[tuple[str, bool]]:
    for start, end, token, is_run in tokens(plain):
        if is_run:
            for form in _forms_of_run(cells(token)):
                yield form, True
            continue
        if _pattern(_TELLS).search(token):  # a plain word has no other name
            for name in other_names(token):
                yield name, False
        if unspaced(plain[end : end + 1]) or unspaced(plain[max(start - 1, 0) : start]):
            # Written without a space before or behind it, so no word to the index.
            for word in literal(token).split():
                yield word, False


def _forms_of_run(found: list[str]) -> Iterator[str]:
    """Overlapping pairs; numbers, and characters that are words, also alone; of others
    only the last, since no pair begins with it."""
    for one, other in pairwise(found):
        yield one + other
        if one.isdecimal() or _pattern(_HAN).match(one):
            yield one
    yield found[-1]


def _asked_of_run(run: str) -> Iterator[str]:
    found = cells(run)
    if len(found) == 1:
        yield found[0] if _pattern(_HAN).match(run) else f"{run}*"
    for one, other in pairwise(found):
        yield one + other


def _asked_of_name(name: str) -> Iterator[str]:
    if signed := _SIGNED.fullmatch(name):
        yield from other_names(name)
        if signed[2]:
            yield literal(name)
        return
    name = _POSSESSIVE.sub("", _LINE.sub("", name))
    yield literal(name)
    yield from other_names(name)
    if elided := _ELIDED.search(name):
        yield literal(name[elided.end() :])
    base = re.split(r"[/\\]", name)[-1]
    if "." in base:
        yield literal(base)
    for part in _BETWEEN.split(name):
        if any(_other_names_of_part(part)):
            yield literal(part)


_STOP_WORDS = """
    a about after all also am an and any are as at be because been before being but by
    can could did do does doing down during each for from further had has have having he
    her here hers him his how i if in into is it its itself just me more most my myself
    no nor not now of off on once only or other our ours out over own same she should so
    some such than that the their theirs them then there these they this those through
    to too under until up very was we were what when where which while who whom why will
    with would you your yours yourself user user's i'm i've i'd i'll it's that's what's
    don't didn't doesn't isn't aren't wasn't let let's us please tell know remember
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
# Characters that hold a sentence together: two of them side by side tell nothing.
_SMALL = frozenset(
    "的了是在我你他她它们吗呢吧啊也都就和与或这那有个不么什怎哪谁很还没要会能可以"
    "はがをにのでともへやかねよなだたてしすまるれいうっんこそあど"
    "은는이가을를에의도로와과"
)
