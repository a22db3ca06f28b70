"""`memcli inspect PATH…`: what is in the files, without touching a database."""

import os
import sys
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from memcli.cli import options
from memcli.cli.render import console, print_row
from memcli.cli.wording import counts, plural, print_json
from memcli.errors import UnreadableInput
from memcli.models import Message
from memcli.transcripts.discover import shown
from memcli.transcripts.report import FileReport
from memcli.when import to_text, utc_now


def inspect(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Files and folders; - is stdin."),
    ],
    messages: Annotated[
        bool, typer.Option("--messages", "-m", help="Also show every message.")
    ] = False,
    json_: options.Json = False,
) -> None:
    """Show what memcli reads in each file: format, threads, messages, time span.

    Whatever is left out is counted, by reason. Nothing is stored or sent.
    Exit codes: 0 read, 1 a file looks like a transcript but gave no message or
    could not be read, 2 no transcript at all.
    """
    from memcli.redaction import redact
    from memcli.transcripts.survey import Totals, survey

    out = console()
    totals = Totals()
    asked = {shown(os.path.abspath(path)) for path in paths}  # noqa: PTH100
    listed: list[dict[str, Any]] = []
    contents: list[dict[str, Any]] = []
    wrong = False

    thread = ""

    def show(message: Message) -> None:
        nonlocal thread
        # As it would be stored: without the secrets somebody pasted.
        message = replace(message, text=redact(message.text)[0])
        if json_:
            contents.append(_message_json(message))
            return
        if message.thread_id != thread:
            thread = message.thread_id
            _print_line(out, f"thread {thread}", "bold dim")
        _print_message(out, message)

    for report in survey(paths, utc_now(), totals, show if messages else None):
        wrong = wrong or report.unfit
        if json_:
            contents = []
            listed.append({**_report_json(report), "shown": contents})
        elif report.format or report.unfit or report.path in asked:
            _print_report(out, report)
    if json_:
        for item in listed:
            if not messages:
                del item["shown"]
        print_json({"files": listed, "total": _totals_json(totals)})
    else:
        _print_totals(out, totals)
    if not totals.files and not wrong:
        raise UnreadableInput(totals.nothing_recognised())
    if wrong:
        print("memcli: some files could not be read, see above", file=sys.stderr)
        raise typer.Exit(1)


def _print_report(out: Console, report: FileReport) -> None:
    out.print(Text(report.path, "bold"))
    if report.format is not None:
        _print_line(out, _summary(report))
    for reason in report.reasons:
        if report.format is None:
            _print_line(out, f"no transcript: {reason}")
    if report.skipped:
        _print_line(out, "left out: " + counts(report.skipped, 50), "dim")
    for problem in report.problems:
        _print_line(out, problem, "yellow")
    if report.error is not None:
        _print_line(out, report.error, "red")
    elif report.unfit:
        _print_line(out, "looks like a transcript, but gave no message", "red")


def _print_line(out: Console, text: str, style: str = "") -> None:
    print_row(out, Text("    "), Text(text, style))


def _summary(report: FileReport) -> str:
    text = (
        f"{report.format}: {plural(report.messages, 'message')} in "
        f"{plural(len(report.threads), 'thread')}"
    )
    text += _span(report.first_at, report.last_at)
    if report.copies:
        text += f", {plural(report.copies, 'copy', 'copies')} of messages above"
    return text


def _span(first: datetime | None, last: datetime | None) -> str:
    if first is None or last is None:
        return ""
    return f", {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"


def _print_message(out: Console, message: Message) -> None:
    who = message.name or message.role
    lead = Text(f"    {message.sent_at:%Y-%m-%d %H:%M} ", "dim")
    style = "cyan" if message.role == "user" else "magenta"
    text = message.text
    if not out.is_terminal:  # where a terminal wraps beside the lead
        text = text.replace("\n", "\n" + " " * len(lead))
    body = Text.assemble((f"{who}: ", style), text)
    print_row(out, lead, body)


def _print_totals(out: Console, totals: Any) -> None:
    if not totals.files:
        return
    out.print()
    out.print(
        f"{plural(totals.files.total(), 'file')}, "
        f"{plural(totals.messages, 'message')} in "
        f"{plural(len(totals.threads), 'thread')}"
        + _span(totals.first_at, totals.last_at)
        + (f", {plural(totals.copies, 'copy', 'copies')}" if totals.copies else "")
    )
    out.print("formats: " + counts(totals.files, 50))
    if totals.skipped:
        print_row(out, Text("left out: "), Text(counts(totals.skipped, 50)))
    if totals.not_transcripts:
        out.print("no transcripts: " + counts(totals.not_transcripts, 50))


def _report_json(report: FileReport) -> dict[str, Any]:
    return {
        "path": report.path,
        "format": report.format,
        "messages": report.messages,
        "copies": report.copies,
        "threads": sorted(report.threads),
        "first_at": to_text(report.first_at) if report.first_at else None,
        "last_at": to_text(report.last_at) if report.last_at else None,
        "skipped": dict(report.skipped),
        "not_transcripts": dict(report.reasons),
        "problems": report.problems,
        "error": report.error,
    }


def _message_json(message: Message) -> dict[str, Any]:
    return {
        "thread_id": message.thread_id,
        "id": message.id,
        "role": message.role,
        "name": message.name,
        "sent_at": to_text(message.sent_at),
        "text": message.text,
    }


def _totals_json(totals: Any) -> dict[str, Any]:
    return {
        "files": totals.seen,
        "formats": dict(totals.files),
        "not_transcripts": dict(totals.not_transcripts),
        "messages": totals.messages,
        "copies": totals.copies,
        "threads": len(totals.threads),
        "skipped": dict(totals.skipped),
        "first_at": to_text(totals.first_at) if totals.first_at else None,
        "last_at": to_text(totals.last_at) if totals.last_at else None,
    }
