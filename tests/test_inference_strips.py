"""Strips cover an image once, with what their result depends on."""

from hypothesis import given
from hypothesis import strategies as st

from hdsr.inference import Strip, split


def test_strips_by_hand() -> None:
    assert list(split(10, 4, 3)) == [
        Strip(slice(0, 4), slice(0, 7), slice(0, 4)),
        Strip(slice(4, 8), slice(1, 10), slice(3, 7)),
        Strip(slice(8, 10), slice(5, 10), slice(3, 5)),
    ]


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 20))
def test_every_row_is_wanted_once_and_read_with_its_neighbors(height: int, rows: int, reach: int) -> None:
    image = list(range(height))
    wanted = []
    for strip in split(height, rows, reach):
        read = image[strip.source]
        assert read[strip.inner] == image[strip.rows]
        for row in image[strip.rows]:
            assert {n for n in range(row - reach, row + reach + 1) if 0 <= n < height} <= set(read)
        wanted += image[strip.rows]
    assert wanted == image
