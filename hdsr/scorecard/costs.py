"""Claims on run time and complexity in Tables VI and VII, judged from rows of timings and counts."""

import pandas as pd

from hdsr import paper
from hdsr.measure.counters import TORCH
from hdsr.report.cost_tables import GIGA, Origin, origins
from hdsr.scorecard.printed import NETWORK, verdict_of
from hdsr.scorecard.verdict import THRESHOLDS, Claim, Evidence, Verdict

TOLERANCE = THRESHOLDS["cost"].value
UNCOUNTED = "no counts in this report: run 07_complexity"


def cost_claims(evidence: Evidence) -> list[Claim]:
    """Table VI at each size; Table VII number by number, its order, and whether like stands with like."""
    sizes = [fastest_claim(size, evidence.runtime) for size in paper.runtime()["hr_px"].unique()]
    cells = [complexity_claim(origin, evidence.complexity) for origin in origins()]
    return [*sizes, *cells, fewest_claim(evidence.complexity)]


def fastest_claim(hr_px: int, runtime: pd.DataFrame) -> Claim:
    """HDSRNet is the fastest of four networks at a size, as timed; a CPU does not judge it."""
    claim = f"HDSRNet is the fastest of four networks at HR {hr_px} x {hr_px}, on a GPU"
    printed = paper.runtime().query("hr_px == @hr_px")
    published = ", ".join(f"{line.method} {line.runtime_ms:g} ms" for line in printed.itertuples())
    here = (
        runtime[(runtime["hr_px"] == hr_px) & (runtime["form"] == "as published")]
        if len(runtime)
        else runtime
    )
    if here.empty:
        reason = "no timings of this size in this report: run 06_runtime"
        return Claim("Table VI", claim, published, "", Verdict.NOT_MEASURED, reason)
    ratios = here.set_index("method")["ratio"]
    told = ", ".join(f"{method} {ratio:.2f}" for method, ratio in ratios.items())
    device = here["device"].iloc[0]
    if device == "cpu":
        reason = f"timed on a CPU, which does not judge GPU timings; ratios to HDSRNet there: {told}"
        return Claim("Table VI", claim, published, "", Verdict.NOT_MEASURED, reason)
    faster = ratios.index[ratios < 1].tolist()
    reason = f"on {device}, ratios to HDSRNet" + (f"; faster: {', '.join(faster)}" if faster else "")
    return Claim("Table VI", claim, published, told, verdict_of(not faster), reason)


def complexity_claim(origin: Origin, counts: pd.DataFrame) -> Claim:
    """One number of Table VII beside the count of torch at x4."""
    unit, divisor, column = {"parameters": ("K", 1e3, "parameters"), "flops": ("G", GIGA, "macs")}[
        origin.quantity
    ]
    claim = f"{origin.quantity} of {origin.method} at ×4"
    published = f"{origin.published:,g} {unit}"
    lines = at_x4(counts)
    if origin.method not in lines.index:
        return Claim("Table VII", claim, published, "", Verdict.NOT_MEASURED, UNCOUNTED)
    value = lines.loc[origin.method, column] / divisor
    holds = abs(value / origin.published - 1) <= TOLERANCE
    source = f"{origin.nearest:,.2f} {unit} at ×{origin.scale} ({origin.convention})"
    reason = f"within {TOLERANCE:.0%}; as printed it is {source}"
    if not holds:
        reason = f"the printed number is {'' if origin.equal else 'nearest to '}{source}"
    return Claim("Table VII", claim, published, f"{value:,.2f} {unit}", verdict_of(holds), reason)


def at_x4(counts: pd.DataFrame) -> pd.DataFrame:
    """Torch's counts at x4 by network; none where there are no rows."""
    if counts.empty:
        return pd.DataFrame(columns=["parameters", "macs"])
    return counts[(counts["scale"] == 4) & (counts["counter"] == TORCH)].set_index("network")[
        ["parameters", "macs"]
    ]


def fewest_claim(counts: pd.DataFrame) -> Claim:
    """HDSRNet needs the fewest operations of the three networks, as counted."""
    claim = "HDSRNet needs the fewest flops of three networks, as counted"
    printed = paper.complexity().set_index("method")["flops_g"]
    published = ", ".join(f"{method} {value:g} G" for method, value in printed.items())
    values = at_x4(counts)["macs"].reindex(printed.index) / GIGA
    if values.isna().any():
        return Claim("Table VII", claim, published, "", Verdict.NOT_MEASURED, UNCOUNTED)
    told = ", ".join(f"{method} {value:.2f} G" for method, value in values.items())
    verdict = verdict_of(values.idxmin() == NETWORK)
    return Claim("Table VII", claim, published, told, verdict, "counted alike, at ×4")


def mixed_scales() -> list[str]:
    """Numbers of Table VII that are of another scale than the x4 that it names: an oddity."""
    return [
        f"{origin.method}'s {origin.quantity} are of ×{origin.scale}"
        for origin in origins()
        if origin.scale != 4
    ]
