"""Which extractor a run uses, and a line that says so."""

import os

from memcli.errors import UsageError
from memcli.extractors.base import Extractor

_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


def choose(name: str, model: str) -> tuple[Extractor, str]:
    """The extractor, and what to tell the user about the choice.

    `auto` takes Claude when a key is configured. Raises UsageError for an
    unknown name, or for `claude` without a key: a nightly run must not fall
    back to something else without being told to.
    """
    key = next((key for key in _KEYS if os.environ.get(key)), None)
    if name == "auto":
        if key is None:
            why = "no ANTHROPIC_API_KEY; nothing leaves this machine"
            return _offline(), f"extractor: offline ({why})"
        name = "claude"
        why = f"{key} is set; --extractor offline costs nothing"
    elif name == "offline":
        return _offline(), "extractor: offline"
    elif name == "claude":
        if key is None:
            raise UsageError(
                "--extractor claude needs ANTHROPIC_API_KEY in the environment"
            )
        why = key
    else:
        raise UsageError(f"unknown extractor {name!r}; write auto, claude or offline")
    from memcli.extractors.claude import ClaudeExtractor

    return ClaudeExtractor(model), f"extractor: claude, {model} ({why})"


def _offline() -> Extractor:
    from memcli.extractors.offline.extractor import OfflineExtractor

    return OfflineExtractor()
