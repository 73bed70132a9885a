"""The scorecard: every claim of the paper with its verdict, and how many there are of each."""

import dataclasses
from pathlib import Path

import pandas as pd

from hdsr.errors import HdsrError
from hdsr.report.tables import ABSENT, Table
from hdsr.scorecard.costs import cost_claims
from hdsr.scorecard.figures import figure_claims
from hdsr.scorecard.printed import printed_claims
from hdsr.scorecard.quality import quality_claims
from hdsr.scorecard.verdict import Claim, Evidence, Verdict

NAME = "scorecard"
BASES = {"printed": "from the printed numbers alone", "measured": "from what this report measured"}


def judge(evidence: Evidence) -> pd.DataFrame:
    """Every claim and its verdict.

    Returns:
        Columns basis ("printed": the paper's own numbers decide; "measured": rows do), and those of
        `hdsr.scorecard.verdict.Claim`, in the order of the paper within each basis.
    """
    measured = [*figure_claims(evidence), *quality_claims(evidence), *cost_claims(evidence)]
    claims = {"printed": printed_claims(), "measured": [ablation_claim(), *measured]}
    return pd.DataFrame(
        [{"basis": basis, **dataclasses.asdict(claim)} for basis, part in claims.items() for claim in part]
    )


def ablation_claim() -> Claim:
    """Table I, whose numbers are not among those that this project holds."""
    reason = "its numbers are not transcribed in data/paper, and it needs networks that are trained anew"
    return Claim(
        "Table I", "each part of the network adds to its quality", "", "", Verdict.NOT_MEASURED, reason
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
    """The claims of one basis to read."""
    part = verdicts[verdicts["basis"] == basis].drop(columns="basis").reset_index(drop=True)
    columns = ["where", "claim", "verdict", "reason", "published", "measured"]
    printed = part[columns[:-1] if basis == "printed" else columns].replace("", ABSENT)
    return Table(f"{NAME}_{basis}", f"Claims judged {BASES[basis]}", part, printed)


def lines(verdicts: pd.DataFrame) -> list[str]:
    """Every verdict as a line of text, then the counts."""
    texts = [
        f"{claim.verdict:<12}  {claim.where}: {claim.claim} ({claim.reason})"
        for claim in verdicts.itertuples()
    ]
    totals = verdicts["verdict"].value_counts()
    return [*texts, ", ".join(f"{totals.get(verdict.value, 0)} {verdict.value}" for verdict in Verdict)]


def read(report: Path) -> pd.DataFrame:
    """The verdicts that notebook 08_scorecard has written to the folder of a report.

    Raises:
        HdsrError: where it has not been run there.
    """
    paths = [report / "tables" / f"{NAME}_{basis}.csv" for basis in BASES]
    if not all(path.is_file() for path in paths):
        raise HdsrError(f"no verdicts in profile {report.name!r}: run 08_scorecard")
    frames = [
        pd.read_csv(path, dtype=str, keep_default_na=False).assign(basis=basis)
        for path, basis in zip(paths, BASES, strict=True)
    ]
    return pd.concat(frames, ignore_index=True)
