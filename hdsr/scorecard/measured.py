"""Claims on Figures 1 to 7 and Tables VI and VII, judged by mixes of kernels, crops, timings and counts."""

from typing import Any

import pandas as pd

from hdsr import paper
from hdsr.measure.counters import TORCH
from hdsr.report.cost_tables import GIGA, Origin, origins
from hdsr.report.thresholds import THRESHOLDS
from hdsr.report.time_tables import gpu_times
from hdsr.scorecard.evidence import Evidence
from hdsr.scorecard.printed import NETWORK, verdict_of
from hdsr.scorecard.verdict import ADVICE, Claim, Verdict, not_measured
from hdsr.study.mixes import by_layer

_ADAPTS, _TOLERANCE = THRESHOLDS["share"].value, THRESHOLDS["cost"].value
_ABSENT_WEIGHTS = f"the authors' weights are not in the data folder, or were not asked for; {ADVICE}"
_UNCOUNTED = "no counts in this report: run 07_complexity"


def figure_claims(evidence: Evidence) -> list[Claim]:
    """One claim on the drawing, one on the dynamic convolution, one for each enlarged place."""
    crops = [_crop_claim(figure, evidence.crops) for figure in paper.figures().itertuples()]
    return [drawing_claim(evidence.quality), adaptation_claim(evidence.kernel_mixes), *crops]


def cost_claims(evidence: Evidence) -> list[Claim]:
    """Table VI at each size; Table VII number by number, and its order."""
    timed = evidence.runtime, evidence.bench
    sizes = [fastest_claim(size, *timed) for size in paper.runtime()["hr_px"].unique()]
    counts = _at_x4(evidence.complexity)
    return [*sizes, *(_complexity_claim(origin, counts) for origin in origins()), _fewest_claim(counts)]


def mixed_scales() -> list[str]:
    """Numbers of Table VII that are of another scale than the x4 that it names: an oddity."""
    return [f"{one.method}'s {one.quantity} are of ×{one.scale}" for one in origins() if one.scale != 4]


def drawing_claim(rows: pd.DataFrame) -> Claim:
    """Figure 1 shows the network of the authors' weights: all of these find their place in it."""
    place = "Figure 1", "the drawn network is the one whose weights the authors published"
    scales = sorted(rows.query("model == 'hdsrnet' and weights == 'authors'")["scale"].unique())
    if not scales:
        return not_measured(*place, _ABSENT_WEIGHTS)
    reason = f"every tensor has its place, none is missing, at {', '.join(f'×{scale}' for scale in scales)}"
    return Claim(*place, "", "", verdict_of(True), reason)


def adaptation_claim(mixes: pd.DataFrame) -> Claim:
    """The dynamic convolutions adapt their kernels to each image."""
    place = "Figure 1", "dynamic convolution adapts its kernels to each image"
    authors = mixes[mixes["weights"] == "authors"] if len(mixes) else mixes
    if authors.empty:
        others = f" (others: {_told(_most_apart(mixes))})" if len(mixes) else ""
        return not_measured(*place, _ABSENT_WEIGHTS + others)
    apart = _most_apart(authors)
    reason = f"a kernel's share, 0.25 if uniform, has to differ by {_ADAPTS} or more between two images"
    return Claim(*place, "", _told(apart), verdict_of(apart >= _ADAPTS), reason)


def _most_apart(mixes: pd.DataFrame) -> float:
    """How far one kernel's share differs between two images."""
    return by_layer(mixes)["differs"].max()


def _told(apart: float) -> str:
    return f"shares differ by {apart:.1e} at most"


def _crop_claim(figure: Any, crops: pd.DataFrame) -> Claim:
    """The place that a figure enlarges is closest to HR, by PSNR, in HDSRNet's panel."""
    claim = f"{figure.image} of {figure.dataset} ×{figure.scale}: HDSRNet restores the enlarged place best"
    place = f"Figure {figure.figure}", claim
    panels = crops[crops["figure"] == figure.figure] if len(crops) else crops
    if panels.empty:
        return not_measured(
            *place, f"the figure is not in this report: it comes with the profile paper; {ADVICE}"
        )
    values = panels.set_index("panel")["crop_psnr_db"].sort_values(ascending=False)
    told = _listed(values, ".2f", " dB")
    own = panels[(panels["model"] == "hdsrnet") & (panels["weights"] == "authors")]
    if own.empty:
        return not_measured(*place, f"{_ABSENT_WEIGHTS} (the panels: {told})")
    others = panels[panels["model"] != "hdsrnet"]
    ahead = others[others["crop_psnr_db"] >= own["crop_psnr_db"].iloc[0]]
    reason = f"level or ahead: {', '.join(ahead['panel'])}" if len(ahead) else "by PSNR of the place alone"
    return Claim(*place, "", told, verdict_of(ahead.empty), reason)


def fastest_claim(hr_px: int, runtime: pd.DataFrame, bench: pd.DataFrame) -> Claim:
    """HDSRNet is the fastest of four networks at a size, as timed here or by `make bench` on a GPU."""
    place = "Table VI", f"HDSRNet is the fastest of four networks at HR {hr_px} x {hr_px}, on a GPU"
    printed = paper.runtime().query("hr_px == @hr_px").set_index("method")["runtime_ms"]
    published = _listed(printed, "g", " ms")
    wanted = "hr_px == @hr_px and form == 'as published'"
    wanted += " and precision == 'fp32'"
    here = runtime.query(wanted) if len(runtime) else runtime
    on_a_gpu = gpu_times(bench).query(wanted) if len(bench) else bench
    if len(on_a_gpu) and set(here.get("device", ())) <= {"cpu"}:
        return Claim(*place, published, *_fastest_of(on_a_gpu.set_index("method")))
    if here.empty:
        reason = "no timings of this size in float32 in this report: run 06_runtime"
        return not_measured(*place, reason, published)
    times, device = here.set_index("method"), here["device"].iloc[0]
    told = _listed(times["ratio"], ".2f")
    if device == "cpu":
        reason = f"timed on a CPU, which does not judge GPU timings; ratios to HDSRNet there: {told}"
        return not_measured(*place, reason, published)
    others = times.drop(NETWORK)
    faster = others.index[others["ratio_quartile3"] < 1]
    level = others.index[others["ratio_quartile1"] <= 1].difference(faster)
    return Claim(*place, published, told, *_fastest(faster, level, f"ratios to {NETWORK} on {device}"))


def _fastest_of(times: pd.DataFrame) -> tuple[str, Verdict, str]:
    """What was measured, the verdict, and the reason; nothing is faster unless quartiles lie apart."""
    ours, others = times.loc[NETWORK], times.drop(NETWORK)
    faster = others.index[others["quartile3"] < ours["quartile1"]]
    level = others.index[others["quartile1"] <= ours["quartile3"]].difference(faster)
    ratios = (f"{name} {line['ratio']:.2f} ({line['paper_ratio']:.2f})" for name, line in times.iterrows())
    reason = f"ratios to VDSR on {ours['device']} (as printed): {', '.join(ratios)}"
    return _listed(times["median"], ".2f", " ms"), *_fastest(faster, level, reason)


def _fastest(faster: pd.Index, level: pd.Index, reason: str) -> tuple[Verdict, str]:
    """The verdict and its reason, by the methods that are faster and those that cannot be told apart."""
    if len(faster):
        reason = f"faster: {', '.join(faster)}; {reason}"
    elif len(level):
        reason = f"{' and '.join(level)} cannot be told from {NETWORK}, their quartiles overlap; {reason}"
    undecided = len(level) and not len(faster)
    return Verdict.NOT_MEASURED if undecided else verdict_of(not len(faster)), reason


def _complexity_claim(origin: Origin, counts: pd.DataFrame) -> Claim:
    """One number of Table VII beside the count of torch at x4."""
    unit, divisor, column = {"parameters": ("K", 1e3, "parameters"), "flops": ("G", GIGA, "macs")}[
        origin.quantity
    ]
    place, published = ("Table VII", f"{origin.quantity} of {origin.method} at ×4"), f"{origin.published:,g}"
    if origin.method not in counts.index:
        return not_measured(*place, _UNCOUNTED, f"{published} {unit}")
    value = counts.loc[origin.method, column] / divisor
    holds = abs(value / origin.published - 1) <= _TOLERANCE
    source = f"{origin.nearest:,.2f} {unit} at ×{origin.scale} ({origin.convention})"
    reason = f"within {_TOLERANCE:.0%}; as printed it is {source}"
    if not holds:
        reason = f"the printed number is {'' if origin.equal else 'nearest to '}{source}"
    return Claim(*place, f"{published} {unit}", f"{value:,.2f} {unit}", verdict_of(holds), reason)


def _fewest_claim(counts: pd.DataFrame) -> Claim:
    """HDSRNet needs the fewest operations of the three networks, as counted."""
    place = "Table VII", "HDSRNet needs the fewest flops of three networks, as counted"
    printed = paper.complexity().set_index("method")["flops_g"]
    published = _listed(printed, "g", " G")
    values = counts["macs"].reindex(printed.index) / GIGA
    if values.isna().any():
        return not_measured(*place, _UNCOUNTED, published)
    told = _listed(values, ".2f", " G")
    return Claim(*place, published, told, verdict_of(values.idxmin() == NETWORK), "counted alike, at ×4")


def _at_x4(counts: pd.DataFrame) -> pd.DataFrame:
    """Torch's counts at x4 by network; none where there are no rows."""
    if counts.empty:
        return pd.DataFrame(columns=["parameters", "macs"])
    return counts[(counts["scale"] == 4) & (counts["counter"] == TORCH)].set_index("network")


def _listed(values: pd.Series, form: str, unit: str = "") -> str:
    return ", ".join(f"{name} {value:{form}}{unit}" for name, value in values.items())
