"""What a candidate must pass before it is kept, whoever extracted it."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from memcli.models import Candidate, ThreadPart
from memcli.redaction import holds_secret

_SPACE = re.compile(r"\s+")
MAX_TEXT = 1000
# A plan may lie decades ahead; a century is a misread number.
_FARTHEST = timedelta(days=366 * 100)


def check(
    candidates: Iterable[Candidate], part: ThreadPart, min_confidence: float
) -> tuple[list[Candidate], Counter[str]]:
    """The candidates that hold, and how many were set aside for which reason."""
    kept, set_aside = [], Counter[str]()
    for candidate in candidates:
        reason = _objection(candidate, part, min_confidence)
        if reason is None:
            kept.append(candidate)
        else:
            set_aside[reason] += 1
    return kept, set_aside


def _objection(
    candidate: Candidate, part: ThreadPart, min_confidence: float
) -> str | None:
    if candidate.confidence < min_confidence:
        return "below the confidence asked for"
    if not candidate.text.strip() or len(candidate.text) > MAX_TEXT:
        return "empty or far too long"
    if not candidate.quotes:
        return "without a quote"
    texts = {message.id: _SPACE.sub(" ", message.text) for message in part.new}
    for quote in candidate.quotes:
        if quote.message_id not in texts:
            return "quotes a message it was not shown"
        words = _SPACE.sub(" ", quote.text).strip()
        if not words or words not in texts[quote.message_id]:
            return "quote not found in the message"
    if "[redacted" in candidate.text or holds_secret(candidate.text):
        return "holds a secret"
    if candidate.happens_on is not None:
        distance = abs(candidate.happens_on - candidate.said_at.date())
        if distance > _FARTHEST:
            return "date out of reason"
    return None
