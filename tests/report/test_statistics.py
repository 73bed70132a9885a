"""Intervals and tests of means: coverage at small n, textbook cases, and what has none."""

import numpy as np
import pytest

from hdsr.report.statistics import half_width, holm, p_value


@pytest.mark.parametrize("n", [5, 14])
def test_intervals_hold_the_mean_as_often_as_they_say(n: int) -> None:
    samples = np.random.default_rng(n).normal(0.1, 1, (4000, n))
    held = [abs(sample.mean() - 0.1) <= half_width(sample) for sample in samples]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)


def test_a_textbook_case() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]  # mean 3, standard error sqrt(0.5), t(4) 2.776
    assert half_width(values) == pytest.approx(2.7764 * 0.5**0.5, abs=1e-4)
    assert p_value(values) == pytest.approx(0.0132, abs=1e-4)


def test_p_and_interval_agree() -> None:
    for sample in np.random.default_rng(0).normal(0.5, 1, (50, 6)):
        assert (p_value(sample) < 0.05) == (abs(sample.mean()) > half_width(sample))


def test_equal_differences_leave_no_doubt() -> None:
    assert half_width([0.2] * 5) == 0
    assert p_value([0.2] * 5) == 0
    assert p_value([0.0] * 5) == 1


def test_holm_by_hand() -> None:
    corrected = holm([0.01, 0.04, float("nan"), 0.03, 0.005])
    np.testing.assert_allclose(corrected, [0.03, 0.06, np.nan, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("values", [[], [30.0], [30.0, float("inf")], [30.0, float("nan")]])
def test_what_has_no_spread_has_no_interval(values: list[float]) -> None:
    assert np.isnan(half_width(values))
    assert np.isnan(p_value(values))
