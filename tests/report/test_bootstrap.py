"""Bootstrap intervals: against the normal approximation, exact small cases, and what has none."""

import numpy as np
import pytest

from hdsr.report.bootstrap import mean_interval


def test_it_agrees_with_the_normal_approximation_for_many_values() -> None:
    values = np.random.default_rng(3).normal(30, 2, 400)
    half_width = 1.96 * values.std() / np.sqrt(values.size)
    low, high = mean_interval(values)
    assert low == pytest.approx(values.mean() - half_width, abs=0.02)
    assert high == pytest.approx(values.mean() + half_width, abs=0.02)


def test_of_two_values_it_spans_both() -> None:
    # A quarter of all resamples hold the lower value twice, and a quarter the upper one.
    assert mean_interval([30.0, 34.0]) == (30.0, 34.0)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert mean_interval([28.5] * 5) == (28.5, 28.5)


def test_it_is_the_same_each_time_and_moves_with_the_values() -> None:
    values = np.array([26.0, 29.0, 31.0, 33.0, 36.0])
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values + 1) == pytest.approx([end + 1 for end in mean_interval(values)])


@pytest.mark.parametrize("values", [[], [30.0], [30.0, float("inf")], [30.0, float("nan")]])
def test_what_cannot_be_resampled_has_none(values: list[float]) -> None:
    assert np.isnan(mean_interval(values)).all()
