"""Claims that the paper's own numbers decide: nothing has to be measured for them.

"Reproduced" means here that the printed numbers bear out what the paper says of them.
"""

import numpy as np
import pandas as pd
from scipy import stats

from hdsr import paper
from hdsr.report.tables import pairs
from hdsr.scorecard.verdict import Claim, Verdict

RANKS = {1: "best (red)", 2: "second (blue)"}
METRICS = {"psnr_db": ("PSNR", "{:.2f}"), "ssim": ("SSIM", "{:.4f}")}
UNLIKELY = 0.015
"""From here on an SSIM is unlikely for its PSNR; bicubic, the method farthest from the rest, keeps within."""
NETWORK = "HDSRNet"


def printed_claims() -> list[Claim]:
    """Marks, equal cells and unlikely cells in Tables II to V, and the order in Tables VI and VII."""
    quality, marks = paper.quality(), paper.marks()
    columns = quality.groupby(["table", "dataset", "scale"], sort=False)
    claims = [mark_claim(column, marks, rank) for rank in RANKS for _, column in columns]
    for _, printed in quality.groupby("dataset", sort=False):
        claims += [distinct_claim(printed, quality), likely_claim(printed)]
    return [*claims, *fastest_claims(), fewest_claim()]


def verdict_of(bears_out: bool) -> Verdict:
    """Reproduced or contradicted."""
    return Verdict.REPRODUCED if bears_out else Verdict.CONTRADICTED


def place_of(column: pd.DataFrame) -> tuple[str, str]:
    """A column of one of Tables II to V: "Table II" and "Set5 ×2"."""
    first = column.iloc[0]
    return f"Table {first['table']}", f"{first['dataset']} ×{first['scale']}"


def mark_claim(column: pd.DataFrame, marks: pd.DataFrame, rank: int) -> Claim:
    """The methods that are marked as best or second in a column have the highest or next values."""
    first = column.iloc[0]
    here = marks[(marks["dataset"] == first["dataset"]) & (marks["scale"] == first["scale"])]
    printed, problems = [], []
    for metric, (name, form) in METRICS.items():
        marked = here[(here["metric"] == metric) & (here["rank"] == rank)]["method"].tolist()
        values = column.set_index("method")[metric]
        printed.append(f"{name}: {', '.join(marked)} {form.format(values[marked[0]])}")
        problems += mark_problems(values, marked, rank, name, form)
    table, where = place_of(column)
    claim = f"{where}: the methods marked {RANKS[rank]} are so"
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


def distinct_claim(printed: pd.DataFrame, quality: pd.DataFrame) -> Claim:
    """No two methods of a table have the same PSNR and the same SSIM."""
    groups = printed.groupby(["scale", "psnr_db", "ssim"], sort=False)
    problems = [equal_cells(cells, quality) for _, cells in groups if len(cells) > 1]
    first = printed.iloc[0]
    reason = "; ".join(problems) or "no cell stands twice"
    claim = f"{first['dataset']}: each method has results of its own"
    return Claim(f"Table {first['table']}", claim, "", "", verdict_of(not problems), reason)


def equal_cells(cells: pd.DataFrame, quality: pd.DataFrame) -> str:
    """Two cells with the same digits, and what speaks for a slip."""
    scale, names = cells["scale"].iloc[0], cells["method"].tolist()
    digits = pairs(cells, "psnr_db", "ssim").iloc[0]
    text = f"{' and '.join(names)} both have {digits} at ×{scale}"
    for name in names:
        if (quality["method"] == name)[quality["scale"] == scale].sum() == 1:
            return f"{text}, and {name} has no other cell at ×{scale} in the paper: copied, it seems"
    return f"{text}: a slip or a coincidence"


def likely_claim(printed: pd.DataFrame) -> Claim:
    """Within a column SSIM rises with PSNR, so that each makes the other likely."""
    problems = []
    for scale, column in printed.groupby("scale"):
        distance = ssim_distance(column)
        for method, value in distance[distance.abs() > UNLIKELY].items():
            problems.append(f"{method} ×{scale} {value:+.3f}")
    first = printed.iloc[0]
    reason = f"SSIM within {UNLIKELY} of what its PSNR makes likely (robust line through log(1 - SSIM))"
    if problems:
        reason += f", but not {', '.join(problems)}: measured in another way, or mistaken"
    claim = f"{first['dataset']}: PSNR and SSIM of a method belong together"
    return Claim(f"Table {first['table']}", claim, "", "", verdict_of(not problems), reason)


def ssim_distance(column: pd.DataFrame) -> pd.Series:
    """SSIM less the one on the Theil-Sen line of log(1 - SSIM) over PSNR, by method."""
    psnr_db, gap = column["psnr_db"].to_numpy(), np.log(1 - column["ssim"].to_numpy())
    slope, intercept, *_ = stats.theilslopes(gap, psnr_db)
    likely = 1 - np.exp(intercept + slope * psnr_db)
    return pd.Series(column["ssim"].to_numpy() - likely, index=column["method"])


def fastest_claims() -> list[Claim]:
    """HDSRNet is the fastest in Table VI, at each size, by the printed milliseconds."""
    return [
        lowest_claim("Table VI", f"HDSRNet is the fastest at HR {size} x {size}", column, "runtime_ms", "ms")
        for size, column in paper.runtime().groupby("hr_px")
    ]


def fewest_claim() -> Claim:
    """HDSRNet needs the fewest operations in Table VII, by the printed numbers."""
    return lowest_claim("Table VII", "HDSRNet needs the fewest flops", paper.complexity(), "flops_g", "G")


def lowest_claim(where: str, claim: str, lines: pd.DataFrame, column: str, unit: str) -> Claim:
    """HDSRNet has the lowest value of a column."""
    values = lines.set_index("method")[column].sort_values()
    below = values[values < values[NETWORK]]
    printed = ", ".join(f"{method} {value:g} {unit}" for method, value in values.items())
    reason = "by the printed numbers"
    if len(below):
        reason = f"by the printed numbers it is {' and '.join(below.index)}"
    return Claim(where, claim, printed, "", verdict_of(below.empty), reason)
