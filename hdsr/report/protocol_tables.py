"""What ways of measuring change: a method's scores under single changes of the protocol."""

import pandas as pd

from hdsr import results
from hdsr.measure.protocols import COMMON, NAMED, VARIED
from hdsr.measure.sensitivity import MODELS
from hdsr.report.tables import ABSENT, Table, pairs, with_variants

SENSITIVITY_COLUMNS = [
    *("dataset", "way", "changed", "model", "variant", "weights", "scale", "n"),
    *("psnr_db", "ssim", "psnr_difference_db", "ssim_difference"),
]


def sensitivity(rows: pd.DataFrame) -> Table:
    """Scores as everywhere here, and how far the mean over a set moves when one thing is changed.

    Args:
        rows: what `hdsr.measure.sensitivity.measure` returns, of one device and precision; those of the set
            that has single changes are shown.
    """
    varied = rows[rows["way"].isin(VARIED)]
    same = (rows["dataset"] == varied["dataset"].iloc[0]) & rows["model"].isin(MODELS)
    numbers = differences(pd.concat([rows[same & (rows["way"] == COMMON)], varied]))
    dataset = numbers["dataset"].iloc[0]
    caption = f"PSNR (dB) / SSIM on {dataset}, and how far they move when one thing is done otherwise"
    return Table(f"sensitivity_{dataset}", caption, numbers, cells(numbers))


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """Means by protocol, method, source of weights and scale, and their distance from the reference.

    Columns: dataset, way, changed (in words), model, variant, weights, scale, n, psnr_db, ssim,
    psnr_difference_db, ssim_difference. Sets that are not whole have no means, as everywhere.
    """
    parts = [results.summarize(part).assign(way=name) for name, part in rows.groupby("way")]
    means = with_variants(pd.concat(parts))
    place = ["model", "weights", "scale"]
    reference = means[means["way"] == COMMON].set_index(place)[["psnr_db", "ssim"]]
    moved = (
        means[["psnr_db", "ssim"]].to_numpy() - reference.loc[means[place].apply(tuple, axis=1)].to_numpy()
    )
    words = {COMMON: NAMED[COMMON].words} | {way: protocol.words for way, protocol in VARIED.items()}
    means = means.assign(
        changed=means["way"].map(words), psnr_difference_db=moved[:, 0], ssim_difference=moved[:, 1]
    )
    order = means["way"].map(list(words).index)
    ordered = means.assign(order=order).sort_values(["order", "scale", "model"], kind="stable")
    return ordered[SENSITIVITY_COLUMNS].reset_index(drop=True)


def cells(numbers: pd.DataFrame) -> pd.DataFrame:
    """The printed form: a line per protocol, the reference first; columns by scale and method."""
    moved = pairs(numbers, "psnr_difference_db", "ssim_difference", sign="+")
    plain = pairs(numbers, "psnr_db", "ssim")
    shown = numbers.assign(cell=moved.mask(numbers["way"] == COMMON, plain))
    shown["scale"] = "×" + shown["scale"].astype(str)
    printed = shown.pivot(index="changed", columns=["scale", "variant"], values="cell").fillna(ABSENT)
    heads = list(shown[["scale", "variant"]].drop_duplicates().itertuples(index=False, name=None))
    printed = printed.loc[numbers["changed"].unique(), heads].rename_axis(columns=[None, None])
    return printed.reset_index().rename(columns={"changed": "what is done"})
