"""Claude as extractor: one request a thread, through the `anthropic` package.

The answer comes as a call of one tool with a JSON schema. Servers that speak
only a part of the Messages API may answer in text instead, so a JSON object in
text is taken too. Quotes are checked by the caller, whatever the model says.
"""

import json
import re
import secrets
import threading
from datetime import date
from importlib import resources
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, ValidationError

from memcli.errors import ExtractorError, ExtractorUnusable
from memcli.extractors.base import Extraction
from memcli.models import Candidate, Kind, Message, Quote, ThreadPart

if TYPE_CHECKING:
    from anthropic import Anthropic
    from anthropic.types import Message as Answer

MAX_TOKENS = 8192
# Rate limits and overload are waited out, with the package's own backoff.
RETRIES = 6
TIMEOUT_SECONDS = 300.0
_TOOL = "record_memories"
_JSON_OBJECT = re.compile(r"\{.*\}", re.DOTALL)


class CitedQuote(BaseModel):
    """Words from one message."""

    message: str = Field(description="the message's label, such as m3")
    text: str = Field(description="verbatim words of that message")


class ExtractedMemory(BaseModel):
    """One thing worth remembering."""

    text: str
    kind: Kind
    quotes: list[CitedQuote]
    confidence: float = Field(ge=0, le=1)
    happens_on: date | None = None
    about: str | None = None
    replaces: str | None = None


class Answered(BaseModel):
    """What the tool is called with."""

    memories: list[ExtractedMemory]


class ClaudeExtractor:
    """Asks a model behind the Messages API; needs a key in the environment."""

    name = "claude"

    def __init__(self, model: str) -> None:
        self.model = model
        self._client: Anthropic | None = None
        self._making = threading.Lock()
        prompts = resources.files("memcli.extractors") / "prompts"
        self._prompt = (prompts / "extract.md").read_text(encoding="utf-8")

    def extract(self, part: ThreadPart) -> Extraction:
        """The candidates of one part; see Extractor for what is raised."""
        text, labels = render(part)
        answer = self._ask(text)
        found = _answered(answer)
        return Extraction(
            tuple(_candidate(memory, labels) for memory in found.memories),
            answer.usage.input_tokens,
            answer.usage.output_tokens,
        )

    def close(self) -> None:
        """Close the connections to the server."""
        if self._client is not None:
            self._client.close()

    def _ask(self, text: str) -> "Answer":
        import anthropic

        try:
            return self._connected().messages.create(
                model=self.model,
                max_tokens=MAX_TOKENS,
                system=[
                    {
                        "type": "text",
                        "text": self._prompt,
                        "cache_control": {"type": "ephemeral"},
                    }
                ],
                tools=[
                    {
                        "name": _TOOL,
                        "description": "Record what is worth remembering, if anything.",
                        "input_schema": Answered.model_json_schema(),
                    }
                ],
                tool_choice={"type": "tool", "name": _TOOL},
                messages=[{"role": "user", "content": text}],
            )
        except (
            anthropic.AuthenticationError,
            anthropic.PermissionDeniedError,
        ) as error:
            raise ExtractorUnusable(
                f"the API refused the key ({error.status_code}): see ANTHROPIC_API_KEY"
            ) from error
        except anthropic.NotFoundError as error:
            raise ExtractorUnusable(
                f"the API knows no model {self.model!r}; give another with --model"
            ) from error
        except anthropic.APIStatusError as error:
            raise ExtractorError(
                f"the API answered {error.status_code} to {self.model}"
            ) from error
        except anthropic.APIConnectionError as error:
            raise ExtractorError(f"the API cannot be reached: {error}") from error
        except anthropic.AnthropicError as error:
            raise ExtractorUnusable(str(error)) from error

    def _connected(self) -> "Anthropic":
        """One client for all threads: it keeps its connections."""
        with self._making:
            if self._client is None:
                import anthropic

                self._client = anthropic.Anthropic(
                    max_retries=RETRIES, timeout=TIMEOUT_SECONDS
                )
            return self._client


def render(part: ThreadPart) -> tuple[str, dict[str, Message]]:
    """The conversation as the model sees it, and which message each label is.

    Labels are short, so that citing them is cheap; the fence has a random name,
    so that no message can close it.
    """
    labels: dict[str, Message] = {}
    lines = []
    for prefix, messages in (("c", part.context), ("m", part.new)):
        for number, message in enumerate(messages, 1):
            label = f"{prefix}{number}"
            if prefix == "m":
                labels[label] = message
            sent = message.sent_at.strftime("%A %Y-%m-%d %H:%M")
            author = f", {message.name}" if message.name else ""
            lines.append(
                f"[{label}] {sent} UTC, {message.role}{author}:\n{message.text}"
            )
    fence = f"conversation-{secrets.token_hex(4)}"
    body = "\n\n".join(lines)
    return f"<{fence}>\n{body}\n</{fence}>", labels


def _answered(answer: "Answer") -> Answered:
    """The tool call, or a JSON object in text; else an ExtractorError that says why."""
    texts = []
    for block in answer.content:
        if block.type == "tool_use" and block.name == _TOOL:
            return _validated(block.input)
        if block.type == "text":
            texts.append(block.text)
    found = _JSON_OBJECT.search("\n".join(texts))
    if found:
        try:
            return _validated(json.loads(found[0]))
        except json.JSONDecodeError:
            pass
    if answer.stop_reason == "max_tokens":
        raise ExtractorError(f"the answer was cut off at {MAX_TOKENS} tokens")
    if answer.stop_reason == "refusal":
        raise ExtractorError("the model refused to read this conversation")
    raise ExtractorError(
        "the model answered with prose instead of memories; does it support tools?"
    )


def _validated(value: Any) -> Answered:
    try:
        return Answered.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise ExtractorError(
            f"the model's answer does not fit the schema: {where}: {first['msg']}"
        ) from None


def _candidate(memory: ExtractedMemory, labels: dict[str, Message]) -> Candidate:
    """Labels back to message ids; an unknown label stays, and fails the checks."""
    quotes = tuple(
        Quote(labels[q.message].id if q.message in labels else f"?{q.message}", q.text)
        for q in memory.quotes
    )
    cited = [labels[q.message].sent_at for q in memory.quotes if q.message in labels]
    shown = [message.sent_at for message in labels.values()]
    return Candidate(
        text=memory.text.strip(),
        kind=memory.kind,
        quotes=quotes,
        confidence=memory.confidence,
        said_at=max(cited or shown),
        about=memory.about or None,
        replaces=memory.replaces,
        happens_on=memory.happens_on,
        signal="model",
        author=next(
            (m.name for q in memory.quotes if (m := labels.get(q.message))), None
        ),
    )
