"""Tables II to V, PSNR and SSIM on the benchmark sets: as the paper prints them beside what was measured."""

import pandas as pd

from hdsr import paper, results
from hdsr.methods.registry import LOADERS
from hdsr.report import statistics
from hdsr.report.tables import (
    ABSENT,
    SCORES,
    Table,
    pairs,
    source_label,
    superscript,
    texts,
    with_methods,
    with_variants,
)
from hdsr.results import NO_WEIGHTS

_BRIEF = {"measured": "here", "difference": "diff.", "over bicubic": "gain"}
"""Heads for narrow columns."""
_HEADLINE_MODELS = ("bicubic", "hdsrnet", "carn_m")
_GAIN = "PSNR over bicubic"


def comparison(rows: pd.DataFrame, dataset: str, gaps: pd.DataFrame) -> Table:
    """One of Tables II to V: what the paper prints, what was measured, and the difference between the two.

    For a set that the paper does not have, the difference is the gain over bicubic.

    Args:
        rows: result rows of any sets, of one device and precision; see `hdsr.results.Row`.
        dataset: the set's name in rows and paper.
        gaps: what could not be measured, and why; see `hdsr.measure.benchmarks.Measurement`.
    """
    numbers = _comparison_numbers(rows, dataset, gaps)
    published = numbers["paper_psnr_db"].notna().any()
    cells = _comparison_cells(numbers, "difference" if published else "over bicubic")
    printed, reasons = _footnoted(cells)
    notes, brief = (*_comparison_notes(numbers), *reasons), _measured_lines(printed)
    if not published:
        caption = f"PSNR (dB) / SSIM measured on {dataset}; the paper has no numbers for this set"
        return Table(f"table_{dataset}", caption, numbers, printed, notes, brief)
    roman = paper.quality().query("dataset == @dataset")["table"].iloc[0]
    caption = f"Table {roman}: PSNR (dB) / SSIM on {dataset}, as the paper prints them and as measured here"
    return Table(f"table_{roman}_{dataset}", caption, numbers, printed, notes, brief)


def _comparison_numbers(rows: pd.DataFrame, dataset: str, gaps: pd.DataFrame) -> pd.DataFrame:
    """The numbers of `comparison`: one line per method, source of weights and scale.

    Columns: method, weights, scale; paper_psnr_db and paper_ssim; n and expected (images), psnr_db and ssim
    (means over the whole set, or absent), gain_db and gain_half_width_db (over bicubic, paired by image; see
    `hdsr.report.statistics`); psnr_difference_db, ssim_difference; note (why it was not measured).
    """
    measured = _measured_means(rows[rows["dataset"] == dataset])
    gaps = with_methods(gaps[gaps["dataset"] == dataset])
    published = _published_scores(dataset)
    numbers = (
        _comparison_lines(published, measured, gaps)
        .merge(published, how="left", on=["method", "scale"])
        .merge(measured, how="left", on=["method", "weights", "scale"])
    )
    return numbers.pipe(_with_differences).pipe(_with_notes, gaps)


def _measured_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of one set by method, source of weights and scale, and the gain in PSNR over bicubic."""
    means = with_methods(results.summarize(rows))
    groups = _paired_gains(rows).groupby(list(results.GROUP), sort=False)["gain_db"]
    gains = groups.agg(gain_db="mean", gain_half_width_db=statistics.half_width).reset_index(drop=True)
    means = means.join(gains.where(means["complete"] & (means["model"] != "bicubic")))
    return means[["method", "weights", "scale", "n", "expected", "psnr_db", "ssim", *gains]]


def _paired_gains(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one set with a column gain_db: the PSNR less that of bicubic of the same image."""
    place = ["scale", "image"]
    bicubic = rows[rows["model"] == "bicubic"].drop_duplicates(place).set_index(place)["psnr_db"]
    return rows.assign(gain_db=rows["psnr_db"] - rows[place].join(bicubic, on=place)["psnr_db"])


def _published_scores(dataset: str) -> pd.DataFrame:
    scores = paper.quality().query("dataset == @dataset")[["method", "scale", *SCORES]]
    return scores.rename(columns={name: f"paper_{name}" for name in SCORES})


def _comparison_lines(published: pd.DataFrame, measured: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """Every method, in the paper's order, with each of its sources of weights, at every scale."""
    everything = pd.concat([published, measured, gaps])
    methods = everything[["method"]].drop_duplicates()
    sources = pd.concat([measured, gaps])[["method", "weights"]].drop_duplicates()
    scales = pd.DataFrame({"scale": sorted(everything["scale"].unique())})
    return methods.merge(sources, how="left").fillna({"weights": ""}).merge(scales, how="cross")


def _with_differences(numbers: pd.DataFrame) -> pd.DataFrame:
    """Add measured less published values; less bicubic's where nothing is published."""
    if numbers["paper_psnr_db"].notna().any():
        reference = numbers[["paper_psnr_db", "paper_ssim"]]
    else:
        is_bicubic = numbers["method"] == paper.label("bicubic")
        bicubic = numbers[is_bicubic].set_index("scale")[["psnr_db", "ssim"]]
        # bicubic itself gets no scale to look up, for it is not compared with itself
        reference = bicubic.reindex(numbers["scale"].mask(is_bicubic))
    differences = numbers[["psnr_db", "ssim"]].to_numpy() - reference.to_numpy()
    return numbers.assign(psnr_difference_db=differences[:, 0], ssim_difference=differences[:, 1])


def _with_notes(numbers: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """Add why a line was not measured, or not on the whole set."""
    reasons = gaps.set_index(["method", "weights", "scale"])["reason"].to_dict()
    implemented = {paper.label(model) for model in LOADERS}

    def note(line: pd.Series) -> str:
        if pd.notna(line["n"]):
            return (
                "" if line["n"] == line["expected"] else f"{line['n']:.0f} of {line['expected']:.0f} images"
            )
        if line["method"] not in implemented:
            return "not measured: no implementation here"
        reason = reasons.get((line["method"], line["weights"], line["scale"]), "not asked for in this run")
        return f"not measured: {reason}"

    return numbers.assign(note=[note(line) for _, line in numbers.iterrows()])


def _comparison_cells(numbers: pd.DataFrame, difference: str) -> pd.DataFrame:
    """The printed form of the numbers: a line per method and source of weights, columns by scale."""
    lines = numbers.groupby(["method", "weights"], sort=False)
    cells = lines.size().index.to_frame(index=False)
    printed = {("", "method"): cells["method"], ("", "weights"): cells["weights"].map(source_label)}
    for scale, part in numbers.groupby("scale"):
        part = part.reset_index(drop=True)
        if part["paper_psnr_db"].notna().any():
            printed[f"×{scale}", "paper"] = pairs(part, "paper_psnr_db", "paper_ssim", marked=True)
        measured = pairs(part, "psnr_db", "ssim", marked=part["psnr_db"].nunique() > 2)
        incomplete = part["n"].notna() & (part["n"] != part["expected"])
        printed[f"×{scale}", "measured"] = measured.mask(incomplete, part["note"])
        if part["gain_db"].notna().any():
            printed[f"×{scale}", _GAIN] = _gain_cells(part)
        printed[f"×{scale}", difference] = pairs(part, "psnr_difference_db", "ssim_difference", sign="+")
    notes = pd.Series([_joined(part) for _, part in lines])
    return pd.DataFrame(printed | ({("", "note"): notes} if notes.any() else {}))


def _gain_cells(numbers: pd.DataFrame) -> pd.Series:
    """Cells `gain ± half of its interval` in dB, or a dash."""
    width = " ± " + numbers["gain_half_width_db"].map("{:.2f}".format)
    text = numbers["gain_db"].map("{:+.2f}".format) + width.where(numbers["gain_half_width_db"].notna(), "")
    return text.where(numbers["gain_db"].notna(), ABSENT)


def _footnoted(cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The cells with numbers in the place of notes, and the notes by number."""
    if ("", "note") not in cells:
        return cells, []
    reasons = [reason for reason in cells["", "note"].unique() if reason]
    numbers = {reason: superscript(index) for index, reason in enumerate(reasons, 1)}
    cells["", "note"] = cells["", "note"].map(numbers | {"": ""})
    return cells, [f"{number} {reason}" for reason, number in numbers.items()]


def _measured_lines(cells: pd.DataFrame) -> pd.DataFrame | None:
    """What was measured: method with weights, scores and differences in dB; None where nothing was."""
    scores = [column for column in cells if column[1] == "measured"]
    found = cells[(cells[scores] != ABSENT).any(axis=1)]
    source = found["", "weights"]
    methods = found["", "method"] + (", " + source).where(~source.isin(["", source_label(NO_WEIGHTS)]), "")
    kept = [column for column in cells if column[0] and column[1] != _GAIN]
    brief = found[kept].set_axis([f"{scale} {_BRIEF.get(what, what)}" for scale, what in kept], axis=1)
    narrow = brief.columns.str.endswith(("diff.", "gain"))
    brief.loc[:, narrow] = brief.loc[:, narrow].apply(lambda cells: cells.str.partition("/")[0])
    brief.insert(0, "method", methods)
    return brief.reset_index(drop=True) if len(brief) else None


def _joined(line: pd.DataFrame) -> str:
    """Why one line was not measured: notes that differ only in the scale are told once."""
    reasons: dict[str, list[str]] = {}
    for note, scale in zip(line["note"], line["scale"], strict=True):
        if note.startswith("not measured"):
            reasons.setdefault(note.replace(f"x{scale}", "x"), []).append(note)
    return "; ".join(
        notes[0] + " (likewise at the other scales)" * (len(set(notes)) > 1) for notes in reasons.values()
    )


def _comparison_notes(numbers: pd.DataFrame) -> tuple[str, ...]:
    """Sentences on marks, on intervals and on sets that are not whole."""
    notes = []
    if numbers["paper_psnr_db"].notna().any():
        notes.append(
            "Bold red: the best of a column, underlined blue: the second, by its numbers; of measured values "
            "from three on. Where the paper marks others, the scorecard says so."
        )
    if numbers["gain_db"].notna().any():
        counts = ", ".join(f"{n:.0f}" for n in sorted(numbers.loc[numbers["gain_db"].notna(), "n"].unique()))
        notes.append(
            f"Gains over bicubic: the mean of differences paired by image, n = {counts}, ± half of its "
            f"{statistics.CONFIDENCE:.0%} interval by Student's t."
        )
    partial = numbers[numbers["n"].notna() & (numbers["n"] != numbers["expected"])]
    if len(partial):
        worst = partial.sort_values("n").iloc[0]
        count = f"{worst['n']:.0f} of {worst['expected']:.0f}"
        notes.append(f"Only {count} images were measured: no mean is shown, it would not stand for the set.")
    return tuple(notes)


def per_image(rows: pd.DataFrame, dataset: str) -> Table:
    """The rows behind a table of means of a set: PSNR in dB of each image by every method, then the mean.

    The rows are of one device and precision.
    """
    rows = rows[rows["dataset"] == dataset]
    whole = results.summarize(rows)["complete"].all()
    parts = [_psnr_by_image(part, whole) for _, part in rows.groupby("scale")]
    printed = pd.concat(parts, ignore_index=True).fillna(ABSENT)
    numbers = rows[["image", "model", "weights", "scale", "psnr_db", "ssim", "image_sha256", "lr_source"]]
    return Table(f"images_{dataset}", f"PSNR (dB) of each image of {dataset}", numbers, printed)


def _psnr_by_image(rows: pd.DataFrame, whole: bool) -> pd.DataFrame:
    """PSNR in dB at one scale as text: a line per image, then the mean of a whole set; columns by variant."""
    columns = with_variants(rows)
    table = columns.pivot(index="image", columns="variant", values="psnr_db")
    table = table[columns["variant"].unique()].rename_axis(columns=None)
    if whole:
        table.loc[f"mean of {len(table)}"] = table.mean()
    printed = table.map("{:.2f}".format, na_action="ignore").reset_index()
    printed.insert(1, "scale", f"×{rows['scale'].iloc[0]}")
    return printed


def headline(rows: pd.DataFrame) -> Table:
    """The README's table: what is printed, what rows of one device and precision measured, the difference."""
    means = results.summarize(rows[rows["model"].isin(_HEADLINE_MODELS)]).query("complete")
    means = with_methods(means)
    published = paper.quality()[["method", "dataset", "scale", *SCORES]]
    numbers = means.merge(published, how="left", on=["method", "dataset", "scale"], suffixes=("", "_paper"))
    # plus zero, for -0.0 would be printed as such
    numbers["difference_db"] = (numbers["psnr_db"] - numbers["psnr_db_paper"]).round(2) + 0.0
    order = list(rows["dataset"].unique())
    places = numbers[["dataset", "scale"]].drop_duplicates()
    places = places.sort_values(["dataset", "scale"], key=lambda keys: keys.replace(order, range(len(order))))
    printed = {
        ("", "set"): places["dataset"].tolist(),
        ("", "scale"): [f"×{scale}" for scale in places["scale"]],
    }
    for model in _HEADLINE_MODELS:
        for weights, part in numbers[numbers["model"] == model].groupby("weights", sort=False):
            printed |= _headline_columns(places.merge(part, how="left"), paper.label(model), weights)
    caption = "PSNR (dB) / SSIM, as the paper prints them and as measured here"
    return Table("headline", caption, numbers, pd.DataFrame(printed))


def _headline_columns(part: pd.DataFrame, method: str, weights: str) -> dict[tuple[str, str], pd.Series]:
    """Columns of `headline` on one method with one source of weights; a peer has no more than its scores."""
    measured = pairs(part, "psnr_db", "ssim")
    if method == paper.label(_HEADLINE_MODELS[-1]):
        return {(method, source_label(weights)): measured}
    difference = texts(part["difference_db"], "{:+.2f}")
    source = "" if weights in (NO_WEIGHTS, "ours") else f", {weights}"
    return {
        (method, "paper"): pairs(part, "psnr_db_paper", "ssim_paper"),
        (method, "measured" if weights == NO_WEIGHTS else source_label(weights)): measured,
        (method, f"difference{source}"): difference,
    }
