"""How memories look: on a terminal, in a pipe, as JSON."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from memcli.models import HistoryEntry, Hit, Memory, Source
from memcli.when import to_text


def console(*, stderr: bool = False) -> Console:
    """Results go to stdout, notices to stderr; no wrapping or colour in a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() else 10_000
    return Console(
        stderr=stderr, width=wide, highlight=False, soft_wrap=not stream.isatty()
    )


def source_json(source: Source) -> dict[str, Any]:
    return {
        "thread_id": source.thread_id,
        "message_id": source.message_id,
        "quote": source.quote,
        "said_at": to_text(source.said_at),
        "role": source.role,
        "author": source.author,
    }


def memory_json(memory: Memory) -> dict[str, Any]:
    """The export line of the design's contract."""
    return {
        "id": memory.id,
        "namespace": memory.namespace,
        "kind": memory.kind.value,
        "text": memory.text,
        **({"schema": memory.schema, "value": memory.value} if memory.schema else {}),
        **({"key": memory.item_key} if memory.item_key is not None else {}),
        "created_at": to_text(memory.created_at),
        "updated_at": to_text(memory.updated_at),
        "valid_from": to_text(memory.valid_from),
        "valid_to": to_text(memory.valid_to) if memory.valid_to else None,
        "happens_on": memory.happens_on.isoformat() if memory.happens_on else None,
        "superseded_by": memory.superseded_by,
        "by_hand": to_text(memory.by_hand) if memory.by_hand else None,
        "confidence": memory.confidence,
        "strength": memory.strength,
        "sources": [source_json(source) for source in memory.sources],
    }


def hit_json(hit: Hit, *, explain: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": hit.id,
        "scope": hit.scope,
        "score": round(hit.score, 4),
        "text": hit.text,
    }
    if hit.memory is not None:
        found |= memory_json(hit.memory) | {"id": hit.id}
    else:
        found["sources"] = [source_json(source) for source in hit.sources]
    found["also"] = list(hit.also)
    if explain:
        parts = {name: round(value, 3) for name, value in hit.parts.items()}
        found["why"] = {**parts, "cosine": round(hit.cosine, 3)}
    return found


def entry_json(entry: HistoryEntry) -> dict[str, Any]:
    """One operation of a memory's history."""
    return {
        "run": entry.run_id,
        "operation": entry.op.value,
        "reason": entry.reason,
        "at": to_text(entry.at),
        "before": entry.before,
        "after": entry.after,
    }


def day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def said_by(source: Source) -> str:
    return source.author or ("the user" if source.role == "user" else "the assistant")


def origin_line(source: Source) -> str:
    return f"{day(source.said_at)}, {said_by(source)} in {source.thread_id}"


def print_row(out: Console, lead: Text, body: Text) -> None:
    """A lead and a body on one line; on a terminal a long body wraps beside it."""
    if out.is_terminal:
        from rich.table import Table

        grid = Table.grid(padding=0)
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(lead, body)
        out.print(grid)
    else:
        out.print(lead + body)


def marked_text(text: str, spans: Iterable[tuple[int, int]], style: str) -> Text:
    found = Text(text)
    for start, end in spans:
        found.stylize(style, start, end)
    return found


def snippet(text: str, spans: Sequence[tuple[int, int]], width: int = 240) -> str:
    """The part of a long text around the first marked word, on one line."""
    flat = " ".join(text.split())
    if len(flat) <= width:
        return flat
    first = " ".join(text[: spans[0][0]].split()) if spans else ""
    start = max(0, len(first) - width // 3)
    # Between words, if there is a space near: not in every script.
    if start and (space := flat.find(" ", start, start + width // 6)) >= 0:
        start = space + 1
    cut = flat[start : start + width]
    if (space := cut.rfind(" ", width - width // 6)) >= 0:
        cut = cut[:space]
    return ("… " if start else "") + cut + " …"
