"""Steps on single images: the right image in the right form, and a network without its enlargement."""

from pathlib import Path

import numpy as np
import pytest

from hdsr import resize
from hdsr.errors import HdsrError
from hdsr.measure import protocols
from hdsr.methods import registry
from hdsr.settings import ProtocolSettings
from hdsr.study import by_hand

SETTINGS = ProtocolSettings(scale=4)


def test_a_gray_copy_stands_in_for_a_gray_file() -> None:
    color = by_hand.hr_image(SETTINGS, "samples/astronaut")
    gray = by_hand.gray_image(SETTINGS)
    assert gray.shape == color.shape[:2]
    assert gray.dtype == np.uint8
    np.testing.assert_allclose(gray, color.mean(axis=2), atol=0.51)


def test_defaults_stand_in_for_what_the_data_folder_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    wanted = {"profile": "paper", "data_root": str(tmp_path), "scale": 4}
    settings = ProtocolSettings(**wanted, gray="Set14/bridge", color="samples/lena", model="vdsr")
    found = by_hand.available(settings)
    assert found == ProtocolSettings(**wanted, gray="samples/astronaut", color="samples/lena", model="srcnn")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("samples/astronaut stands in for Set14/bridge: ")
    assert said[1].startswith("srcnn stands in for vdsr: ")
    assert by_hand.available(found) == found
    assert not capsys.readouterr().out


def test_an_image_that_is_not_there_is_named() -> None:
    with pytest.raises(HdsrError, match="samples holds no image 'lena'"):
        by_hand.hr_image(SETTINGS, "samples/lena")


def test_a_network_given_the_enlarged_luma_in_floats_does_what_the_method_does() -> None:
    hr = by_hand.hr_image(SETTINGS, "samples/chelsea")[:64, :64]
    kept, rounded = by_hand.enlarged_lumas(hr, 4)
    assert 0 < np.abs(kept - rounded).max() < 2
    lr = protocols.luma(resize.imresize(hr, 0.25))
    expected = registry.load("srcnn", 4, "ours").luma(lr)
    np.testing.assert_allclose(by_hand.network_alone(SETTINGS)(kept), expected, atol=1e-3)


def test_a_line_for_every_named_protocol() -> None:
    hr = by_hand.hr_image(SETTINGS, "samples/chelsea")[:64, :64]
    table = by_hand.by_every_protocol(SETTINGS, hr)
    assert table.printed["protocol"].tolist() == list(protocols.NAMED)
    sr = resize.imresize(resize.imresize(hr, 0.25), 4)
    bicubic = table.numbers.query("method == 'Bicubic'").set_index("protocol")
    assert bicubic.loc["matlab_rgb", "psnr_db"] == protocols.score(sr, hr, 4, "matlab_rgb")[0]
