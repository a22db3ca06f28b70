"""What every statement is made with: whose it is, where it begins and ends, and
whether it will be understood by itself."""

import re
from collections.abc import Sequence

from memcli.extractors.offline.dates import TimeMention
from memcli.extractors.offline.grammar import Subject, finished
from memcli.extractors.offline.signals import Signal
from memcli.models import Candidate, Kind, Message, Quote, ThreadPart

# Formats of chats between people, in which nobody is "the user".
CHATS = ("slack", "discord", "telegram", "whatsapp")
MIN_WORDS = 3
LEAD_IN = re.compile(
    r"(?:(?:oh|ah|well|so|ok|okay|yes|yep|yeah|no|right|and|but|also|btw|by the way|anyway"
    r"|hey|hi|hello|thanks|thank you|cheers|sure|great|perfect|honestly|actually|sorry"
    r"|correction|note|fyi|just fyi|for context|for the record|for what it['’]s worth"
    r"|just so you know|in fact|plus|personally|to be honest|tbh"
    r"|frankly|basically|as i said|lol|haha|hm+|ugh|listen|look|update|quick update"
    r"|first|also|one more thing|between us|on second thoughts?|no no|wait|nope"
    r"|the thing is|you know|i think|i guess|i mean|now|then|after all|admittedly"
    r"|unfortunately|luckily|sadly|good news|big news|news)\b[\s,.:!;–—-]+)+",
    re.IGNORECASE,
)
# What follows from a statement, or is spliced on to it, is about something else.
CONSEQUENCE = re.compile(
    r"(?:,\s*(?:and )?so\b(?! (?:far|long|much|does|do|is|did))|,\s*(?:and )?(?:that|this|it"
    r"|those|these)(?:['’]s|['’]re)?\b(?! (?:called|named|is called|is named))"
    r"|\sso (?:no|please|don['’]t|keep|skip|whatever|can|could|would)\b).*$",
    re.IGNORECASE | re.DOTALL,
)
# Where a statement turns into a question or a request about something else.
TAIL = re.compile(
    r"(?:[,;]|\s[–—-]{1,2})\s*(?:so |and |but |then )?(?:please\b|can you|could you|would you"
    r"|will you|what\b|which (?!is|are|was|has|I|we)|how\b|where\b|any (?:ideas|tips"
    r"|suggestions|thoughts)|do you|does\b|is (?:there|that|it)|are there|should|could I"
    r"|can I|may I|let me know|help me|give me|show me|tell me|thoughts\?|right\?|no\?"
    r"|ok\?|okay\?|thanks|thank you|if (?:you|that)|so (?:what|how|please|can|could|don['’]t"
    r"|do|does|is|whatever|keep|skip|use)|hope|sorry|I['’]d like|I want you|I need you"
    r"|yes or no|judge me|god help|kindly\b).*$"
    r"| and (?:I|we) (?:have (?:nothing|to|an? question)|must|need|wonder|would like|can['’]t (?:decide|find)|want to"
    r" know|was wondering)\b.*$",
    re.IGNORECASE | re.DOTALL,
)
_WITHOUT_ANTECEDENT = re.compile(
    r"^(?:the user(?:'s \w+)?|\S+) (?:\w+ ){0,2}(?:it|this|that|these|those|here|there|them)"
    r"(?: too| also| now| already)?\.?$",
    re.IGNORECASE,
)
HERE = re.compile(
    r"\b(?:here|there|this|these|those)\b(?! (?:week|month|year|summer))", re.I
)
PRONOUN_START = re.compile(
    r"^(?:he|she|it|they|this|that|these|those)\b", re.IGNORECASE
)
# Words that stand for a thing, and for a person, named somewhere else.
_FOR_A_THING = re.compile(
    r"\b(?:it|its|them|they|their|theirs)\b"
    r"|\b(?:the|this|that|another|a|an|\w+) (?:\w+ )?ones?\b"
    r"(?=\W*$|[,.;!:]| (?:at|in|on|with|from|that|which|who|for \d)\b)",
    re.IGNORECASE,
)
_FOR_A_PERSON = re.compile(r"\b(?:he|she|him|her|his|hers)\b", re.IGNORECASE)
_FOR_A_READER = re.compile(r"\b(?:you|your|yours|yourself|u|ur)\b", re.IGNORECASE)
_A_PERSON = re.compile(
    r"(?<=[\w,;:'’] )(?!I\b|I['’]|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
    r"|(?:January|February|March|April|May|June|July|August|September|October|November"
    r"|December)\b)(?-i:[A-ZÀ-Þ])\w"
    r"|\b(?:my|our|a|an|the|his|one|two|some|another) (?:[\w'’-]+ ){0,3}?(?:\w{3,}(?:er|or"
    r"|ist|ian|ant|ess)|wife|husband|girlfriend|boyfriend|fianc\w+|spouse|ex|son|kid|child|baby"
    r"|mum|mom|dad|gran\w*|aunt|uncle|cousin|niece|nephew|friend|mate|dog|cat|puppy"
    r"|kitten|horse|boss|chief|head|man|woman|girl|boy|guy|lad|lady|nurse|judge|vet"
    r"|colleague|client|bride|groom|coach|chap|person|tortoise|rabbit|greyhound)\b",
    re.IGNORECASE,
)
_A_THING = re.compile(
    r"\b(?:the|a|an|my|our|his|her|this|some|any|no|every|each|all|most|both|two|three"
    r"|four|five|six|seven|eight|nine|ten|\d+) [\w'’-]{2,}|(?<=\w )(?!I\b)(?-i:[A-ZÀ-Þ])\w"
    r"|\d",
    re.IGNORECASE,
)
_NO_NOUN = {
    "i", "we", "i'm", "i've", "i'd", "i'll", "we're", "we've", "we'd", "we'll", "have",
    "had", "has", "am", "are", "is", "was", "were", "be", "been", "do", "don't", "did",
    "didn't", "will", "would", "can", "can't", "cannot", "could", "couldn't", "not",
    "never", "always", "just", "really", "also", "still", "finally", "already", "only",
    "now", "all", "both", "to", "up", "out", "off", "on", "in", "at", "by", "for", "with",
    "from", "about", "of", "over", "into", "down", "back", "away", "and", "but", "or",
    "so", "that", "who", "if", "as", "than", "then", "when", "until", "because", "since",
    "see", "get", "go", "got", "went", "came", "found", "made", "gave", "took", "put",
    "said", "told", "saw", "kept", "left", "bought", "sold", "let", "use", "keep", "say",
    "make", "take", "give", "tell", "show", "call", "bring", "buy", "sell", "send",
    "ever", "even", "actually", "properly", "very", "too", "going", "no", "longer", "any",
}  # fmt: skip
_NOBODY_S = re.compile(
    r"^it(?:['’]s| is| was) (?:been )?(?:decided|agreed|settled)|,? you know\b",
    re.IGNORECASE,
)
# What is known only to who was there: "the lot", "the oldest".
_GENERIC = re.compile(
    r"\bthe lot\b(?! of)|\bever since\W*$"
    r"|\b(?:is|are|am|['’]m|['’]re|was|of|for|with|like|love|into|join(?:ed)?) the "
    r"(?:\w{3,}est|team|group|gang|place|thing|whole thing|same|expert|best|worst|boss)"
    r"\b(?=\W*$|,| by\b)",
    re.IGNORECASE,
)
_NO_NAMES = {"user", "human", "me", "you", "customer", "client", "unknown", "anonymous"}
_WORKING_WORDS = re.compile(
    r"\b(?:team|deploy|release|ship|prod|staging|code|repo|test|sprint|customer|client"
    r"|server|database|api|service|ci|merge|feature|bug|postgres|kafka|migrat|version"
    r"|company|office|product|stand-?up|branch|cluster|backend|frontend|users?|invoice"
    r"|library|framework|api|docker|kubernetes|aws|python|typescript|package|budget"
    r"|contract|hire|quarter|docs?|schema|design|parser|queue|log|vendor)",
    re.IGNORECASE,
)


def several_people(part: ThreadPart) -> bool:
    """Whether more than one person speaks: then each must be called something."""
    if part.thread.format in CHATS:
        return True
    people = {m.name for m in (*part.context, *part.new) if m.role == "user"}
    return len(people) > 1


def author(message: Message, *, among_others: bool = False) -> str:
    """The author's name, if the transcript has one that is a name.

    Among others a handle such as `max_87` will do as well, since "the user"
    could be anybody.
    """
    name = " ".join(re.sub(r"<[^>]*>", "", message.name or "").split())
    if not name or len(name) > 60 or name.lower() in _NO_NAMES:
        return "The user"
    if re.search(r"[\d_@<>]", name) and not among_others:
        return "The user"
    return name


def subject_of(message: Message, part: ThreadPart) -> Subject:
    """Whom the "I" and "we" of a message stand for."""
    name = author(message, among_others=several_people(part))
    project = part.thread.metadata.get("project")
    return Subject(name, f"The {project} team") if project else Subject(name)


def about_the_person(text: str, who: Subject) -> str:
    """An assistant's "you" is the person, its "I" the assistant."""
    swaps = {
        "you": who.inside, "your": _own(who), "you're": f"{who.inside} is",
        "you've": f"{who.inside} has", "you'll": f"{who.inside} will",
        "i": "the assistant", "i'll": "the assistant will", "i'm": "the assistant is",
        "my": "the assistant's", "we": "they", "our": "their", "we're": "they are",
        "we'll": "they will", "we've": "they have", "us": "them",
    }  # fmt: skip

    def swap(match: re.Match[str]) -> str:
        return swaps.get(match[0].lower().replace("’", "'"), match[0])

    return finished(re.sub(r"\b\w+(?:['’]\w+)?", swap, text))


def _own(who: Subject) -> str:
    return who.inside + ("'" if who.inside.endswith("s") else "'s")


def as_candidate(
    text: str,
    signal: Signal,
    message: Message,
    quote: str,
    *,
    found: Sequence[TimeMention],
    confidence: float | None = None,
    about: str | None = None,
    replaces: str | None = None,
    kind: Kind | None = None,
) -> Candidate:
    days = [mention.day for mention in found if mention.day is not None]
    kind = kind or signal.kind
    dated = kind in (Kind.EVENT, Kind.PLAN, Kind.CORRECTION, Kind.DECISION)
    return Candidate(
        text=text,
        kind=kind,
        quotes=(Quote(message.id, quote.strip()),),
        confidence=round(
            min(
                0.99, max(0.0, signal.confidence if confidence is None else confidence)
            ),
            2,
        ),
        said_at=message.sent_at,
        about=about,
        replaces=replaces,
        happens_on=days[0] if days and dated else None,
        signal=signal.name,
        author=message.name if message.role == "user" else None,
    )


def with_group(subject: Subject, sentence: str) -> Subject:
    """Whether "we" are a team at work or people who share a life."""
    if subject.group or _WORKING_WORDS.search(sentence):
        return subject
    return Subject(subject.name, f"{subject.name}, with others,")


def without_reasons(clause: str) -> str:
    """Trailing asides that make a memory longer and not truer."""
    return re.sub(
        r",? (?:lol|haha|tbh|btw|by the way|i guess|though|anyway|thanks|ok|okay|please"
        r"|if that helps|i think|to be honest|you know|:\)|;\))\W*$",
        "",
        clause,
        flags=re.IGNORECASE,
    )


def points_outside(clause: str, *, to_people: bool) -> bool:
    """Whether something of a clause, as it was said, was named only before it.

    To an assistant "you" is who reads the memory; among people it is somebody.
    """
    clause = _NOBODY_S.sub("", clause)
    if to_people and _FOR_A_READER.search(clause):
        return True
    if _GENERIC.search(clause):
        return True
    person = _FOR_A_PERSON.search(clause)
    if person and not _A_PERSON.search(clause, 0, person.start()):
        return True
    thing = _FOR_A_THING.search(clause)
    return thing is not None and not _names_a_thing(clause[: thing.start()])


def _names_a_thing(words: str) -> bool:
    """Whether there is a noun: behind an article, or beside the verb."""
    if _A_THING.search(words):
        return True
    rest = [
        word
        for word in re.findall(r"[\w'’-]+", words.lower().replace("’", "'"))
        if word not in _NO_NOUN and not word.endswith(("ing", "ed", "ly"))
    ]
    return len(rest) > 1  # one of them is the verb


def stands_alone(text: str, subject: Subject) -> bool:
    """Whether somebody who was not there would understand the sentence."""
    words = text.split()
    if len(words) < MIN_WORDS + (subject.name == "The user"):
        return False
    if text.count('"') % 2 or text[0] in "'‘“\"":
        return False  # half a quotation is somebody else's
    return not _WITHOUT_ANTECEDENT.match(text) and "·" not in text
