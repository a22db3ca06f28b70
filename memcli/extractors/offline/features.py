"""A thread → a row of numbers for each of its turns, for `worth`.

Surface only: who speaks, how long, in which person and tense, what surrounds it.
Words are looked up in small classes, so that a text is read once and the time it
takes is linear in its length.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from memcli.models import Message

# A longer text is a paste or an essay; its beginning tells which.
MOST_CHARACTERS = 4000
# A place in a thread, or a thread, is long from there on.
MOST_TURNS = 40
MISSING = math.nan

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_NAME = re.compile(r"(?<=[a-zà-ÿ,;] )[A-ZÀ-Þ]\w")
_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
_SIGN = re.compile(r"[^\w\s]")
_DIGIT = re.compile(r"\d")
_AGREES = re.compile(
    r"\W*(?:yes|yeah|yep|ok|okay|sure|great|perfect|alright|sounds good|exactly|right|good"
    r"|got it|thanks|thank you|deal|fine|agreed|that works|absolutely)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\W*(?:please|can you|could you|write|explain|give|make|create|list|tell|show|what|how"
    r"|why|who|where|when|is|are|do|does|translate|summari|rewrite|generate|provide|act as"
    r"|continue|help|any|need|which)",
    re.IGNORECASE,
)

# Each word counts for every class that has it. Other languages only where a word
# of theirs is none in English.
_CLASSES: Mapping[str, str] = {
    "i": "i i'm i've i'd i'll me my mine myself ich mir mich mein meine meinen meinem "
    "meiner je j'ai mon moi yo mí ik mijn mij io mia mio eu meu minha",
    "we": "we we're we've we'd we'll us our ours wir uns unser unsere nous notre "
    "nosotros nuestra nuestro wij ons onze noi nostra nostro",
    "you": "you you're you've you'd you'll yourself du dich dir vous tu jij",
    "your": "your yours dein deine votre vos tes jouw",
    "plan": "plan plans planned planning schedule scheduled goal goals decide decided "
    "decision budget deadline step milestone milestones confirm confirmed set target "
    "phase stage book booked",
    "date": "week weeks weekend month months year years day tomorrow today tonight "
    "yesterday monday tuesday wednesday thursday friday saturday sunday january february "
    "march april may june july august september october november december last next ago "
    "since until morgen gestern heute montag dienstag mittwoch donnerstag freitag samstag "
    "sonntag demain hier mañana ayer semana mes gisteren volgende vorige",
    "prefer": "prefer prefers preferred like likes love loves hate hates enjoy want wanted "
    "need needed favourite favorite always never usually don't don’t avoid allergic "
    "allergy can't must only rather lieber immer nie toujours jamais siempre nunca altijd "
    "nooit",
    "past": "went got bought started finished moved visited had was were did made joined "
    "signed met took tried saw won lost found been came gave told said sold quit passed "
    "failed left kept sent spent called turned ended war hatte habe bin",
    "will": "will i'll we'll going gonna he'll she'll they'll starting moving",
    "change": "finally just already anymore still now again instead switched changed "
    "stopped longer back turns",
    "kin": "wife husband partner girlfriend boyfriend fiancé fiancée son daughter kid kids "
    "child children baby mum mom mother dad father parents sister brother grandma granny "
    "grandpa nan aunt uncle cousin niece nephew dog cat puppy kitten family friend roommate "
    "flatmate neighbour neighbor boss manager colleague doctor landlord job work school "
    "team company flat house home apartment car bike garden birthday wedding office",
    "other": "he she they him her his their them he's she's they're",
    "chat": "haha lol hi hey hello thanks thank cheers ha oh wow omg yay congrats sorry ok "
    "okay yeah yes nice great love miss good aw ooh hahaha welcome glad",
    "hedge": "maybe perhaps probably might guess could would should if suppose think "
    "wonder",
    "deictic": "this that it these those here there",
    "the": "the a an",
}  # fmt: skip
_NAMES = tuple(_CLASSES)
_CLASS_OF: dict[str, tuple[int, ...]] = {}
for _at, _members in enumerate(_CLASSES.values()):
    for _word in _members.split():
        _CLASS_OF[_word] = (*_CLASS_OF.get(_word, ()), _at)

# What a row says of the turn itself.
TURN = (
    "words", "words_log", "i_count", "questions", "ends_asking", "exclaims", "digits",
    "lines", "items", "code", "bold", "names", "names_share", "agrees", "asks",
    "distinct", "signs",
    *(f"share_{name}" for name in _NAMES),
)  # fmt: skip
_PLACE = {name: at for at, name in enumerate(TURN)}
# Means over the turns of each side, which tell what kind of conversation it is.
_OF_USERS = tuple(
    _PLACE[name]
    for name in (
        "words_log", "i_count", "questions", "digits", "names_share", "asks",
        "share_i", "share_plan", "share_prefer", "share_past", "share_chat",
    )
)  # fmt: skip
_OF_ASSISTANTS = tuple(
    _PLACE[name]
    for name in ("words_log", "questions", "digits", "items", "share_plan", "share_your")
)  # fmt: skip
_OF_NEIGHBOURS = tuple(
    _PLACE[name]
    for name in (
        "words_log", "i_count", "questions", "ends_asking", "digits", "agrees", "asks",
        "share_your", "share_plan",
    )
)  # fmt: skip
_IN_THREAD = (
    "person", "named", "before", "after", "place", "same_speaker", "longer", "alone",
    "like_previous", "like_next", "like_thread",
)  # fmt: skip
_SCORES = ("score", "score_mean", "score_previous", "score_next")
COLUMNS: tuple[str, ...] = (
    *TURN,
    *_IN_THREAD,
    *(f"users_{TURN[at]}" for at in _OF_USERS),
    *(f"assistants_{TURN[at]}" for at in _OF_ASSISTANTS),
    *(f"previous_{TURN[at]}" for at in _OF_NEIGHBOURS),
    *(f"next_{TURN[at]}" for at in _OF_NEIGHBOURS),
    *_SCORES,
)
# What is missing in a row when the turn, or its neighbour, has no vector.
OF_VECTORS: tuple[str, ...] = (
    "like_previous", "like_next", "like_thread", *_SCORES,
)  # fmt: skip

Row = list[float]
# A message's key → its unit vector, shape (dimensions,).
Vectors = Mapping[str, Any]


def rows(
    messages: Sequence[Message],
    vectors: Vectors | None = None,
    score: Callable[[Any], float] | None = None,
) -> list[Row]:
    """A row for each turn of a thread, in COLUMNS; what is not known is nan.

    `score` makes a number of a unit vector. Messages without one may stand among
    others.
    """
    turns = [turn(message.text) for message in messages]
    of_users = _means(messages, turns, "user", _OF_USERS)
    of_assistants = _means(messages, turns, "assistant", _OF_ASSISTANTS)
    length = {
        role: _mean_length(messages, turns, role) for role in ("user", "assistant")
    }
    alone = float(len({(m.role, m.name) for m in messages}) == 1)
    near = _nearness(messages, vectors)
    scores = _scores(messages, vectors, score)
    last = len(messages) - 1
    found = []
    for at, message in enumerate(messages):
        before = messages[at - 1] if at else None
        own = turns[at]
        found.append([
            *own,
            float(message.role == "user"),
            float(message.name is not None),
            float(min(at, MOST_TURNS)),
            float(min(last - at, MOST_TURNS)),
            at / last if last else 0.0,
            float(
                before is not None
                and (before.role, before.name) == (message.role, message.name)
            ),
            own[1] - length[message.role],
            alone,
            *near[at],
            *of_users,
            *of_assistants,
            *_beside(turns, at - 1),
            *_beside(turns, at + 1),
            *scores[at],
        ])  # fmt: skip
    return found


def turn(text: str) -> Row:
    """What a turn's own words say, in TURN."""
    text = text[:MOST_CHARACTERS]
    words = _WORD.findall(text.lower().replace("’", "'"))
    classes: Counter[int] = Counter()
    for word, times in Counter(words).items():
        for which in _CLASS_OF.get(word, ()):
            classes[which] += times
    count = len(words) + _ideographs(text, words)
    if "我" in text:
        classes[0] += text.count("我")
    size = len(text) + 1
    names = len(_NAME.findall(text))
    stripped = text.rstrip()
    return [
        float(count),
        math.log1p(count),
        float(min(classes[0] + classes[1], 6)),
        float(min(text.count("?") + text.count("?"), 6)),
        float(stripped.endswith(("?", "?"))),
        text.count("!") / (count + 3),
        len(_DIGIT.findall(text)) / size,
        float(text.count("\n")),
        float(len(_ITEM.findall(text))) if "\n" in text else 0.0,
        float("```" in text),
        float(text.count("**")),
        float(min(names, 8)),
        names / (count + 3),
        float(_AGREES.match(text) is not None),
        float(_ASKS.match(text) is not None),
        len(set(words)) / (len(words) + 1),
        len(_SIGN.findall(text)) / size,
        *(classes[which] / (count + 3) for which in range(len(_NAMES))),
    ]


def _ideographs(text: str, words: Sequence[str]) -> int:
    """How many words more there are where words have no spaces between them."""
    if text.isascii():
        return 0
    return sum(len(word) // 2 for word in words if word[0] >= "⺀")


def _means(
    messages: Sequence[Message], turns: Sequence[Row], role: str, of: Sequence[int]
) -> Row:
    theirs = [t for m, t in zip(messages, turns, strict=True) if m.role == role]
    if not theirs:
        return [MISSING] * len(of)
    return [sum(turn[at] for turn in theirs) / len(theirs) for at in of]


def _mean_length(messages: Sequence[Message], turns: Sequence[Row], role: str) -> float:
    return _means(messages, turns, role, (_PLACE["words_log"],))[0]


def _beside(turns: Sequence[Row], at: int) -> Row:
    if not 0 <= at < len(turns):
        return [MISSING] * len(_OF_NEIGHBOURS)
    return [turns[at][column] for column in _OF_NEIGHBOURS]


def _nearness(messages: Sequence[Message], vectors: Vectors | None) -> list[Row]:
    """The cosine of each turn to the one before, the one after, and to the mean
    of the thread."""
    own = [vectors.get(message.key) if vectors else None for message in messages]
    known = [vector for vector in own if vector is not None]
    if not known:
        return [[MISSING] * 3 for _ in messages]
    mean = sum(known[1:], known[0]) / len(known)
    found = []
    for at, vector in enumerate(own):
        others = (
            own[at - 1] if at else None,
            own[at + 1] if at + 1 < len(own) else None,
            mean,
        )
        found.append([_cosine(vector, other) for other in others])
    return found


def _cosine(one: Any, other: Any) -> float:
    if one is None or other is None:
        return MISSING
    # The last digits differ from machine to machine.
    return round(float(one @ other), 4)


def _scores(
    messages: Sequence[Message],
    vectors: Vectors | None,
    score: Callable[[Any], float] | None,
) -> list[Row]:
    """The score of each turn's vector, the thread's mean, and the neighbours'."""
    if not vectors or score is None:
        return [[MISSING] * len(_SCORES) for _ in messages]
    own = []
    for message in messages:
        vector = vectors.get(message.key)
        own.append(MISSING if vector is None else round(score(vector), 3))
    known = [value for value in own if not math.isnan(value)]
    mean = round(sum(known) / len(known), 3) if known else MISSING
    last = len(own) - 1
    return [
        [
            own[at],
            mean,
            own[at - 1] if at else MISSING,
            own[at + 1] if at < last else MISSING,
        ]
        for at in range(len(own))
    ]
