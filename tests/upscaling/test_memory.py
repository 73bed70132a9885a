"""Strips are as high as memory allows, and an image for which none will do is declined."""

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdsr.errors import HdsrError
from hdsr.upscaling import memory
from hdsr.upscaling.memory import parse_bytes, strip_rows, working_bytes

GIB = 2**30


@pytest.fixture
def machine(monkeypatch):
    """A machine with so much free memory, on which this process has taken half a GiB."""

    def make(free):
        monkeypatch.setattr(psutil, "virtual_memory", lambda: Figures(available=free))
        monkeypatch.setattr(psutil.Process, "memory_info", lambda self: Figures(rss=GIB // 2))

    return make


class Figures:
    def __init__(self, **values):
        self.__dict__.update(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3GiB", 3 * GIB),
        ("1.5 GB", 1_500_000_000),
        ("800mib", 800 * 2**20),
        ("123456", 123456),
        ("2KB", 2000),
    ],
)
def test_sizes_as_people_write_them(text, expected):
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "much", "-3GiB", "3GiBs", "0GiB", "3 TX", "nan", "1,5GB", "3GiB or so"])
def test_other_texts_are_no_size(text):
    with pytest.raises(HdsrError, match=f"{text!r} is not an amount of memory: expected .* such as 3GiB"):
        parse_bytes(text)


def test_a_small_image_goes_whole(machine):
    machine(4 * GIB)
    assert strip_rows(256, 256, 4, "fp32") == 256


def test_a_large_image_goes_in_strips_that_overlap_little(machine):
    machine(64 * GIB)
    rows = strip_rows(1356, 2040, 4, "fp32")
    assert 300 < rows < 400
    assert working_bytes(1356, 2040, 4, "fp32", rows) < 4 * GIB
    assert working_bytes(1356, 2040, 4, "bf16", rows) < 2.5 * GIB


def test_a_limit_makes_lower_strips(machine):
    machine(64 * GIB)
    heights = [strip_rows(1356, 2040, 4, "fp32", limit) for limit in (4 * GIB, 3 * GIB, int(2.6 * GIB))]
    assert heights[0] > heights[1] > heights[2] >= memory.LEAST_ROWS
    for rows, limit in zip(heights[1:], (3 * GIB, int(2.6 * GIB)), strict=True):
        assert working_bytes(1356, 2040, 4, "fp32", rows) <= limit - GIB // 2


@pytest.mark.parametrize(
    ("rows", "precision", "map_pixels", "map_bytes"),
    [
        (8, "fp32", 2 * 50_000 + 4 * 2200, 256),  # the upper sub-network, on low strips
        (1000, "fp32", 50_000 + 11 * 50_000, 256),  # the lower one, on the whole
        (8, "bf16", 2 * 50_000 + 4 * 2200, 128),
    ],
)
def test_the_phase_that_takes_most_says_how_much_is_needed(
    rows: int, precision: str, map_pixels: int, map_bytes: int
) -> None:
    image_bytes = 50_000 * (64 + 3 * 3 * 2**2)
    assert working_bytes(1000, 50, 2, precision, rows) == map_pixels * map_bytes + image_bytes


def test_the_mean_of_eight_takes_the_image_in_floats_besides(machine):
    machine(64 * GIB)
    floats = 3 * 4 * 16 * 1356 * 2040
    for rows in (8, 300):
        more = working_bytes(1356, 2040, 4, "fp32", rows, True) - working_bytes(1356, 2040, 4, "fp32", rows)
        assert more == memory.ENSEMBLE_COPIES * floats
    strip_rows(1356, 2040, 4, "bf16", 2 * GIB, alone=True)
    with pytest.raises(HdsrError, match="2040 x 1356 pixels is too large"):
        strip_rows(1356, 2040, 4, "bf16", 2 * GIB, ensemble=True, alone=True)


def test_freed_memory_is_given_back_before_an_image_is_refused(machine, monkeypatch):
    machine(GIB)
    monkeypatch.setattr(memory, "trim_freed_memory", lambda: machine(64 * GIB))
    assert strip_rows(1356, 2040, 4, "fp32") > 300


def test_a_limit_above_what_is_free_is_no_help(machine):
    machine(3 * GIB)
    rows = strip_rows(1356, 2040, 4, "fp32")
    assert strip_rows(1356, 2040, 4, "fp32", 60 * GIB) == rows < 300


@pytest.mark.parametrize(
    ("limit", "words"), [(None, "0.95 GiB are free"), (GIB, "0.47 GiB are left of a limit of 1.00 GiB")]
)
def test_what_does_not_fit_in_strips_is_declined(machine, limit, words):
    machine(GIB)
    with pytest.raises(HdsrError, match=rf"2040 x 1356 pixels is too large: even in strips .* {words}"):
        strip_rows(1356, 2040, 4, "fp32", limit)


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([2, 3, 4]), st.integers(1, 40))
def test_the_plan_always_fits(height, width, scale, gib):
    limit = psutil.Process().memory_info().rss + gib * GIB // 4
    try:
        rows = strip_rows(height, width, scale, "fp32", limit)
    except HdsrError:
        return
    assert 1 <= rows <= height
    # besides what the process has by now: it may have given back what it had freed
    assert working_bytes(height, width, scale, "fp32", rows) <= limit - psutil.Process().memory_info().rss
