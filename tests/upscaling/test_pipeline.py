"""Items come in order, made ahead or finished behind, and what fails is raised in its place."""

import threading
from collections.abc import Iterator

import pytest

from hdsr.upscaling.pipeline import in_background, prefetch


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


def test_a_failed_step_is_raised_after_the_results_before_it() -> None:
    def step(number: int) -> float:
        return 1 / (2 - number)

    results = in_background(step, range(4))
    assert [next(results), next(results)] == [0.5, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("way", [prefetch, lambda items: in_background(lambda item: item, items)])
def test_an_interruption_goes_through(way) -> None:
    def items() -> Iterator[int]:
        yield 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(way(items()))
