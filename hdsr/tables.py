"""Tables from result rows and the paper's numbers; nothing here computes a row.

A table holds plain numbers, which are its CSV file, and the same numbers as printed in HTML and Markdown.
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pandas.io.formats.style import Styler

from hdsr import paper, results
from hdsr.files import atomic_path
from hdsr.methods import LOADERS, NO_WEIGHTS

SOURCES = {
    "ours": "trained here",
    "authors": "the authors'",
    "others": "published by others",
    NO_WEIGHTS: "needs none",
}
"""How tables print the sources of weights; a file is printed by its name."""

ABSENT = "–"
BEST, SECOND = "#c00000", "#0050c8"
TABLE_STYLES = [
    {"selector": "", "props": "border-collapse: collapse; font-size: 0.85em"},
    {"selector": "caption", "props": "text-align: left; font-weight: bold; padding: 0.4em 0"},
    {"selector": "th, td", "props": "padding: 0.15em 0.6em; text-align: right; white-space: nowrap"},
    {"selector": "th[colspan]", "props": "text-align: center"},
]
TEXT_PROPS = "text-align: left"
LONG_TEXT_PROPS = "text-align: left; white-space: normal; min-width: 22em"
LONG_TEXT = 30
"""Letters from which on a column's texts are wrapped."""
NUMBER = re.compile(r"[-+–·*/.\d]*|inf|nan|\d+ of \d+ images")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head>
<body style="font-family: sans-serif">
{table}
</body></html>
"""


@dataclass(frozen=True)
class Table:
    """A table to read and to compute with.

    Attributes:
        name: stem of its files.
        caption: what it shows.
        numbers: tidy frame, the CSV file.
        printed: text cells; **best** and *second* as in Markdown. A column is a name, or a group and a name.
        notes: sentences beneath it.
    """

    name: str
    caption: str
    numbers: pd.DataFrame
    printed: pd.DataFrame
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        styler = Styler(self.printed, uuid=self.name, cell_ids=False, caption=html.escape(self.caption))
        styles = [*TABLE_STYLES, *column_styles(self.printed)]
        table = styler.format(colored).hide(axis="index").set_table_styles(styles).to_html()
        notes = "".join(f"<p><small>{html.escape(note)}</small></p>" for note in self.notes)
        return f'<div style="overflow-x: auto">{table}</div>{notes}'

    def __repr__(self) -> str:
        heads = [" ".join(head).strip() if isinstance(head, tuple) else head for head in self.printed.columns]
        lines = [heads, ["---"] * len(heads), *self.printed.to_numpy().tolist()]
        body = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
        return "\n\n".join([self.caption, body, *self.notes])

    def write(self, folder: str | Path) -> "Table":
        """Write <name>.csv, .md and .html to a folder; the table itself is returned, to be shown."""
        page = PAGE.format(title=html.escape(self.caption), table=self._repr_html_())
        contents = {"csv": self.numbers.to_csv(index=False), "md": f"{self!r}\n", "html": page}
        for ending, text in contents.items():
            with atomic_path(Path(folder) / f"{self.name}.{ending}") as temporary:
                temporary.write_text(text, encoding="utf-8")
        return self


def column_styles(printed: pd.DataFrame) -> list[dict[str, str]]:
    """Styles that set columns of text to the left, and wrap them where they are long."""
    styles = []
    for index in range(printed.shape[1]):
        cells = printed.iloc[:, index]
        if not all(map(NUMBER.fullmatch, cells)):
            props = LONG_TEXT_PROPS if cells.str.len().max() > LONG_TEXT else TEXT_PROPS
            styles.append({"selector": f"th.col{index}:not([colspan]), td.col{index}", "props": props})
    return styles


def colored(cell: str) -> str:
    """A text cell as HTML: **best** in red, *second* in blue."""
    best = re.sub(r"\*\*(.+?)\*\*", rf'<span style="color:{BEST}">\1</span>', html.escape(cell))
    return re.sub(r"\*(.+?)\*", rf'<span style="color:{SECOND}">\1</span>', best)


def quality(rows: pd.DataFrame, dataset: str, gaps: pd.DataFrame) -> Table:
    """One of Tables II to V: what the paper prints, what was measured, and the difference between the two.

    For a set that the paper does not have, the difference is the gain over bicubic.

    Args:
        rows: result rows of any sets, of one device and precision; see `hdsr.results.Row`.
        dataset: the set's name in rows and paper.
        gaps: what could not be measured, and why; see `hdsr.measurement.Measurement`.
    """
    numbers = quality_numbers(rows, dataset, gaps)
    published = numbers["paper_psnr_db"].notna().any()
    printed = quality_cells(numbers, "difference" if published else "over bicubic")
    if not published:
        caption = f"PSNR (dB) / SSIM measured on {dataset}; the paper has no numbers for this set"
        return Table(f"table_{dataset}", caption, numbers, printed, quality_notes(numbers))
    roman = paper.quality().query("dataset == @dataset")["table"].iloc[0]
    caption = f"Table {roman}: PSNR (dB) / SSIM on {dataset}, as the paper prints them and as measured here"
    return Table(f"table_{roman}_{dataset}", caption, numbers, printed, quality_notes(numbers))


def quality_numbers(rows: pd.DataFrame, dataset: str, gaps: pd.DataFrame) -> pd.DataFrame:
    """The numbers of `quality`: one line per method, source of weights and scale.

    Columns: method, weights, scale, paper_psnr_db, paper_ssim, psnr_db, ssim (means over the whole set, or
    absent), psnr_difference_db, ssim_difference, n and expected (images), note (why it was not measured).
    """
    columns = ["method", "weights", "scale", "n", "expected", "psnr_db", "ssim"]
    measured = with_methods(results.summarize(rows[rows["dataset"] == dataset]))[columns]
    gaps = with_methods(gaps[gaps["dataset"] == dataset])
    published = paper.quality().query("dataset == @dataset")[["method", "scale", "psnr_db", "ssim"]]
    published = published.rename(columns={"psnr_db": "paper_psnr_db", "ssim": "paper_ssim"})
    numbers = (
        quality_lines(published, measured, gaps)
        .merge(published, how="left", on=["method", "scale"])
        .merge(measured, how="left", on=["method", "weights", "scale"])
    )
    return numbers.pipe(with_differences).pipe(with_notes, gaps)


def with_methods(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `method`: the model as the paper prints it."""
    labels = {model: paper.label(model) for model in frame["model"].unique()}
    return frame.assign(method=frame["model"].map(labels))


def quality_lines(published: pd.DataFrame, measured: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """Every method, in the paper's order, with each of its sources of weights, at every scale."""
    everything = pd.concat([published, measured, gaps])
    methods = everything[["method"]].drop_duplicates()
    sources = pd.concat([measured, gaps])[["method", "weights"]].drop_duplicates()
    scales = pd.DataFrame({"scale": sorted(everything["scale"].unique())})
    return methods.merge(sources, how="left").fillna({"weights": ""}).merge(scales, how="cross")


def with_differences(numbers: pd.DataFrame) -> pd.DataFrame:
    """Add measured less published values; less bicubic's where nothing is published."""
    if numbers["paper_psnr_db"].notna().any():
        reference = numbers[["paper_psnr_db", "paper_ssim"]]
    else:
        is_bicubic = numbers["method"] == paper.label("bicubic")
        bicubic = numbers[is_bicubic].set_index("scale")[["psnr_db", "ssim"]]
        reference = bicubic.reindex(numbers["scale"].mask(is_bicubic))
    differences = numbers[["psnr_db", "ssim"]].to_numpy() - reference.to_numpy()
    return numbers.assign(psnr_difference_db=differences[:, 0], ssim_difference=differences[:, 1])


def with_notes(numbers: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
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


def quality_cells(numbers: pd.DataFrame, difference: str) -> pd.DataFrame:
    """The printed form of `quality_numbers`: a line per method and source of weights, columns by scale."""
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
        printed[f"×{scale}", difference] = pairs(part, "psnr_difference_db", "ssim_difference", sign="+")
    notes = pd.Series([joined(part) for _, part in lines])
    return pd.DataFrame(printed | ({("", "note"): notes} if notes.any() else {}))


def source_label(weights: str) -> str:
    """How tables print a source of weights."""
    return SOURCES.get(weights, weights)


def pairs(numbers: pd.DataFrame, psnr: str, ssim: str, marked: bool = False, sign: str = "") -> pd.Series:
    """Cells `PSNR/SSIM` with the paper's digits, or a dash; the best and second of each marked if wanted."""
    texts = [
        emphasized(numbers[column], numbers[column].map(f"{{:{sign}.{digits}f}}".format), marked)
        for column, digits in ((psnr, 2), (ssim, 4))
    ]
    return (texts[0] + "/" + texts[1]).where(numbers[psnr].notna(), ABSENT)


def emphasized(values: pd.Series, texts: pd.Series, marked: bool) -> pd.Series:
    """Texts with the highest value as **best** and the next as *second*; equal values share a rank."""
    if not marked:
        return texts
    rank = values.rank(method="dense", ascending=False)
    return texts.mask(rank == 1, "**" + texts + "**").mask(rank == 2, "*" + texts + "*")


def joined(line: pd.DataFrame) -> str:
    """Why one line was not measured: notes that differ only in the scale are told once."""
    reasons: dict[str, list[str]] = {}
    for note, scale in zip(line["note"], line["scale"], strict=True):
        if note.startswith("not measured"):
            reasons.setdefault(note.replace(f"x{scale}", "x"), []).append(note)
    return "; ".join(
        notes[0] + " (likewise at the other scales)" * (len(set(notes)) > 1) for notes in reasons.values()
    )


def quality_notes(numbers: pd.DataFrame) -> tuple[str, ...]:
    """Sentences on marks and on sets that are not whole."""
    notes = []
    if numbers["paper_psnr_db"].notna().any():
        notes.append("Red: the best of a column, blue: the second; of measured values from three on.")
    partial = numbers[numbers["n"].notna() & (numbers["n"] != numbers["expected"])]
    if len(partial):
        worst = partial.sort_values("n").iloc[0]
        count = f"{worst['n']:.0f} of {worst['expected']:.0f}"
        notes.append(f"Only {count} images were measured: no mean is shown, it would not stand for the set.")
    return tuple(notes)


def per_image(rows: pd.DataFrame, dataset: str) -> Table:
    """The rows behind a table of means: PSNR in dB of every image by every method, the mean below it.

    Args:
        rows: result rows of any sets, of one device and precision; see `hdsr.results.Row`.
        dataset: the set's name in rows.
    """
    rows = rows[rows["dataset"] == dataset]
    by_image = psnr_by_image(rows)
    if results.summarize(rows)["complete"].all():
        by_image.loc[f"mean of {len(by_image)}"] = by_image.mean()
    printed = by_image.map("{:.2f}".format, na_action="ignore").fillna(ABSENT).reset_index()
    numbers = rows[["image", "model", "weights", "scale", "psnr_db", "ssim", "image_sha256", "lr_source"]]
    return Table(f"images_{dataset}", f"PSNR (dB) of each image of {dataset}", numbers, printed)


def psnr_by_image(rows: pd.DataFrame) -> pd.DataFrame:
    """PSNR in dB: a line per image, columns by scale and by method with its source of weights."""
    columns = with_variants(rows).assign(scale="×" + rows["scale"].astype(str))
    order = columns[["scale", "variant"]].drop_duplicates().sort_values("scale", kind="stable")
    table = columns.pivot(index="image", columns=["scale", "variant"], values="psnr_db")
    return table[list(order.itertuples(index=False, name=None))].rename_axis(columns=[None, None])


def with_variants(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `variant`: the method as printed, and whose weights it has, if any."""
    rows = with_methods(rows)
    source = ", " + rows["weights"].map(source_label)
    return rows.assign(variant=rows["method"] + source.where(rows["weights"] != NO_WEIGHTS, ""))


def headline(rows: pd.DataFrame) -> Table:
    """The README's table: bicubic and HDSRNet as published and as measured, over the whole sets in `rows`.

    Args:
        rows: result rows of one device and precision; see `hdsr.results.Row`.
    """
    means = with_methods(results.summarize(rows)).query("complete")
    measured = means.assign(source=means["weights"].map(source_label).str.replace("needs none", "measured"))
    published = paper.quality().assign(source="paper")
    numbers = pd.concat([published, measured])[["dataset", "scale", "method", "source", "psnr_db", "ssim"]]
    numbers = numbers[numbers["method"].isin(means["method"]) & numbers["dataset"].isin(means["dataset"])]
    cells = numbers.assign(cell=pairs(numbers, "psnr_db", "ssim"), scale="×" + numbers["scale"].astype(str))
    printed = cells.pivot(index=["dataset", "scale"], columns=["method", "source"], values="cell")
    order = numbers[["method", "source"]].drop_duplicates().sort_values("method", kind="stable")
    sets = sorted(numbers["dataset"].unique(), key=list(means["dataset"].unique()).index)
    printed = printed[list(order.itertuples(index=False, name=None))].loc[sets].fillna(ABSENT)
    caption = "PSNR (dB) / SSIM, as the paper prints them and as measured here"
    return Table("headline", caption, numbers, printed.reset_index().rename(columns={"dataset": "set"}))
