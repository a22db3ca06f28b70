"""How a change of a memory looks: what went, what came."""

from collections.abc import Iterator, Mapping
from typing import Any

Snapshot = Mapping[str, Any]
Line = tuple[str, str, str]  # sign, text, style

_NAMES = {
    "kind": "kind", "valid_from": "since", "valid_to": "until", "happens_on": "day",
    "confidence": "confidence", "superseded_by": "then memory",
}  # fmt: skip


def differences(before: Snapshot | None, after: Snapshot | None) -> Iterator[Line]:
    """What is different after, a line each, as a diff has it."""
    was = before is not None and before.get("deleted_in") is None
    is_ = after is not None and after.get("deleted_in") is None
    if not was and is_:
        assert after is not None
        yield "+", str(after["text"]), "green"
        if after.get("valid_to"):
            yield "+", f"until {_shown(after['valid_to'])}", "green"
        return
    if was and not is_:
        assert before is not None
        yield "-", str(before["text"]), "red"
        return
    if before is None or after is None:
        return
    if before["text"] != after["text"]:
        yield "-", str(before["text"]), "red"
        yield "+", str(after["text"]), "green"
    elif before.get("value") != after.get("value"):  # what it is not found by
        yield "-", f"value {before['value']}", "red"
        yield "+", f"value {after['value']}", "green"
    for name, shown in _NAMES.items():
        old, new = before.get(name), after.get(name)
        if old != new:
            yield "~", f"{shown} {_shown(old)} → {_shown(new)}", "yellow"
    more, fewer = _quotes(after) - _quotes(before), _quotes(before) - _quotes(after)
    for sign, quotes, style in (("+", more, "green"), ("-", fewer, "red")):
        for quote in sorted(quotes):
            yield sign, f"“{quote[1]}”", style


def _quotes(snapshot: Snapshot) -> set[tuple[int, str]]:
    return {(source[0], source[1]) for source in snapshot.get("sources", ())}


def _shown(value: object) -> str:
    if value is None:
        return "none"
    text = str(value)
    return text[:10] if text[10:11] == "T" else text
