"""Which extractor a run uses, and a line that says so."""

import os

from memcli.errors import UsageError
from memcli.extractors.base import Extractor

_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


def check(name: str) -> None:
    """Raise UsageError for a choice that cannot work, also when nothing is due."""
    if name not in ("auto", "claude", "offline"):
        raise UsageError(f"unknown extractor {name!r}; write auto, claude or offline")
    if name == "claude" and not any(os.environ.get(key) for key in _KEYS):
        raise UsageError(
            "--extractor claude needs ANTHROPIC_API_KEY in the environment"
        )


def choose(name: str, model: str) -> tuple[Extractor, str]:
    """The extractor, and what to tell the user about the choice.

    `auto` takes Claude when a key is configured. Raises UsageError as `check`
    does: a nightly run must not fall back to something else unasked.
    """
    check(name)
    key = next((key for key in _KEYS if os.environ.get(key)), None)
    if name == "auto":
        if key is None:
            why = "no ANTHROPIC_API_KEY; nothing leaves this machine"
            return _offline(), f"extractor: offline ({why})"
        name = "claude"
        why = f"{key} is set; --extractor offline costs nothing"
    elif name == "offline":
        return _offline(), "extractor: offline"
    else:
        why = str(key)
    from memcli.extractors.claude import ClaudeExtractor

    return ClaudeExtractor(model), f"extractor: claude, {model} ({why})"


def _offline() -> Extractor:
    from memcli.extractors.offline.extractor import OfflineExtractor

    return OfflineExtractor()
