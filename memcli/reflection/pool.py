"""A pool of workers that hands back each result as it comes, and can be stopped."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# How often a waiting run looks whether it was asked to stop.
_LOOK_SECONDS = 0.2
# Answers that are on their way when a run is stopped are waited for so long.
_GRACE_SECONDS = 10.0


class Grace:
    """After a stop, whether what is under way was waited for long enough."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._since: float | None = None

    def __call__(self) -> bool:
        if not self._stop.is_set():
            return False
        self._since = self._since or time.monotonic()
        return time.monotonic() - self._since > _GRACE_SECONDS


def run(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    stopping: Callable[[], bool],
    *,
    look: Callable[[], None] = lambda: None,
    give_up: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Item, Future[Result]]]:
    """Every item with its finished future, in the order of finishing.

    At most twice as many items as workers are taken from `items` ahead of
    time. `look` is called every now and then by the calling thread. Once
    `stopping` says so nothing new starts; what runs is waited for and handed
    back, so that finished work is kept, unless `give_up` says that it was long
    enough: what still runs then goes with the process.
    """
    source = iter(items)
    pending: dict[Future[Result], Item] = {}
    todo: queue.SimpleQueue[tuple[Future[Result], Item] | None] = queue.SimpleQueue()

    def serve() -> None:
        while (taken := todo.get()) is not None:
            future, item = taken
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work(item))
                except BaseException as error:
                    future.set_exception(error)

    # Daemons: an answer that never comes must not keep the process alive.
    threads = [
        threading.Thread(target=serve, name=f"extract-{n}", daemon=True)
        for n in range(workers)
    ]
    begun = 0
    try:
        while True:
            while not stopping() and len(pending) < 2 * workers:
                try:
                    item = next(source)
                except StopIteration:
                    break
                future: Future[Result] = Future()
                pending[future] = item
                todo.put((future, item))
                if begun < workers:
                    threads[begun].start()
                    begun += 1
            if stopping():
                for future in list(pending):
                    if future.cancel():
                        del pending[future]
            if not pending or give_up():
                return
            done, _ = wait(pending, _LOOK_SECONDS, FIRST_COMPLETED)
            look()
            for future in done:
                yield pending.pop(future), future
    finally:
        for future in pending:
            future.cancel()
        for _ in threads[:begun]:
            todo.put(None)
