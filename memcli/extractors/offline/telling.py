"""A turn worth keeping in which no rule found anything → one candidate.

The classifier knows that something of the turn is worth keeping, not what. So the
sentence is chosen that tells most, and only one that will be understood by itself,
and is plainly the person's own word, may be trusted above `MOST_IN_DOUBT`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memcli.extractors.base import CONSIDERED
from memcli.extractors.offline import signals as s
from memcli.extractors.offline.dates import TimeMention, mentions, resolved
from memcli.extractors.offline.grammar import Subject, third_person
from memcli.extractors.offline.prose import Sentence
from memcli.extractors.offline.signals import Signal
from memcli.extractors.offline.statements import (
    CONSEQUENCE,
    LEAD_IN,
    TAIL,
    as_candidate,
    points_outside,
    stands_alone,
    with_group,
    without_reasons,
)
from memcli.models import Candidate, Kind, Message

# Below the default of --min-confidence: for who asks for everything.
MOST_IN_DOUBT = 0.55
# As likely as that, and plain, it is above the default.
LIKELY = 0.6
_LONGEST = 400
_MOST_SENTENCES = 16
_MOST_WORDS = 40

_OWN = re.compile(r"\b(?:I|my|we|our)\b|\bI['’]", re.IGNORECASE)
_OWN_START = re.compile(
    r"(?:I|we)(?:['’](?:m|re|ve|ll|d))?\b|(?:my|our) \w", re.IGNORECASE
)
_YOU = re.compile(r"\b(?:you|your|yours|u|ya|ur|yourself)\b|\byou['’]", re.IGNORECASE)
_DATED = re.compile(
    r"\d|\b(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february"
    r"|march|april|june|july|august|september|october|november|december|tomorrow"
    r"|yesterday|last|next|ago|since|every)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"(?<=[a-zà-ÿ,;] )(?!I\b|I['’]|OK\b|LOL\b|PS\b)[A-ZÀ-Þ]\w|\d")
_THING = re.compile(
    r"\b(?:my|our) (?:\w+ )?(?:wife|husband|partner|girlfriend|boyfriend|fianc\w+|sons?"
    r"|daughters?|kids?|child(?:ren)?|baby|mum|mom|mother|dad|father|parents|sisters?"
    r"|brothers?|gran\w*|nan|aunt|uncle|cousin|niece|nephew|dog|cat|puppy|kitten|boss"
    r"|manager|landlord|landlady|job|school|university|company|flat|house|apartment"
    r"|car|van|bike|garden|allotment|birthday|wedding|doctor|dentist|therapist)\b",
    re.IGNORECASE,
)
# Words that stand for what was named elsewhere.
_POINTS = re.compile(
    r"\b(?:it|its|this|that|these|those|them|they|he|she|him|her|his|their|there|here"
    r"|one|ones|things?|stuff|something|anything|everything|such|same|other|another"
    r"|both|either|so|too|else|instead|latter|former)\b",
    re.IGNORECASE,
)
# Somebody who has to have been named before them, and not by a day.
_PERSON = re.compile(r"\b(?:he|she|him|her|his|hers)\b", re.IGNORECASE)
_SOMEBODY = re.compile(
    r"(?<=[a-zà-ÿ,;] )(?!I\b|I['’]|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
    r"|(?:January|February|March|April|May|June|July|August|September|October|November"
    r"|December)\b)[A-ZÀ-Þ]\w"
)
# An offer, a guess, a manner of speaking, and half of a sentence.
_NO_STATEMENT = re.compile(
    r"\b(?:could|would|should|may|might|shall|can['’]t wait|recall|remember|calm down"
    r"|apparently|seems?|joking|kidding)\b|\b(?:did|do|does|have|has|was|were)\s*[,.;]"
    r"|\b(?:halfway|episodes?|chapters?|pages?) (?:off|in|into|through|left)\b"
    r"|\b(?:since|too|either|as well|again|yet|instead)\W*$",
    re.IGNORECASE,
)
_HABIT = re.compile(
    r"\b(?:usually|normally|often|always|tends?|every)\b", re.IGNORECASE
)
# What is said of the talk itself, of a mood, or of an errand.
_TALK = re.compile(
    r"(?:I|we)(?:['’](?:m|re|ve|ll|d)| am| are| have| will| would| was| were| had| do| did"
    r"| can| could| should| don['’]t| didn['’]t| can['’]t)?(?: (?:just|really|also|still|already"
    r"|never|always|only|not|actually|do|even|now|kind of|sort of|so|very|quite|all))*"
    r" (?:think|thought|guess|hope|hoping|wonder|wondering|know|knew|mean|meant|feel|felt"
    r"|feeling|see|agree|understand|understood|suppose|believe|bet|swear|promise|need|want"
    r"|wanted|like to|try|trying|tried|ask|asking|asked|get|getting|look|looking|see"
    r"|seeing|saw|said|say|tell|telling|told|talk|talking|read|reading|hear|heard|keep \w+ing|forget"
    r"|forgot|remember|remembered|sure|glad|happy|sorry|afraid|curious|thinking|excited"
    r"|nervous|worried|proud|thrilled|stuck|lost|confused|able|ready|back|here|there"
    r"|figured|realis|realiz|notice|noticed|appreciate|thank|miss|missed|laugh|laughed"
    r"|cry|cried|die|dying|love (?:that|it|this|how|the idea)|let|send|sent|check|fix"
    r"|fixed|update|updated|change|changed|run|ran|test|tested|use this|add|added"
    r"|merge|merged|push|pushed|commit|deploy|debug|did|do|does|done|doing|go|going with"
    r"|have (?:a|another|one|two|some|no|an) (?:question|idea|problem|issue|doubt|error|bug))"
    r"(?:s|ed|ing|d)?\b",
    re.IGNORECASE,
)
# What is of this session: what is being worked on, and how far it is.
_AT_HAND = re.compile(
    r"\b(?:now|just|already|current\w*|today|tonight|immediately|urgent\w*|so far|usually a"
    r"|(?:the|this|these|those|some|all|first|next|new|each|every|my|our) (?:[\w-]+ ){0,3}"
    r"(?:data|notes?|steps?|protocols?|roadmap|logs?|documents?|docs?|scripts?|files?|pages?"
    r"|lists?|drafts?|summar(?:y|ies)|prompts?|workflows?|templates?|plans?|spreadsheets?"
    r"|reports?|sheets?|sections?|points?|options?|metrics?|scores?|checks?|tests?|code"
    r"|functions?|errors?|bugs?|builds?|branch|commits?|prs?|issues?|outputs?|inputs?"
    r"|questions?|examples?|versions?|models?|apps?|tools?|commands?|repo))\b|[*_`#|<>={}]",
    re.IGNORECASE,
)
# Where the grammar of `third_person` ends: two days in one, a verb too many.
_GARBLED = re.compile(
    r"\d{4},? (?:the \w+ of|\d)|\bwould (?:got|had|been|\w+ed)\b"
    r"|\b(?:will|would|can|could|should|might|must|won't|can't|to)\b.*\b(?:and|but|or) \w+s\b"
    r"|\b(?:their|they|them) (?:their|they|them)\b",
)
_CONTENT = re.compile(r"[^\W\d_]{4,}|\d+|(?<!^)\b[A-ZÀ-Þ]\w+")
_PLAIN = {
    "have", "just", "that", "this", "with", "been", "were", "they", "them", "their",
    "user", "really", "very", "will", "would", "could", "should", "about", "what",
    "when", "from", "more", "some", "then", "than", "also", "even", "still", "much",
    "going", "gonna", "want", "make", "made", "like", "know", "think", "good", "nice",
    "great", "well", "time", "today", "back", "into", "over", "only", "because", "there",
    "does", "doing", "thing", "things", "stuff", "said", "need", "take", "here", "again",
    "already", "finally", "after", "before", "team", "others",
}  # fmt: skip
_FUTURE = re.compile(
    r"['’]ll\b|\b(?:will|going to|gonna|plan(?:ning)? to|booked|next|tomorrow|starting)\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:\w{3,}ed|was|were|had|got|went|came|bought|sold|met|did|lost|won|gave|took"
    r"|made|said|told|found|left|kept|broke|began|became|saw|ate|ran|flew|drove|built)\b",
    re.IGNORECASE,
)
_DECIDES = re.compile(
    r"\b(?:decided|agreed|settled on|going with|chose|chosen|final plan|the plan is"
    r"|confirmed|approved|we(?:['’]ll| will) use)\b",
    re.IGNORECASE,
)
_PREFERS = re.compile(
    r"\b(?:prefers?|likes?|loves?|hates?|enjoys?|favou?rite|can['’]t stand|rather"
    r"|allergic|always|never)\b",
    re.IGNORECASE,
)
_STEPS = re.compile(
    r"\b(?:step \d|first,|then,|run `|to do this|follow)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A message with its sentences, and the probability that it is worth keeping.

    `own_voice` is False in a role, and where the text is somebody else's.
    `to_people` tells a chat between people from one with an assistant.
    """

    message: Message
    lines: Sequence[Sentence]
    probability: float
    own_voice: bool
    to_people: bool


def most_telling(turn: Turn, subject: Subject) -> Candidate | None:
    """The candidate of a turn; None only for one without words."""
    line = _chosen(turn)
    if line is None:
        return None
    if turn.message.role == "assistant":
        return _told(turn, line)
    start, end = _clause(line.bare)
    if not _OWN_START.match(line.bare, start):
        return _quoted(turn, line, subject)
    clause = without_reasons(line.text[start:end].rstrip())
    found = mentions(clause, turn.message.sent_at.date(), None)
    whose = with_group(subject, line.text)
    text = third_person(resolved(clause, found), whose)
    if not text:
        return _quoted(turn, line, subject)
    kind = _kind(clause, found)
    plain = (
        turn.own_voice
        and turn.probability >= LIKELY
        and _is_plain(line, start, end)
        and (turn.to_people or _lasts(clause, kind, found))
        and stands_alone(text, whose)
        and not points_outside(clause, to_people=turn.to_people)
        and not _GARBLED.search(text)
        and not (found and _HABIT.search(clause))  # "by Friday" is any Friday there
    )
    return _made(text, kind, turn, line, found, plain=plain)


def _chosen(turn: Turn) -> Sentence | None:
    """The sentence that tells most; the first line where there is none."""
    most = [_cut(line) for line in turn.lines[:_MOST_SENTENCES]]
    most = [line for line in most if re.search(r"\w", line.bare)]
    if most:
        # Below a first paragraph that asks for something may stand a text of others.
        first = turn.message.text.find("\n\n")
        return max(
            most,
            key=lambda line: (
                _tells(line, turn.message.role) + 2 * (first < 0 or line.start < first)
            ),
        )
    for line in turn.message.text.split("\n", 50):
        text = line.strip()[:_LONGEST]
        if re.search(r"\w", text):
            return Sentence(text, text, 0)
    return None


def _cut(line: Sentence) -> Sentence:
    """The beginning of a sentence without end, up to a word's end."""
    if len(line.text) <= _LONGEST:
        return line
    end = line.text.rfind(" ", 0, _LONGEST)
    end = end if end > 0 else _LONGEST
    return Sentence(line.text[:end], line.bare[:end], line.start, line.bullet)


def _tells(line: Sentence, role: str) -> float:
    bare = line.bare
    words = len(bare.split())
    points = min(words, 14) / 7 - max(0, words - 30) / 10
    if bare.rstrip().endswith("?"):
        points -= 3
    if role == "user":
        points += 1.5 * bool(_OWN.search(bare))
        points += bool(_OWN_START.match(bare, _clause(bare)[0]))
    points += min(len(_NAMED.findall(bare)), 3) / 2 + bool(_DATED.search(bare))
    points += bool(_DECIDES.search(bare)) + bool(_THING.search(bare))
    if s.HYPOTHETICAL.search(bare) or s.TRANSIENT.search(bare):
        points -= 1.5
    if bare.rstrip().endswith(":"):
        points -= 2
    return points - 0.5 * bool(_YOU.search(bare))


def _clause(bare: str) -> tuple[int, int]:
    """Where the statement begins and ends within a sentence."""
    lead = LEAD_IN.match(bare)
    start, end = lead.end() if lead else 0, len(bare)
    for cut in (TAIL, CONSEQUENCE):
        if (tail := cut.search(bare, start, end)) and tail.start() > start:
            end = tail.start()
    return (start, end) if re.search(r"\w", bare[start:end]) else (0, len(bare))


def _is_plain(line: Sentence, start: int, end: int) -> bool:
    """Whether a clause is a statement of somebody's own that names what it is about,
    and takes nothing of it back."""
    clause = line.bare[start:end]
    if line.bare.rstrip().endswith("?") or "·" in clause or "[" in clause:
        return False
    for taken_back in (s.HYPOTHETICAL, s.HEDGED, s.TRANSIENT, _YOU):
        if taken_back.search(line.bare):
            return False
    if re.match(r"(?:I|we)['’]d\b", clause, re.IGNORECASE):
        return False  # had, or would
    if _TALK.match(clause) or not 5 <= len(clause.split()) <= _MOST_WORDS:
        return False
    named = _NAMED.search(clause) or _THING.search(clause)
    points = _POINTS.search(clause)
    if named is None or (points and points.start() < named.start()):
        return False
    person, somebody = _PERSON.search(clause), _SOMEBODY.search(clause)
    somebody = somebody or _THING.search(clause)
    if person and (somebody is None or person.start() < somebody.start()):
        return False
    if _NO_STATEMENT.search(clause):
        return False
    content = {word.lower() for word in _CONTENT.findall(clause)} - _PLAIN
    return len(content) >= 4


def _lasts(clause: str, kind: Kind, found: Sequence[TimeMention]) -> bool:
    """Whether a clause is of more than the work at hand, with an assistant: what was
    done, or will be, has a day."""
    if _AT_HAND.search(clause):
        return False
    if kind in (Kind.EVENT, Kind.PLAN, Kind.DECISION):
        return bool(found)
    return True


def _kind(clause: str, found: Sequence[TimeMention]) -> Kind:
    tenses = {mention.tense for mention in found}
    if _DECIDES.search(clause):
        return Kind.DECISION
    if "future" in tenses or _FUTURE.search(clause):
        return Kind.PLAN
    if _PREFERS.search(clause) and not _PAST.search(clause):
        return Kind.PREFERENCE
    if "past" in tenses or _PAST.search(clause):
        return Kind.EVENT
    return Kind.FACT


def _quoted(turn: Turn, line: Sentence, subject: Subject) -> Candidate:
    """What is not said of oneself, as somebody's words."""
    words = line.text.strip()
    found = mentions(words, turn.message.sent_at.date(), None)
    text = f"{subject.name} said: {resolved(words, found)}"
    return _made(text, _kind(words, found), turn, line, found, plain=False)


def _told(turn: Turn, line: Sentence) -> Candidate:
    """What only an assistant said; the text has to say so."""
    words = line.text.strip()
    found = mentions(words, turn.message.sent_at.date(), "future")
    kind = Kind.FACT
    if _DECIDES.search(words):
        kind = Kind.DECISION
    elif line.bullet or _STEPS.search(words):
        kind = Kind.PROCEDURE
    text = f"The assistant said: {resolved(words, found)}"
    return _made(text, kind, turn, line, found, plain=False)


def _made(
    text: str,
    kind: Kind,
    turn: Turn,
    line: Sentence,
    found: Sequence[TimeMention],
    *,
    plain: bool,
) -> Candidate:
    confidence = turn.probability if plain else min(turn.probability, MOST_IN_DOUBT)
    return as_candidate(
        text, Signal(CONSIDERED, kind, _OWN, confidence), turn.message,
        line.text, found=found,
    )  # fmt: skip
