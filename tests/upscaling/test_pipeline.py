"""Results come in order, made ahead, behind or side by side, and what fails is raised in its place."""

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from hdsr.upscaling.pipeline import in_parallel


def numbers(count: int, made: list[int], fail_at: int | None = None) -> Iterator[int]:
    for number in range(count):
        if number == fail_at:
            raise ValueError(f"no number {number}")
        made.append(number)
        yield number


def test_the_next_item_is_read_while_this_one_is_used() -> None:
    next_is_read = threading.Event()

    def read(item: str) -> str:
        if item == "second":
            next_is_read.set()
        return item

    read_items = in_parallel(read, ["first", "second"], workers=1)
    assert next(read_items) == "first"
    assert next_is_read.wait(10)
    assert list(read_items) == ["second"]


def test_no_more_than_one_item_is_read_ahead() -> None:
    read: list[int] = []
    for number in in_parallel(lambda number: read.append(number) or number, range(5), workers=1):
        assert len(read) <= number + 2
    assert read == [0, 1, 2, 3, 4]


def test_a_step_runs_while_the_next_item_is_made() -> None:
    next_is_made = threading.Event()

    def items() -> Iterator[str]:
        yield "first"
        next_is_made.set()
        yield "second"

    def step(item: str) -> tuple[str, bool]:
        return item.upper(), next_is_made.wait(10)

    assert list(in_parallel(step, items(), workers=1)) == [("FIRST", True), ("SECOND", True)]


@pytest.mark.parametrize("workers", [1, 3])
def test_order_is_kept_and_what_making_an_item_raises_is_raised(workers: int) -> None:
    way = partial(in_parallel, lambda item: item, workers=workers)
    assert list(way(numbers(4, []))) == [0, 1, 2, 3]
    assert list(way(numbers(0, []))) == []
    with pytest.raises(ValueError, match="no number 2"):
        list(way(numbers(4, [], fail_at=2)))


def test_with_one_worker_an_item_that_cannot_be_made_spoils_none_that_came_before_it() -> None:
    made = in_parallel(lambda item: item, numbers(4, [], fail_at=2), workers=1)
    assert next(made) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_step_is_raised_after_the_results_before_it(workers: int) -> None:
    def step(number: int) -> float:
        return 1 / (2 - number)

    results = in_parallel(step, range(4), workers)
    assert [next(results), next(results)] == [0.5, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_interruption_goes_through(workers: int) -> None:
    def items() -> Iterator[int]:
        yield 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(in_parallel(lambda item: item, items(), workers))


def test_as_many_steps_run_at_once_as_there_are_workers_and_their_results_keep_their_order() -> None:
    together = threading.Barrier(3)

    def step(number: int) -> int:
        together.wait(10)
        time.sleep(0.01 * (3 - number % 3))
        return number

    assert list(in_parallel(step, range(6), workers=3)) == list(range(6))


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    begun = []

    def step(number: int) -> int:
        begun.append(number)
        time.sleep(0.01)
        return number

    results = in_parallel(step, range(1000), workers=2)
    assert next(results) == 0
    results.close()
    assert len(begun) <= 4
