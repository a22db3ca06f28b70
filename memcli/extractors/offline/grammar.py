"""First person → third: "I prefer X, my wife doesn't" → "The user prefers X, …".

Only the agreement of the first verb changes; after it the person is "they",
whose verbs are those of "I" but for "am" and "was".
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"\w+(?:['’\-]\w+)*|\s+|[^\w\s]")
_ADVERBS = {
    "always", "never", "also", "just", "still", "only", "rarely", "often", "seldom",
    "sometimes", "both", "all", "now", "ever", "once", "already", "almost", "mostly",
    "even", "hardly", "barely", "much", "quite", "rather", "kinda", "sort", "kind",
    "of", "too", "then", "either", "no", "longer", "so", "usually",
}  # fmt: skip
_LY_VERBS = {"fly", "apply", "rely", "reply", "supply", "comply", "imply", "multiply"}
_UNCHANGED = {
    "can", "could", "will", "would", "shall", "should", "may", "might", "must", "can't",
    "cannot", "couldn't", "won't", "wouldn't", "shouldn't", "mustn't", "had", "did",
    "didn't", "hadn't", "got", "went", "bought", "sold", "quit", "lost", "left", "took",
    "gave", "made", "became", "began", "broke", "built", "came", "chose", "drove",
    "felt", "found", "grew", "heard", "held", "kept", "knew", "led", "learnt", "met",
    "paid", "ran", "said", "saw", "sent", "slept", "spent", "spoke", "stood", "taught",
    "thought", "told", "understood", "won", "wrote", "was", "is", "has", "does", "wasn't",
    "fell", "flew", "forgot", "wore", "woke", "ate", "drank", "sang", "swam", "read",
    "put", "set", "cut", "hit", "let", "used", "threw", "brought", "caught", "rode",
    "dug", "rang", "shook", "stuck", "hung", "swore", "drew", "blew", "froze", "shot",
    "spun", "stole", "struck", "swept", "tore", "wept", "lent", "dealt", "fed", "fought",
    "hid", "laid", "lit", "meant", "rose", "sank", "burnt", "bit", "crept", "clung",
    "swung", "withdrew", "sought", "shone", "slid", "flung", "undid", "forgave", "dreamt",
    "leapt", "spilt", "spat", "sprang", "undertook", "beat", "bet", "sat", "stung", "shut",
}  # fmt: skip
_THIRD = {
    "am": "is", "'m": "is", "have": "has", "'ve": "has", "do": "does", "go": "goes",
    "don't": "doesn't", "haven't": "hasn't", "are": "is", "aren't": "isn't",
    "were": "was", "weren't": "wasn't", "'re": "is",
}  # fmt: skip
# Verbs that may follow "and" with the same subject: "I live in X and work for Y".
_COORDINATED = {
    "live", "work", "like", "love", "hate", "prefer", "use", "have", "look", "carry",
    "run", "play", "keep", "want", "need", "am", "do", "don't", "avoid", "drink", "eat",
    "drive", "take", "speak", "teach", "study", "own", "enjoy", "dislike", "sleep",
    "listen", "read", "write", "deploy", "ship", "test", "host", "store", "swim",
    "sing", "train", "cook", "travel", "manage", "lead", "maintain", "handle", "build",
    "sell", "wear", "go", "get", "find", "share", "spend", "miss", "help", "check",
}  # fmt: skip


_PERSON = {"i", "i'm", "i've", "i'd", "i'll", "we", "we're", "we've", "we'll"}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom "I" and "we" stand for. "You" stays: it is who reads the memory."""

    name: str = "The user"
    group: str = ""

    @property
    def inside(self) -> str:
        """The name within a sentence."""
        return "the user" if self.name == "The user" else self.name

    @property
    def team(self) -> str:
        """What "we" are called."""
        return self.group or possessive(self.name) + " team"


def possessive(name: str) -> str:
    """`Anna's`, `the user's`, `Jonas'`."""
    return name + ("'" if name.endswith("s") else "'s")


def third_person(clause: str, subject: Subject, *, named: bool = True) -> str:
    """The clause about `subject`, as a sentence with capital and full stop.

    With `named` False the person is "they" from the start: for clauses that
    name the subject somewhere before.
    """
    text = clause.strip().replace("’", "'").replace("name's", "name is")
    tokens = _TOKEN.findall(text)
    out: list[str] = []
    introduced = not named
    agree = 0  # tokens to go in which a verb has to agree with a singular subject
    singular = False
    infinitive = False
    for i, token in enumerate(tokens):
        lower = token.lower()
        before = _word_before(tokens, i)
        seen = [earlier.lower() for earlier in tokens[:i] if earlier[0].isalnum()]
        if token.isspace() or not token[0].isalnum():
            if token in ",;:.":
                agree = 0
            out.append(token)
            continue
        if lower == "i" and before in ("and", "or") and not _PERSON & set(seen):
            # "My wife and I are": one of two, before there is any verb of its own.
            out.append(subject.inside)
            introduced = True
            continue
        if lower == "i" or lower.startswith("i'"):
            new, takes_verb = _first_person(lower, subject, introduced, bool(out))
            singular = not introduced
            introduced = True
            agree = 6 if takes_verb else 0
            out.append(new)
            continue
        if lower in ("we", "we're", "we've", "we'll", "we'd"):
            # The group was named: "they" from then on.
            tail = lower[2:]
            team = subject.team[:1].lower() + subject.team[1:] if out else subject.team
            out.append("they" + tail if introduced else team + _spelled(tail))
            singular = not introduced
            agree = 0 if tail else 6
            introduced = True
            continue
        if agree:
            if lower in _ADVERBS or (lower.endswith("ly") and lower not in _LY_VERBS):
                agree -= 1
                out.append(token)
                continue
            out.append(_agreeing(token, singular=singular))
            agree = 0
            infinitive = False
            continue
        if lower == "to":
            infinitive = True
        if singular and before in ("and", "but", "or") and lower in _COORDINATED:
            out.append(token if infinitive else _agreeing(token, singular=True))
            continue
        if before in ("and", "but"):
            infinitive = infinitive and lower not in _COORDINATED
        owner = lower in ("my", "our", "mine", "ours")
        if owner and not introduced:
            out.append(possessive(subject.name if not out else subject.inside))
            introduced, singular = True, False
            continue
        out.append(_pronoun(token, lower, subject, introduced))
    return finished("".join(out))


def finished(text: str) -> str:
    """As a sentence: capital, one full stop, no loose signs around it."""
    text = re.sub(r"\s+", " ", text).strip(" ,;:-–—·")
    text = re.sub(r"\s+([,.;:!?])", r"\1", text)
    text = re.sub(r"[.!?…]+$", "", text).rstrip(" ,;:-–—")
    text = re.sub(r",? (?:and|but|so|because|or)$", "", text)
    return text[:1].upper() + text[1:] + "." if text else ""


def _first_person(
    lower: str, subject: Subject, introduced: bool, inside: bool
) -> tuple[str, bool]:
    """`I`, `I'm`, … → the new words, and whether a verb has yet to follow."""
    tail = lower[1:]
    if introduced:
        return {"'m": "they're"}.get(tail, "they" + tail), not tail
    name = subject.inside if inside else subject.name
    return name + _spelled(tail), not tail


def _spelled(tail: str) -> str:
    return {
        "'m": " is", "'re": " is", "'ve": " has", "'ll": " will", "'d": " would",
    }.get(tail, tail)  # fmt: skip


def _agreeing(verb: str, *, singular: bool) -> str:
    lower = verb.lower()
    if not singular:
        return {"am": "are", "was": "were"}.get(lower, verb)
    if lower in _THIRD:
        return _THIRD[lower]
    if lower in _UNCHANGED or lower.endswith("ed"):
        return verb
    if re.search(r"(?:s|x|z|ch|sh|o)$", lower):
        return verb + "es"
    if re.search(r"[^aeiou]y$", lower):
        return verb[:-1] + "ies"
    return verb + "s"


def _pronoun(token: str, lower: str, subject: Subject, introduced: bool) -> str:
    person = {
        "my": "their", "our": "their", "me": "them", "us": "them", "myself": "themselves",
        "ourselves": "themselves", "mine": "theirs", "ours": "theirs",
    }  # fmt: skip
    if token == "US":
        return token
    if not introduced and lower in ("me", "us"):
        return subject.inside
    return person.get(lower, token)


def _word_before(tokens: list[str], i: int) -> str:
    for token in reversed(tokens[:i]):
        if not token.isspace():
            return token.lower()
    return ""
