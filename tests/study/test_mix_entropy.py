"""How dynamic mixes are: entropies by hand, rows that are reused by identity, a sentence for each outcome."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_sets import dynamics_settings

from hdsr.settings import DynamicsSettings
from hdsr.study import mix_entropy
from hdsr.study.mix_entropy import AVERAGED, COLUMNS, SHARES, TESTED

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
                "w",
                role,
                dataset,
                f"image_{image}",
                f"lr_{image}",
                "c",
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
    mixes = np.array([UNIFORM, [0.5, 0.5, 0, 0], [1, 0, 0, 0], [0.5, 0.25, 0.125, 0.125]])
    assert mix_entropy.entropy_bits(mixes) == pytest.approx([2, 1, 0, 1.75])
    assert mix_entropy.entropy_bits(0.9 * mixes) == pytest.approx([2, 1, 0, 1.75])


def test_a_layer_that_tells_images_apart_and_one_that_does_not() -> None:
    rows = made_rows([[[1, 0, 0, 0], [0, 1, 0, 0]], [[0.5, 0.5, 0, 0]] * 2])
    apart, alike = mix_entropy.by_layer(rows).itertuples()
    assert (apart.largest, apart.differs, apart.entropy_bits, apart.image_bits) == (0.5, 1, 0, 1)
    assert (alike.largest, alike.differs, alike.entropy_bits, alike.image_bits) == (0.5, 0, 1, 0)
    assert (apart.units, apart.dead, apart.inputs, apart.n) == (2, 1, 64, 2)


def test_a_unit_is_dead_where_no_image_needs_it() -> None:
    rows = made_rows([[UNIFORM, UNIFORM]])
    rows["live"] = ["1000", "0010"]
    assert mix_entropy.by_layer(rows)["dead"].tolist() == [2]


def test_training_images_do_not_count_among_the_tested() -> None:
    rows = pd.concat([made_rows([[UNIFORM] * 2]), made_rows([[[1, 0, 0, 0]]], role=AVERAGED)])
    assert mix_entropy.by_layer(rows)[["largest", "n"]].to_numpy().tolist() == [[0.25, 2]]


def said(rows: pd.DataFrame) -> str:
    return " ".join(mix_entropy.sentence(mix_entropy.by_layer(rows)).split())


def test_the_sentence_on_dead_attention() -> None:
    text = said(made_rows([[UNIFORM] * 3, [UNIFORM] * 3], live="00"))
    assert text.startswith(
        "HDSRNet, trained here, ×2: attention is dead in all 2 layers: on none of 3 images"
    )
    assert "no convolution is dynamic" in text
    blind = said(made_rows([[UNIFORM] * 3, [UNIFORM] * 3], live="00", inputs=0))
    assert (
        "in all 2 layers (2 get nothing but zeros: the dilated convolution before them is dead): on" in blind
    )


def test_the_sentence_on_mixes_that_are_nearly_the_same() -> None:
    near = [[0.5, 0.3, 0.1, 0.1], [0.51, 0.29, 0.1, 0.1]]
    dead = made_rows([[UNIFORM] * 2, [UNIFORM] * 2], live="00", inputs=0).query("layer == 2")
    text = said(pd.concat([made_rows([near]), dead]))
    assert "mixes vary across 2 images by less than 0.02 (at most 0.01, layer 1): every image gets" in text
    assert "Attention is dead in 1 of 2 layers (1 get nothing but zeros" in text
    assert "in the others 1 of 2 units are live on no image." in text


def test_the_sentence_on_mixes_that_depend_on_the_image() -> None:
    text = said(made_rows([[UNIFORM] * 2, [[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]]]))
    assert "by 0.02 or more in 1 of 2 layers (at most 0.6, layer 2). The mixes lack" in text
    assert "nearly the same" not in text


def test_the_mean_mix_is_of_training_images_or_else_of_the_set() -> None:
    tested = made_rows([[[1, 0, 0, 0], [0, 0, 0, 1]]])
    alone = mix_entropy.mean_mix(tested, "Set5")
    assert alone.shares.tolist() == [[0.5, 0, 0, 0.5]]
    assert alone.words == "mean over 2 images of Set5"
    trained = made_rows([[[0, 1, 0, 0]]], role=AVERAGED, dataset="T91").assign(image="91 images")
    mean = mix_entropy.mean_mix(pd.concat([tested, trained]), "Set5")
    assert mean.shares.tolist() == [[0, 1, 0, 0]]
    assert mean.words == "mean over 91 images of T91"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DynamicsSettings:
    return dynamics_settings(tmp_path, monkeypatch)


def test_measured_rows_are_reused_by_their_identity(
    settings: DynamicsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = mix_entropy.measure(settings, progress=False)
    assert rows.groupby("role").size().to_dict() == {TESTED: 2 * 5, AVERAGED: 5}
    assert mix_entropy.mean_mix(rows, "Own").words == "mean over 3 images of Learned"
    assert rows[SHARES].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-6)
    path = settings.report / "rows" / "dynamics_mixes.csv"
    before = path.stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(mix_entropy, "kernel_mix", None)
        pd.testing.assert_frame_equal(mix_entropy.measure(settings, progress=False), rows)
    assert path.stat().st_mtime_ns == before
    monkeypatch.setattr(mix_entropy, "PROTOCOL", "changed")
    assert set(mix_entropy.measure(settings, progress=False)["code_version"]) == {"changed"}


def test_training_images_share_the_mean_of_their_mixes_and_their_live_units(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shares = iter([[[1.0, 0, 0, 0]], [[0, 0.5, 0.5, 0]]])
    live = iter([[[True, False, False]], [[False, False, True]]])
    inputs = iter([[[True, False]], [[True, False]]])
    monkeypatch.setattr(
        mix_entropy, "kernel_mix", lambda *_: tuple(np.array(next(part)) for part in (shares, live, inputs))
    )
    subject = SimpleNamespace(network=None)
    assert list(mix_entropy.mean_lines(subject, ["a", "b"])) == [(1, 0.5, 0.25, 0.25, 0, "101", 1)]


def test_training_sets_that_are_missing_have_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dynamics_settings(tmp_path, monkeypatch, training_sets=["T91"])
    assert set(mix_entropy.measure(settings, progress=False)["role"]) == {TESTED}


def test_the_drawing_has_a_dot_for_each_image_and_kernel() -> None:
    drawing = mix_entropy.drawing(made_rows([[[0.4, 0.2, 0.2, 0.2]] * 3, [UNIFORM] * 3]), "ours")
    offsets = [dots.get_offsets() for dots in drawing.figure.axes[0].collections]
    assert [len(dots) for dots in offsets] == [6] * 4
    assert offsets[0][:, 1].tolist() == pytest.approx([0.15] * 3 + [0] * 3)
    assert drawing._repr_png_().startswith(b"\x89PNG")


def test_the_table_prints_a_line_for_each_layer() -> None:
    table = mix_entropy.table(mix_entropy.by_layer(made_rows([[UNIFORM] * 2, [[1, 0, 0, 0]] * 2])))
    assert table.printed["below 2 bits by"].tolist() == ["0.0e+00", "2.0e+00"]
    assert table.printed["dead units"].tolist() == ["1 of 2"] * 2
