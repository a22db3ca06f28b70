"""A thread's part → candidates, by the signals in what people say."""

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from memcli.extractors.base import Extraction
from memcli.extractors.offline import signals as s
from memcli.extractors.offline.dates import Tense, mentions, resolved
from memcli.extractors.offline.grammar import Subject, third_person
from memcli.extractors.offline.prose import (
    Sentence,
    asks_for_fiction,
    sentences,
    speaks_for_others,
    starts_a_part,
)
from memcli.extractors.offline.signals import Signal
from memcli.extractors.offline.statements import (
    CONSEQUENCE,
    HERE,
    LEAD_IN,
    MIN_WORDS,
    PRONOUN_START,
    TAIL,
    about_the_person,
    as_candidate,
    author,
    points_outside,
    several_people,
    stands_alone,
    subject_of,
    with_group,
    without_reasons,
)
from memcli.extractors.offline.telling import MOST_IN_DOUBT, Turn, most_telling
from memcli.extractors.offline.worth import READS_VECTORS_OF, worth
from memcli.models import Candidate, Kind, Message, Quote, ThreadPart

MAX_WORDS = 45
# Longer ones are essays with a summary in them, and replies with a yes in them.
MAX_SUMMARY_WORDS = 150
MAX_REPLY_WORDS = 40
# A rule that finds something where the classifier sees next to nothing is in doubt; of
# a turn of a few words the classifier knows too little.
UNLIKELY = 0.2
FEW_WORDS = 12
# So soon a thread asks for a story, if it is one.
OPENING_TURNS = 3
_CLAUSE = re.compile(
    r"(?:[;:]|\s[–—-]{1,2}|,(?=\s)|[.!](?=\s))\s*"
    r"(?:(?:and|but|so|because|since|as|though|although|which is why|plus)\s+)?"
    r"|\s(?:and|but|because|since|so|though|although|that)\s+(?=(?:I|we|my|our)\b)",
)
# "I'm vegan" is a whole statement; "I agreed" is none.
_SHORT_SIGNALS = {"condition"}
_YOU = re.compile(r"\b(?:you|your)\b", re.IGNORECASE)
_OWN_START = re.compile(r"(?:I|my|we|our|the)\b", re.IGNORECASE)
_USUAL = re.compile(r"\b(?:usually|normally|often|always|tends?)\b", re.IGNORECASE)
_TODAY = re.compile(
    r"\b(?:today|tonight|this (?:morning|afternoon|evening))\b", re.IGNORECASE
)
_THEME = re.compile(r"\b(?:dark|light)[ -]?(?:mode|theme)\b", re.IGNORECASE)
_NEW_HOME = re.compile(r"\b(?:now (?:they |\w+ )?lives? in|moved to) [A-ZÀ-Þ]")
# One value at a time only in these words: "lives in Ghent" and "lives in a flat",
# "works for Siemens" and "works from home" are true together.
_VALUE = {
    "residence": re.compile(
        r"\b(?:lives?|living|based|moved|relocated)\b.*? (?:in|to) (?-i:[A-ZÀ-Þ])"
    ),
    "work": re.compile(r"\bwork(?:s|ing)? (?:at|for) (?:the )?(?-i:[A-ZÀ-Þ])"),
    "name": re.compile(r"\bname\b"),
}
_DIET = re.compile(r"\b(?:vegetarian|vegan|pescatarian|flexitarian)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Found:
    """A signal in a sentence, with the stretch of it that makes the memory."""

    signal: Signal
    match: re.Match[str]
    start: int
    end: int


class OfflineExtractor:
    """Rules over what people wrote, and a small classifier for the turns in which
    no rule finds anything; never a network, never a model that is asked."""

    name = "offline"
    model = "rules-2"
    recipe = "offline rules-2"
    part_characters = None
    asker = None
    reads_vectors_of: str | None = READS_VECTORS_OF

    def fingerprint(self, part: ThreadPart) -> str:
        """A hash of the rules' version and of everything they look at.

        A vector follows from its text, so it tells only which were there.
        """
        turns = (*part.context, *part.new)
        shown = [(m.key, m.name, m.text) for m in turns]
        text = repr((self.recipe, shown, part.thread.format, part.thread.metadata))
        if part.vectors:
            text += repr([m.key in part.vectors for m in turns])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def extract(self, part: ThreadPart) -> Extraction:
        """The candidates of one part, in the order they were said: what rules find,
        and one more for each turn in which they find nothing."""
        found: list[Candidate] = []
        several = several_people(part)
        likely = worth((*part.context, *part.new), part.vectors)[len(part.context) :]
        acting = any(
            starts_a_part(m.text) for m in part.context[-3:] if m.role == "user"
        )
        fiction = not several and _is_fiction(part)
        talk = several and all(m.role == "user" for m in (*part.context, *part.new))
        cited: set[str] = set()
        rest: list[Turn] = []
        for i, message in enumerate(part.new):
            lines = sentences(message.text)
            by_rules: list[Candidate] = []
            own_voice = False
            if message.role == "assistant":
                before = part.new[i - 1] if i else (part.context or (None,))[-1]
                after = part.new[i + 1] if i + 1 < len(part.new) else None
                by_rules += _agreed(message, lines, before, after, among_others=several)
            else:
                own_voice = not (acting or fiction or speaks_for_others(message.text))
                if own_voice:
                    who = subject_of(message, part)
                    said = _said(message, lines, who, to_people=talk)
                    by_rules += (_doubted(c, message, likely[i]) for c in said)
                acting = starts_a_part(message.text)
            cited |= {quote.message_id for c in by_rules for quote in c.quotes}
            found += by_rules
            rest.append(Turn(message, lines, likely[i], own_voice, several))
        found += (
            candidate
            for turn in rest
            if turn.message.id not in cited
            and (candidate := most_telling(turn, subject_of(turn.message, part)))
        )
        order = {message.id: i for i, message in enumerate(part.new)}
        found.sort(key=lambda candidate: order[candidate.quotes[0].message_id])
        return Extraction(tuple(_distinct(found)))

    def close(self) -> None:
        """Nothing is held."""


def _is_fiction(part: ThreadPart) -> bool:
    """Whether a thread with an assistant begins by asking for one."""
    turns = (m for m in (*part.context, *part.new) if m.role == "user")
    return any(asks_for_fiction(m.text) for m in itertools.islice(turns, OPENING_TURNS))


def _doubted(candidate: Candidate, message: Message, probability: float) -> Candidate:
    """Below the default where the classifier thinks nothing of the turn, but for what
    was plainly asked for."""
    if probability >= UNLIKELY or candidate.kind is Kind.CORRECTION:
        return candidate
    if _asks_to_remember(candidate.quotes[0].text):
        return candidate
    if candidate.kind is Kind.INSTRUCTION:
        asked = candidate.text.partition(": ")[2].split()
        clear = len(asked) > 2  # "always coins" may be the answer to anything
    else:
        clear = len(message.text.split()) <= FEW_WORDS
    most = candidate.confidence if clear else MOST_IN_DOUBT
    return replace(candidate, confidence=min(candidate.confidence, most))


def _said(
    message: Message, lines: Sequence[Sentence], subject: Subject, *, to_people: bool
) -> Iterator[Candidate]:
    """What a person's own sentences state."""
    previous: Sentence | None = None
    for sentence in lines:
        candidate = None
        # Among people it is advice, or half of a sentence.
        if not to_people or _YOU.search(sentence.bare):
            candidate = _instruction(sentence, message, subject)
        if candidate is None:
            candidate = _statement(
                sentence, previous, message, subject, to_people=to_people
            )
        if candidate is not None:
            yield candidate
        previous = sentence


def _instruction(
    sentence: Sentence, message: Message, subject: Subject
) -> Candidate | None:
    """A standing instruction to the assistant."""
    bare = sentence.bare
    if bare.rstrip().endswith("?") or not _right_length(bare):
        return None
    lead = LEAD_IN.match(bare)
    starts = [0, *([lead.end()] if lead else [])]
    starts += [m.end() for m in _CLAUSE.finditer(bare) if bare[m.start()] in ":–—-"]
    for at in starts:
        for signal in s.INSTRUCTIONS:
            match = signal.pattern.match(bare, at)
            if match is None:
                continue
            if s.HYPOTHETICAL.match(match["body"]) or s.TRANSIENT.search(bare):
                continue
            start, end = match.span("body")
            body = sentence.text[start:end]
            if not re.search(r"\w", body):
                continue
            said_on = message.sent_at.date()
            found = mentions(body, said_on, None)
            text = third_person(resolved(body, found), subject, named=False)
            text = text[:1].lower() + text[1:] if not _is_name(text) else text
            unclear = points_outside(match["body"], to_people=False)
            most = MOST_IN_DOUBT if unclear else signal.confidence
            return as_candidate(
                f"Standing instruction from {subject.inside}: {text}",
                signal, message, sentence.text, found=[],
                confidence=min(signal.confidence, most),
            )  # fmt: skip
    return None


def _asks_to_remember(text: str) -> bool:
    return s.REMEMBER.match(text) is not None and not text.lower().startswith(
        ("for context", "fyi", "just so", "so you know", "for the record")
    )


def _statement(
    sentence: Sentence,
    previous: Sentence | None,
    message: Message,
    subject: Subject,
    *,
    to_people: bool,
) -> Candidate | None:
    """A fact, preference, plan, event, decision or correction about the author."""
    bare = sentence.bare
    remember = s.REMEMBER.match(bare)
    asked = _asks_to_remember(bare)
    if remember and asked and not _OWN_START.match(remember["body"]):
        return None  # "remember that in Python …" is a remark, not a request
    at = remember.start("body") if remember else 0
    lead = LEAD_IN.match(bare, at)
    at = lead.end() if lead else at
    corrects = bool(s.CORRECTION.match(bare)) or bool(
        previous and s.CORRECTION.match(previous.bare)
    )
    end = len(bare)
    for cut in (TAIL, CONSEQUENCE):
        if (tail := cut.search(bare, at, end)) and tail.start() > at:
            end = tail.start()
    if bare[at:end].rstrip().endswith("?"):
        return None
    clause = bare[at:end]
    if not _right_length(clause) or s.HYPOTHETICAL.search(clause):
        return None
    said_on = message.sent_at.date()
    found = _first_signal(bare, at, end, said_on)
    if found is None:
        if not (corrects or s.CORRECTION.match(bare)) and not asked:
            return None
        if asked or s.NOT_BUT.search(clause):
            return _corrected(sentence, at, end, message, subject, asked=asked)
        return None
    stated = _stated(found, sentence, message, subject, corrects=corrects, asked=asked)
    if stated is None or asked:
        return stated
    said = sentence.bare[found.start : found.end]
    if not points_outside(said, to_people=to_people):
        return stated
    return replace(stated, confidence=min(stated.confidence, MOST_IN_DOUBT))


def _first_signal(bare: str, at: int, end: int, said_on: date) -> _Found | None:
    """The strongest signal at the start of any clause of a sentence."""
    starts = [at]
    starts += [m.end() for m in _CLAUSE.finditer(bare, at, end)]
    best: _Found | None = None
    for start in starts:
        lead = LEAD_IN.match(bare, start)
        begin = lead.end() if lead and lead.end() < end else start
        for signal in s.SIGNALS:
            match = signal.pattern.match(bare, begin, end)
            if match is None or not _time_fits(signal, bare[begin:end], said_on):
                continue
            if best is None or signal.confidence > best.signal.confidence + 0.05:
                best = _Found(signal, match, begin, end)
            break
    return best


def _time_fits(signal: Signal, clause: str, said_on: date) -> bool:
    if signal.needs is None:
        return True
    tense = None if signal.needs == "date" else signal.needs
    found = mentions(clause, said_on, tense)
    if signal.needs == "date":
        return bool(found)
    if signal.needs == "past":
        return any(m.tense == "past" or m.day == said_on for m in found)
    return any(m.tense == "future" for m in found)


def _stated(
    found: _Found,
    sentence: Sentence,
    message: Message,
    subject: Subject,
    *,
    corrects: bool,
    asked: bool,
) -> Candidate | None:
    signal = found.signal
    if found.end - found.start < 16 and signal.name not in _SHORT_SIGNALS:
        words = sentence.bare[found.start : found.end].split()
        if len(words) < MIN_WORDS:
            return None
    clause = sentence.text[found.start : found.end].rstrip()
    clause = without_reasons(clause)
    times = mentions(clause, message.sent_at.date(), _tense(signal))
    # A birthday comes again every year.
    yearly = signal.name == "birthday" or re.search(r"\bborn\b", clause)
    spoken = clause if yearly else resolved(clause, times)
    if signal.voice == "bare":
        spoken = "I " + _bare_verb(spoken)
    if signal.name != "team is":
        subject = with_group(subject, sentence.text)
    text = third_person(spoken, subject)
    if not stands_alone(text, subject):
        return None
    if signal.kind is Kind.DECISION and _YOU.search(clause):
        return None  # an errand for the assistant
    confidence = signal.confidence
    if asked:
        confidence = max(confidence, 0.9)
    if s.HEDGED.search(sentence.bare, max(0, found.start - 20), found.end):
        confidence -= 0.2
    if s.TRANSIENT.search(clause):
        confidence -= 0.3
    if HERE.search(clause):
        confidence -= 0.3
    if signal.kind is Kind.EVENT and times and _USUAL.search(clause):
        confidence -= 0.3  # "often hazy by Friday" is any Friday
    if signal.kind is Kind.FACT and _TODAY.search(clause):
        confidence -= 0.3
    replaces: str | None = None
    if signal.change:
        replaces = found.match.groupdict().get("old") or ""
    elif corrects:
        replaces = ""
    kind = signal.kind
    if corrects:
        kind = Kind.CORRECTION
    return as_candidate(
        text, signal, message, sentence.text, found=times, confidence=confidence,
        about=_about(signal, found.match, text, subject), replaces=replaces, kind=kind,
    )  # fmt: skip


def _corrected(
    sentence: Sentence,
    at: int,
    end: int,
    message: Message,
    subject: Subject,
    *,
    asked: bool,
) -> Candidate | None:
    """A statement about somebody else that sets something right, or that the
    person asked to have remembered.
    """
    clause = sentence.text[at:end]
    times = mentions(clause, message.sent_at.date(), None)
    text = third_person(resolved(clause, times), subject)
    if PRONOUN_START.match(text) or not stands_alone(text, subject):
        return None
    kind = Kind.FACT if asked else Kind.CORRECTION
    signal = Signal(
        "asked to remember" if asked else "correction", kind, s.CORRECTION,
        0.82 if asked else 0.74,
    )  # fmt: skip
    return as_candidate(
        text, signal, message, sentence.text, found=times,
        replaces=None if asked else "",
    )  # fmt: skip


def _agreed(
    message: Message,
    lines: Sequence[Sentence],
    before: Message | None,
    after: Message | None,
    *,
    among_others: bool,
) -> Iterator[Candidate]:
    """What an assistant sums up, where the person agreed before or after.

    Without that it is the assistant's opinion, and none of the person's. A list
    needs the yes that follows it; a short sentence may answer the yes before.
    """
    opening = next((i for i, x in enumerate(lines[:2]) if _sums_up(x.bare)), None)
    if opening is None or len(message.text.split()) > MAX_SUMMARY_WORDS:
        return
    if _says(s.DISAGREES, after):
        return
    first, rest = lines[opening], lines[opening + 1 :]
    points = list(itertools.takewhile(lambda x: x.bullet, rest))
    confirmed = _says(s.AGREES, after)
    if points and not confirmed:
        return
    if not points:
        settled = _says(s.AGREES, before)
        alone = len(_unlabelled(first.text).split()) >= MIN_WORDS
        if not alone or not (confirmed or settled) or len(lines) > 4:
            return
        points = [first]
    speaker = after if confirmed else before
    assert speaker is not None
    who = Subject(name=author(speaker, among_others=among_others))
    for point in points:
        for candidate in _agreed_point(point, message, who):
            # Who agreed is quoted, too: the assistant's word alone is nobody's.
            quotes = (*candidate.quotes, Quote(speaker.id, speaker.text))
            yield replace(candidate, author=speaker.name, quotes=quotes)


def _says(pattern: re.Pattern[str], message: Message | None) -> bool:
    """Whether a person's short reply begins that way."""
    return (
        message is not None
        and message.role == "user"
        and len(message.text.split()) <= MAX_REPLY_WORDS
        and pattern.match(message.text) is not None
    )


def _agreed_point(
    point: Sentence, message: Message, who: Subject
) -> Iterator[Candidate]:
    text = _unlabelled(point.text)
    if text.rstrip().endswith("?") or not MIN_WORDS <= len(text.split()) <= MAX_WORDS:
        return
    if s.HYPOTHETICAL.search(text) or "**" in text or text.rstrip().endswith(":"):
        return
    times = mentions(text, message.sent_at.date(), "future")
    text = about_the_person(resolved(text, times), who)
    signal = Signal("agreed", Kind.DECISION, s.SUMMARY_LABEL, 0.78)
    yield as_candidate(
        f"{who.name} agreed: {text[:1].lower() if not _is_name(text) else text[:1]}"
        f"{text[1:]}",
        signal, message, point.text, found=times,
    )  # fmt: skip


def _sums_up(text: str) -> bool:
    return bool(s.SUMMARY_LABEL.match(text) or s.SUMMARY_SENTENCE.match(text))


def _unlabelled(text: str) -> str:
    """`So to recap: A, B` → `A, B`."""
    sentence = s.SUMMARY_SENTENCE.match(text)
    return sentence["body"] if sentence else s.SUMMARY_LABEL.sub("", text, count=1)


def _about(
    signal: Signal, match: re.Match[str], text: str, subject: Subject
) -> str | None:
    """The one-valued thing a statement is about, kept apart by person."""
    thing = signal.about
    if thing is not None and "{" in thing:
        thing = thing.format(**{k: v or "" for k, v in match.groupdict().items()})
    if thing in _VALUE and not _VALUE[thing].search(text):
        thing = None
    if signal.change and _NEW_HOME.search(text):
        thing = "residence"
    if _THEME.search(text) and signal.kind is Kind.PREFERENCE:
        thing = "theme"
    elif _DIET.search(text) and text.startswith((subject.name + " is", subject.name)):
        own = not re.match(rf"{re.escape(subject.name)}'s? \w+", text)
        thing = "diet" if own else thing
    return f"{subject.inside}: {thing.lower()}" if thing else None


def _bare_verb(text: str) -> str:
    first, _, rest = text.partition(" ")
    if first.lower() == "just":
        first, _, rest = rest.partition(" ")
    lower = first[:1].lower() + first[1:]
    return f"am {lower} {rest}" if lower.endswith("ing") else f"{lower} {rest}"


def _tense(signal: Signal) -> Tense | None:
    """Which way a bare "on Friday" points; in a rule or a fact it recurs."""
    if signal.needs == "past" or signal.needs == "future":
        return signal.needs
    if signal.kind is Kind.EVENT:
        return "past"
    return "future" if signal.kind is Kind.PLAN else None


def _right_length(clause: str) -> bool:
    return 2 <= len(clause.split()) <= MAX_WORDS


def _is_name(text: str) -> bool:
    word = text.split(" ", 1)[0]
    return (
        len(word) > 1
        and word[:1].isupper()
        and (word.isupper() or any(c.isupper() for c in word[1:]))
    )


def _distinct(found: list[Candidate]) -> Iterator[Candidate]:
    """Without what a message says twice."""
    seen: set[tuple[str, str]] = set()
    for candidate in found:
        key = (candidate.quotes[0].message_id, candidate.text.lower())
        if key not in seen:
            seen.add(key)
            yield candidate
