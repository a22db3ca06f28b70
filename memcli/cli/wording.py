"""Counts and spans as people say them, and JSON; no terminal needed."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from memcli.when import format_duration


def print_json(value: Any) -> None:
    """One JSON document on stdout, in the characters it was written in."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def plural(count: int, noun: str, many: str | None = None) -> str:
    """`1 thread`, `2 threads`, `1,204 memories`."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def dollars(amount: float | None) -> str:
    """`$1.20`; small amounts with as many digits as they need, `$?` if unknown."""
    if amount is None:
        return "$?"
    if amount == 0 or amount >= 0.995:
        return f"${amount:.2f}"
    return f"${amount:.4f}" if amount >= 0.0001 else "under $0.0001"


def counts(counter: Counter[str], most: int = 8) -> str:
    """`12 harness text, 3 thinking block`: the commonest first."""
    listed = [f"{n:,} {what}" for what, n in counter.most_common(most)]
    if (more := len(counter) - most) > 0:
        listed.append(f"and {more} more")
    return ", ".join(listed)


def ago(moment: datetime, now: datetime) -> str:
    """`just now`, `5m ago`, `3d ago`."""
    passed = now - moment
    if passed < timedelta(seconds=10):
        return "just now"
    return f"{format_duration(passed)} ago"


def size(count: int) -> str:
    """`12.3 MB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit in ("B", "kB") else f"{amount:.1f} {unit}"
