"""Items come in order, made ahead or finished behind, and what fails is raised in its place."""

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from hdsr.upscaling.pipeline import in_background, in_parallel, prefetch


def numbers(count: int, made: list[int], fail_at: int | None = None) -> Iterator[int]:
    for number in range(count):
        if number == fail_at:
            raise ValueError(f"no number {number}")
        made.append(number)
        yield number


def test_the_next_item_is_made_while_this_one_is_used() -> None:
    next_is_made = threading.Event()

    def items() -> Iterator[str]:
        yield "first"
        next_is_made.set()
        yield "second"

    pairs = prefetch(items())
    assert next(pairs) == "first"
    assert next_is_made.wait(10)
    assert list(pairs) == ["second"]


def test_no_more_than_one_item_is_made_ahead() -> None:
    made: list[int] = []
    for number in prefetch(numbers(5, made)):
        assert len(made) <= number + 2
    assert made == [0, 1, 2, 3, 4]


def test_a_step_runs_while_the_next_item_is_made() -> None:
    next_is_made = threading.Event()

    def items() -> Iterator[str]:
        yield "first"
        next_is_made.set()
        yield "second"

    def step(item: str) -> tuple[str, bool]:
        return item.upper(), next_is_made.wait(10)

    assert list(in_background(step, items())) == [("FIRST", True), ("SECOND", True)]


@pytest.mark.parametrize("way", [prefetch, lambda items: in_background(lambda item: item, items)])
def test_order_is_kept_and_failures_come_in_their_place(way) -> None:
    assert list(way(numbers(4, []))) == [0, 1, 2, 3]
    assert list(way(numbers(0, []))) == []
    got = []
    with pytest.raises(ValueError, match="no number 2"):
        got.extend(way(numbers(4, [], fail_at=2)))
    items = way(numbers(4, [], fail_at=2))
    assert next(items) == 0


@pytest.mark.parametrize("way", [in_background, partial(in_parallel, workers=2)])
def test_a_failed_step_is_raised_after_the_results_before_it(way) -> None:
    def step(number: int) -> float:
        return 1 / (2 - number)

    results = way(step, range(4))
    assert [next(results), next(results)] == [0.5, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize(
    "way",
    [
        prefetch,
        lambda items: in_background(lambda item: item, items),
        lambda items: in_parallel(lambda item: item, items, 3),
    ],
)
def test_an_interruption_goes_through(way) -> None:
    def items() -> Iterator[int]:
        yield 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(way(items()))


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
