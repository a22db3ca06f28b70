"""The worker pool: everything once, as it comes, and stoppable."""

import threading
import time

from memcli.reflection import pool


def test_every_item_is_done_once_by_several_at_a_time() -> None:
    together = threading.Barrier(4, timeout=10)

    def work(item: int) -> int:
        together.wait()  # would time out unless four run at once
        return item * 2

    done = pool.run(work, range(8), 4, threading.Event().is_set)
    assert sorted((item, future.result()) for item, future in done) == [
        (i, i * 2) for i in range(8)
    ]


def test_an_error_belongs_to_its_item() -> None:
    def work(item: int) -> int:
        return 1 // item

    done = {
        i: f.exception() for i, f in pool.run(work, [0, 1], 2, threading.Event().is_set)
    }
    assert isinstance(done[0], ZeroDivisionError)
    assert done[1] is None


def test_after_a_stop_running_work_is_kept_and_no_more_begins() -> None:
    stop = threading.Event()
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.05)
        return item

    finished = []
    for item, future in pool.run(work, range(1000), 2, stop.is_set):
        finished.append((item, future.result()))
        stop.set()
    assert {item for item, _ in finished} == set(begun)
    assert len(begun) < 10


def test_items_are_taken_only_as_workers_come_free() -> None:
    taken = 0

    def items() -> object:
        nonlocal taken
        for i in range(100):
            taken += 1
            yield i

    run = pool.run(lambda item: item, items(), 2, threading.Event().is_set)  # type: ignore[var-annotated, arg-type]
    next(run)
    assert taken <= 8
    assert len(list(run)) == 99
