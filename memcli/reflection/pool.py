"""A pool of workers that hands back each result as it comes, and can be stopped."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# How often a waiting run looks whether it was asked to stop.
_LOOK_SECONDS = 0.2


def run(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    stopping: Callable[[], bool],
    look: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Item, Future[Result]]]:
    """Every item with its finished future, in the order of finishing.

    `look` is called every now and then by the calling thread.
    At most twice as many items as workers are taken from `items` ahead of
    time. Once `stopping` says so nothing new starts; what runs is waited for and
    handed back, so that finished work is kept.
    """
    source = iter(items)
    pending: dict[Future[Result], Item] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="extract") as pool:
        while True:
            while not stopping() and len(pending) < 2 * workers:
                try:
                    item = next(source)
                except StopIteration:
                    break
                pending[pool.submit(work, item)] = item
            if stopping():
                for future in list(pending):
                    if future.cancel():
                        del pending[future]
            if not pending:
                return
            done, _ = wait(pending, _LOOK_SECONDS, FIRST_COMPLETED)
            look()
            for future in done:
                yield pending.pop(future), future
