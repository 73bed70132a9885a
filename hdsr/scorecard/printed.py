"""Claims that the paper's own numbers decide: nothing has to be measured for them.

"Reproduced" means here that the printed numbers bear out what the paper says of them.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from hdsr import paper
from hdsr.report.tables import SCORES, pairs
from hdsr.report.thresholds import THRESHOLDS
from hdsr.scorecard.verdict import Claim, Verdict

_RANKS = {1: "best (red)", 2: "second (blue)"}
_UNLIKELY = THRESHOLDS["unlikely"].value
NETWORK = "HDSRNet"


def printed_claims() -> list[Claim]:
    """Marks in Tables II to V, and the order in Tables VI and VII."""
    quality, marks = paper.quality(), paper.marks()
    columns = quality.groupby(["table", "dataset", "scale"], sort=False)
    claims = [_mark_claim(column, marks, rank) for rank in _RANKS for _, column in columns]
    return [*claims, *_fastest_claims(), _fewest_claim()]


def oddities() -> list[tuple[str, str]]:
    """What is odd about Tables II to V, which the paper does not speak of: the table, and what we noticed."""
    quality = paper.quality()
    found = []
    for _, printed in quality.groupby("dataset", sort=False):
        table = f"Table {printed['table'].iloc[0]}"
        found += [(table, text) for text in [*_equal_cells(printed, quality), *_unlikely_cells(printed)]]
    return found


def verdict_of(bears_out: bool) -> Verdict:
    """Reproduced or contradicted."""
    return Verdict.REPRODUCED if bears_out else Verdict.CONTRADICTED


def place_of(column: pd.DataFrame) -> tuple[str, str]:
    """A column of one of Tables II to V: "Table II" and "Set5 ×2"."""
    first = column.iloc[0]
    return f"Table {first['table']}", f"{first['dataset']} ×{first['scale']}"


def _mark_claim(column: pd.DataFrame, marks: pd.DataFrame, rank: int) -> Claim:
    """The methods that are marked as best or second in a column have the highest or next values."""
    first = column.iloc[0]
    here = marks[(marks["dataset"] == first["dataset"]) & (marks["scale"] == first["scale"])]
    printed, problems = [], []
    for metric, (name, digits) in SCORES.items():
        form = f"{{:.{digits}f}}"
        marked = here[(here["metric"] == metric) & (here["rank"] == rank)]["method"].tolist()
        values = column.set_index("method")[metric]
        printed.append(f"{name}: {', '.join(marked)} {form.format(values[marked[0]])}")
        problems += mark_problems(values, marked, rank, name, form)
    table, where = place_of(column)
    claim = f"{where}: the methods marked {_RANKS[rank]} are so"
    reason = "; ".join(problems) or "as computed from the printed numbers"
    return Claim(table, claim, "; ".join(printed), "", verdict_of(not problems), reason)


def mark_problems(values: pd.Series, marked: list[str], rank: int, name: str, form: str) -> list[str]:
    """What is wrong with the marks of one rank in one column: whose they ought to be."""
    levels = sorted(values.unique(), reverse=True)
    holders = values.index[values == levels[rank - 1]].tolist()
    if set(holders) == set(marked):
        return []
    held, given = form.format(levels[rank - 1]), form.format(values[marked[0]])
    return [f"{name}: it is {' and '.join(holders)} with {held}, not {' and '.join(marked)} with {given}"]


def _equal_cells(printed: pd.DataFrame, quality: pd.DataFrame) -> Iterator[str]:
    """Cells of one table with the same digits, and what speaks for a slip."""
    for _, cells in printed.groupby(["scale", "psnr_db", "ssim"], sort=False):
        if len(cells) > 1:
            scale, names = cells["scale"].iloc[0], cells["method"].tolist()
            at_scale = quality.loc[quality["scale"] == scale, "method"].value_counts()
            single = [f"; {name} has no other cell at ×{scale}" for name in names if at_scale[name] == 1]
            digits = pairs(cells, "psnr_db", "ssim").iloc[0]
            yield f"{' and '.join(names)} both have {digits} at ×{scale}{''.join(single)}"


def _unlikely_cells(printed: pd.DataFrame) -> Iterator[str]:
    """Cells whose SSIM is far from the one that their PSNR makes likely within the column."""
    for scale, column in printed.groupby("scale"):
        away = ssim_distance(column)
        for method, value in away[away.abs() > _UNLIKELY].items():
            yield f"SSIM of {method} at ×{scale} is {value:+.3f} from what its PSNR makes likely"


def ssim_distance(column: pd.DataFrame) -> pd.Series:
    """SSIM less the one on the Theil-Sen line of log(1 - SSIM) over PSNR, by method."""
    # within a column the logarithm is nearly linear in PSNR; Theil's slope is a median, which the single odd
    # cells that are looked for do not move
    psnr_db, gap = column["psnr_db"].to_numpy(), np.log(1 - column["ssim"].to_numpy())
    slope, intercept, *_ = stats.theilslopes(gap, psnr_db)
    likely = 1 - np.exp(intercept + slope * psnr_db)
    return pd.Series(column["ssim"].to_numpy() - likely, index=column["method"])


def _fastest_claims() -> list[Claim]:
    """HDSRNet is the fastest in Table VI, at each size, by the printed milliseconds."""
    return [
        _lowest_claim("Table VI", f"HDSRNet is the fastest at HR {size} x {size}", column, "runtime_ms", "ms")
        for size, column in paper.runtime().groupby("hr_px")
    ]


def _fewest_claim() -> Claim:
    return _lowest_claim("Table VII", "HDSRNet needs the fewest flops", paper.complexity(), "flops_g", "G")


def _lowest_claim(where: str, claim: str, lines: pd.DataFrame, column: str, unit: str) -> Claim:
    values = lines.set_index("method")[column].sort_values()
    below = values[values < values[NETWORK]]
    printed = ", ".join(f"{method} {value:g} {unit}" for method, value in values.items())
    reason = "by the printed numbers"
    if len(below):
        reason = f"by the printed numbers it is {' and '.join(below.index)}"
    return Claim(where, claim, printed, "", verdict_of(below.empty), reason)
