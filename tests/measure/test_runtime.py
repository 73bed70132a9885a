"""Table VI: who is timed on what, when rows are reused, and how the table puts them beside the paper's."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from on_gpu import on_a_gpu

from hdsr import paper
from hdsr.errors import HdsrError
from hdsr.measure import counters, latency, runtime
from hdsr.network import HDSRNet
from hdsr.report import time_tables
from hdsr.settings import RuntimeSettings

SETTINGS = RuntimeSettings(profile="tiny", hr_sizes=(16, 32), warmup=0, runs=2)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HDSR_REPORTS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def rows(reports: Path) -> pd.DataFrame:
    return runtime.measure_runtime(SETTINGS, progress=False)


def fabricated(times_ms: dict[tuple[str, str], float], hr_px: int) -> pd.DataFrame:
    """Rows of one size whose medians are given."""
    rows = pd.DataFrame(
        [(*place, ms) for place, ms in times_ms.items()], columns=["method", "form", "median_ms"]
    )
    reference = times_ms["HDSRNet", "as published"]
    return rows.assign(
        hr_px=hr_px,
        **runtime._identity(RuntimeSettings(hr_sizes=(hr_px,))),
        quartile1_ms=rows["median_ms"] - 1,
        quartile3_ms=rows["median_ms"] + 2,
        ratio=rows["median_ms"] / reference,
    )


def test_every_network_of_the_papers_table_is_timed() -> None:
    timed = [contender.method for contender in runtime.CONTENDERS if contender.form == "as published"]
    assert timed == list(paper.runtime()["method"].unique())


def test_contenders_have_the_parameters_of_the_networks_they_are_called() -> None:
    counts = {
        contender.title: counters.parameters(runtime.made(contender)) for contender in runtime.CONTENDERS
    }
    assert counts["VDSR, as published"] == 664_704
    assert counts["HDSRNet, as published"] == 1_966_208
    assert counts["ACNet, as published"] == 1_504_256


def test_only_the_folded_form_is_folded() -> None:
    published, folded = map(runtime.made, runtime.CONTENDERS[-2:])
    assert isinstance(published, HDSRNet)
    assert not isinstance(folded, HDSRNet)


def test_a_ratio_is_the_time_over_that_of_the_published_network(monkeypatch: pytest.MonkeyPatch) -> None:
    times_ms = {
        item.title: [10.0 * number, 20.0 * number, 40.0 * number]
        for number, item in enumerate(runtime.CONTENDERS, 1)
    }
    monkeypatch.setattr(runtime, "time_calls", lambda *given: times_ms)
    monkeypatch.setattr(runtime, "made", lambda contender: torch.nn.Identity())
    lines = runtime.time_size(SETTINGS, 16, progress=False)
    assert lines["ratio"].tolist() == [0.25, 0.5, 0.75, 1, 1.25]
    assert lines.iloc[1][["median_ms", "quartile1_ms", "quartile3_ms"]].tolist() == [40, 30, 60]


@pytest.mark.parametrize("contender", runtime.CONTENDERS, ids=lambda contender: contender.title)
def test_each_makes_an_image_of_hr_size(contender: runtime.Contender) -> None:
    with torch.inference_mode():
        result = runtime.made(contender)(torch.rand(contender.shape(32)))
    assert result.shape[-2:] == (32, 32)


def test_rows_state_what_they_depend_on(rows: pd.DataFrame) -> None:
    assert len(rows) == 2 * len(runtime.CONTENDERS)
    assert set(rows["n"]) == {2}
    assert set(rows["threads"]) == {torch.get_num_threads()}
    assert set(zip(rows["hr_px"], rows["lr_px"], strict=True)) == {(16, 4), (32, 8)}
    assert (rows["quartile1_ms"] <= rows["median_ms"]).all()
    assert (rows["median_ms"] <= rows["quartile3_ms"]).all()
    reference = rows[(rows["method"] == "HDSRNet") & (rows["form"] == "as published")]
    assert (reference["ratio"] == 1).all()


def never(*_: object) -> None:
    pytest.fail("a network was timed again")


def test_rows_are_reused_while_all_they_depend_on_is_the_same(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "time_size", never)
        pd.testing.assert_frame_equal(runtime.measure_runtime(SETTINGS, progress=False), rows)
    monkeypatch.setattr(runtime, "machine", lambda: "another")
    assert set(runtime.measure_runtime(SETTINGS, progress=False)["machine"]) == {"another"}


def test_the_table_puts_ratios_beside_the_papers() -> None:
    times = {
        ("VDSR", "as published"): 300.0,
        ("CARN-M", "as published"): 50.0,
        ("ACNet", "as published"): 150.0,
    }
    times |= {("HDSRNet", "as published"): 100.0, ("HDSRNet", "folded"): 40.0}
    table = time_tables.runtime(fabricated(times, 256))
    numbers = table.numbers.set_index(["method", "form"])
    assert numbers.loc[("VDSR", "as published"), "paper_ms"] == 17.2
    assert numbers.loc[("CARN-M", "as published"), "paper_ratio"] == pytest.approx(15.9 / 14.17)
    assert pd.isna(numbers.loc[("HDSRNet", "folded"), "paper_ms"])
    assert "| HDSRNet | folded | – | – | 40 (39 to 42) | 0.40 |" in repr(table)
    assert "| VDSR | as published | 17.20 | 1.21 | 300 (299 to 302) | 3.00 |" in repr(table)


def test_a_gpu_stands_beside_the_papers_by_ratios_to_vdsr() -> None:
    parts = [on_a_gpu({"VDSR": 2.0, "HDSRNet": 3.0}, "bf16"), on_a_gpu({"VDSR": 4.0, "HDSRNet": 3.0}, "fp32")]
    table = time_tables.gpu(pd.concat(parts))
    assert [*table.printed.columns[3:]] == [
        (place, quantity)
        for place in ("the paper's GPU", "Some card, fp32", "Some card, bf16")
        for quantity in ("ms", "÷ VDSR")
    ]
    assert "| 256 × 256 | HDSRNet | as published | 14.17 | 0.82 | 3.00 | 0.75 | 3.00 | 1.50 |" in repr(table)
    assert "VDSR without the enlargement before it" in repr(table)


def test_without_a_gpu_the_table_says_what_measures_one() -> None:
    table = time_tables.gpu(on_a_gpu({"VDSR": 2.0}).head(0))
    assert "No GPU was measured" in repr(table)


def test_a_size_that_cannot_be_reduced_is_named() -> None:
    with pytest.raises(HdsrError, match="an HR side of 30 pixels: expected a multiple of 4"):
        runtime.measure_runtime(RuntimeSettings(hr_sizes=(32, 30)))


def test_time_ratios_are_taken_within_turns() -> None:
    assert latency.time_ratios([1.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == (2.0, 1.5, 2.5)


@pytest.mark.parametrize(
    ("facts", "products"),
    [
        (
            {"cpu_name": "Some CPU", "avx512_bf16": True, "amx_bf16": True},
            " with bfloat16 products in tiles (AMX)",
        ),
        ({"cpu_name": "Some CPU", "avx512_bf16": True, "amx_bf16": False}, " with bfloat16 products"),
        ({}, " without bfloat16 products"),
    ],
)
def test_the_machine_is_described(facts: dict, products: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: facts)
    described = latency.machine()
    assert described.endswith(products)
    assert described.startswith("Some CPU, ") or not facts
