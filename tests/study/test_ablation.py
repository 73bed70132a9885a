"""What mixes are worth: treatments, rows that are reused, and changes with their intervals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import rows as scored_rows
from small_sets import dynamics_settings

from hdsr import results
from hdsr.datasets import load_benchmark
from hdsr.measure import benchmarks
from hdsr.network import HDSRNet, KernelAttention
from hdsr.settings import DynamicsSettings
from hdsr.study import ablation, mix_entropy
from hdsr.study.ablation import MEAN, OTHER, UNIFORM, TreatedRow
from hdsr.study.interventions import ConstantMix


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
    numbers = made_changes(("Set5", MEAN, -0.0001), ("Set5", UNIFORM, -0.0251), ("B100", MEAN, 0.2))
    partial = numbers["dataset"] == "B100"
    numbers.loc[partial, ["n", "expected", "change_db", "p_holm"]] = (3, 100, np.nan, np.nan)
    table = ablation.table(numbers)
    assert table.printed.to_numpy().tolist() == [
        ["trained here", "its own: PSNR", "30.00 dB", "–"],
        ["trained here", "the mean mix", "0.000 ± 0.001", "–"],
        ["trained here", "the uniform mix", "-0.025 ± 0.001†", "–"],
    ]
    assert "for Set5, B100: mean over 9 images of T91" in table.notes[0]
    assert "for 2 comparisons" in table.notes[2]
    assert table.notes[-1] == "B100 has no means: 3 of 100 images are here."


def test_every_image_gets_the_mix_of_another() -> None:
    lines = [
        ("ours", 2, "w", "tested", "Own", name, name, "c", 1, *np.eye(4)[index], "1", 64)
        for index, name in enumerate("abc")
    ]
    mixes = pd.DataFrame(lines, columns=mix_entropy.COLUMNS)
    found = [ablation.treatments(mixes, "Own", ["a", "b", "c"], index, [5.0]) for index in range(3)]
    assert [chosen[2].given for chosen in found] == ["that of b", "that of c", "that of a"]
    (constant,) = found[0][2].attentions(HDSRNet(2))
    assert isinstance(constant, ConstantMix)
    assert constant.shares.tolist() == [0, 1, 0, 0]
    assert found[0][1].attentions(HDSRNet(2))[0].shares.tolist() == [0.25] * 4
    cold = found[0][3].attentions(HDSRNet(2))
    assert all(isinstance(attention, KernelAttention) and attention.temperature == 5 for attention in cold)
    assert len({treatment.sha256 for chosen in found for treatment in chosen}) == 1 + 1 + 3 + 1
    assert len(ablation.treatments(mixes, "Own", ["a"], 0, [])) == 2


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DynamicsSettings:
    return dynamics_settings(tmp_path, monkeypatch)


def test_measured_rows_are_reused_by_their_identity(
    settings: DynamicsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixes = mix_entropy.measure(settings, progress=False)
    rows = ablation.measure(settings, mixes, progress=False)
    assert rows["treatment"].tolist() == [MEAN, UNIFORM, OTHER, "temperature 1"] * 2
    assert rows.loc[rows["treatment"] == UNIFORM, "largest_share"].tolist() == [0.25] * 2
    stored = results.load(settings.report / "rows" / "dynamics.csv", TreatedRow)
    pd.testing.assert_frame_equal(stored, rows, check_exact=True)
    with monkeypatch.context() as patch:
        patch.setattr(ablation, "score", None)
        pd.testing.assert_frame_equal(ablation.measure(settings, mixes, progress=False), rows)
    moved = mixes.assign(share_1=mixes["share_2"], share_2=mixes["share_1"])
    again = ablation.measure(settings, moved, progress=False)
    changed = (again["given_sha256"] != rows["given_sha256"]).tolist()
    assert changed == [True, False, True, False] * 2
    assert len(results.load(settings.report / "rows" / "dynamics.csv", TreatedRow)) == len(rows)


def test_an_image_frozen_to_its_own_mix_scores_as_before(settings: DynamicsSettings) -> None:
    mixes = mix_entropy.measure(settings, progress=False)
    scored = benchmarks.measure(settings.measurement, progress=False).rows
    (name, _, _), _ = load_benchmark("Own", 2, settings.root)
    mine = mix_entropy.mix_of(mixes, "Own", name)
    same = mixes.copy()
    for _, lines in same.groupby("image"):
        same.loc[lines.index, mix_entropy.SHARES] = mine
    rows = ablation.measure(settings, same, progress=False).query("image == @name and treatment != 'uniform'")
    own = scored.query("model == 'hdsrnet' and image == @name")["psnr_db"].item()
    frozen = rows[rows["treatment"].isin([MEAN, OTHER])]
    assert frozen["psnr_db"].to_numpy() == pytest.approx(own, abs=1e-3)


def test_the_drawing_has_a_panel_for_each_network() -> None:
    numbers = made_changes(("Set5", MEAN, -0.1), ("B100", MEAN, 0.2), ("Set5", "temperature 1", -0.3))
    drawing = ablation.drawing(pd.concat([numbers, numbers.assign(scale=2)]))
    assert [axes.get_title() for axes in drawing.figure.axes] == ["trained here, ×4", "trained here, ×2"]
    labels = [text.get_text() for text in drawing.figure.axes[0].get_xticklabels()]
    assert labels == ["mean", "T = 1"]
    assert drawing._repr_png_().startswith(b"\x89PNG")
