"""What mixes are worth: other attentions in place, rows that are reused, changes with their intervals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from fabricated import rows as scored_rows
from small_sets import dynamics_settings

from hdsr import results
from hdsr.datasets import load_benchmark
from hdsr.inference import fold
from hdsr.measure import benchmarks
from hdsr.network import DynamicConv2d, HDSRNet, KernelAttention
from hdsr.settings import DynamicsSettings
from hdsr.study import ablation, mixes
from hdsr.study.ablation import (
    MEAN,
    OTHER,
    UNIFORM,
    ConstantMix,
    TreatedRow,
    attending,
    cooled,
    dynamic_layers,
    frozen,
)
from hdsr.study.mixes import COLUMNS, SHARES, kernel_mix


def made_changes(*lines: tuple[str, str, float]) -> pd.DataFrame:
    """A line per (dataset, treatment, change in dB), certain within 0.001 dB if larger than 0.01 dB."""
    return pd.DataFrame(
        {
            "weights": "ours",
            "scale": 4,
            "dataset": dataset,
            "treatment": treatment,
            "given": "mean over 9 images of T91" if treatment == MEAN else "",
            "n": 5,
            "expected": 5,
            "psnr_db": 30 + change_db,
            "change_db": change_db,
            "half_width_db": 0.001,
            "p_holm": 0.01 if abs(change_db) > 0.01 else 1.0,
            "largest_db": abs(change_db),
            "largest_share": 0.3,
        }
        for dataset, treatment, change_db in lines
    )


def test_changes_are_differences_from_the_untreated_network() -> None:
    scored = scored_rows({("hdsrnet", "ours"): 34.0, ("bicubic", "none"): 30.0}, scales=[4])
    own = scored[scored["model"] == "hdsrnet"]
    about = {"treatment": UNIFORM, "given": "g", "given_sha256": "s", "largest_share": 0.25}
    treated = own.assign(psnr_db=own["psnr_db"] - [0.1, 0.1, 0.1, 0.1, 0.6], **about)
    (line,) = ablation.changes(treated, scored).itertuples()
    assert line.psnr_db == pytest.approx(34 - 4 - 0.2)
    assert (line.change_db, line.largest_db) == pytest.approx((-0.2, 0.6))
    assert line.half_width_db == pytest.approx(2.7764 * 0.1, abs=1e-4)  # t(4) times the standard error
    assert line.p_holm == pytest.approx(0.116, abs=1e-3)
    changed = [scored.assign(**{column: "changed"}) for column in ("weights_sha256", "lr_sha256")]
    (same,) = ablation.changes(treated, pd.concat([*changed, scored])).itertuples()
    assert same == line
    (partial,) = ablation.changes(treated.assign(expected=100), scored).itertuples()
    assert np.isnan(partial.change_db)
    (other,) = ablation.changes(treated.iloc[:3], scored).itertuples()
    assert (other.n, np.isnan(other.change_db)) == (3, True)


def test_several_comparisons_are_corrected() -> None:
    scored = scored_rows({("hdsrnet", "ours"): 34.0}, scales=[4])
    about = {"given": "g", "given_sha256": "s", "largest_share": 0.25}
    sinks = scored.assign(psnr_db=scored["psnr_db"] - [0.1, 0.2, 0.1, 0.2, 0.3], **about)
    (alone,) = ablation.changes(sinks.assign(treatment=MEAN), scored)["p_holm"]
    both = ablation.changes(pd.concat([sinks.assign(treatment=name) for name in (MEAN, OTHER)]), scored)
    assert both["p_holm"].tolist() == pytest.approx([2 * alone, 2 * alone])


def test_the_table_says_what_is_put_in_and_what_is_not_whole() -> None:
    numbers = made_changes(("Set5", UNIFORM, -0.0251), ("Set5", MEAN, -0.0001), ("B100", MEAN, 0.2))
    partial = numbers["dataset"] == "B100"
    numbers.loc[partial, ["n", "expected", "change_db", "p_holm"]] = (3, 100, np.nan, np.nan)
    table = ablation.table(numbers)
    assert table.printed.to_numpy().tolist() == [
        ["trained here", "its own: PSNR", "30.00 dB", "–"],
        ["trained here", "the uniform mix", "-0.025 ± 0.001†", "–"],
        ["trained here", "the mean mix", "0.000 ± 0.001", "–"],
    ]
    assert "for Set5, B100: mean over 9 images of T91" in table.notes[0]
    assert "for 2 comparisons" in table.notes[2]
    assert table.notes[-1] == "B100 has no means: 3 of 100 images are here."


def test_every_image_gets_the_mix_of_another() -> None:
    lines = [
        ("ours", 2, "tested", "Own", name, "w", name, "c", "t", "n", 1, *np.eye(4)[index], "1", 64)
        for index, name in enumerate("abc")
    ]
    rows = pd.DataFrame(lines, columns=COLUMNS)
    found = [ablation.treatments(rows, "Own", ["a", "b", "c"], index, [5.0]) for index in range(3)]
    assert [chosen[2].given for chosen in found] == ["that of b", "that of c", "that of a"]
    (constant,) = found[0][2].attentions(HDSRNet(2))
    assert isinstance(constant, ConstantMix)
    assert constant.shares.tolist() == [0, 1, 0, 0]
    assert found[0][1].attentions(HDSRNet(2))[0].shares.tolist() == [0.25] * 4
    cold = found[0][3].attentions(HDSRNet(2))
    assert all(isinstance(attention, KernelAttention) and attention.temperature == 5 for attention in cold)
    assert len({treatment.sha256 for chosen in found for treatment in chosen}) == 1 + 1 + 3 + 1
    assert len(ablation.treatments(rows, "Own", ["a"], 0, [])) == 2


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DynamicsSettings:
    return dynamics_settings(tmp_path, monkeypatch)


def test_measured_rows_are_reused_by_their_identity(
    settings: DynamicsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = mixes.measure_mixes(settings, "dynamics_mixes", settings.training_sets, progress=False)
    rows = ablation.measure_treatments(settings, found, progress=False)
    assert rows["treatment"].tolist() == [MEAN, UNIFORM, OTHER, "temperature 1"] * 2
    assert rows.loc[rows["treatment"] == UNIFORM, "largest_share"].tolist() == [0.25] * 2
    largest = mixes.mean_mix(found, "Own")[0].max()
    assert rows.loc[rows["treatment"] == MEAN, "largest_share"].to_numpy() == pytest.approx(largest, abs=1e-6)
    path = settings.report / "rows" / "dynamics.csv"
    stored = results.load(path, TreatedRow)
    pd.testing.assert_frame_equal(stored, rows, check_exact=True)
    of_one_image = [replace(row, expected=1) for row in results.read(path, TreatedRow)]
    results.replace(path, of_one_image, TreatedRow)
    with monkeypatch.context() as patch:
        patch.setattr(ablation, "_score", None)
        pd.testing.assert_frame_equal(ablation.measure_treatments(settings, found, progress=False), rows)
    moved = found.assign(share_1=found["share_2"], share_2=found["share_1"])
    again = ablation.measure_treatments(settings, moved, progress=False)
    changed = (again["given_sha256"] != rows["given_sha256"]).tolist()
    assert changed == [True, False, True, False] * 2
    assert len(results.load(path, TreatedRow)) == len(rows)


def test_an_image_frozen_to_its_own_mix_scores_as_before(settings: DynamicsSettings) -> None:
    found = mixes.measure_mixes(settings, "dynamics_mixes", settings.training_sets, progress=False)
    scored = benchmarks.evaluate_methods(settings.measurement, progress=False).rows
    (name, _, _), _ = load_benchmark("Own", 2, settings.root)
    mine = mixes.mix_of(found, "Own", name)
    same = found.copy()
    for _, lines in same.groupby("image"):
        same.loc[lines.index, SHARES] = mine
    rows = ablation.measure_treatments(settings, same, progress=False).query(
        "image == @name and treatment != 'uniform'"
    )
    own = scored.query("model == 'hdsrnet' and image == @name")["psnr_db"].item()
    held = rows[rows["treatment"].isin([MEAN, OTHER])]
    assert held["psnr_db"].to_numpy() == pytest.approx(own, abs=1e-3)


def test_the_drawing_has_a_panel_for_each_network() -> None:
    numbers = made_changes(("Set5", MEAN, -0.1), ("B100", MEAN, 0.2), ("Set5", "temperature 1", -0.3))
    drawing = ablation.drawing(pd.concat([numbers, numbers.assign(scale=2)]))
    assert [axes.get_title() for axes in drawing.figure.axes] == ["trained here, ×4", "trained here, ×2"]
    labels = [text.get_text() for text in drawing.figure.axes[0].get_xticklabels()]
    assert labels == ["mean", "T = 1"]
    assert drawing._repr_png_().startswith(b"\x89PNG")


@pytest.fixture
def network() -> HDSRNet:
    torch.manual_seed(0)
    made = HDSRNet(2).eval()
    for layer in dynamic_layers(made):
        layer.attention.excite.weight.data *= 1000
    return made


@pytest.fixture
def lr() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)


def batch(lr: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(lr).permute(2, 0, 1)[None].float()


@torch.no_grad()
def test_a_constant_mix_of_one_kernel_is_that_kernel() -> None:
    torch.manual_seed(1)
    layer = DynamicConv2d(8)
    layer.bias.data.normal_()
    layer.attention = ConstantMix(torch.tensor([0.0, 0.0, 1.0, 0.0]))
    features = torch.randn(2, 8, 5, 6)
    expected = F.conv2d(features, layer.weight[16:24], layer.bias[2], padding=1)
    torch.testing.assert_close(layer(features), expected)


@torch.no_grad()
@pytest.mark.parametrize("form", [lambda network: network, fold])
def test_an_images_own_mix_changes_nothing_and_another_does(network: HDSRNet, lr: np.ndarray, form) -> None:
    module, own = form(network), kernel_mix(network, lr).shares
    expected = module(batch(lr))
    with attending(module, frozen(own)) as used:
        # Twice what Winograd's convolutions of mixes that differ in the last bit may differ by.
        torch.testing.assert_close(module(batch(lr)), expected, atol=4e-3, rtol=0)
    torch.testing.assert_close(torch.cat(used), torch.from_numpy(own))
    with attending(module, frozen(own[:, ::-1].copy())):
        assert (module(batch(lr)) - expected).abs().max() > 1e-2


@torch.no_grad()
def test_cooled_attentions_have_the_networks_weights_at_another_temperature(
    network: HDSRNet, lr: np.ndarray
) -> None:
    features = torch.rand(1, 64, 4, 4)
    own = dynamic_layers(network)[0].attention
    cold = cooled(network, 1.0)[0]
    logits = own.excite(F.relu(own.squeeze(features.mean((2, 3), keepdim=True)))).flatten(1)
    torch.testing.assert_close(cold(features), torch.softmax(logits, 1))
    assert own.temperature == 40
    expected = network(batch(lr))
    with attending(network, cooled(network, 40.0)):
        torch.testing.assert_close(network(batch(lr)), expected)


def test_the_networks_own_attentions_are_put_back_even_after_an_error(network: HDSRNet) -> None:
    own = [layer.attention for layer in dynamic_layers(network)]
    given = frozen(np.full((5, 4), 0.25))
    with attending(network, given):
        assert [layer.attention for layer in dynamic_layers(network)] == given
    assert [layer.attention for layer in dynamic_layers(network)] == own
    with pytest.raises(ValueError, match="failed"), attending(network, given):
        raise ValueError("failed")
    assert [layer.attention for layer in dynamic_layers(network)] == own
    assert not any(module._forward_hooks for module in [*own, *given])


def test_as_many_attentions_are_needed_as_there_are_layers(network: HDSRNet) -> None:
    own = [layer.attention for layer in dynamic_layers(network)]
    with pytest.raises(ValueError, match="shorter"), attending(network, frozen(np.full((4, 4), 0.25))):
        pass
    assert [layer.attention for layer in dynamic_layers(network)] == own
