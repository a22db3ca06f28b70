"""WhatsApp's exported chats: text, in the date format of the phone.

    [31.12.25, 22:15:03] Ana: words            (iOS)
    12/31/25, 10:15 PM - Ana: words            (Android)

Which number is the day is told by the file itself: one over 12 settles it, and
else the order in which the dates never go back. Times are taken as UTC, since
the file does not say where the phone was.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from memcli.transcripts.formats.base import RawMessage, Source, id_from_content

_MARKS_BEFORE = "\u200e\u200f\ufeff"
_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\ufeff]")
_SPACES = re.compile("[\u00a0\u202f]")
_DATE = r"(\d{1,4})[./-](\d{1,2})[./-](\d{1,4})"
_BETWEEN = r",?\s+(?:(?:à|às|at|um|klo|kl\.?|a las|alle)\s+)?"
_TIME = (
    r"(?:午前|오전|上午)?(午後|오후|下午)?\s*(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?"
    r"\s*([AaPp]\.?\s?[Mm]\.?)?"
)
_START = re.compile(
    rf"(?:\[{_DATE}{_BETWEEN}{_TIME}\]\s|{_DATE}{_BETWEEN}{_TIME}\s+-\s)(.*)",
    re.DOTALL,
)
# Quotation marks stand in notices: Ana changed the subject from “A: B” to …
_AUTHOR = re.compile(r"([^:\n\"“”«»]{1,80}): ?(.*)", re.DOTALL)
# What the app writes in place of words, in the languages seen.
_NOT_WORDS = re.compile(
    r"(?:image|video|audio|sticker|GIF|document|media|Contact card) omitted"
    r"|<(?:Media omitted|Medien ausgeschlossen|attached: [^>]*|Multimedia omitido)>"
    r"|(?:Bild|Video|Audio|Sticker|GIF|Dokument) weggelassen"
    r"|This message was deleted\.?|You deleted this message\.?"
    r"|Diese Nachricht wurde gelöscht\.?|Du hast diese Nachricht gelöscht\.?"
    r"|<[^<>\n]{3,40}>|‹[^‹›\n]{3,40}›"
    r"|(?:imagen|vídeo|video|audio|sticker|GIF|documento) (?:omitid[oa]|ocult[oa])"
    r"|(?:image|vidéo|audio|sticker|GIF|document) absente?"
    r"|(?:afbeelding|video|audio|sticker|GIF|document) weggelaten"
    r"|(?:Se eliminó este mensaje|Eliminaste este mensaje|Mensagem apagada"
    r"|Ce message a été supprimé|Dit bericht is verwijderd)\.?"
    r"|null|(?:Missed|Verpasster) (?:voice|video|Sprach|Video)\S*.{0,20}"
    r"|.{0,40}end-to-end encrypted.{0,200}"
    r"|.{0,40}Ende-zu-Ende-verschlüsselt.{0,200}",
    re.DOTALL,
)
_ATTACHED = re.compile(r"^\S+\.\w{2,5} \((?:file attached|Datei angehängt)\)\n?")
_EDITED = re.compile(r"<(?:This message was edited|Diese Nachricht wurde bearbeitet)>")
_CHAT_NAME = re.compile(
    r"(?:WhatsApp[ -]*(?:Chat|chat)?)\s*(?:with|mit|con|avec|-)?\s*(.+)"
)


_COPY = re.compile(r" ?\(\d+\)$")  # of a file that was saved twice
# What stands there in a program's log.
_LEVEL = re.compile(
    r"(?:[\w-]+\.)?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|ALERT"
    r"|EMERGENCY)\b",
    re.IGNORECASE,
)


class _Entry(NamedTuple):
    number: int
    stamp: str
    date: tuple[int, int, int]
    time: tuple[int, int, int]
    body: str


class WhatsApp:
    """See the module's docstring."""

    name = "whatsapp"
    about = "WhatsApp chats exported as text"

    def recognises_text(self, lines: Sequence[str]) -> bool:
        starts = sum(_entry(0, line) is not None for line in lines)
        authors = [
            found[1]
            for line in lines
            if (entry := _entry(0, line)) and (found := _AUTHOR.match(entry.body))
        ]
        logged = any(_LEVEL.match(author) for author in authors)
        # One message may have many lines, but a chat begins with one.
        begins = _entry(0, next((line for line in lines if line.strip()), ""))
        often = 4 * starts >= len(lines)
        return bool(authors) and not logged and (often or begins is not None)

    def read_text(
        self, lines: Iterable[tuple[int, str]], source: Source
    ) -> Iterator[RawMessage]:
        entries = list(_entries(lines, source))
        order = _order([entry.date for entry in entries])
        if order is None:
            source.skip("day and month not told apart: day first")
        thread = chat_name(source)
        seen: Counter[str] = Counter()
        for entry in entries:
            sent_at = _moment(entry, order or "dmy")
            found = _AUTHOR.match(entry.body)
            if found is None:
                source.skip("service notice")
                continue
            # The app marks its own words so that they read from left to right.
            text = "" if found[2].startswith("\u200e") else _words(found[2])
            if not text:
                source.skip("message without text")
                continue
            # Known by its line as it stands: how the date is to be read may only
            # be known when the chat is exported again.
            digest = id_from_content((entry.stamp, found[1], text))[-12:]
            seen[digest] += 1
            nth = seen[digest]
            yield RawMessage(
                line=entry.number,
                thread_id=thread,
                role="user",
                text=text,
                id=digest if nth == 1 else f"{digest}-{nth}",
                name=_MARKS.sub("", found[1]).strip().removeprefix("~").strip(),
                sent_at=sent_at,
                title=thread,
                metadata={"chat": thread},
            )


def chat_name(source: Source) -> str:
    """`WhatsApp Chat with Ana.txt` and `WhatsApp Chat - Ana/_chat.txt` are Ana's."""
    name = source.path.name.removesuffix(".txt")
    if name == "_chat":
        name = source.path.parent.name.removesuffix(".zip")
    name = _COPY.sub("", name.strip())
    found = _CHAT_NAME.fullmatch(name)
    return found[1].strip() if found else name


def _entries(lines: Iterable[tuple[int, str]], source: Source) -> Iterator[_Entry]:
    """Lines that begin with a date, each with the lines that follow it."""
    current: _Entry | None = None
    body: list[str] = []
    for number, line in lines:
        entry = _entry(number, line)
        if entry is not None:
            if current:
                yield current._replace(body="\n".join(body))
            current, body = entry, [entry.body]
        elif current:
            body.append(line)
        else:
            source.problem(number, "text before the first message")
    if current:
        yield current._replace(body="\n".join(body))


def _entry(number: int, line: str) -> _Entry | None:
    line = line.lstrip(_MARKS_BEFORE)
    found = _START.fullmatch(_SPACES.sub(" ", line).rstrip("\r"))
    if found is None:
        return None
    groups = found.groups()
    bracketed, plain, body = groups[:8], groups[8:16], groups[16]
    a, b, c, after, hour, minute, second, half = bracketed if bracketed[0] else plain
    hours = int(hour)
    if half:
        hours = hours % 12 + (12 if half.lower().startswith("p") else 0)
    elif after:
        hours = hours % 12 + 12
    return _Entry(
        number=number,
        stamp=" ".join(
            part or "" for part in (a, b, c, after, hour, minute, second, half)
        ),
        date=(int(a), int(b), int(c)),
        time=(hours, int(minute), int(second or 0)),
        body=body,
    )


def _order(dates: Sequence[tuple[int, int, int]]) -> str | None:
    """`dmy`, `mdy` or `ymd`; None where the file does not tell."""
    if any(first > 31 for first, _, _ in dates):
        return "ymd"
    if any(first > 12 for first, _, _ in dates):
        return "dmy"
    if any(second > 12 for _, second, _ in dates):
        return "mdy"
    day_first = [(c, b, a) for a, b, c in dates]
    month_first = [(c, a, b) for a, b, c in dates]
    if day_first == sorted(day_first) and month_first != sorted(month_first):
        return "dmy"
    if month_first == sorted(month_first) and day_first != sorted(day_first):
        return "mdy"
    return None


def _moment(entry: _Entry, order: str) -> datetime | None:
    parts = dict(zip(order, entry.date, strict=True))
    year = parts["y"] + 2000 if parts["y"] < 100 else parts["y"]
    try:
        return datetime(year, parts["m"], parts["d"], *entry.time, tzinfo=UTC)
    except ValueError:
        return None


def _words(body: str) -> str:
    text = _EDITED.sub("", _ATTACHED.sub("", _MARKS.sub("", body))).strip()
    return "" if _NOT_WORDS.fullmatch(text) else text
