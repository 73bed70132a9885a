"""The scorecard: every claim of the paper with its verdict, how many there are of each; oddities apart."""

import dataclasses
from pathlib import Path

import pandas as pd

from hdsr.errors import HdsrError
from hdsr.report.tables import ABSENT, Table
from hdsr.report.thresholds import THRESHOLDS
from hdsr.scorecard.evidence import Evidence
from hdsr.scorecard.measured import cost_claims, figure_claims, mixed_scales
from hdsr.scorecard.printed import oddities, printed_claims
from hdsr.scorecard.quality import cell_claims, lead_claims
from hdsr.scorecard.verdict import Verdict, not_measured

_NAME = "scorecard"
BASES = {
    "cells": "cell by cell of Tables II to V",
    "measured": "otherwise from what this report measured",
    "printed": "from the printed numbers alone",
}


def judge(evidence: Evidence, cells: pd.DataFrame) -> pd.DataFrame:
    """Every claim and its verdict, by the evidence and by `hdsr.scorecard.quality.cells` of it.

    Returns:
        Columns basis (a key of BASES; "printed": the paper's own numbers decide, else rows do), and those of
        `hdsr.scorecard.verdict.Claim`, in the order of the paper within each basis.
    """
    absent = "its numbers are not transcribed in data/paper, and it needs networks that are trained anew"
    parts = not_measured("Table I", "each part of the network adds quality", absent)
    claims = {
        "cells": cell_claims(cells),
        "measured": [parts, *figure_claims(evidence), *lead_claims(evidence), *cost_claims(evidence)],
        "printed": printed_claims(),
    }
    return pd.DataFrame(
        [{"basis": basis, **dataclasses.asdict(claim)} for basis, part in claims.items() for claim in part]
    )


def counts(verdicts: pd.DataFrame) -> Table:
    """How many claims have each verdict, by basis."""
    order = [verdict.value for verdict in Verdict]
    numbers = pd.crosstab(verdicts["basis"], verdicts["verdict"]).reindex(index=list(BASES), columns=order)
    numbers = numbers.fillna(0).astype(int)
    numbers.loc["all"] = numbers.sum()
    numbers = numbers.rename_axis(columns=None).reset_index()
    printed = numbers.assign(basis=numbers["basis"].map(BASES | {"all": "all"})).astype(str)
    return Table("scorecard_counts", "Claims of the paper by verdict", numbers, printed)


def table(verdicts: pd.DataFrame, basis: str) -> Table:
    """The claims of one basis to read; of cells only those that have been judged."""
    part = verdicts[verdicts["basis"] == basis].drop(columns="basis").reset_index(drop=True)
    columns = ["where", "claim", "verdict", "reason", "published", "measured"]
    shown = part[part["verdict"] != Verdict.NOT_MEASURED] if basis == "cells" else part
    printed = shown[columns[:-1] if basis == "printed" else columns].replace("", ABSENT)
    left_out = f"{len(part) - len(shown)} cells that were not measured are left out."
    return Table(
        f"{_NAME}_{basis}",
        f"Claims judged {BASES[basis]}",
        part,
        printed,
        (left_out,) * (len(shown) < len(part)),
    )


def oddity_table() -> Table:
    """What is odd about the printed tables: no claim of the paper, and no verdict on it."""
    found = [*oddities(), *(("Table VII", text) for text in mixed_scales())]
    numbers = pd.DataFrame(found, columns=["where", "oddity"])
    return Table(f"{_NAME}_oddities", f"{len(numbers)} oddities of the printed tables", numbers, numbers)


def threshold_table() -> Table:
    """What counts as the same, or as different, and why."""
    numbers = pd.DataFrame(map(dataclasses.asdict, THRESHOLDS.values()))
    printed = numbers.assign(value=numbers["value"].map("{:g}".format))
    return Table(f"{_NAME}_thresholds", "Our thresholds", numbers, printed)


def verdict_lines(verdicts: pd.DataFrame) -> list[str]:
    """Every verdict as a line of text, then the counts."""
    texts = [
        f"{claim.verdict:<12}  {claim.where}: {claim.claim} ({claim.reason})"
        for claim in verdicts.itertuples()
    ]
    totals = verdicts["verdict"].value_counts()
    return [*texts, ", ".join(f"{totals.get(verdict.value, 0)} {verdict.value}" for verdict in Verdict)]


def read_verdicts(report: Path) -> pd.DataFrame:
    """The verdicts that notebook 08_scorecard has written to the folder of a report.

    Raises:
        HdsrError: where it has not been run there.
    """
    paths = {basis: report / "tables" / f"{_NAME}_{basis}.csv" for basis in BASES}
    if not all(path.is_file() for path in paths.values()):
        raise HdsrError(f"no verdicts in profile {report.name!r}: run 08_scorecard")
    frames = [
        pd.read_csv(path, dtype=str, keep_default_na=False).assign(basis=basis)
        for basis, path in paths.items()
    ]
    return pd.concat(frames, ignore_index=True)
