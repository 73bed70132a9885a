"""Steps that overlap: reading what comes next and writing what came before, or whole items side by side."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """The items in their order, the next one being made in a thread while the caller works on this one.

    What making an item raises is raised where that item would have come.
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, iterator, end)
            yield item


def in_background(step: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of a step for all items, in their order; it runs in a thread while the next item is made.

    What the step raises is raised where its result would have come.
    """
    with ThreadPoolExecutor(1) as thread:
        running: Future[Result] | None = None
        for item in items:
            if running is not None:
                yield running.result()
            running = thread.submit(step, item)
        if running is not None:
            yield running.result()


def in_parallel(step: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """The results of a step for all items, in their order; so many threads take an item each.

    At most one result more than there are threads waits for the caller. What the step raises is raised
    where its result would have come; items begun by then are finished, the others left.
    """
    running: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as threads:
        try:
            for item in items:
                running.append(threads.submit(step, item))
                if len(running) > workers:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
