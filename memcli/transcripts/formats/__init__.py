"""The formats that can be read, in the order in which they are tried."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from memcli.errors import UsageError
from memcli.transcripts.formats.ai_sdk import AiSdk
from memcli.transcripts.formats.base import (
    Format,
    RawMessage,
    Record,
    Source,
    TextFormat,
)
from memcli.transcripts.formats.chatgpt import ChatGPT
from memcli.transcripts.formats.claude_ai import ClaudeAI
from memcli.transcripts.formats.claude_code import ClaudeCode
from memcli.transcripts.formats.claude_history import ClaudeHistory
from memcli.transcripts.formats.codex import Codex
from memcli.transcripts.formats.copilot import Copilot
from memcli.transcripts.formats.cursor import Cursor
from memcli.transcripts.formats.discord import Discord
from memcli.transcripts.formats.gemini import Gemini
from memcli.transcripts.formats.generic import Generic
from memcli.transcripts.formats.langchain import LangChain, LangGraph
from memcli.transcripts.formats.lmsys import Lmsys
from memcli.transcripts.formats.pi import Pi
from memcli.transcripts.formats.responses import Responses
from memcli.transcripts.formats.sharegpt import ShareGPT
from memcli.transcripts.formats.slack import Slack
from memcli.transcripts.formats.telegram import Telegram
from memcli.transcripts.formats.whatsapp import WhatsApp

__all__ = [
    "Format", "RawMessage", "Record", "Source", "TextFormat",
    "by_name", "every", "formats", "reader", "text_formats",
]  # fmt: skip

ENTRY_POINT_GROUP = "memcli.formats"

# The generic one last: it takes whatever has a role and a content.
BUILT_IN: tuple[Format, ...] = (
    ClaudeCode(), ClaudeHistory(), Codex(), ChatGPT(), ClaudeAI(), Gemini(), Pi(),
    Copilot(), Cursor(), Slack(), Discord(), Telegram(), LangGraph(), LangChain(),
    AiSdk(), Responses(), ShareGPT(), Lmsys(), Generic(),
)  # fmt: skip
BUILT_IN_TEXT: tuple[TextFormat, ...] = (WhatsApp(),)


def formats() -> tuple[Format, ...]:
    """Every format of JSON objects, other packages' first.

    Raises UsageError when one of them cannot be loaded.
    """
    return tuple(f for f in _added() if isinstance(f, Format)) + BUILT_IN


def text_formats() -> tuple[TextFormat, ...]:
    """Every format of plain text, other packages' first."""
    return tuple(f for f in _added() if isinstance(f, TextFormat)) + BUILT_IN_TEXT


def by_name(name: str) -> Format | TextFormat | None:
    """The format of that name, if there is one."""
    return next((format for format in every() if format.name == name), None)


def every() -> list[Format | TextFormat]:
    """Every format there is, in the order in which they are tried."""
    return [*formats(), *text_formats()]


@cache
def reader() -> str:
    """What is able to read files now; a file that nothing knew is tried again
    when this has changed."""
    names = sorted(format.name for format in every())
    return " ".join(names)


@cache
def _added() -> tuple[Format | TextFormat, ...]:
    """Formats that other packages offer under `memcli.formats`."""
    return tuple(_load(point) for point in entry_points(group=ENTRY_POINT_GROUP))


def _load(point: EntryPoint) -> Format | TextFormat:
    try:
        made = point.load()
        format = made() if isinstance(made, type) else made
    except Exception as error:  # whatever another package does on import
        raise UsageError(
            f"the format {point.name!r} ({point.value}) cannot be loaded: {error}"
        ) from error
    if not isinstance(format, Format | TextFormat):
        raise UsageError(
            f"the format {point.name!r} ({point.value}) needs name, about, recognises "
            "and read, or recognises_text and read_text"
        )
    return format
