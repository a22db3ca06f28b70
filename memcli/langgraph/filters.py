"""Which items a search is about: LangGraph's filters and namespace patterns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langgraph.store.base import MatchCondition

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, wanted: bool(value == wanted),
    "$ne": lambda value, wanted: bool(value != wanted),
    "$gt": lambda value, wanted: float(value) > float(wanted),
    "$gte": lambda value, wanted: float(value) >= float(wanted),
    "$lt": lambda value, wanted: float(value) < float(wanted),
    "$lte": lambda value, wanted: float(value) <= float(wanted),
}


def passes(value: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """Whether an item's value is as a filter says. A field that is not there is None.

    Raises ValueError for an unknown operator, and what `float` raises where numbers
    are compared with something else.
    """
    return all(_fits(value.get(key), item) for key, item in (wanted or {}).items())


def matches(labels: Sequence[str], conditions: Sequence[MatchCondition]) -> bool:
    """Whether a namespace fits all conditions; `*` stands for any one label.

    Raises ValueError for a kind of condition that there is not.
    """
    return all(_matches(labels, condition) for condition in conditions)


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if any(name.startswith("$") for name in wanted):
            return all(_compared(value, name, to) for name, to in wanted.items())
        return isinstance(value, Mapping) and passes(value, wanted)
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list)
            and len(value) == len(wanted)
            and all(_fits(*pair) for pair in zip(value, wanted, strict=True))
        )
    return bool(value == wanted)


def _compared(value: Any, operator: str, wanted: Any) -> bool:
    if operator not in _OPERATORS:
        raise ValueError(f"{operator} is none of {', '.join(_OPERATORS)}")
    return _OPERATORS[operator](value, wanted)


def _matches(labels: Sequence[str], condition: MatchCondition) -> bool:
    path = condition.path
    if condition.match_type not in ("prefix", "suffix"):
        raise ValueError(f"{condition.match_type!r} is neither prefix nor suffix")
    if len(labels) < len(path):
        return False
    some = (
        labels[: len(path)]
        if condition.match_type == "prefix"
        else labels[len(labels) - len(path) :]
    )
    return all(wanted in ("*", label) for label, wanted in zip(some, path, strict=True))
