"""Asking a model about the candidates that rules cannot place: many in one call.

It sees each with its neighbours, by small numbers, with times. An answer is
taken as a whole or not at all; one that would take away more than a quarter of
what it was shown is refused. Answers are kept, so none is paid for twice.
"""

import contextlib
import hashlib
import json
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ValidationError, field_validator

from memcli.asking import answers
from memcli.asking.answers import DoesNotFit
from memcli.asking.asker import Asker
from memcli.errors import ExtractorUnusable, MemcliError, Outage
from memcli.models import Asked, Candidate, Memory
from memcli.redaction import holds_secret
from memcli.reflection import pool
from memcli.reflection.consolidate import Verdict

TOOL = "decide"
# What one call is shown at most.
_STATEMENTS = 20
_NEIGHBOURS = 6
# Of what is shown, an answer may take away this share (and always one).
REMOVED_SHARE = 4
_TEXT_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class Earlier:
    """A candidate of this run that came before, by its number among all of them."""

    number: int
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Case:
    """An ambiguous candidate, and what is near, memories or earlier candidates."""

    number: int
    candidate: Candidate
    near: tuple[Memory | Earlier, ...]


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict, and the memory or the earlier candidate that it is about."""

    verdict: Verdict
    memory: int | None = None
    candidate: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What one call came to. `rulings` is empty when the answer was refused."""

    rulings: Mapping[int, Ruling]
    asked: tuple[Asked, ...]
    answer: Any
    refused: str | None = None


class _Decision(BaseModel):
    new: int
    operation: Literal["insert", "update", "supersede", "delete", "strengthen"]
    target: int | None = None
    text: str | None = None
    reason: str | None = None

    @field_validator("new", "target", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        """`[2]` is 2, and an empty text is nothing."""
        return value.strip().strip("[]") or None if isinstance(value, str) else value

    @field_validator("operation", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.strip().lower() if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Question:
    """Cases of one namespace as one call shows them, by the numbers shown."""

    namespace: str
    body: str
    cases: Mapping[int, Case]
    memories: Mapping[int, Memory]
    earlier: Mapping[int, int]  # number shown → number of the candidate

    @property
    def shown(self) -> int:
        """How many statements there are."""
        return len(self.memories.keys() | self.earlier.keys())


class Judge:
    """Asks a model how ambiguous candidates go with what is known."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        prompt = resources.files("memcli.reflection") / "prompts" / "consolidate.md"
        self._fixed: dict[str, Any] = {
            "system": [
                {
                    "type": "text",
                    "text": prompt.read_text(encoding="utf-8"),
                    "cache_control": {"type": "ephemeral"},
                }
            ],
            "tools": [_tool()],
            "tool_choice": {"type": "auto"},
        }

    def fingerprint(self, question: Question) -> str:
        """Equal for questions of which the answer would be the same."""
        asked = [self.asker.model, self._fixed, question.namespace, question.body]
        text = json.dumps(asked, ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def judge(self, question: Question) -> Judged:
        """The rulings of one question. Raises as `answers.ask` does."""
        fence = f"memories-{secrets.token_hex(4)}"
        params = {
            "max_tokens": 4_000 + 150 * len(question.cases),
            **self._fixed,
            "messages": [
                {
                    "role": "user",
                    "content": f"<{fence}>\n{question.body}\n</{fence}>",
                }
            ],
        }

        def read(value: Any) -> tuple[Any, dict[int, Ruling]]:
            return value, _rulings(value, question)

        (answer, rulings), asked = answers.ask(self.asker, params, TOOL, read)
        refused = _refused(rulings, question)
        return Judged({} if refused else rulings, asked, answer, refused)

    def judge_all(
        self, questions: Sequence[Question], workers: int, stop: threading.Event
    ) -> Iterator[tuple[Question, Judged | MemcliError]]:
        """Every question with its rulings or with why there are none, as they come.

        Raises Outage, BudgetSpent, Interrupted or ExtractorUnusable.
        """
        ended_by: MemcliError | None = None

        def stopping() -> bool:
            return stop.is_set() or ended_by is not None

        for question, future in pool.run(
            self.judge, questions, workers, stopping, give_up=pool.Grace(stop)
        ):
            try:
                yield question, future.result()
            except MemcliError as error:
                if isinstance(error, Outage | ExtractorUnusable) or error.exit_code > 1:
                    ended_by = ended_by or error  # the others are still taken
                else:
                    yield question, error
        if ended_by is not None:
            raise ended_by


def reread(answer: Any, question: Question) -> Mapping[int, Ruling]:
    """The rulings of an answer that was kept."""
    try:
        rulings = _rulings(answer, question)
    except DoesNotFit:
        return {}
    return {} if _refused(rulings, question) else rulings


def questions(namespace: str, cases: Sequence[Case]) -> list[Question]:
    """Cases of one namespace, in order, in as few calls as they fit."""
    return [
        _question(namespace, cases[start : start + _STATEMENTS])
        for start in range(0, len(cases), _STATEMENTS)
    ]


def _question(namespace: str, cases: Sequence[Case]) -> Question:
    asked = {case.number for case in cases}
    known: dict[tuple[str, int], Memory | Earlier] = {}
    for case in cases:
        for near in case.near[:_NEIGHBOURS]:
            if isinstance(near, Memory) or near.number not in asked:
                known[_key(near)] = near
    ordered = sorted(known.values(), key=lambda near: (_since(near), _key(near)))
    shown_as = {_key(near): number for number, near in enumerate(ordered, 1)}
    lines = ["Known memories:"]
    for number, near in enumerate(ordered, 1):
        what = near if isinstance(near, Memory) else near.candidate
        lines.append(
            f"[{number}] {what.schema or what.kind}, since "
            f"{_since(near):%Y-%m-%d %H:%M}: {_flat(what.text)}"
        )
    cases_from = len(ordered) + 1
    shown_as |= {
        ("candidate", case.number): number
        for number, case in enumerate(cases, cases_from)
    }
    lines.append("\nNew statements, in the order in which they were said:")
    for number, case in enumerate(cases, cases_from):
        candidate = case.candidate
        listed = ", ".join(
            str(shown_as[_key(near)]) for near in case.near[:_NEIGHBOURS]
        )
        said = "; ".join(f'"{_flat(quote.text)}"' for quote in candidate.quotes[:2])
        lines.append(
            f"[{number}] {candidate.schema or candidate.kind}, said "
            f"{candidate.said_at:%Y-%m-%d %H:%M}: {_flat(candidate.text)} "
            f"(near {listed or 'nothing'}; the words were {said})"
        )
    return Question(
        namespace,
        "\n".join(lines),
        dict(enumerate(cases, cases_from)),
        {n: near for n, near in enumerate(ordered, 1) if isinstance(near, Memory)},
        {number: id for (what, id), number in shown_as.items() if what == "candidate"},
    )


def _key(near: Memory | Earlier) -> tuple[str, int]:
    if isinstance(near, Memory):
        return "memory", near.id
    return "candidate", near.number


def _since(near: Memory | Earlier) -> datetime:
    return near.valid_from if isinstance(near, Memory) else near.candidate.said_at


def _rulings(value: Any, question: Question) -> dict[int, Ruling]:
    """Rulings by the candidates' numbers. Raises DoesNotFit."""
    decisions = value.get("decisions") if isinstance(value, dict) else None
    if isinstance(decisions, str):
        with contextlib.suppress(ValueError):
            decisions = answers.loaded(decisions)
    if not isinstance(decisions, list):
        raise DoesNotFit("decisions must be a list")
    found: dict[int, Ruling] = {}
    for item in decisions:
        decision = _valid(item)
        case = question.cases.get(decision.new)
        if case is None:
            raise DoesNotFit(f"{decision.new} is not a new statement")
        if case.number in found:
            raise DoesNotFit(f"there are two decisions for {decision.new}")
        found[case.number] = _ruling(decision, question)
    return found


def _valid(item: object) -> _Decision:
    try:
        return _Decision.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise DoesNotFit(f"decisions: {where}: {first['msg']}") from None


def _ruling(decision: _Decision, question: Question) -> Ruling:
    reason = _flat(decision.reason or "") or decision.operation
    if holds_secret(reason):
        reason = decision.operation
    text = " ".join((decision.text or "").split()) or None
    if text is not None and holds_secret(text):
        text = None
    verdict = Verdict(decision.operation, f"{reason} (decided by a model)", text)
    if decision.operation == "insert":
        return Ruling(verdict)
    target = decision.target or 0
    if target in question.memories:
        return Ruling(verdict, memory=question.memories[target].id)
    earlier = question.earlier.get(target)
    if earlier is not None and target < decision.new:
        return Ruling(verdict, candidate=earlier)
    raise DoesNotFit(
        f"{decision.operation} of {decision.new} needs a target that is shown above it"
    )


def _refused(rulings: Mapping[int, Ruling], question: Question) -> str | None:
    """Why an answer is not to be trusted, if it takes away too much."""
    values = {c.number for c in question.cases.values() if c.candidate.schema}
    removed = {
        (ruling.memory, ruling.candidate)
        for number, ruling in rulings.items()
        if ruling.verdict.op in ("supersede", "delete")
        # A value is not rewritten but replaced.
        or (ruling.verdict.op == "update" and number in values)
    }
    if len(removed) <= max(1, question.shown // REMOVED_SHARE):
        return None
    return (
        f"an answer that would have ended {len(removed)} of {question.shown} "
        "statements was refused; rules decided instead"
    )


def _tool() -> dict[str, Any]:
    decision = {
        "new": {"type": "integer"},
        "operation": {
            "enum": ["insert", "update", "supersede", "delete", "strengthen"]
        },
        "target": {"type": "integer"},
        "text": {"type": "string"},
        "reason": {"type": "string"},
    }
    items = {
        "type": "object",
        "properties": decision,
        "required": ["new", "operation", "reason"],
    }
    return {
        "name": TOOL,
        "description": "Decide what is done with every new statement.",
        "input_schema": {
            "type": "object",
            "properties": {"decisions": {"type": "array", "items": items}},
            "required": ["decisions"],
        },
    }


def _flat(text: str) -> str:
    return " ".join(text.split())[:_TEXT_CHARACTERS]
