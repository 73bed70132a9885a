"""Items side by side: several in threads of their own, or one read ahead or written behind."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(step: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """The results of a step for all items, in their order; so many threads take an item each.

    One thread is enough to read the next item while the caller works on this one, or to write the one before
    while the next is made. At most one result more than there are threads waits for the caller. What the step
    raises is raised where its result would have come; items begun by then are finished, the others left.
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
