"""What a candidate must pass before it is kept, whoever extracted it."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta

from memcli.extractors.base import CONSIDERED
from memcli.models import Candidate, Message, ThreadPart
from memcli.redaction import holds_secret
from memcli.reflection import voice

# What programs put around prompts, and a model may take for somebody's words.
_HARNESS = re.compile(
    r"</?(?:system-reminder|command-\w+|local-command-\w+|environment_context"
    r"|user_instructions|memor(?:y|ies)|conversation-[0-9a-f]{8})\b"
)
_SPACE = re.compile(r"\s+")
MAX_TEXT = 1000
MAX_VALUE = 8000
TOO_UNLIKELY = "below the confidence asked for"
ONLY_THE_ASSISTANT = "only the assistant said it"
# A plan may lie decades ahead; a century is a misread number.
_FARTHEST = timedelta(days=366 * 100)


# A candidate that tells of itself that only the assistant said it begins so, and is
# not more certain than that: below the default of --min-confidence.
HEARSAY = "The assistant said: "
MOST_HEARSAY = 0.55


def check(
    candidates: Iterable[Candidate],
    part: ThreadPart,
    min_confidence: float,
    *,
    hearsay: bool = False,
) -> tuple[list[Candidate], Counter[str]]:
    """The candidates that hold, and how many were set aside for which reason; of those
    that were only considered, what is too unlikely is not counted.

    With `hearsay` one may pass that quotes an assistant alone, if it says so: for
    candidates of the rules, which copy what they quote.
    """
    kept, set_aside = [], Counter[str]()
    shown = {message.id: message for message in part.new}
    playing = _playing(part)
    for candidate in candidates:
        reason = _objection(candidate, shown, playing, min_confidence)
        if reason == ONLY_THE_ASSISTANT and hearsay and _says_so(candidate, shown):
            reason = None
        if reason is None:
            kept.append(candidate)
        elif reason != TOO_UNLIKELY or candidate.signal != CONSIDERED:
            set_aside[reason] += 1
    return kept, set_aside


def _objection(
    candidate: Candidate,
    shown: Mapping[str, Message],
    playing: Collection[str],
    min_confidence: float,
) -> str | None:
    if candidate.confidence < min_confidence:
        return TOO_UNLIKELY
    most = MAX_TEXT if candidate.value is None else MAX_VALUE
    if not candidate.text.strip() or len(candidate.text) > most:
        return "empty or far too long"
    if not candidate.quotes:
        return "without a quote"
    for quote in candidate.quotes:
        if quote.message_id not in shown:
            return "quotes a message it was not shown"
        words = _SPACE.sub(" ", quote.text).strip()
        if not words or words not in _SPACE.sub(" ", shown[quote.message_id].text):
            return "quote not found in the message"
    if any("[redacted" in text or holds_secret(text) for text in _texts(candidate)):
        return "holds a secret"
    if _HARNESS.search(candidate.text):
        return "repeats a harness"
    if candidate.happens_on is not None:
        distance = abs(candidate.happens_on - candidate.said_at.date())
        if distance > _FARTHEST:
            return "date out of reason"
    return _not_their_own(candidate, shown, playing)


def _not_their_own(
    candidate: Candidate, shown: Mapping[str, Message], playing: Collection[str]
) -> str | None:
    """Why no person stands behind a candidate.

    One quote in a person's own words is enough: who agrees to what the assistant
    said quotes both.
    """
    objections = []
    for quote in candidate.quotes:
        message = shown[quote.message_id]
        if message.role != "user":
            continue
        objection = voice.objection(message.text, quote.text)
        if objection is None and message.id in playing:
            objection = "said in a role"
        if objection is None:
            return _of_somebody_else(candidate, message, shown.values())
        objections.append(objection)
    return objections[0] if objections else ONLY_THE_ASSISTANT


def _says_so(candidate: Candidate, shown: Mapping[str, Message]) -> bool:
    """Whether a candidate that quotes an assistant claims no more than that, and
    what is quoted does not speak to the machine."""
    return (
        candidate.text.startswith(HEARSAY)
        and candidate.confidence <= MOST_HEARSAY
        and all(
            voice.objection(shown[quote.message_id].text, quote.text)
            in (None, voice.PASTED)
            for quote in candidate.quotes
        )
    )


def _playing(part: ThreadPart) -> set[str]:
    """Messages in which a person plays somebody."""
    said = [m for m in (*part.context, *part.new) if m.role == "user"]
    in_a_part = voice.in_a_part(message.text for message in said)
    return {m.id for m, playing in zip(said, in_a_part, strict=True) if playing}


def _of_somebody_else(
    candidate: Candidate, said: Message, shown: Iterable[Message]
) -> str | None:
    """Whether one person in a chat says what another one is or wants."""
    others = {m.name for m in shown if m.name and m.role == "user"} - {said.name}
    if not said.name or not others:
        return None
    subject = " ".join(candidate.text.split()[:3])
    if any(re.match(rf"{re.escape(name)}\b", subject) for name in others):
        return "one person's word about another"
    return None


def _texts(candidate: Candidate) -> Iterator[str]:
    """Everything of a candidate that would be stored in its own right."""
    yield candidate.text
    yield from (text for text in (candidate.about, candidate.replaces) if text)
    if candidate.value is not None:
        yield json.dumps(candidate.value, ensure_ascii=False)
