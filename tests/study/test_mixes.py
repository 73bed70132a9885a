"""Kernel mixes: shares that the attention gives, their entropies by hand, rows reused by their identity."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_sets import dynamics_settings
from test_network import official_state_dict

from hdsr import results
from hdsr.checkpoint import from_official
from hdsr.errors import HdsrError
from hdsr.network import HDSRNet
from hdsr.settings import DynamicsSettings
from hdsr.study import mixes
from hdsr.study.mixes import AVERAGED, COLUMNS, SHARES, TESTED
from hdsr.suite import parameters

Shares = list[float]


def made_rows(
    layers: list[list[Shares]], live: str = "10", role: str = TESTED, dataset: str = "Set5", inputs: int = 64
) -> pd.DataFrame:
    """Rows of one network: the shares of each image, layer by layer."""
    return pd.DataFrame(
        [
            (
                "ours",
                2,
                role,
                dataset,
                f"image_{image}",
                "w",
                f"lr_{image}",
                "c",
                "torch",
                "numpy",
                layer,
                *shares,
                live,
                inputs,
            )
            for layer, images in enumerate(layers, start=1)
            for image, shares in enumerate(images)
        ],
        columns=COLUMNS,
    )


UNIFORM = [0.25] * 4


def test_entropies_by_hand() -> None:
    shares = np.array([UNIFORM, [0.5, 0.5, 0, 0], [1, 0, 0, 0], [0.5, 0.25, 0.125, 0.125]])
    assert mixes.entropy_bits(shares) == pytest.approx([2, 1, 0, 1.75])
    assert mixes.entropy_bits(0.9 * shares) == pytest.approx([2, 1, 0, 1.75])


def test_a_layer_that_tells_images_apart_and_one_that_does_not() -> None:
    rows = made_rows([[[1, 0, 0, 0], [0, 1, 0, 0]], [[0.5, 0.5, 0, 0]] * 2])
    apart, alike = mixes.by_layer(rows).itertuples()
    assert (apart.largest, apart.differs, apart.entropy_bits, apart.image_bits) == (0.5, 1, 0, 1)
    assert (alike.largest, alike.differs, alike.entropy_bits, alike.image_bits) == (0.5, 0, 1, 0)
    assert (apart.units, apart.dead, apart.inputs, apart.n) == (2, 1, 64, 2)


def test_a_unit_is_dead_where_no_image_needs_it() -> None:
    rows = made_rows([[UNIFORM, UNIFORM]])
    rows["live"], rows["inputs"] = ["1000", "0010"], [64, 60]
    assert mixes.by_layer(rows)[["dead", "inputs"]].to_numpy().tolist() == [[2, 64]]


def test_training_images_do_not_count_among_the_tested() -> None:
    rows = pd.concat([made_rows([[UNIFORM] * 2]), made_rows([[[1, 0, 0, 0]]], role=AVERAGED)])
    assert mixes.by_layer(rows)[["largest", "n"]].to_numpy().tolist() == [[0.25, 2]]


def test_the_mean_mix_is_of_training_images_or_else_of_the_set() -> None:
    others = made_rows([[[0, 0, 1, 0]]], dataset="B100")
    tested = pd.concat([made_rows([[[1, 0, 0, 0], [0, 0, 0, 1]]]), others])
    shares, words = mixes.mean_mix(tested, "Set5")
    assert (shares.tolist(), words) == ([[0.5, 0, 0, 0.5]], "mean over 2 images of Set5")
    trained = made_rows([[[0, 1, 0, 0]]], role=AVERAGED, dataset="T91").assign(image="91 images")
    shares, words = mixes.mean_mix(pd.concat([tested, trained]), "Set5")
    assert (shares.tolist(), words) == ([[0, 1, 0, 0]], "mean over 91 images of T91")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DynamicsSettings:
    return dynamics_settings(tmp_path, monkeypatch)


def test_measured_rows_are_reused_by_their_identity(
    settings: DynamicsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = mixes.measure_mixes(settings, "dynamics_mixes", settings.training_sets, progress=False)
    assert rows.groupby("role").size().to_dict() == {TESTED: 2 * 5, AVERAGED: 5}
    assert mixes.mean_mix(rows, "Own")[1] == "mean over 3 images of Learned"
    assert rows[SHARES].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-6)
    path = settings.report / "rows" / "dynamics_mixes.csv"
    before = path.stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(mixes, "kernel_mix", None)
        pd.testing.assert_frame_equal(
            mixes.measure_mixes(settings, "dynamics_mixes", settings.training_sets, progress=False), rows
        )
    assert path.stat().st_mtime_ns == before
    for name, value in (("code_version", "changed"), ("numpy", "0.9")):
        monkeypatch.setattr(mixes, "CODE_VERSION", "changed")
        monkeypatch.setattr(results, "made_with", lambda: {"torch": "2", "numpy": "0.9"})
        again = mixes.measure_mixes(settings, "dynamics_mixes", settings.training_sets, progress=False)
        assert set(again[name]) == {value}


def test_training_images_share_the_mean_of_their_mixes_and_their_live_units(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shares = iter([[[1.0, 0, 0, 0]], [[0, 0.5, 0.5, 0]]])
    live = iter([[[True, False, False]], [[False, False, True]]])
    inputs = iter([[[True, False]], [[False, True]]])
    monkeypatch.setattr(
        mixes, "kernel_mix", lambda *_: tuple(np.array(next(part)) for part in (shares, live, inputs))
    )
    (row,) = mixes._mean_rows(None, ["a", "b"])[["layer", *SHARES, "live", "inputs"]].itertuples(index=False)
    assert tuple(row) == (1, 0.5, 0.25, 0.25, 0, "101", 2)


def test_training_sets_that_are_missing_have_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dynamics_settings(tmp_path, monkeypatch, training_sets=["T91"])
    assert set(
        mixes.measure_mixes(settings, "dynamics_mixes", settings.training_sets, progress=False)["role"]
    ) == {TESTED}


def test_the_drawing_has_a_dot_for_each_image_and_kernel() -> None:
    drawing = mixes.drawing(made_rows([[[0.4, 0.2, 0.2, 0.2]] * 3, [UNIFORM] * 3]), "ours", "kernel_mixes")
    assert drawing.name == "kernel_mixes_ours"
    offsets = [dots.get_offsets() for dots in drawing.figure.axes[0].collections]
    assert [len(dots) for dots in offsets] == [6] * 4
    assert offsets[0][:, 1].tolist() == pytest.approx([0.15] * 3 + [0] * 3)
    assert drawing._repr_png_().startswith(b"\x89PNG")


def test_the_table_prints_a_line_for_each_layer() -> None:
    table = mixes.table(mixes.by_layer(made_rows([[UNIFORM] * 2, [[1, 0, 0, 0]] * 2])), "kernel_mixes")
    assert table.printed["below 2 bits by"].tolist() == ["0.0e+00", "2.0e+00"]
    assert table.printed["dead units"].tolist() == ["1 of 2"] * 2


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_mixes_meet_those_of_the_authors_network(golden_root: Path, scale: int) -> None:
    folder = golden_root / "official_hdsrnet"
    golden = np.load(folder / f"x{scale}.npz")
    network = from_official(official_state_dict(folder, scale), scale).eval()
    for index, image in enumerate(golden["input"]):
        lr = image.transpose(1, 2, 0)
        assert np.array_equal(lr, lr.astype(np.uint8))
        shares, live, inputs = mixes.kernel_mix(network, lr.astype(np.uint8))
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
    shares, live, inputs = mixes.kernel_mix(network, lr)
    assert live.sum(axis=1)[2:4].tolist() == [0, 16]
    assert (inputs.sum(axis=1) > 0).tolist() == [True] * 4 + [False]
    assert shares[2].tolist() == [0.25] * 4
    assert (shares[3] != 0.25).any()
    assert not any(module._forward_hooks for module in network.modules())


def test_nothing_measured_is_an_error() -> None:
    settings = parameters.schema_of("network")(scales=[2], weights=["nowhere.pt"])
    with pytest.raises(HdsrError, match=r"no kernel mix can be measured: no weights at nowhere\.pt"):
        mixes.measure_mixes(settings, "kernel_mixes")
