"""Verdicts on claims, from rows that were made up to reproduce the paper and to contradict it."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import IDENTITY
from on_gpu import on_a_gpu

from hdsr import datasets, images, paper, paths, results
from hdsr.measure.sensitivity import ProtocolRow
from hdsr.report import protocol_tables
from hdsr.scorecard import measured, printed, quality, scorecard
from hdsr.scorecard.evidence import Evidence, read_evidence
from hdsr.scorecard.verdict import Claim, Verdict
from hdsr.suite import index

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


def by_protocol(rows: pd.DataFrame, way: str, shift_db: float, shift: float = 0.0) -> pd.DataFrame:
    """The same rows by another protocol, their scores shifted."""
    shifted = rows.assign(psnr_db=rows["psnr_db"] + shift_db, ssim=rows["ssim"] + shift, way=way)
    return results.frame((ProtocolRow(**row) for row in shifted.to_dict("records")), ProtocolRow)


def cell(evidence: Evidence, method: str, dataset: str = "Set5", scale: int = 2) -> pd.Series:
    """The judged cell of a method."""
    found = quality.cells(evidence).query("method == @method and dataset == @dataset and scale == @scale")
    assert len(found) == 1
    return found.iloc[0]


def leads(rows: pd.DataFrame) -> list[Claim]:
    return quality.lead_claims(Evidence(quality=rows))


@pytest.fixture(scope="module")
def printed_claims() -> list[Claim]:
    return printed.printed_claims()


def test_rows_with_the_printed_means_reproduce_the_cells() -> None:
    cells = quality.cells(Evidence(quality=rows_as_printed()))
    assert len(cells) == len(paper.quality())
    assert set(cells.loc[cells["method"] == "HDSRNet", "verdict"]) == {Verdict.REPRODUCED}
    claim = found(quality.cell_claims(cells), "Table II", "Set5 ×2: PSNR/SSIM of HDSRNet")
    assert (claim.published, claim.measured) == ("37.95/0.9604", "37.950/0.96040")


@pytest.mark.parametrize(
    ("shift_db", "verdict"),
    [(0.0149, "reproduced"), (-0.0149, "reproduced"), (0.0151, "contradicted"), (-0.2, "contradicted")],
)
def test_cells_are_judged_at_printed_precision(shift_db: float, verdict: str) -> None:
    rows = rows_as_printed(shift_db=shift_db)
    others = by_protocol(rows, "matlab_luma", math.copysign(1, shift_db))
    assert cell(Evidence(quality=rows, protocols=others), "HDSRNet").verdict == verdict


def test_no_cell_is_contradicted_that_no_other_protocol_was_tried_on() -> None:
    only = cell(Evidence(quality=rows_as_printed(shift_db=0.1)), "HDSRNet")
    assert (only.verdict, only.reason) == (Verdict.NOT_MEASURED, quality.ONE_PROTOCOL)


@pytest.mark.parametrize(("shift", "met"), [(0.0005, True), (0.0006, False)])
def test_ssim_has_to_meet_too(shift: float, met: bool) -> None:
    both = pd.DataFrame(
        {"psnr_db": [30.0], "psnr_db_printed": [30.0], "ssim": [0.9 + shift], "ssim_printed": 0.9}
    )
    assert quality.meets(both).item() is met


def test_another_protocol_explains_a_cell() -> None:
    rows = rows_as_printed(shift_db=0.1)
    protocols = pd.concat([by_protocol(rows, "matlab_luma", -0.09), by_protocol(rows, "dncnn", -0.1, 0.002)])
    explained = cell(Evidence(quality=rows, protocols=protocols), "HDSRNet")
    assert (explained.verdict, explained.protocol) == (Verdict.EXPLAINED, "matlab_luma")
    assert explained.psnr_db_explained == pytest.approx(explained.psnr_db - 0.09)
    assert explained.reason.startswith("MATLAB luma")
    far = cell(Evidence(quality=rows, protocols=by_protocol(rows, "matlab_luma", -0.05)), "HDSRNet")
    assert (far.verdict, far.reason[:20]) == (Verdict.CONTRADICTED, "nearest: MATLAB luma")


def test_of_protocols_that_explain_a_cell_the_one_of_most_cells_is_named() -> None:
    rows = rows_as_printed(shift_db=0.1)
    one_cell = by_protocol(rows.query("dataset == 'Set5' and scale == 2"), "matlab_luma", -0.1)
    all_cells = by_protocol(rows, "selfexsr", -0.095)
    named = cell(Evidence(quality=rows, protocols=pd.concat([one_cell, all_cells])), "HDSRNet")
    assert named.protocol == "selfexsr"


def test_this_projects_protocol_is_named_wherever_it_gives_a_cell() -> None:
    rows = rows_as_printed()
    only_on_set5 = rows.assign(psnr_db=rows["psnr_db"] + 0.1 * (rows["dataset"] != "Set5"))
    evidence = Evidence(quality=only_on_set5, protocols=by_protocol(rows, "matlab_luma", 0.0))
    named = cell(evidence, "HDSRNet")
    assert (named.verdict, named.protocol) == (Verdict.REPRODUCED, quality.COMMON)
    assert cell(evidence, "HDSRNet", "B100").protocol == "matlab_luma"


def test_the_nearest_protocol_is_so_in_thresholds() -> None:
    rows = rows_as_printed(shift_db=1.0)
    protocols = pd.concat(
        [by_protocol(rows, "dncnn", -1.0, shift=0.004), by_protocol(rows, "matlab_luma", -0.95)]
    )
    assert cell(Evidence(quality=rows, protocols=protocols), "HDSRNet").protocol == "matlab_luma"


@pytest.mark.parametrize(
    ("shift_db", "told"),
    [(-0.1, "as explained 37.950/0.96040"), (-0.05, "by the nearest protocol 38.000/0.96040")],
)
def test_a_claim_tells_what_the_other_protocol_gives(shift_db: float, told: str) -> None:
    rows = rows_as_printed(shift_db=0.1)
    cells = quality.cells(Evidence(quality=rows, protocols=by_protocol(rows, "matlab_luma", shift_db)))
    claim = found(quality.cell_claims(cells), "Table II", "Set5 ×2: PSNR/SSIM of HDSRNet")
    assert claim.measured == f"38.050/0.96040; {told}"


def test_of_a_methods_rows_those_in_float32_with_the_authors_weights_judge() -> None:
    rows = rows_as_printed()
    lower = rows.assign(precision="bf16", psnr_db=rows["psnr_db"] - 1)
    anew = rows_as_printed(weights="run@1", shift_db=-1).query("model == 'hdsrnet'")
    evidence = Evidence(quality=pd.concat([lower, anew, rows]), completed=frozenset({"run@1"}))
    own = cell(evidence, "HDSRNet")
    assert (own.verdict, own.psnr_db) == (Verdict.REPRODUCED, pytest.approx(37.95))


def test_results_of_another_publication_trace_cells() -> None:
    cells = quality.cells(Evidence()).set_index(["method", "dataset", "scale"])
    traced = cells[cells["verdict"] == Verdict.TRACED]
    assert {("ScSR", name, scale) for name in ("Set5", "Set14", "B100") for scale in (2, 3, 4)} <= {
        *traced.index
    }
    assert {("A+", "B100", 2), ("ScSR", "Urban100", 2)} <= {*traced.index}
    assert cells.loc[("SRCNN", "Set5", 2), "verdict"] == Verdict.NOT_MEASURED
    measured = cell(Evidence(quality=rows_as_printed()), "Bicubic", "B100", 3)
    assert measured.verdict == Verdict.REPRODUCED
    off = rows_as_printed().assign(psnr_db=lambda rows: rows["psnr_db"] + 1)
    evidence = Evidence(quality=off, protocols=off.assign(way="matlab_luma"))
    assert cells.loc[("Bicubic", "Set5", 3), "verdict"] == Verdict.TRACED
    assert cell(evidence, "Bicubic", "Set5", 3).verdict == Verdict.CONTRADICTED


def test_weights_matched_by_position_judge_nothing_until_they_meet_a_cell() -> None:
    rows = rows_as_printed()
    carn_m = rows["model"] == "carn_m"
    of_dcls = rows.assign(model=rows["model"].mask(carn_m, "dcls"))
    unmet = cell(Evidence(quality=of_dcls), "DCLS")
    assert unmet.verdict == Verdict.NOT_MEASURED
    assert "cannot judge it (matched by position" in unmet.reason
    met = of_dcls.copy()
    at_x2 = carn_m & (rows["dataset"] == "Set5") & (rows["scale"] == 2)
    met.loc[at_x2, "psnr_db"] += 37.63 - 37.53
    met.loc[at_x2, "ssim"] = 0.9554
    assert cell(Evidence(quality=met), "DCLS").verdict == Verdict.REPRODUCED


def test_hdsrnet_leads_where_it_does_and_not_where_it_falls_behind() -> None:
    as_printed = leads(rows_as_printed())
    assert found(as_printed, "Table II", "Set5 ×2: HDSRNet has").verdict == Verdict.REPRODUCED
    assert found(as_printed, "Table V", "Urban100 ×4: HDSRNet has").verdict == Verdict.REPRODUCED
    behind = leads(rows_as_printed(shift_db=-0.2))
    claim = found(behind, "Table II", "Set5 ×3: HDSRNet has")
    assert claim.verdict == Verdict.CONTRADICTED
    assert "DCLS" in claim.reason


def test_a_lead_is_over_the_next_method_as_measured_or_else_as_printed() -> None:
    rows = rows_as_printed()
    here = (rows["dataset"] == "Set5") & (rows["scale"] == 2)
    own, other = (here & (rows["model"] == model) for model in ("hdsrnet", "carn_m"))
    assert found(leads(rows), "Table II", "Set5 ×2: HDSRNet has").measured == (
        "37.95/0.9604, lead +0.12/+0.0004"
    )
    rows.loc[other, "psnr_db"] = rows.loc[own, "psnr_db"].to_numpy()
    level = found(leads(rows), "Table II", "Set5 ×2: HDSRNet has")
    assert level.verdict == Verdict.CONTRADICTED
    assert level.reason.endswith("; ahead: CARN-M")
    assert level.measured == "37.95/0.9604, lead +0.00/+0.0004"


def test_weights_trained_here_judge_nothing_and_are_told() -> None:
    evidence = Evidence(quality=rows_as_printed(weights="ours"))
    own = cell(evidence, "HDSRNet")
    assert own.verdict == Verdict.NOT_MEASURED
    assert "cannot judge it (trained here: 37.95/0.9604)" in own.reason
    assert (
        found(quality.lead_claims(evidence), "Table II", "Set5 ×2: HDSRNet has").verdict
        == Verdict.NOT_MEASURED
    )
    assert cell(evidence, "Bicubic").verdict == Verdict.REPRODUCED


def test_weights_published_by_others_judge_nothing() -> None:
    assert set(Evidence().judging(rows_as_printed("others"))["model"]) == {"bicubic"}


def test_a_completed_run_of_the_recipe_judges() -> None:
    evidence = Evidence(quality=rows_as_printed(weights="run@1"), completed=frozenset({"run@1"}))
    assert cell(evidence, "HDSRNet").verdict == Verdict.REPRODUCED


def test_an_incomplete_set_is_not_judged() -> None:
    rows = rows_as_printed(expected=100)
    own = cell(Evidence(quality=rows), "HDSRNet", "Urban100")
    for judged in (own, found(leads(rows), "Table V", "Urban100 ×2: HDSRNet has")):
        assert judged.verdict == Verdict.NOT_MEASURED
        assert judged.reason.startswith("2 of 100 images of Urban100 are here")


def test_without_rows_nothing_is_measured_and_the_way_to_them_is_told() -> None:
    assert cell(Evidence(), "HDSRNet").verdict == Verdict.NOT_MEASURED
    assert "hdsr data fetch" in cell(Evidence(), "HDSRNet").reason
    assert cell(Evidence(), "DRRN").reason == "no implementation here"


def test_rows_whose_weights_or_images_are_gone_or_altered_are_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "is_altered", lambda path, _: path.stem == "bird")
    folder = tmp_path / "benchmarks" / "Set5" / "HR"
    for name in ("baby", "bird"):
        images.write_png(folder / f"{name}.png", np.zeros((32, 32, 3), np.uint8))
    about = IDENTITY | {
        "psnr_db": 30.0,
        "ssim": 0.9,
        "dataset": "Set5",
        "scale": 2,
        "crop_px": 2,
        "expected": 5,
    }
    rows = results.frame(
        results.Row(model=model, image=image, weights=weights, weights_sha256=digest, **about)
        for model, image, weights, digest in [
            ("bicubic", "baby", "none", "none"),
            ("bicubic", "bird", "none", "none"),
            ("bicubic", "head", "none", "none"),
            ("hdsrnet", "baby", "ours", "of weights that have been replaced"),
            ("carn_m", "baby", "authors", "of weights that are not there"),
        ]
    )
    results.write_table(rows, tmp_path / "rows" / "benchmarks.csv")
    results.write_table(rows.assign(way="matlab_luma"), tmp_path / "rows" / "protocols.csv")
    evidence = read_evidence(tmp_path, root=tmp_path)
    for kept in (evidence.quality, evidence.protocols):
        assert kept[["model", "image"]].to_numpy().tolist() == [["bicubic", "baby"]]


def scored_by(ways: dict[str, float], *datasets: str, shift_db: float = 0.0) -> pd.DataFrame:
    """Rows with the printed means of these sets, shifted in PSNR by protocol; HDSRNet's by another value."""
    rows = rows_as_printed(shift_db=shift_db)
    rows = rows[rows["dataset"].isin(datasets)]
    return pd.concat([by_protocol(rows, way, shift) for way, shift in ways.items()])


def test_the_three_tables_and_what_they_say(tmp_path: Path) -> None:
    protocols = scored_by({"python": 0, "matlab_luma": -0.11}, "Set5", "Set14", shift_db=0.11)
    cells = quality.cells(Evidence(quality=rows_as_printed(shift_db=0.11), protocols=protocols))
    said, *sets, of_leads, to_subtract = protocol_tables.remembered(protocols, cells)
    assert [table.name for table in sets[:2]] == ["protocols_Set5", "protocols_Set14"]
    assert "| HDSRNet | 37.95/0.9604 | 38.06/0.9604 |" in repr(sets[0])
    line = of_leads.numbers.query("dataset == 'Set5' and scale == 4").iloc[0]
    assert (line["psnr_db_spread"], line["psnr_db_lead"]) == pytest.approx((0.11, 0.03))
    others = paper.quality().query("dataset == 'Set5' and scale == 4 and method != 'HDSRNet'")["psnr_db"]
    assert line["psnr_db_smaller"] == (32.15 - others < 0.11).sum()
    assert set(to_subtract.printed["Set5 ×2"]) == {"-0.11/+0.0000"}
    assert [*protocol_tables.remembered(pd.DataFrame(), cells.head(0))] == []
    answers = said.numbers.set_index("question")["answer"]
    assert len(answers) == 5
    judged = cells["verdict"].value_counts()
    untried = ((cells["verdict"] == "not measured") & cells["psnr_db"].notna()).sum()
    assert untried > 0  # of B100 and Urban100, which were scored by one protocol only
    total = judged["reproduced"] + judged["explained"] + judged.get("contradicted", 0) + untried
    assert answers.iloc[0].startswith(f"of {total} cells {judged['reproduced']} by one common protocol")
    assert f"{untried} not by it where no other was tried" in answers.iloc[0]
    assert "open" in repr(sets[-1])
    counted = of_leads.numbers.query("dataset == 'Set5'")[["psnr_db_smaller", "psnr_db_leads"]].sum()
    assert "smaller: in PSNR {} of {} on Set5, ".format(*counted) in answers.iloc[3]
    for table in (*sets, of_leads, to_subtract):
        table.write(tmp_path / "tables")
    pd.testing.assert_frame_equal(index.findings(tmp_path).numbers, said.numbers)


def test_findings_tell_what_protocols_explain_and_what_to_subtract() -> None:
    explained = quality.cells(
        Evidence(
            quality=rows_as_printed(shift_db=0.11),
            protocols=scored_by({"matlab_luma": 0.0}, "Set5", "Set14"),
        )
    )
    moved = pd.DataFrame(
        {"dataset": ["Set5", "Set5", "Set14"], "scale": [2, 3, 2], "psnr_db": [-0.02, -0.014, -0.001]}
    ).assign(protocol="matlab_luma", rows="HDSRNet", ssim=0)
    unused = moved.assign(protocol="dncnn", rows="")
    said = protocol_tables.findings([explained, moved, unused]).numbers["answer"].tolist()
    assert said[1:] == ["MATLAB luma: HDSRNet", "MATLAB luma: -0.02 to -0.01 on Set5, +0.00 on Set14"]


def test_a_set_that_is_measured_in_part_takes_nothing_from_the_others() -> None:
    whole = scored_by({"python": 0, "matlab_luma": -0.11, "dncnn": -0.2}, "Set5")
    in_part = scored_by({"python": 0, "dncnn": -0.3}, "B100")
    begun = scored_by({"python": 0}, "Set14").query("image == 'image_0'")
    rows = pd.concat([whole, in_part, begun])
    *_, of_leads, to_subtract = protocol_tables.remembered(rows, quality.cells(Evidence()))
    assert set(of_leads.numbers["dataset"]) == {"Set5"}
    printed = to_subtract.printed.set_index("protocol")
    assert printed.loc["matlab_luma", "B100 ×2"] == "–"
    assert printed.loc["dncnn", ["Set5 ×2", "B100 ×2"]].tolist() == ["-0.20/+0.0000", "-0.30/+0.0000"]
    only_begun = protocol_tables.remembered(begun, quality.cells(Evidence()))
    assert not {"protocol_leads", "protocol_corrections"} & {table.name for table in only_begun}


def way_means() -> pd.DataFrame:
    """Means on Set5 x2 by two protocols, the second lower by some dB, other for each, and a tenth in SSIM."""
    rows = rows_as_printed().query("dataset == 'Set5' and scale == 2")
    spreads_db = {"bicubic": 0.1, "carn_m": 0.2, "hdsrnet": 0.9}
    parts = [(rows[rows["model"] == model], spread_db) for model, spread_db in spreads_db.items()]
    parts.append((rows[rows["model"] == "hdsrnet"].assign(weights="ours"), 5.0))
    lower = [by_protocol(part, "matlab_luma", -away, -away / 10) for part, away in parts]
    common = [by_protocol(part, quality.COMMON, 0.0) for part, _ in parts]
    return protocol_tables._way_means(pd.concat([*common, *lower]))


def test_leads_are_counted_against_the_median_of_what_protocols_differ_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    means = way_means()
    away_db = {"HDSRNet": 0.0, "VDSR": 0.1, "DRRN": 0.3, "IDN": 0.5, "PGAN": -0.5}
    printed = pd.DataFrame(
        {"dataset": "Set5", "scale": 2, "method": name, "psnr_db": 30 - away, "ssim": 0.9 - away / 10}
        for name, away in away_db.items()
    )
    monkeypatch.setattr(paper, "quality", lambda: printed)
    (line,) = protocol_tables.leads(means).numbers.to_dict("records")
    assert line["methods"] == 3
    for name, scale in (("psnr_db", 1), ("ssim", 0.1)):
        measured = (line[f"{name}_spread"], line[f"{name}_lead"])
        assert measured == pytest.approx((0.2 * scale, 0.1 * scale))
        assert [line[f"{name}_{count}"] for count in ("leads", "smaller", "twice")] == [3, 1, 2]


def test_corrections_are_medians_and_name_the_methods_that_a_protocol_explains() -> None:
    cells = pd.DataFrame(
        [("HDSRNet", "explained", "matlab_luma"), ("SRCNN", "explained", "dncnn"), ("VDSR", "traced", "")],
        columns=["method", "verdict", "protocol"],
    )
    (line,) = protocol_tables.corrections(way_means(), cells).numbers.to_dict("records")
    assert (line["protocol"], line["rows"]) == ("matlab_luma", "HDSRNet")
    assert (line["psnr_db"], line["ssim"]) == pytest.approx((-0.2, -0.02))


def test_wrong_marks_and_orders_are_contradicted(printed_claims: list[Claim]) -> None:
    contradicted = [claim for claim in printed_claims if claim.verdict == Verdict.CONTRADICTED]
    text = "\n".join(f"{claim.where}: {claim.claim}: {claim.reason}" for claim in contradicted)
    for mistake in (
        "Set14 ×4: the methods marked best (red) are so: SSIM: it is PGAN with 0.8164, not HDSRNet",
        "Urban100 ×4: the methods marked best (red) are so: SSIM: it is PGAN with 0.9574, not HDSRNet",
        "PSNR: it is IDN and MemNet with 32.08, not DSRCNN with 32.05",
        "SSIM: it is IDN with 0.8985",
        "HDSRNet is the fastest at HR 512 x 512: by the printed numbers it is CARN-M",
    ):
        assert mistake in text


def test_oddities_are_no_claims(printed_claims: list[Claim]) -> None:
    table = scorecard.oddity_table()
    for oddity in (
        "RCN and LapSRN both have 29.63/0.8269 at ×3; LapSRN has no other cell at ×3",
        "DnCNN and DRCN both have 27.15/0.8276 at ×3",
        "SSIM of PGAN at ×4 is +0.193 from",
        "HDSRNet's parameters are of ×2",
    ):
        assert oddity in repr(table)
        assert not any(oddity in claim.reason for claim in printed_claims)
    assert table.caption.startswith(f"{len(table.numbers)} oddities")


def test_marks_that_are_right_are_reproduced(printed_claims: list[Claim]) -> None:
    claim = found(printed_claims, "Table II", "Set5 ×4: the methods marked second")
    assert claim.verdict == Verdict.REPRODUCED
    assert claim.published == "PSNR: DCLS 32.12; SSIM: DSRCNN 0.8909"


def test_problems_of_marks() -> None:
    values = pd.Series({"a": 3.0, "b": 2.0, "c": 2.0, "d": 1.0})
    assert printed.mark_problems(values, ["c", "b"], 2, "PSNR", "{:.1f}") == []
    assert printed.mark_problems(values, ["b"], 2, "PSNR", "{:.1f}") == [
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
        (115, "contradicted", "reproduced"),
        (122.84, "contradicted", "reproduced"),
        (200, "contradicted", "contradicted"),
        (600, "contradicted", "contradicted"),
    ],
)
def test_numbers_and_order_of_table_vii(macs: float, number: str, order: str) -> None:
    judged = measured.cost_claims(Evidence(complexity=counts(macs)))
    assert found(judged, "Table VII", "flops of HDSRNet").verdict == number
    assert found(judged, "Table VII", "fewest flops").verdict == order
    assert found(judged, "Table VII", "parameters of ACNet").verdict == Verdict.REPRODUCED


def test_table_vii_is_judged_by_torchs_counts_at_x4() -> None:
    at_x4 = counts(110.99)
    more = pd.concat([counts(600).assign(scale=2), at_x4, counts(600).assign(counter="ptflops")])
    judged, expected = (measured.cost_claims(Evidence(complexity=rows)) for rows in (more, at_x4))
    assert judged == expected


def test_without_counts_table_vii_is_not_measured() -> None:
    judged = measured.cost_claims(Evidence())
    assert found(judged, "Table VII", "flops of HDSRNet").verdict == Verdict.NOT_MEASURED
    assert found(judged, "Table VII", "fewest flops").reason == "no counts in this report: run 07_complexity"


def timings(device: str, carn_m: float) -> pd.DataFrame:
    ratios = {"HDSRNet": 1.0, "CARN-M": carn_m}
    lines = [(method, "as published", 256, device, ratio) for method, ratio in ratios.items()]
    times = pd.DataFrame(lines, columns=["method", "form", "hr_px", "device", "ratio"])
    quartiles = {f"ratio_quartile{i}": times["ratio"] * factor for i, factor in ((1, 0.9), (3, 1.1))}
    return times.assign(precision="fp32", **quartiles)


@pytest.mark.parametrize(
    ("device", "carn_m", "verdict"),
    [
        ("cpu", 0.5, "not measured"),
        ("A GPU", 0.5, "contradicted"),
        ("A GPU", 0.99, "not measured"),
        ("A GPU", 1.5, "reproduced"),
    ],
)
def test_gpu_timings_are_judged_on_a_gpu_only(device: str, carn_m: float, verdict: str) -> None:
    claim = measured.fastest_claim(256, timings(device, carn_m), pd.DataFrame())
    assert claim.verdict == verdict
    assert f"CARN-M {carn_m:.2f}" in claim.reason + claim.measured
    others = [timings(device, carn_m).assign(precision="bf16"), timings(device, carn_m).assign(hr_px=512)]
    for times in others:
        claim = measured.fastest_claim(256, times, pd.DataFrame())
        assert claim.verdict == Verdict.NOT_MEASURED
        assert "no timings" in claim.reason


@pytest.mark.parametrize(
    ("carn_m", "verdict", "why"),
    [
        (1.5, "contradicted", "faster: CARN-M; "),
        (1.98, "not measured", "CARN-M cannot be told from HDSRNet, their quartiles overlap; "),
        (2.02, "not measured", "CARN-M cannot be told from HDSRNet, their quartiles overlap; "),
        (2.2, "reproduced", ""),
    ],
)
def test_rows_of_a_gpu_judge_table_vi_by_quartiles(carn_m: float, verdict: str, why: str) -> None:
    times = {"VDSR": 2.5, "CARN-M": carn_m, "HDSRNet": 2.0}
    claim = measured.fastest_claim(256, timings("cpu", 0.5), on_a_gpu(times))
    assert claim.verdict == verdict
    assert claim.measured == f"VDSR 2.50 ms, CARN-M {carn_m:.2f} ms, HDSRNet 2.00 ms"
    ratios = "ratios to VDSR on Some card (as printed): VDSR 1.00 (1.00), CARN-M "
    assert claim.reason.startswith(why + ratios)
    assert claim.reason.endswith("HDSRNet 0.80 (0.82)")


def test_a_gpu_of_the_report_judges_before_that_of_the_bench_and_float32_alone() -> None:
    slow, fast = ({"VDSR": 2.5, "CARN-M": time, "HDSRNet": 2.0} for time in (2.2, 1.5))
    own = measured.fastest_claim(256, timings("A GPU", 0.5), on_a_gpu(slow))
    assert (own.verdict, own.measured) == (Verdict.CONTRADICTED, "HDSRNet 1.00, CARN-M 0.50")
    alone, beside = (
        measured.fastest_claim(256, pd.DataFrame(), bench)
        for bench in (on_a_gpu(slow), pd.concat([on_a_gpu(fast, "tf32"), on_a_gpu(slow)]))
    )
    assert beside == alone


@pytest.mark.parametrize(
    ("weights", "own", "verdict"),
    [
        ("authors", 30.0, "reproduced"),
        ("authors", 27.0, "contradicted"),
        ("authors", 26.0, "contradicted"),
        ("authors", 20.0, "contradicted"),
        ("ours", 30.0, "not measured"),
    ],
)
def test_enlarged_places(weights: str, own: float, verdict: str) -> None:
    crops = pd.DataFrame(
        {
            "panel": ["Bicubic", "CARN-M", "HDSRNet"],
            "model": ["bicubic", "carn_m", "hdsrnet"],
            "weights": ["none", "authors", weights],
            "crop_psnr_db": [25.0, 27.0, own],
            "figure": 2,
        }
    )
    judged = measured.figure_claims(Evidence(crops=crops))
    assert found(judged, "Figure 2", "zebra").verdict == verdict
    assert found(judged, "Figure 3", "223061").verdict == Verdict.NOT_MEASURED


@pytest.mark.parametrize(
    ("weights", "share", "verdict"),
    [("authors", 0.4, "reproduced"), ("authors", 0.251, "contradicted"), ("ours", 0.4, "not measured")],
)
def test_adaptation_of_kernels(weights: str, share: float, verdict: str) -> None:
    place = {"weights": weights, "scale": 4, "role": "tested", "layer": 1, "live": "01", "inputs": 64}
    shares = [(0.25, 0.25, 0.25, 0.25), (share, 0.25, 0.25, 0.5 - share)]
    mixes = pd.DataFrame(
        place | {f"share_{kernel}": value for kernel, value in enumerate(image, 1)} for image in shares
    )
    assert measured.adaptation_claim(mixes).verdict == verdict


def test_the_drawing_is_judged_by_the_authors_weights() -> None:
    assert measured.drawing_claim(rows_as_printed()).verdict == Verdict.REPRODUCED
    assert measured.drawing_claim(rows_as_printed("ours")).verdict == Verdict.NOT_MEASURED


def test_evidence_of_an_empty_report_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "BENCH", tmp_path / "bench.csv")
    evidence = read_evidence(tmp_path)
    parts = (
        evidence.quality,
        evidence.protocols,
        evidence.complexity,
        evidence.runtime,
        evidence.bench,
        evidence.kernel_mixes,
        evidence.crops,
    )
    assert all(part.empty for part in parts)


def test_the_scorecard_is_written_and_read(tmp_path: Path) -> None:
    evidence = Evidence(complexity=counts(122.84))
    verdicts = scorecard.judge(evidence, quality.cells(evidence))
    for basis in scorecard.BASES:
        scorecard.table(verdicts, basis).write(tmp_path / "tables")
    pd.testing.assert_frame_equal(
        scorecard.read_verdicts(tmp_path)[verdicts.columns],
        verdicts,
        check_dtype=False,
        check_index_type=False,
    )
    numbers = scorecard.counts(verdicts).numbers.set_index("basis")
    assert numbers.loc["all"].sum() == len(verdicts)
    assert numbers.loc["printed", "not measured"] == 0
    last = scorecard.verdict_lines(verdicts)[-1]
    assert last == ", ".join(f"{numbers.loc['all', verdict.value]} {verdict}" for verdict in Verdict)
