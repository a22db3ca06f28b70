"""A part of a thread → the text a model is shown.

Every message has a label, its time and its author; labels are short, so that
citing them is cheap. What a message says is set in by two spaces and stands
inside a fence with a random name, so that no message can pass for another one,
or for the end of them all.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from memcli.models import Message, ThreadPart

# People paste logs and answers run long; the middle of such a text says little
# about anybody, and is paid like the rest. Quotes are checked against the whole.
PERSON_CHARACTERS = 16_000
ASSISTANT_CHARACTERS = 4_000
# Of a name in a chat, and of a value of the thread's metadata.
_NAME_CHARACTERS = 80
# Whatever may begin a line somewhere.
_LINE_END = re.compile("\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_METADATA = ("project", "title", "channel", "workspace")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text without its fence, and which message each label stands for."""

    body: str
    labels: dict[str, Message]

    def fenced(self) -> str:
        """The text between tags that nobody can have foreseen."""
        fence = f"conversation-{secrets.token_hex(4)}"
        return f"<{fence}>\n{self.body}\n</{fence}>"


def render(part: ThreadPart) -> Rendered:
    """The part as it is shown; only the new messages have labels to cite."""
    labels = {f"m{number}": m for number, m in enumerate(part.new, 1)}
    blocks = []
    about = _about(part)
    if about:
        blocks.append(about)
    if part.recorded:
        listed = "\n".join(f"  - {_flat(text, 300)}" for text in part.recorded)
        blocks.append(f"Remembered from earlier in it:\n{listed}")
    context = {f"c{number}": m for number, m in enumerate(part.context, 1)}
    in_order = sorted((context | labels).items(), key=lambda item: item[1].sent_at)
    blocks += [_block(label, message) for label, message in in_order]
    return Rendered("\n\n".join(blocks), labels)


def shown_characters(message: Message) -> int:
    """How much of the room a message takes."""
    most = PERSON_CHARACTERS if message.role == "user" else ASSISTANT_CHARACTERS
    return min(len(message.text), most) + 60


def _about(part: ThreadPart) -> str:
    told = [("from", part.thread.format)]
    if part.thread.title:
        told.append(("title", part.thread.title))
    known = part.thread.metadata
    told += [(key, known[key]) for key in _METADATA if key in known and key != "title"]
    return "; ".join(f"{key}: {_flat(value)}" for key, value in told)


def _block(label: str, message: Message) -> str:
    sent = message.sent_at.strftime("%A %Y-%m-%d %H:%M")
    author = f", {_flat(message.name)}" if message.name else ""
    most = PERSON_CHARACTERS if message.role == "user" else ASSISTANT_CHARACTERS
    text = _LINE_END.sub("\n  ", _shortened(message.text, most))
    return f"[{label}] {sent} UTC, {message.role}{author}:\n  {text}"


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head, tail = most * 2 // 3, most // 3
    left_out = len(text) - head - tail
    return f"{text[:head]}\n[… {left_out:,} characters left out …]\n{text[-tail:]}"


def _flat(text: str, most: int = _NAME_CHARACTERS) -> str:
    return " ".join(text.split())[:most]


def authors(messages: Sequence[Message]) -> set[str]:
    """The names of people among the authors."""
    return {m.name for m in messages if m.name and m.role == "user"}
