"""Kernel mixes: the shares that the attention gives, per image, and what is said of their spread."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from test_network import official_state_dict

from hdsr.checkpoint import from_official
from hdsr.errors import HdsrError
from hdsr.network import HDSRNet
from hdsr.settings import NetworkSettings
from hdsr.study import mixes as kernel_mixes
from hdsr.suite import parameters


def made_rows(shares: dict[str, list[float]], weights: str = "ours", live: int = 3) -> pd.DataFrame:
    """One layer at x2, its shares by image."""
    return pd.DataFrame(
        {
            "weights": weights,
            "scale": 2,
            "dataset": "Set5",
            "image": image,
            "image_sha256": "0",
            "layer": 1,
            "kernel": kernel,
            "share": share,
            "live_units": live,
        }
        for image, values in shares.items()
        for kernel, share in enumerate(values, start=1)
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_mixes_meet_those_of_the_authors_network(golden_root: Path, scale: int) -> None:
    folder = golden_root / "official_hdsrnet"
    golden = np.load(folder / f"x{scale}.npz")
    network = from_official(official_state_dict(folder, scale), scale).eval()
    for index, image in enumerate(golden["input"]):
        lr = image.transpose(1, 2, 0)
        assert np.array_equal(lr, lr.astype(np.uint8))
        shares, live, inputs = kernel_mixes.kernel_mix(network, lr.astype(np.uint8))
        assert shares == pytest.approx(golden["attention"][:, index], abs=1e-6)
        assert (live.shape, inputs.shape) == ((5, 16), (5, 64))


def test_a_dead_hidden_layer_mixes_uniformly_and_is_counted() -> None:
    torch.manual_seed(0)
    network = HDSRNet(2)
    lr = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    attention = network.upper.blocks[2].dynamic.attention
    attention.squeeze.weight.data = -attention.squeeze.weight.data.abs()
    network.upper.blocks[3].dynamic.attention.squeeze.weight.data.abs_()
    network.upper.blocks[4].dilated.weight.data.zero_()
    shares, live, inputs = kernel_mixes.kernel_mix(network, lr)
    assert live.sum(axis=1)[2:4].tolist() == [0, 16]
    assert (inputs.sum(axis=1) > 0).tolist() == [True] * 4 + [False]
    assert shares[2].tolist() == [0.25] * 4
    assert (shares[3] != 0.25).any()
    assert not any(module._forward_hooks for module in network.modules())


def test_spread_by_hand() -> None:
    rows = made_rows({"a": [0.4, 0.3, 0.2, 0.1], "b": [0.2, 0.3, 0.2, 0.3]})
    line = kernel_mixes.spread(rows).iloc[0]
    assert line["largest"] == pytest.approx(0.3)
    assert line["differs"] == pytest.approx(0.2)
    assert line["live_units"] == 3


def test_the_sentence_says_what_the_numbers_do() -> None:
    rows = made_rows({"a": [0.4, 0.3, 0.2, 0.1], "b": [0.2, 0.3, 0.2, 0.3]})
    dead = made_rows({"a": [0.25] * 4}, weights="authors", live=0)
    text = kernel_mixes.verdict(pd.concat([rows, dead]))
    assert max(map(len, text.splitlines())) <= kernel_mixes.WRAPPED
    first, second = " ".join(text.split()).split("HDSRNet, ")[1:]
    assert "a share differs by 2.0e-01 at most (×2, dynamic convolution 1). In 0 of 1 layers" in first
    assert "the authors'" in second
    assert "In 1 of 1 layers no unit" in second


def test_measured_rows_are_kept_and_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HDSR_REPORTS", str(tmp_path))
    settings = parameters.schema_of("network")(scales=[4], weights=["ours", "authors"])
    monkeypatch.setattr(kernel_mixes, "load_benchmark", lambda *_: SmallSet("Small"))
    monkeypatch.setattr(NetworkSettings, "root", tmp_path)
    mixes = kernel_mixes.measure(settings)
    path = tmp_path / "quick" / "rows" / "kernel_mixes.csv"
    assert len(mixes.rows) == 2 * 5 * 4
    sums = mixes.rows.groupby(["image", "layer"])["share"].sum()
    assert sums.to_numpy() == pytest.approx(1)
    assert len(mixes.gaps) == 1
    assert "for x4 are not at DATA/weights" in mixes.gaps[0]
    assert str(tmp_path) not in mixes.gaps[0]
    pd.testing.assert_frame_equal(pd.read_csv(path), mixes.rows, check_dtype=False)
    before = path.stat().st_mtime_ns
    kernel_mixes.measure(settings)
    assert path.stat().st_mtime_ns == before


class SmallSet:
    """Two small images."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __iter__(self):
        random = np.random.default_rng(0)
        for image in ("a", "b"):
            yield image, random.integers(0, 256, (9, 7, 3), np.uint8), None


def test_nothing_measured_is_an_error() -> None:
    settings = parameters.schema_of("network")(scales=[2], weights=["nowhere.pt"])
    with pytest.raises(HdsrError, match=r"no kernel mix can be measured: no weights at nowhere\.pt"):
        kernel_mixes.measure(settings)


def test_the_drawing_shows_how_far_from_uniform() -> None:
    rows = made_rows({"a": [0.4, 0.3, 0.2, 0.1], "b": [0.25] * 4})
    drawing = kernel_mixes.drawing(rows, "ours")
    picture = drawing.figure.axes[0].images[0].get_array()
    assert np.asarray(picture) == pytest.approx(np.array([[0.15, 0.05, -0.05, -0.15], [0, 0, 0, 0]]))
    assert drawing.name == "kernel_mixes_ours"
    assert drawing._repr_png_().startswith(b"\x89PNG")
