"""What a dry run found, for people and as JSON."""

from typing import Any

from memcli.cli.wording import dollars, plural
from memcli.reflection.preview import Planned, Preview
from memcli.when import to_text

_LISTED = 20


def preview_json(found: Preview) -> dict[str, Any]:
    return {
        "model": found.model,
        "threads": [
            {
                "thread_id": planned.thread_id,
                "messages": planned.messages,
                "requests": planned.requests,
                "input_tokens": planned.input_tokens,
                "output_tokens": planned.output_tokens,
                "dollars": planned.dollars,
            }
            for planned in found.planned
        ],
        "nothing_to_send": found.known,
        "waiting": [
            {"thread_id": w.thread.id, "due_at": to_text(w.due_at)}
            for w in found.waiting
        ],
        "requests": sum(planned.requests for planned in found.planned),
        "input_tokens": sum(planned.input_tokens for planned in found.planned),
        "output_tokens": sum(planned.output_tokens for planned in found.planned),
        "dollars": found.dollars,
        "dollars_at_most": found.most,
    }


def print_preview(found: Preview, budget: float | None) -> None:
    """The dearest threads first, and what all of them come to."""
    by_price = sorted(found.planned, key=lambda p: (-p.input_tokens, p.thread_id))
    for planned in by_price[:_LISTED]:
        print(_line(planned))
    if (more := len(by_price) - _LISTED) > 0:
        print(f"… and {plural(more, 'thread')} more; --json lists all")
    if found.known:
        print(f"{plural(len(found.known), 'thread')} with nothing to send")
    if found.waiting:
        print(f"{plural(len(found.waiting), 'thread')} not quiet yet")
    if not found.planned:
        print("nothing would be sent")
        if found.known and found.offline:
            print("(no key, so no model: --extractor claude tells what it would cost)")
        return
    requests = sum(planned.requests for planned in found.planned)
    tokens = sum(planned.input_tokens for planned in found.planned)
    print(
        f"{plural(len(found.planned), 'thread')} would be sent to {found.model} in "
        f"{plural(requests, 'request')}: about {tokens:,} tokens"
    )
    if found.dollars is None:
        print(f"the price of {found.model} is not known")
        return
    print(
        f"about {dollars(found.dollars)}, {dollars(found.most)} if every answer were "
        "as long as it may be; consolidation comes on top, with a small part of that"
    )
    if budget is not None and found.dollars > budget:
        print(f"the budget of {dollars(budget)} would end the run early")


def _line(planned: Planned) -> str:
    price = "" if planned.dollars is None else f"  {dollars(planned.dollars)}"
    parts = f" in {planned.requests} parts" if planned.requests > 1 else ""
    return (
        f"{planned.thread_id}: {plural(planned.messages, 'message')}{parts}, "
        f"about {planned.input_tokens:,} tokens{price}"
    )
