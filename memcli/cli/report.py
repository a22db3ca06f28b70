"""What a run came to, for people and as JSON."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from memcli.cli.wording import counts, dollars, plural
from memcli.models import Op
from memcli.reflection.reflect import Report
from memcli.when import format_duration, to_text, utc_now

if TYPE_CHECKING:
    from memcli.reflection.takeover import Taken


def report_json(report: Report) -> dict[str, Any]:
    reading = report.reading
    return {
        "run": report.run_id,
        "files": {
            "read": reading.files_read,
            "unchanged": reading.unchanged,
            "not_transcripts": dict(reading.unrecognised),
            "unreadable": reading.unreadable,
            "without_messages": list(reading.silent),
        },
        "formats": dict(reading.formats),
        "messages": {
            "added": reading.added,
            "edited": reading.edited,
            "withdrawn": reading.withdrawn,
            "secrets_redacted": reading.redacted,
            "skipped": dict(reading.skipped),
        },
        "problems": reading.problems,
        "threads": {
            "reflected": report.reflected,
            "waiting": [
                {"thread_id": w.thread.id, "due_at": to_text(w.due_at)}
                for w in report.waiting
            ],
            "failed": report.failed,
            "submitted": report.submitted,
            "in_batches": report.in_batches,
        },
        "candidates": {"kept": report.candidates, "set_aside": dict(report.set_aside)},
        "memories": {
            "inserted": report.operations[Op.INSERT],
            "updated": report.operations[Op.UPDATE],
            "strengthened": report.operations[Op.STRENGTHEN],
            "superseded": report.operations[Op.SUPERSEDE],
            "deleted": report.operations[Op.DELETE],
        },
        "requests": report.cost.requests,
        "answers_reused": report.reused,
        "tokens": {
            "input": report.cost.input_tokens,
            "output": report.cost.output_tokens,
            "cache_read": report.cost.cache_read_tokens,
            "cache_write": report.cost.cache_write_tokens,
        },
        "dollars": report.cost.dollars,
        "ended_by": str(report.ended_by) if report.ended_by else None,
        "interrupted": report.interrupted,
    }


def reports_json(report: Report, taken: "Sequence[Taken]") -> dict[str, Any]:
    """The run over transcripts, and those over what programs submitted, if any."""
    found = report_json(report)
    if taken:
        found["submissions"] = [
            {"model": one.model, "error": str(one.error)}
            if one.report is None
            else {"model": one.model, **report_json(one.report)}
            for one in taken
        ]
    return found


def print_reports(report: Report | None, taken: "Sequence[Taken]") -> None:
    """The same for people; without a run over transcripts if there was none."""
    if report is not None:
        print_report(report)
    for one in taken:
        if one.report is not None:
            print(f"submitted, for {one.model}:")
            print_report(one.report, submitted=True)
    if report is None and not taken:
        print("nothing that was submitted is due")


def print_report(report: Report, *, submitted: bool = False) -> None:
    """What a person wants to know after a run, in a few lines."""
    if not submitted:
        _print_reading(report)
    if report.reflected or report.failed or not report.waiting:
        threads = plural(len(report.reflected), "thread") + " reflected"
        if report.failed:
            threads += f", {len(report.failed)} failed"
        print(threads)
    for waiting in report.waiting[:5]:
        left = format_duration(waiting.due_at - utc_now())
        print(f"waiting: {waiting.thread.id}, due in {left}")
    if len(report.waiting) > 5:
        print(f"waiting: {len(report.waiting) - 5} more; `memcli status` lists them")
    done = report.operations
    if report.reflected or sum(done.values()):
        parts = [f"{plural(done[Op.INSERT], 'memory', 'memories')} added"]
        for op, what in (
            (Op.UPDATE, "updated"), (Op.STRENGTHEN, "strengthened"),
            (Op.SUPERSEDE, "superseded"), (Op.DELETE, "deleted"),
        ):  # fmt: skip
            if done[op]:
                parts.append(f"{done[op]} {what}")
        print(", ".join(parts))
    if report.set_aside:
        print("set aside: " + counts(report.set_aside))
    if report.left_alone:
        print(
            f"{plural(report.left_alone, 'thread')} left alone after "
            "3 failures; `memcli status` says why, `memcli retry` tries again"
        )
    if report.submitted:
        print(
            f"{plural(len(report.submitted), 'thread')} submitted as a batch; "
            "a later run has the answers"
        )
    elif report.in_batches:
        print(f"{plural(report.in_batches, 'thread')} in a batch that is under way")
    if report.cost.requests:
        _print_cost(report)


def _print_cost(report: Report) -> None:
    cost = report.cost
    shown = cost.input_tokens + cost.cache_read_tokens + cost.cache_write_tokens
    print(
        f"{dollars(cost.dollars)} for {plural(cost.requests, 'request')}: "
        f"{shown:,} tokens in, {cost.cache_read_tokens:,} of them from the cache, "
        f"{cost.output_tokens:,} out"
    )


def _print_reading(report: Report) -> None:
    reading = report.reading
    files = plural(reading.files_read, "file") + " read"
    if reading.unchanged:
        files += f", {reading.unchanged:,} unchanged"
    files += f", {plural(reading.added, 'new message')}"
    if reading.edited:
        files += f", {reading.edited:,} edited"
    if reading.withdrawn:
        files += f", {reading.withdrawn:,} taken back"
    if reading.files_read or reading.unchanged or reading.unrecognised:
        print(files)
    if reading.formats:
        print("formats: " + counts(reading.formats))
    if reading.skipped:
        print("skipped: " + counts(reading.skipped))
    if reading.unrecognised:
        print("no transcripts: " + counts(reading.unrecognised))
    if reading.redacted:
        print(plural(reading.redacted, "secret") + " redacted")


def complain(report: Report) -> bool:
    """Say on stderr what went wrong; whether anything did."""
    for path, why in report.reading.silent.items():
        print(f"memcli: {path}: {why}", file=sys.stderr)
    for thread_id, reason in report.failed.items():
        print(f"memcli: thread {thread_id}: {reason}", file=sys.stderr)
    return bool(report.failed or report.reading.unreadable or report.reading.silent)
