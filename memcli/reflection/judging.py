"""Asking a model about the candidates that rules cannot place: many in one call.

It sees each with its neighbours, by small numbers, with times. An answer is
taken as a whole or not at all; one that would take away more than a quarter of
what it was shown is refused. Answers are kept, so none is paid for twice.
"""

import hashlib
import json
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

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
class Case:
    """An ambiguous candidate: its number among those of the run, and what is near,
    as memories or as numbers of earlier candidates."""

    number: int
    candidate: Candidate
    near: tuple[Memory | int, ...]


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
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """Cases of one namespace as one call shows them."""

    body: str
    cases: Mapping[int, Case]  # by the number shown
    memories: Mapping[int, int]  # number shown → memory
    earlier: Mapping[int, int]  # number shown → number of the candidate

    @property
    def shown(self) -> int:
        return len(self.cases) + len(self.memories)


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
        asked = [self.asker.model, self._fixed, question.body]
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
        for question, future in pool.run(self.judge, questions, workers, stop.is_set):
            try:
                yield question, future.result()
            except MemcliError as error:
                if isinstance(error, Outage | ExtractorUnusable) or error.exit_code > 1:
                    raise
                yield question, error


def reread(answer: Any, question: Question) -> Mapping[int, Ruling]:
    """The rulings of an answer that was kept."""
    try:
        rulings = _rulings(answer, question)
    except DoesNotFit:
        return {}
    return {} if _refused(rulings, question) else rulings


def questions(cases: Sequence[Case]) -> list[Question]:
    """Cases of one namespace, in order, in as few calls as they fit.

    Those that are near to each other stand in one call if they can.
    """
    found = []
    for start in range(0, len(cases), _STATEMENTS):
        found.append(_question(cases[start : start + _STATEMENTS]))
    return found


def _question(cases: Sequence[Case]) -> Question:
    known: dict[int, Memory] = {}
    for case in cases:
        for near in case.near[:_NEIGHBOURS]:
            if isinstance(near, Memory):
                known[near.id] = near
    ordered = sorted(known.values(), key=lambda memory: (memory.valid_from, memory.id))
    numbers = {memory.id: number for number, memory in enumerate(ordered, 1)}
    lines = ["Known memories:"]
    for memory in ordered:
        lines.append(
            f"[{numbers[memory.id]}] {memory.kind}, since "
            f"{memory.valid_from:%Y-%m-%d %H:%M}: {_flat(memory.text)}"
        )
    shown_as = {case.number: len(known) + n for n, case in enumerate(cases, 1)}
    lines.append("\nNew statements, in the order in which they were said:")
    for case in cases:
        candidate = case.candidate
        near_to = [
            numbers[near.id] if isinstance(near, Memory) else shown_as.get(near)
            for near in case.near[:_NEIGHBOURS]
        ]
        listed = ", ".join(str(number) for number in near_to if number is not None)
        said = "; ".join(f'"{_flat(quote.text)}"' for quote in candidate.quotes[:2])
        lines.append(
            f"[{shown_as[case.number]}] {candidate.kind}, said "
            f"{candidate.said_at:%Y-%m-%d %H:%M}: {_flat(candidate.text)} "
            f"(near {listed or 'nothing'}; the words were {said})"
        )
    return Question(
        "\n".join(lines),
        {shown_as[case.number]: case for case in cases},
        {number: id for id, number in numbers.items()},
        {shown: number for number, shown in shown_as.items()},
    )


def _rulings(value: Any, question: Question) -> dict[int, Ruling]:
    """Rulings by the candidates' numbers. Raises DoesNotFit."""
    decisions = value.get("decisions") if isinstance(value, dict) else None
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
    reason = _flat(decision.reason) or decision.operation
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
        return Ruling(verdict, memory=question.memories[target])
    earlier = question.earlier.get(target)
    if earlier is not None and target < decision.new:
        return Ruling(verdict, candidate=earlier)
    raise DoesNotFit(
        f"{decision.operation} of {decision.new} needs a target that is shown above it"
    )


def _refused(rulings: Mapping[int, Ruling], question: Question) -> str | None:
    """Why an answer is not to be trusted, if it takes away too much."""
    removed = {
        (ruling.memory, ruling.candidate)
        for ruling in rulings.values()
        if ruling.verdict.op in ("supersede", "delete")
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
