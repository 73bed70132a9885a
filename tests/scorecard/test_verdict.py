"""Verdicts on claims, from rows that were made up to reproduce the paper and to contradict it."""

from pathlib import Path

import pandas as pd
import pytest
from fabricated import IDENTITY

from hdsr import paper, results
from hdsr.report.cost_tables import origins
from hdsr.scorecard import (
    costs,
    scorecard,
)
from hdsr.scorecard import (
    figures as figure_claims,
)
from hdsr.scorecard import (
    printed as printed_claims,
)
from hdsr.scorecard import (
    quality as quality_claims,
)
from hdsr.scorecard import (
    verdict as claims,
)
from hdsr.scorecard.verdict import Claim, Evidence, Verdict

MODELS = {"Bicubic": "bicubic", "CARN-M": "carn_m", "HDSRNet": "hdsrnet"}


def rows_as_printed(
    weights: str = "authors", shift_db: float = 0.0, images: int = 2, expected: int = 2
) -> pd.DataFrame:
    """Result rows whose means over each set are the printed ones, HDSRNet's PSNR shifted."""
    printed = paper.quality().query("method in @MODELS")
    return results.frame(
        results.Row(
            model=MODELS[cell.method],
            dataset=cell.dataset,
            scale=cell.scale,
            image=f"image_{index}",
            psnr_db=cell.psnr_db + shift_db * (cell.method == "HDSRNet") + index - (images - 1) / 2,
            ssim=cell.ssim,
            weights="none" if cell.method == "Bicubic" else weights,
            weights_sha256=weights,
            crop_px=cell.scale,
            expected=expected,
            **IDENTITY,
        )
        for cell in printed.itertuples()
        for index in range(images)
    )


def found(claims_: list[Claim], where: str, words: str) -> Claim:
    """The one claim on a table or figure whose text has these words."""
    matching = [claim for claim in claims_ if claim.where == where and words in claim.claim]
    assert len(matching) == 1, [claim.claim for claim in matching]
    return matching[0]


@pytest.fixture(scope="module")
def as_printed() -> list[Claim]:
    return quality_claims.quality_claims(Evidence(quality=rows_as_printed()))


@pytest.fixture(scope="module")
def printed() -> list[Claim]:
    return printed_claims.printed_claims()


def test_rows_with_the_printed_means_reproduce_the_cells(as_printed: list[Claim]) -> None:
    claim = found(as_printed, "Table II", "PSNR/SSIM of HDSRNet")
    assert claim.verdict == Verdict.REPRODUCED
    assert claim.published == claim.measured == "37.95/0.9604, 34.31/0.9263, 32.15/0.8927"


def test_methods_without_implementation_are_named_once(as_printed: list[Claim]) -> None:
    claim = found(as_printed, "Table V", "other methods")
    assert claim.verdict == Verdict.NOT_MEASURED
    assert "no implementation here: DRRN, FSRCNN" in claim.reason


@pytest.mark.parametrize(
    ("shift_db", "verdict"), [(-0.04, "reproduced"), (-0.2, "contradicted"), (0.2, "contradicted")]
)
def test_cells_are_judged_within_the_tolerance(shift_db: float, verdict: str) -> None:
    judged = quality_claims.quality_claims(Evidence(quality=rows_as_printed(shift_db=shift_db)))
    claim = found(judged, "Table IV", "PSNR/SSIM of HDSRNet")
    assert claim.verdict == verdict
    if verdict == "contradicted":
        assert f"×2 {shift_db:+.2f}/+0.0000" in claim.reason


def test_hdsrnet_leads_where_it_does_and_not_where_it_falls_behind(as_printed: list[Claim]) -> None:
    assert found(as_printed, "Table II", "Set5 ×2: HDSRNet has").verdict == Verdict.REPRODUCED
    assert found(as_printed, "Table V", "Urban100 ×4: HDSRNet has").verdict == Verdict.REPRODUCED
    behind = quality_claims.quality_claims(Evidence(quality=rows_as_printed(shift_db=-0.2)))
    claim = found(behind, "Table II", "Set5 ×3: HDSRNet has")
    assert claim.verdict == Verdict.CONTRADICTED
    assert "DCLS" in claim.reason


def test_weights_trained_here_judge_nothing_and_are_told() -> None:
    judged = quality_claims.quality_claims(Evidence(quality=rows_as_printed(weights="ours")))
    claim = found(judged, "Table II", "PSNR/SSIM of HDSRNet")
    assert claim.verdict == Verdict.NOT_MEASURED
    assert "cannot judge it (trained here): ×2 37.95/0.9604" in claim.reason
    assert found(judged, "Table II", "Set5 ×2: HDSRNet has").verdict == Verdict.NOT_MEASURED
    assert found(judged, "Table II", "PSNR/SSIM of Bicubic").verdict == Verdict.REPRODUCED


def test_a_completed_run_of_the_recipe_judges() -> None:
    evidence = Evidence(quality=rows_as_printed(weights="run@1"), completed=frozenset({"run@1"}))
    claim = found(quality_claims.quality_claims(evidence), "Table II", "PSNR/SSIM of HDSRNet")
    assert claim.verdict == Verdict.REPRODUCED


def test_an_incomplete_set_is_not_judged() -> None:
    judged = quality_claims.quality_claims(Evidence(quality=rows_as_printed(expected=100)))
    claim = found(judged, "Table V", "PSNR/SSIM of HDSRNet")
    assert claim.verdict == Verdict.NOT_MEASURED
    assert claim.reason.startswith("2 of 100 images of Urban100 are here")


def test_without_rows_nothing_is_judged_and_the_way_to_them_is_told() -> None:
    judged = quality_claims.quality_claims(Evidence())
    assert {claim.verdict for claim in judged} == {Verdict.NOT_MEASURED}
    assert "hdsr data fetch" in found(judged, "Table II", "PSNR/SSIM of HDSRNet").reason


def test_a_gray_image_scored_as_gray_explains_a_difference() -> None:
    lines = pd.DataFrame({"dataset": "Set14", "n": 14, "psnr_db_printed": [30.24], "psnr_db": [30.326]})
    assert "one of the gray images" in quality_claims.gray_note(lines)
    assert quality_claims.gray_note(lines.assign(psnr_db=30.5)) == ""
    assert quality_claims.gray_note(lines.assign(dataset="B100")) == ""


def test_the_oddities_of_the_printed_tables_are_caught(printed: list[Claim]) -> None:
    contradicted = [claim for claim in printed if claim.verdict == Verdict.CONTRADICTED]
    text = "\n".join(f"{claim.where}: {claim.claim}: {claim.reason}" for claim in contradicted)
    for oddity in (
        "Set14 ×4: the methods marked best (red) are so: SSIM: it is PGAN with 0.8164, not HDSRNet",
        "Urban100 ×4: the methods marked best (red) are so: SSIM: it is PGAN with 0.9574, not HDSRNet",
        "PSNR: it is IDN and MemNet with 32.08, not DSRCNN with 32.05",
        "SSIM: it is IDN with 0.8985",
        "RCN and LapSRN both have 29.63/0.8269 at ×3, and LapSRN has no other cell at ×3",
        "DnCNN and DRCN both have 27.15/0.8276 at ×3: a slip or a coincidence",
        "PGAN ×4 +0.193",
        "HDSRNet is the fastest at HR 512 x 512: by the printed numbers it is CARN-M",
    ):
        assert oddity in text


def test_marks_that_are_right_are_reproduced(printed: list[Claim]) -> None:
    claim = found(printed, "Table II", "Set5 ×4: the methods marked second")
    assert claim.verdict == Verdict.REPRODUCED
    assert claim.published == "PSNR: DCLS 32.12; SSIM: DSRCNN 0.8909"


def test_problems_of_marks() -> None:
    values = pd.Series({"a": 3.0, "b": 2.0, "c": 2.0, "d": 1.0})
    assert printed_claims.mark_problems(values, ["c", "b"], 2, "PSNR", "{:.1f}") == []
    assert printed_claims.mark_problems(values, ["b"], 2, "PSNR", "{:.1f}") == [
        "PSNR: it is b and c with 2.0, not b with 2.0"
    ]


def counts(hdsrnet_macs: float) -> pd.DataFrame:
    """Torch's counts at x4: published numbers for all but HDSRNet's operations."""
    printed = paper.complexity()
    macs = printed["flops_g"].where(printed["method"] != "HDSRNet", hdsrnet_macs) * 1e9
    return pd.DataFrame(
        {
            "network": printed["method"],
            "scale": 4,
            "counter": "torch",
            "parameters": printed["parameters_k"] * 1000,
            "macs": macs,
        }
    )


@pytest.mark.parametrize(
    ("macs", "number", "order"),
    [
        (110.99, "reproduced", "reproduced"),
        (122.84, "contradicted", "reproduced"),
        (600, "contradicted", "contradicted"),
    ],
)
def test_numbers_and_order_of_table_vii(macs: float, number: str, order: str) -> None:
    judged = costs.cost_claims(Evidence(complexity=counts(macs)))
    assert found(judged, "Table VII", "flops of HDSRNet").verdict == number
    assert found(judged, "Table VII", "fewest flops").verdict == order
    assert found(judged, "Table VII", "parameters of ACNet").verdict == Verdict.REPRODUCED


def test_without_counts_table_vii_is_not_measured() -> None:
    judged = costs.cost_claims(Evidence())
    assert found(judged, "Table VII", "flops of HDSRNet").verdict == Verdict.NOT_MEASURED
    assert found(judged, "Table VII", "fewest flops").reason == "no counts in this report: run 07_complexity"


def test_table_vii_mixes_scales() -> None:
    claim = costs.like_claim(origins())
    assert claim.verdict == Verdict.CONTRADICTED
    assert "HDSRNet's parameters are of ×2" in claim.reason
    assert costs.like_claim([item for item in origins() if item.scale == 4]).verdict == Verdict.REPRODUCED


def timings(device: str, carn_m: float) -> pd.DataFrame:
    ratios = {"HDSRNet": 1.0, "CARN-M": carn_m}
    lines = [(method, "as published", 256, device, ratio) for method, ratio in ratios.items()]
    return pd.DataFrame(lines, columns=["method", "form", "hr_px", "device", "ratio"])


@pytest.mark.parametrize(
    ("device", "carn_m", "verdict"),
    [("cpu", 0.5, "not measured"), ("A GPU", 0.5, "contradicted"), ("A GPU", 1.5, "reproduced")],
)
def test_gpu_timings_are_judged_on_a_gpu_only(device: str, carn_m: float, verdict: str) -> None:
    claim = costs.fastest_claim(256, timings(device, carn_m))
    assert claim.verdict == verdict
    assert f"CARN-M {carn_m:.2f}" in claim.reason + claim.measured
    assert costs.fastest_claim(512, timings(device, carn_m)).verdict == Verdict.NOT_MEASURED


@pytest.mark.parametrize(
    ("weights", "own", "verdict"),
    [("authors", 30.0, "reproduced"), ("authors", 20.0, "contradicted"), ("ours", 30.0, "not measured")],
)
def test_enlarged_places(weights: str, own: float, verdict: str) -> None:
    crops = pd.DataFrame(
        {
            "panel": ["Bicubic", "HDSRNet"],
            "model": ["bicubic", "hdsrnet"],
            "weights": ["none", weights],
            "crop_psnr_db": [25.0, own],
            "figure": 2,
        }
    )
    judged = figure_claims.figure_claims(Evidence(crops=crops))
    assert found(judged, "Figure 2", "zebra").verdict == verdict
    assert found(judged, "Figure 3", "223061").verdict == Verdict.NOT_MEASURED


@pytest.mark.parametrize(
    ("weights", "share", "verdict"),
    [("authors", 0.4, "reproduced"), ("authors", 0.251, "contradicted"), ("ours", 0.4, "not measured")],
)
def test_adaptation_of_kernels(weights: str, share: float, verdict: str) -> None:
    place = {"weights": weights, "scale": 4, "dataset": "Set5", "layer": 1, "kernel": 1, "live_units": 3}
    mixes = pd.DataFrame([place | {"image": "a", "share": 0.25}, place | {"image": "b", "share": share}])
    assert figure_claims.adaptation_claim(mixes).verdict == verdict


def test_the_drawing_is_judged_by_the_authors_weights() -> None:
    assert figure_claims.drawing_claim(rows_as_printed()).verdict == Verdict.REPRODUCED
    assert figure_claims.drawing_claim(rows_as_printed("ours")).verdict == Verdict.NOT_MEASURED


def test_evidence_of_an_empty_report_is_empty(tmp_path: Path) -> None:
    evidence = claims.read_evidence(tmp_path)
    parts = (evidence.quality, evidence.complexity, evidence.runtime, evidence.kernel_mixes, evidence.crops)
    assert all(part.empty for part in parts)


def test_the_scorecard_is_written_and_read(tmp_path: Path) -> None:
    verdicts = scorecard.judge(Evidence(complexity=counts(122.84)))
    for basis in scorecard.BASES:
        scorecard.table(verdicts, basis).write(tmp_path / "tables")
    pd.testing.assert_frame_equal(
        scorecard.read(tmp_path)[verdicts.columns], verdicts, check_dtype=False, check_index_type=False
    )
    numbers = scorecard.counts(verdicts).numbers.set_index("basis")
    assert numbers.loc["all"].sum() == len(verdicts)
    assert numbers.loc["printed", "not measured"] == 0
    last = scorecard.lines(verdicts)[-1]
    assert last == ", ".join(f"{numbers.loc['all', verdict.value]} {verdict}" for verdict in Verdict)
