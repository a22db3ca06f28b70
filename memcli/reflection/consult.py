"""Putting cases to the judge; answers are committed as they come."""

from collections.abc import Mapping, Sequence

from memcli.errors import BudgetSpent, MemcliError, Outage
from memcli.reflection.judging import (
    Case,
    Judge,
    Judged,
    Question,
    Ruling,
    questions,
    reread,
)
from memcli.reflection.run import Run
from memcli.store import judgements, runs
from memcli.store.database import transaction


class Consultation:
    """Puts cases to the judge; answers are committed as they come."""

    def __init__(self, run: Run, judge: Judge) -> None:
        self.unanswered: set[str] = set()
        self._run, self._judge = run, judge

    def rulings(self, cases: Mapping[str, Sequence[Case]]) -> dict[int, Ruling]:
        """Rulings by candidates' numbers.

        Namespaces of which something cannot be asked for now are `unanswered`, and
        the run's report says why; what fails is left to the rules.
        """
        found: dict[int, Ruling] = {}
        left: dict[str, tuple[Question, str]] = {}  # by fingerprint
        for namespace, listed in cases.items():
            for question in questions(namespace, listed):
                fingerprint = self._judge.fingerprint(question)
                answer = judgements.get(self._run.db, fingerprint)
                if answer is None:
                    left[fingerprint] = (question, namespace)
                else:
                    found |= reread(answer, question)
        if not left:
            return found
        if isinstance(self._run.report.ended_by, Outage | BudgetSpent):
            self.unanswered = {namespace for _, namespace in left.values()}
            return found
        self._run.listener.stage("asking", len(left))
        todo = [question for question, _ in left.values()]
        try:
            for question, result in self._judge.judge_all(
                todo, self._run.request.workers, self._run.stop
            ):
                fingerprint = self._judge.fingerprint(question)
                self._keep(fingerprint, result)
                del left[fingerprint]
                if isinstance(result, Judged):
                    found |= result.rulings
                self._run.listener.step()
        except MemcliError as error:
            with transaction(self._run.db):
                self._book(error)
            self._run.report.ended_by = self._run.report.ended_by or error
        self.unanswered = {namespace for _, namespace in left.values()}
        return found

    def _keep(self, fingerprint: str, result: Judged | MemcliError) -> None:
        with transaction(self._run.db):
            if isinstance(result, MemcliError):
                self._book(result)
                self._run.listener.notice(f"consolidation by rules: {result}")
                return
            if result.refused:
                self._run.listener.notice(result.refused)
            runs.book(
                self._run.db, self._run.id, "consolidate", self._judge.asker.model,
                result.asked, self._run.clock(),
            )  # fmt: skip
            judgements.keep(
                self._run.db,
                fingerprint,
                self._run.id,
                result.answer,
                self._run.clock(),
            )

    def _book(self, error: MemcliError) -> None:
        runs.book(
            self._run.db, self._run.id, "consolidate", self._judge.asker.model,
            error.asked, self._run.clock(),
        )  # fmt: skip
