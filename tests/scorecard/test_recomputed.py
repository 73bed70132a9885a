"""The published verdicts and tables, computed anew from the published rows."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from hdsr import results
from hdsr.measure.benchmarks import GAP_COLUMNS
from hdsr.paths import PUBLISHED
from hdsr.report import cost_tables, protocol_tables, psnr_tables, tables, time_tables
from hdsr.scorecard import evidence as reading
from hdsr.scorecard import quality, scorecard
from hdsr.scorecard.evidence import Evidence, read_evidence
from hdsr.study import ablation, mixes


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """That of the published rows, whose images and weights need not be there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "standing", lambda rows, *_: rows)
        return read_evidence(PUBLISHED)


@pytest.fixture(scope="module")
def cells(evidence: Evidence) -> pd.DataFrame:
    return quality.cells(evidence)


def test_published_verdicts_are_those_of_the_published_rows(evidence: Evidence, cells: pd.DataFrame) -> None:
    verdicts = scorecard.judge(evidence, cells)
    pd.testing.assert_frame_equal(
        scorecard.read_verdicts(PUBLISHED)[verdicts.columns],
        verdicts,
        check_dtype=False,
        check_index_type=False,
        obj="publish anew: verdicts",
    )


def recomputed(evidence: Evidence, cells: pd.DataFrame) -> Iterator[tables.Table]:
    """Tables that need rows alone."""
    yield from protocol_tables.remembered(evidence.protocols, cells)
    yield protocol_tables.sensitivity(evidence.protocols)
    yield time_tables.runtime(evidence.runtime)
    yield time_tables.gpu(evidence.bench)
    yield cost_tables.complexity(evidence.complexity)
    yield mixes.table(mixes.by_layer(mixes.read(PUBLISHED / "rows/dynamics_mixes.csv")), "dynamics_mixes")
    treated = results.load(PUBLISHED / "rows/dynamics.csv", ablation.TreatedRow)
    yield ablation.table(ablation.changes(treated, evidence.quality))


def test_published_tables_are_those_of_the_published_rows(
    evidence: Evidence, cells: pd.DataFrame, tmp_path: Path
) -> None:
    for table in recomputed(evidence, cells):
        table.write(tmp_path)
        old, new = (pd.read_csv(folder / f"{table.name}.csv") for folder in (PUBLISHED / "tables", tmp_path))
        pd.testing.assert_frame_equal(old, new, check_dtype=False, obj=f"publish anew: {table.name}")
        text = (PUBLISHED / "tables" / f"{table.name}.md").read_text(encoding="utf-8")
        assert text == (tmp_path / f"{table.name}.md").read_text(encoding="utf-8"), "publish anew"


def test_published_scores_are_those_of_the_published_rows(evidence: Evidence) -> None:
    rows = results.prevailing(evidence.quality)
    for dataset in rows["dataset"].unique():
        table = psnr_tables.comparison(rows, dataset, pd.DataFrame(columns=list(GAP_COLUMNS)))
        old, new = (
            numbers[numbers["psnr_db"].notna()].drop(columns="note").reset_index(drop=True)
            for numbers in (pd.read_csv(PUBLISHED / "tables" / f"{table.name}.csv"), table.numbers)
        )
        pd.testing.assert_frame_equal(old, new, check_dtype=False, obj=f"publish anew: {table.name}")
