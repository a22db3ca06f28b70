"""Patching a profile: one document that every conversation may add to.

What is not spoken of stays. Where two conversations disagree, the later word
counts, whichever was read first, so each field keeps the time it was said.
"""

from collections.abc import Mapping
from typing import Any


def patched(
    document: Mapping[str, Any],
    times: Mapping[str, str],
    patch: Mapping[str, Any],
    said_at: str,
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """The document with the patch in it, when its fields were said, and the paths
    that changed.

    Objects are patched field by field, lists take what is new to them, anything
    else takes the later value. `times` has ISO texts, by dotted path.
    """
    new_document, new_times = dict(document), dict(times)
    changed = _patch(new_document, new_times, patch, said_at, "")
    return new_document, new_times, changed


def _patch(
    document: dict[str, Any],
    times: dict[str, str],
    patch: Mapping[str, Any],
    said_at: str,
    above: str,
) -> list[str]:
    changed = []
    for key, value in patch.items():
        path = f"{above}.{key}" if above else key
        before = document.get(key)
        grows = isinstance(before, Mapping | list) and type(value) is type(before)
        if not grows and times.get(path, "") > said_at:
            continue
        if isinstance(value, Mapping) and (before is None or isinstance(before, dict)):
            inner = dict(before or {})
            changed += _patch(inner, times, value, said_at, path)
            document[key] = inner
            times[path] = max(times.get(path, ""), said_at)
            continue
        if isinstance(value, list) and isinstance(before, list):
            value = before + [item for item in value if item not in before]
        if value != before:
            document[key] = value
            changed.append(path)
        times[path] = max(times.get(path, ""), said_at)
    return changed
