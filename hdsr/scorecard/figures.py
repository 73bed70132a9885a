"""Claims on Figures 1 to 7: the network that is drawn, how it adapts, and the places that are enlarged."""

from typing import Any

import pandas as pd

from hdsr import paper
from hdsr.scorecard.printed import verdict_of
from hdsr.scorecard.verdict import ADVICE, THRESHOLDS, Claim, Evidence, Verdict
from hdsr.study.mixes import by_layer

ADAPTS = THRESHOLDS["share"].value
ABSENT_WEIGHTS = f"the authors' weights are not in the data folder, or were not asked for; {ADVICE}"


def figure_claims(evidence: Evidence) -> list[Claim]:
    """One claim on the drawing, one on the dynamic convolution, one for each enlarged place."""
    crops = [crop_claim(figure, evidence.crops) for figure in paper.figures().itertuples()]
    return [drawing_claim(evidence.quality), adaptation_claim(evidence.kernel_mixes), *crops]


def drawing_claim(rows: pd.DataFrame) -> Claim:
    """Figure 1 shows the network of the authors' weights: all of these find their place in it."""
    claim = "the drawn network is the one whose weights the authors published"
    scales = sorted(rows.query("model == 'hdsrnet' and weights == 'authors'")["scale"].unique())
    if not scales:
        return Claim("Figure 1", claim, "", "", Verdict.NOT_MEASURED, ABSENT_WEIGHTS)
    reason = f"every tensor has its place, none is missing, at {', '.join(f'×{scale}' for scale in scales)}"
    return Claim("Figure 1", claim, "", "", Verdict.REPRODUCED, reason)


def adaptation_claim(mixes: pd.DataFrame) -> Claim:
    """The dynamic convolutions adapt their kernels to each image."""
    claim = "dynamic convolution adapts its kernels to each image"
    authors = mixes[mixes["weights"] == "authors"] if len(mixes) else mixes
    told = f" (others: {largest_difference(mixes)})" if len(mixes) else ""
    if authors.empty:
        return Claim("Figure 1", claim, "", "", Verdict.NOT_MEASURED, ABSENT_WEIGHTS + told)
    adapted = by_layer(authors)["differs"].max() >= ADAPTS
    reason = f"a kernel's share, 0.25 if uniform, has to differ by {ADAPTS} or more between two images"
    return Claim("Figure 1", claim, "", largest_difference(authors), verdict_of(adapted), reason)


def largest_difference(mixes: pd.DataFrame) -> str:
    """The most that one kernel's share differs between two images."""
    return f"shares differ by {by_layer(mixes)['differs'].max():.1e} at most"


def crop_claim(figure: Any, crops: pd.DataFrame) -> Claim:
    """The place that a figure enlarges is closest to HR, by PSNR, in HDSRNet's panel."""
    where = f"Figure {figure.figure}"
    claim = f"{figure.image} of {figure.dataset} ×{figure.scale}: HDSRNet restores the enlarged place best"
    panels = crops[crops["figure"] == figure.figure] if len(crops) else crops
    if panels.empty:
        reason = f"the figure is not in this report: it comes with the profile paper; {ADVICE}"
        return Claim(where, claim, "", "", Verdict.NOT_MEASURED, reason)
    values = panels.set_index("panel")["crop_psnr_db"].sort_values(ascending=False)
    told = ", ".join(f"{panel} {value:.2f} dB" for panel, value in values.items())
    own = panels[(panels["model"] == "hdsrnet") & (panels["weights"] == "authors")]
    if own.empty:
        reason = f"{ABSENT_WEIGHTS} (the panels: {told})"
        return Claim(where, claim, "", "", Verdict.NOT_MEASURED, reason)
    others = panels[panels["model"] != "hdsrnet"]
    ahead = others[others["crop_psnr_db"] >= own["crop_psnr_db"].iloc[0]]
    reason = f"level or ahead: {', '.join(ahead['panel'])}" if len(ahead) else "by PSNR of the place alone"
    return Claim(where, claim, "", told, verdict_of(ahead.empty), reason)
