"""Claims on PSNR and SSIM in Tables II to V, judged from result rows.

A claim about a method is judged only by rows that can judge it; see `Evidence.judging`. Other
rows are told beside the verdict, as information.
"""

import math

import pandas as pd

from hdsr import paper, results
from hdsr.fetch import manifest
from hdsr.methods import registry
from hdsr.report.tables import pairs, source_label, with_methods
from hdsr.scorecard.printed import NETWORK, UNLIKELY, place_of, ssim_distance, verdict_of
from hdsr.scorecard.verdict import Claim, Evidence, Verdict

PSNR_TOLERANCE_DB, SSIM_TOLERANCE = 0.05, 0.002
"""Within these a printed cell counts as reproduced: rounded luma and borders alone move scores by 0.01 dB."""
ADVICE = "`hdsr data fetch` brings what is published"
GRAY_GAIN_DB = 20 * math.log10(255 / 219)
"""PSNR of a gray image's luma less that of its gray values: luma spans 16 to 235."""


def quality_claims(evidence: Evidence) -> list[Claim]:
    """Tables II to V, method by method, and HDSRNet's lead over all others."""
    rows = evidence.judging(evidence.quality)
    claims: list[Claim] = []
    for _, printed in paper.quality().groupby("dataset", sort=False):
        claims += cell_claims(printed, rows, evidence.quality)
    for _, column in paper.quality().groupby(["dataset", "scale"], sort=False):
        claims.append(lead_claim(column, rows, evidence.quality))
    return claims


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of whole sets, one for each method, set and scale; the authors' weights go before others.

    Columns: method (as printed), dataset, scale, weights, n, expected, complete, psnr_db, ssim.
    """
    found = with_methods(results.summarize(rows[rows["precision"] == "fp32"]))
    found["after"] = found["weights"] != "authors"
    found = found.sort_values("after", kind="stable")
    return found.drop_duplicates(["method", "dataset", "scale"]).drop(columns=["model", "after"])


def cell_claims(printed: pd.DataFrame, rows: pd.DataFrame, everything: pd.DataFrame) -> list[Claim]:
    """The cells of one of Tables II to V, a claim for each method; one for all that are not implemented."""
    implemented = {paper.label(model): model for model in registry.LOADERS}
    measured = means(rows)
    claims, absent = [], []
    for method, lines in printed.groupby("method", sort=False):
        if method in implemented:
            missing = missing_reason(implemented[method], printed["dataset"].iloc[0], everything)
            claims.append(cell_claim(lines, measured, missing))
        else:
            absent.append(method)
    table, dataset = f"Table {printed['table'].iloc[0]}", printed["dataset"].iloc[0]
    claim = f"{dataset}: PSNR/SSIM of {len(absent)} other methods"
    reason = f"no implementation here: {', '.join(absent)}"
    return [*claims, Claim(table, claim, "", "", Verdict.NOT_MEASURED, reason)]


def cell_claim(printed: pd.DataFrame, measured: pd.DataFrame, missing: str) -> Claim:
    """The cells of a method in a table: PSNR and SSIM at every scale.

    Args:
        printed: its lines of the paper's table.
        measured: see `means`.
        missing: why there is no mean, for where there is none.
    """
    keys = ["method", "dataset", "scale"]
    columns = [*keys, "psnr_db", "ssim", "n"]
    lines = printed.merge(measured[columns], how="left", on=keys, suffixes=("_printed", ""))
    first = lines.iloc[0]
    verdict, reason = compared(lines, missing)
    scales = ", ".join(f"×{scale}" for scale in lines["scale"])
    return Claim(
        where=f"Table {first['table']}",
        claim=f"{first['dataset']} {scales}: PSNR/SSIM of {first['method']}",
        published=", ".join(pairs(lines, "psnr_db_printed", "ssim_printed")),
        measured=", ".join(pairs(lines, "psnr_db", "ssim")) if lines["psnr_db"].notna().any() else "",
        verdict=verdict,
        reason=reason,
    )


def compared(lines: pd.DataFrame, missing: str) -> tuple[Verdict, str]:
    """The verdict on printed cells beside measured ones, and the reason."""
    tolerance = f"{PSNR_TOLERANCE_DB} dB and {SSIM_TOLERANCE} in SSIM"
    absent = lines["psnr_db"].isna()
    psnr_db, ssim = lines["psnr_db"] - lines["psnr_db_printed"], lines["ssim"] - lines["ssim_printed"]
    off = (psnr_db.abs() > PSNR_TOLERANCE_DB) | (ssim.abs() > SSIM_TOLERANCE)
    if off.any():
        signed = lines.assign(psnr_db=psnr_db, ssim=ssim)[off]
        cells = "×" + signed["scale"].astype(str) + " " + pairs(signed, "psnr_db", "ssim", sign="+")
        reason = f"measured less printed is more than {tolerance}: {', '.join(cells)}"
        return Verdict.CONTRADICTED, reason + gray_note(lines)
    if absent.any():
        agreed = ", ".join(f"×{scale}" for scale in lines["scale"][~absent])
        return Verdict.NOT_MEASURED, missing + (f" ({agreed} within {tolerance})" if agreed else "")
    return Verdict.REPRODUCED, f"within {tolerance}"


def gray_note(lines: pd.DataFrame) -> str:
    """The cause of a difference in Set14, where scoring one gray image on its gray values removes it."""
    if lines["dataset"].iloc[0] != "Set14":
        return ""
    rest = lines["psnr_db"] - GRAY_GAIN_DB / lines["n"] - lines["psnr_db_printed"]
    if not (rest.abs() <= PSNR_TOLERANCE_DB).all():
        return ""
    return (
        f"; within {rest.abs().max():.2f} dB of the print if one of the gray images is scored on its gray"
        " values, as older scripts do, and not on luma"
    )


def missing_reason(model: str, dataset: str, rows: pd.DataFrame) -> str:
    """Why there is no mean of a method on a set that could judge a claim.

    Args:
        model: a key of the registry of methods.
        dataset: the set.
        rows: all result rows, also those that can judge nothing.
    """
    here = rows[rows["dataset"] == dataset]
    if here.empty:
        return f"no rows of {dataset} in this report: benchmark images come with the profile paper; {ADVICE}"
    images, expected = here["image"].nunique(), here["expected"].iloc[-1]
    if images < expected:
        return f"{images} of {expected} images of {dataset} are here; {ADVICE}"
    found = means(here[here["model"] == model])
    if len(found):
        told = ", ".join(f"×{line.scale} {line.psnr_db:.2f}/{line.ssim:.4f}" for line in found.itertuples())
        source = source_label(found["weights"].iloc[0])
        return f"only with weights that cannot judge it ({source}): {told}"
    if "authors" in registry.LOADERS[model].sources and manifest.weights_of(model, 4):
        return f"its published weights are not in the data folder, or were not asked for; {ADVICE}"
    return "no published weights of it can be fetched"


def lead_claim(column: pd.DataFrame, rows: pd.DataFrame, everything: pd.DataFrame) -> Claim:
    """HDSRNet, measured, is ahead of every other method: as measured, else as printed.

    Printed cells whose SSIM is unlikely (see `hdsr.scorecard.printed.ssim_distance`) are left out.
    """
    table, where = place_of(column)
    claim = f"{where}: HDSRNet has the highest PSNR and SSIM"
    dataset, scale = column["dataset"].iloc[0], column["scale"].iloc[0]
    here = means(rows[(rows["dataset"] == dataset) & (rows["scale"] == scale)])
    measured = here[here["complete"]].set_index("method")[["psnr_db", "ssim"]]
    if NETWORK not in measured.index:
        reason = missing_reason("hdsrnet", dataset, everything)
        return Claim(table, claim, "", "", Verdict.NOT_MEASURED, reason)
    likely = column.set_index("method")[ssim_distance(column).abs() <= UNLIKELY]
    rivals = measured.combine_first(likely[["psnr_db", "ssim"]]).drop(NETWORK)
    own = measured.loc[NETWORK]
    ahead = rivals.index[(rivals >= own).any(axis=1)].tolist()
    lead = own - rivals.max()
    told = f"{own['psnr_db']:.2f}/{own['ssim']:.4f}, lead {lead['psnr_db']:+.2f}/{lead['ssim']:+.4f}"
    reason = "ahead of all others, as measured or else as printed"
    if ahead:
        reason = f"level with it or ahead, as measured or else as printed: {', '.join(ahead)}"
    return Claim(table, claim, "", told, verdict_of(not ahead), reason)
