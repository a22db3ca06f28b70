"""What a run came to, for people and as JSON."""

import sys
from typing import Any

from memcli.cli.wording import counts, plural
from memcli.models import Op
from memcli.reflection.reflect import Report
from memcli.when import format_duration, to_text, utc_now


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
        },
        "candidates": {"kept": report.candidates, "set_aside": dict(report.set_aside)},
        "memories": {
            "inserted": report.operations[Op.INSERT],
            "strengthened": report.operations[Op.STRENGTHEN],
            "superseded": report.operations[Op.SUPERSEDE],
        },
        "tokens": {"input": report.input_tokens, "output": report.output_tokens},
        "interrupted": report.interrupted,
    }


def print_report(report: Report) -> None:
    """What a person wants to know after a run, in a few lines."""
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
        if done[Op.STRENGTHEN]:
            parts.append(f"{done[Op.STRENGTHEN]} strengthened")
        if done[Op.SUPERSEDE]:
            parts.append(f"{done[Op.SUPERSEDE]} superseded")
        print(", ".join(parts))


def complain(report: Report) -> bool:
    """Say on stderr what went wrong; whether anything did."""
    for path, why in report.reading.silent.items():
        print(f"memcli: {path}: {why}", file=sys.stderr)
    for thread_id, reason in report.failed.items():
        print(f"memcli: thread {thread_id}: {reason}", file=sys.stderr)
    return bool(report.failed or report.reading.unreadable or report.reading.silent)
