"""What is looked at: images of sets, and whatever a person uploads."""

from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest
from exploring import photograph
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hdsr.datasets import SAMPLES
from hdsr.errors import HdsrError
from hdsr.explore import subjects
from hdsr.explore.subjects import Upload, middle
from hdsr.resize import imresize


def png(pixels: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format="png")
    return stream.getvalue()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_built_in_image_has_a_true_one_and_a_small_one_made_of_it(scale: int) -> None:
    subject = subjects.built_in("samples", "rocket", scale)
    assert subject.hr is not None
    assert subject.hr.shape[0] == scale * subject.lr.shape[0]
    assert np.array_equal(subject.lr, imresize(subject.hr, 1 / scale))


def test_every_built_in_image_is_shown_whole() -> None:
    for file in SAMPLES:
        hr = subjects.built_in("samples", Path(file).stem, 2).hr
        assert middle(hr, subjects.SHOWN_PX).shape == hr.shape


def test_an_image_that_a_set_lacks_is_named() -> None:
    with pytest.raises(HdsrError, match="samples holds no image 'nobody'"):
        subjects.built_in("samples", "nobody", 2)


def test_an_upload_is_enlarged_or_shrunk_first() -> None:
    upload = Upload("mine.png", photograph(41))
    small = subjects.uploaded(upload, "lr", 4)
    assert small.hr is None
    assert np.array_equal(small.lr, upload.pixels)
    true = subjects.uploaded(upload, "hr", 4)
    assert np.array_equal(true.hr, upload.pixels[:40, :40])
    assert np.array_equal(true.lr, imresize(true.hr, 1 / 4))
    assert small.note == true.note == ""


@pytest.mark.parametrize(("role", "most_px"), [("lr", 2**20 // 16), ("hr", 2**20)])
def test_of_a_large_upload_the_middle_is_used_and_a_sentence_says_so(role: str, most_px: int) -> None:
    upload = Upload("my holiday.png", np.zeros((1500, 2000, 3), np.uint8))
    subject = subjects.uploaded(upload, role, 4)
    used = subject.lr if role == "lr" else subject.hr
    assert 0.98 * most_px < used.shape[0] * used.shape[1] <= most_px
    assert "my holiday.png has 2000 x 1500 pixels; only the middle" in subject.note
    assert "hdsr upscale 'my holiday.png' --scale 4" in subject.note


def test_the_middle_is_in_the_middle() -> None:
    image = np.arange(100 * 60 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 60, 3)
    assert np.array_equal(middle(image, 1500), image[25:75, 15:45])


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 5000))
def test_the_middle_is_never_empty_and_never_too_large(height: int, width: int, most_px: int) -> None:
    part = middle(np.broadcast_to(np.uint8(0), (height, width, 3)), most_px)
    assert 1 <= part.shape[0] * part.shape[1] <= most_px


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.png is not an image of a known format"),
        (b"some text", "x.png is not an image of a known format"),
        (png(photograph())[:1500], "x.png is a damaged image"),
    ],
)
def test_a_bad_upload_is_declined_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(HdsrError, match=message) as caught:
        subjects.read_upload("x.png", data)
    assert "\n" not in str(caught.value)


def test_an_upload_that_memory_cannot_hold_is_declined_before_it_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = png(np.zeros((1000, 1200, 3), np.uint8))
    memory = type("Memory", (), {"available": 50_000_000})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    with pytest.raises(HdsrError, match=r"x.png: 1200 x 1000 pixels are too many to be read here"):
        subjects.read_upload("x.png", data)


def test_a_whole_upload_is_read() -> None:
    upload = subjects.read_upload("x.png", png(photograph()))
    assert np.array_equal(upload.pixels, photograph())
