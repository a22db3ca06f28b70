"""What programs submitted and did not come to: done by the next run, their way."""

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from memcli.errors import Interrupted, LeaseLost, MemcliError
from memcli.extractors.base import Extractor
from memcli.extractors.choose import Wanted, choose
from memcli.reflection import recipes
from memcli.reflection.progress import Listener
from memcli.reflection.recipes import Means
from memcli.reflection.reflect import reflect
from memcli.reflection.run import Report
from memcli.store import submissions
from memcli.store.lease import Lease

if TYPE_CHECKING:
    from memcli.reflection.preview import Preview


@dataclass(frozen=True, slots=True)
class Taken:
    """What was done for one enricher, or why nothing could be."""

    model: str
    report: Report | None = None
    error: MemcliError | None = None


def preview_submitted(
    db: sqlite3.Connection,
    by: Means,
    clock: Callable[[], datetime],
    listener: Listener,
    stop: threading.Event,
) -> "list[Preview]":
    """What that would send, and what it would cost; nothing is sent."""
    from memcli.reflection.preview import preview  # brings what only a dry run needs

    found = []
    for number in submissions.enrichers_due(db, clock()):
        recipe = recipes.from_plain(submissions.recipe_of(db, number))
        extractor, _ = choose(recipes.wanted(recipe, by), stop, dry=True)
        asked = recipes.request(recipe, number, by)
        found.append(preview(db, asked, extractor, clock, listener, stop))
    return found


def reflect_submitted(
    db: sqlite3.Connection,
    by: Means,
    clock: Callable[[], datetime],
    listener: Listener,
    stop: threading.Event,
    lease: Lease | None = None,
) -> list[Taken]:
    """A run for each enricher that something is due for, each with its own model and
    instructions; together they spend no more than the budget."""
    done: list[Taken] = []
    for number in submissions.enrichers_due(db, clock()):
        if stop.is_set():
            break
        recipe = recipes.from_plain(submissions.recipe_of(db, number))
        name = recipe.model or recipe.extractor
        asked = recipes.wanted(recipe, by)

        def chosen(asked: Wanted = asked) -> Extractor:
            extractor, why = choose(asked, stop)
            listener.notice(f"submitted, {why}")
            return extractor

        try:
            report = reflect(
                db, recipes.request(recipe, number, by), chosen, clock, listener, stop,
                lease,
            )  # fmt: skip
        except (LeaseLost, Interrupted):
            raise
        except MemcliError as error:
            done.append(Taken(name, error=error))
            continue
        done.append(Taken(name, report))
        by = by.without(report.cost.dollars)
    return done
