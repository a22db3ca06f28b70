"""Claude as extractor: one request for each part of a thread.

What is asked stands in `prompts/extract.md`; the answer is a call of the tool
`record_memories`. Tool use is asked for, not forced: the newest models think
first, and refuse a forced call. Quotes are checked by the caller, whatever the
model says.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from importlib import resources
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from memcli.asking import answers, tokens
from memcli.asking.answers import DoesNotFit
from memcli.asking.asker import Answer, Asker
from memcli.extractors.base import Extraction
from memcli.extractors.rendering import Rendered, render
from memcli.extractors.schemas import Schema, says_anything, text_of
from memcli.models import Candidate, Kind, Message, Quote, ThreadPart

TOOL = "record_memories"
# The dearer tier of the default model begins at 100,000 tokens; well below it,
# a model also overlooks less. In characters, at three a token.
PART_CHARACTERS = 120_000
# Thinking counts as output, so a short conversation has some room as well.
_LEAST_TOKENS = 4_000
_MOST_TOKENS = 16_000


class CitedQuote(BaseModel):
    """Words from one message."""

    message: str
    text: str

    @field_validator("message", mode="before")
    @classmethod
    def _label(cls, value: object) -> object:
        """`[m3]`, `3` and 3 are m3."""
        bare = str(value).strip().strip("[]:").lower()
        return f"m{bare}" if bare.isdecimal() else bare


class _Cited(BaseModel):
    quotes: list[CitedQuote]
    confidence: float = Field(ge=0, le=1)
    happens_on: date | None = None

    @field_validator("happens_on", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        """A day, also out of a time; what is less than a day is none."""
        found = re.match(r"\d{4}-\d\d-\d\d(?!\d)", str(value or ""))
        return found[0] if found else None

    @field_validator("confidence", mode="before")
    @classmethod
    def _share(cls, value: object) -> object:
        """90, "90%" and 9 are 0.9."""
        try:
            number = float(str(value).strip().rstrip("%"))
        except ValueError:
            return value
        if 1 < number <= 100:
            return number / (10 if number <= 10 else 100)
        return number

    @field_validator("quotes", mode="before")
    @classmethod
    def _unpacked(cls, value: object) -> object:
        return _loaded(value) if isinstance(value, str) else value


class ExtractedMemory(_Cited):
    """One thing worth remembering."""

    text: str
    kind: Kind
    about: str | None = None
    replaces: str | None = None

    @field_validator("kind", mode="before")
    @classmethod
    def _kind(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("about", "replaces", mode="before")
    @classmethod
    def _nothing(cls, value: object) -> object:
        """Some models write null as a word."""
        said = isinstance(value, str) and value.strip().lower()
        return None if said in ("null", "none", "n/a", "-") else value


class ExtractedValue(_Cited):
    """One value of a schema of the user's."""

    value: dict[str, Any]


class ClaudeExtractor:
    """Asks a model behind the Messages API."""

    name = "claude"
    reads_vectors_of = None

    def __init__(
        self,
        asker: Asker,
        *,
        instructions: str = "",
        schemas: Sequence[Schema] = (),
        part_characters: int = PART_CHARACTERS,
    ) -> None:
        self.model = asker.model
        self.part_characters = part_characters
        self.asker = asker
        self._schemas = {schema.name: schema for schema in schemas}
        prompts = resources.files("memcli.extractors") / "prompts"
        system = (prompts / "extract.md").read_text(encoding="utf-8")
        if schemas:
            system += (prompts / "schemas.md").read_text(encoding="utf-8")
        if instructions:
            system += (
                f"\n\nBeside this, the owner of the memories asks:\n{instructions}"
            )
        self._fixed: dict[str, Any] = {
            "system": [
                {
                    "type": "text",
                    "text": system,
                    # Tools come before it, so both are the cached prefix.
                    "cache_control": {"type": "ephemeral"},
                }
            ],
            "tools": [_tool(schemas)],
            "tool_choice": {"type": "auto"},
        }
        self.recipe = _hash(self.name, self.model, self._fixed)
        self.fixed_tokens = tokens.estimate(json.dumps(self._fixed))

    def extract(self, part: ThreadPart) -> Extraction:
        """The candidates of one part; see Extractor for what is raised."""
        shown = render(part)
        found, asked = answers.ask(
            self.asker,
            self._params(shown),
            TOOL,
            lambda value: self._read(value, shown),
        )
        return Extraction(found, asked)

    def request(self, part: ThreadPart) -> dict[str, Any]:
        """The whole request for a part, to be sent some other way."""
        return self.asker.complete(self._params(render(part)))

    def extraction(self, part: ThreadPart, answer: Answer) -> Extraction:
        """What an answer that came some other way gives. Raises ExtractorError."""
        shown = render(part)
        found, asked = answers.read_once(
            answer, TOOL, lambda value: self._read(value, shown)
        )
        return Extraction(found, asked)

    def most(self, part: ThreadPart) -> float:
        """The most that the request for a part could cost, in dollars; 0 where the
        price is not known."""
        price = self.asker.price
        if price is None:
            return 0.0
        shown = self.fixed_tokens + tokens.estimate(render(part).body)
        return price.most(shown, self.request(part)["max_tokens"])

    def fingerprint(self, part: ThreadPart) -> str:
        """A hash of the recipe, what is shown, and which messages that is."""
        keys = [message.key for message in part.new]
        return _hash(self.recipe, render(part).body, keys)

    def close(self) -> None:
        """Close the connections to the server."""
        self.asker.close()

    def _params(self, shown: Rendered) -> dict[str, Any]:
        room = _LEAST_TOKENS + tokens.estimate(shown.body) // 2
        return {
            "max_tokens": min(_MOST_TOKENS, room),
            **self._fixed,
            "messages": [{"role": "user", "content": shown.fenced()}],
        }

    def _read(self, value: Any, shown: Rendered) -> tuple[Candidate, ...]:
        """The tool's input as candidates. Raises DoesNotFit."""
        value = _unpacked(value)
        of_schemas = any(name in value for name in self._schemas)
        if not self._schemas or ("memories" in value and not of_schemas):
            memories = _items(value, "memories", required=True)
            return tuple(
                _candidate(_valid(ExtractedMemory, item, f"memories.{n}"), shown)
                for n, item in enumerate(memories)
            )
        if not of_schemas:
            raise DoesNotFit("it has none of " + ", ".join(self._schemas))
        found = []
        for name, schema in self._schemas.items():
            for number, item in enumerate(_items(value, name, required=False)):
                where = f"{name}.{number}"
                extracted = _valid(ExtractedValue, item, where)
                try:
                    checked = schema.validated(extracted.value)
                except ValueError as error:
                    raise DoesNotFit(f"{where}.value: {error}") from None
                if says_anything(checked):
                    found.append(_schema_candidate(extracted, schema, checked, shown))
        return tuple(found)


def _tool(schemas: Sequence[Schema]) -> dict[str, Any]:
    """The tool's definition, by hand: what pydantic writes is twice as long."""
    text = {"type": "string"}
    quotes = {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"message": text, "text": text},
            "required": ["message", "text"],
        },
    }
    cited = {"quotes": quotes, "confidence": {"type": "number"}}
    definitions: dict[str, Any] = {}
    if not schemas:
        memory = {
            "text": text,
            "kind": {"enum": [kind.value for kind in Kind]},
            **cited,
            "happens_on": {"type": "string", "format": "date"},
            "about": text,
            "replaces": text,
        }
        required = ["text", "kind", "quotes", "confidence"]
        properties = {"memories": _array(memory, required)}
    else:
        properties = {}
        for schema in schemas:
            shape, shared = schema.shape()
            definitions |= shared
            required = ["value", "quotes", "confidence"]
            properties[schema.name] = _array({"value": shape, **cited}, required) | (
                {"description": schema.about} if schema.about else {}
            )
    wanted: dict[str, Any] = {"type": "object", "properties": properties}
    wanted["required"] = list(properties)
    if definitions:
        wanted["$defs"] = definitions
    return {
        "name": TOOL,
        "description": "Record what is worth remembering, if anything.",
        "input_schema": wanted,
    }


def _array(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    items = {"type": "object", "properties": properties, "required": required}
    return {"type": "array", "items": items}


def _unpacked(value: Any) -> dict[str, Any]:
    """Some models write the object, or a list in it, as a string of JSON."""
    if isinstance(value, str):
        value = _loaded(value)
    if not isinstance(value, dict):
        raise DoesNotFit("it is not an object")
    return {
        key: _loaded(item) if isinstance(item, str) else item
        for key, item in value.items()
    }


def _loaded(text: str) -> Any:
    try:
        return answers.loaded(text)
    except ValueError:
        return text


def _items(value: Mapping[str, Any], name: str, *, required: bool) -> list[Any]:
    items = value.get(name)
    if items is None and not required:
        return []
    if not isinstance(items, list):
        raise DoesNotFit(f"{name} must be a list")
    return items


def _valid(model: "type[Any]", item: object, where: str) -> Any:
    try:
        return model.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        path = ".".join([where, *(str(step) for step in first["loc"])])
        raise DoesNotFit(f"{path}: {first['msg']}") from None


def _candidate(memory: ExtractedMemory, shown: Rendered) -> Candidate:
    cited = _cited(memory, shown)
    return Candidate(
        text=" ".join(memory.text.split()),
        kind=memory.kind,
        quotes=_quotes(memory, shown),
        confidence=memory.confidence,
        said_at=max(message.sent_at for message in cited),
        about=memory.about or None,
        replaces=memory.replaces,
        happens_on=memory.happens_on,
        signal="model",
        author=cited[0].name,
    )


def _schema_candidate(
    extracted: ExtractedValue, schema: Schema, value: dict[str, Any], shown: Rendered
) -> Candidate:
    cited = _cited(extracted, shown)
    return Candidate(
        text=text_of(schema.name, value),
        kind=Kind.FACT,
        quotes=_quotes(extracted, shown),
        confidence=extracted.confidence,
        said_at=max(message.sent_at for message in cited),
        happens_on=extracted.happens_on,
        signal="model",
        author=cited[0].name,
        schema=schema.name,
        value=value,
        profile=schema.profile,
    )


def _quotes(cited: _Cited, shown: Rendered) -> tuple[Quote, ...]:
    """Labels back to message ids; an unknown label stays, and fails the checks."""
    return tuple(
        Quote(
            shown.labels[q.message].id
            if q.message in shown.labels
            else f"?{q.message}",
            q.text,
        )
        for q in cited.quotes
    )


def _cited(cited: _Cited, shown: Rendered) -> list[Message]:
    """The cited messages, people's first; all of them if none is known."""
    found = [shown.labels[q.message] for q in cited.quotes if q.message in shown.labels]
    people = [message for message in found if message.role == "user"]
    return people or found or list(shown.labels.values())


def _hash(*parts: object) -> str:
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
