"""The reduce: candidates that wait → memories, one namespace's beside the others."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from memcli.embeddings.choose import Encoder, encoder
from memcli.extractors.base import Extractor
from memcli.reflection.consult import Consultation
from memcli.reflection.embed import use_model
from memcli.reflection.judging import Case, Earlier, Judge, Ruling
from memcli.reflection.run import Run
from memcli.reflection.walk import Item, Walk
from memcli.store import extractions, vectors
from memcli.store.database import transaction
from memcli.store.extractions import KeptExtraction


def merge(run: Run, extractor: Extractor) -> None:
    """All waiting candidates in the order they were said; the run's report says what
    that came to.

    One transaction, so that readers see the memories before the run or after
    it. The order does not depend on which worker was done first. What rules
    leave in doubt is put to the extractor's model before, if it has one, outside
    the transaction.
    """
    db, model = run.db, run.request.embedding_model
    waiting = extractions.waiting(db, run.request.enricher)
    encode = encoder(model)
    use_model(db, model, encode, run.listener)
    with transaction(db):
        _refill(run, encode)
    items = _in_order(waiting, encode)
    rulings: Mapping[int, Ruling] = {}
    if extractor.asker is not None:
        consultation = Consultation(run, Judge(extractor.asker))
        rulings = consultation.rulings(_in_doubt(run, items, waiting, encode))
        later = consultation.unanswered
        items = [i for i in items if i.extraction.namespace not in later]
        waiting = [e for e in waiting if e.namespace not in later]
    run.listener.stage("consolidating", len(items))
    with transaction(db):
        run.check_claim()
        walk = _walk(run, encode, run.clock())
        walk.take_back(waiting)
        for item in items:
            walk.step(item, rulings.get(item.number))
            run.listener.step()
        walk.finish()
        extractions.mark_consolidated(db, [e.id for e in waiting], run.id)
    run.report.operations += walk.operations
    run.report.set_aside += walk.set_aside


def _in_order(waiting: Sequence[KeptExtraction], encode: Encoder) -> list[Item]:
    listed = sorted(
        (
            (candidate, extraction)
            for extraction in waiting
            for candidate in extraction.candidates
        ),
        key=lambda pair: (pair[0].said_at, pair[1].thread_id),
    )
    encoded = encode.encode([candidate.text for candidate, _ in listed])
    return [
        Item(number, candidate, extraction, vector)
        for number, ((candidate, extraction), vector) in enumerate(
            zip(listed, encoded, strict=True)
        )
    ]


def _in_doubt(
    run: Run,
    items: Sequence[Item],
    waiting: Sequence[KeptExtraction],
    encode: Encoder,
) -> dict[str, list[Case]]:
    """What rules would leave in doubt, by namespace: everything is done by rules,
    and then rolled back."""
    cases: dict[str, list[Case]] = {}
    run.db.execute("BEGIN IMMEDIATE")
    try:
        walk = _walk(run, encode, run.clock())
        walk.take_back(waiting)
        for item in items:
            doubts = walk.step(item, None)
            if doubts:
                near = tuple(
                    Earlier(number, items[number].candidate)
                    if (number := walk.made_by.get(memory.id)) is not None
                    else memory
                    for memory in doubts
                )
                case = Case(item.number, item.candidate, near)
                cases.setdefault(item.extraction.namespace, []).append(case)
    finally:
        run.db.execute("ROLLBACK")
    return cases


def _walk(run: Run, encode: Encoder, now: datetime) -> Walk:
    return Walk(run.db, run.id, encode, run.request.allowed, now)


def _refill(run: Run, encode: Encoder) -> None:
    """Memories lose their vectors when the embedding model changes."""
    bare = vectors.without(run.db, "memories")
    if bare:
        found = encode.encode([text for _, text in bare])
        vectors.put(run.db, "memories", [id for id, _ in bare], found)
