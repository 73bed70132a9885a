"""Tables to read and to compute with, in files of four kinds, and how they print methods and their scores.

A table holds plain numbers, its CSV file, and the same numbers as HTML, Markdown and LaTeX print them.
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pandas.io.formats.style import Styler

from hdsr import paper
from hdsr.files import atomic_path
from hdsr.results import NO_WEIGHTS

SOURCES = {
    "ours": "trained here",
    "authors": "the authors'",
    "others": "published by others",
    NO_WEIGHTS: "needs none",
}
"""How tables print the sources of weights; a file is printed by its name."""

ABSENT = "–"
BEST, SECOND = "c00000", "0050c8"
"""Red and blue, as the paper marks them."""
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
NUMBER = re.compile(r"[-+–·*†/.,\d]*K?|inf|nan|\d+ of \d+ images|[-.\d]+ to [-.\d]+|[-+.\d]+ ± [.\d]+")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head>
<body style="font-family: sans-serif">
{table}
</body></html>
"""
LATEX = r"""% Needs \usepackage{{booktabs, graphicx, xcolor}}.
\begin{{table*}}
\caption{{{caption}}}
\label{{tab:{name}}}
\resizebox{{\textwidth}}{{!}}{{%
{table}}}
{notes}
\end{{table*}}
"""
LATEX_SIGNS = str.maketrans(
    {
        **{sign: rf"\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "×": r"$\times$",
        "±": r"$\pm$",
        "†": r"$^\dagger$",
        "·": r"$\cdot$",
        "–": "--",
    }
)


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

    def latex(self) -> str:
        """The table as a float of LaTeX; its first line names the packages that it needs."""
        aligned = "".join(
            "l" if is_text(self.printed.iloc[:, i]) else "r" for i in range(self.printed.shape[1])
        )
        styler = Styler(self.printed).format(latex_cell).format_index(latex_text, axis=1).hide(axis="index")
        return LATEX.format(
            caption=latex_text(self.caption),
            name=self.name,
            table=styler.to_latex(column_format=aligned, hrules=True, multicol_align="c"),
            notes="\n".join(rf"\par\footnotesize {latex_text(note)}" for note in self.notes),
        )

    def write(self, folder: str | Path) -> "Table":
        """Write <name>.csv, .md, .html and .tex to a folder; the table itself is returned, to be shown."""
        page = PAGE.format(title=html.escape(self.caption), table=self._repr_html_())
        numbers = self.numbers.to_csv(index=False)
        contents = {"csv": numbers, "md": f"{self!r}\n", "html": page, "tex": self.latex()}
        for ending, text in contents.items():
            with atomic_path(Path(folder) / f"{self.name}.{ending}") as temporary:
                temporary.write_text(text, encoding="utf-8")
        return self


def is_text(cells: pd.Series) -> bool:
    """Whether a column's cells are words rather than numbers."""
    return not all(map(NUMBER.fullmatch, cells))


def column_styles(printed: pd.DataFrame) -> list[dict[str, str]]:
    """Styles that set columns of text to the left, and wrap them where they are long."""
    styles = []
    for index in range(printed.shape[1]):
        cells = printed.iloc[:, index]
        if is_text(cells):
            props = LONG_TEXT_PROPS if cells.str.len().max() > LONG_TEXT else TEXT_PROPS
            styles.append({"selector": f"th.col{index}:not([colspan]), td.col{index}", "props": props})
    return styles


def colored(cell: str) -> str:
    """A text cell as HTML: **best** in red, *second* in blue."""
    return with_marks(html.escape(cell), r'<span style="color:#{color}">\1</span>')


def latex_cell(cell: str) -> str:
    """A text cell as LaTeX: **best** in red, *second* in blue."""
    return with_marks(latex_text(cell), r"\\textcolor[HTML]{{{color}}}{{\1}}")


def with_marks(cell: str, markup: str) -> str:
    """A cell with its marks replaced by `markup`, which has a place for the color and one for the text."""
    best = re.sub(r"\*\*(.+?)\*\*", markup.format(color=BEST), cell)
    return re.sub(r"\*(.+?)\*", markup.format(color=SECOND), best)


def latex_text(text: str) -> str:
    """Plain text with what LaTeX would take as commands written out."""
    return text.translate(LATEX_SIGNS)


def with_methods(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `method`: the model as the paper prints it."""
    labels = {model: paper.label(model) for model in frame["model"].unique()}
    return frame.assign(method=frame["model"].map(labels))


def with_variants(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `variant`: the method as printed, and whose weights it has, if any."""
    rows = with_methods(rows)
    source = ", " + rows["weights"].map(source_label)
    return rows.assign(variant=rows["method"] + source.where(rows["weights"] != NO_WEIGHTS, ""))


def source_label(weights: str) -> str:
    """How tables print a source of weights."""
    return SOURCES.get(weights, weights)


def pairs(
    numbers: pd.DataFrame,
    psnr: str,
    ssim: str,
    marked: bool = False,
    sign: str = "",
    flags: pd.DataFrame | None = None,
) -> pd.Series:
    """Cells `PSNR/SSIM` with the paper's digits, or a dash where there is no PSNR.

    Args:
        numbers: a line per cell.
        psnr: the column of PSNR in dB.
        ssim: the column of SSIM.
        marked: whether the best and second of each are marked.
        sign: "+" for differences.
        flags: columns of the same two names, true where a value has a footnote.
    """
    texts = []
    for column, digits in ((psnr, 2), (ssim, 4)):
        plain = numbers[column].map(f"{{:{sign}.{digits}f}}".format)
        text = emphasized(numbers[column], plain) if marked else plain
        texts.append(text if flags is None else text + flags[column].map({True: "†", False: ""}))
    return (texts[0] + "/" + texts[1]).where(numbers[psnr].notna(), ABSENT)


def emphasized(values: pd.Series, texts: pd.Series) -> pd.Series:
    """Texts with the highest value as **best** and the next as *second*; equal values share a rank."""
    rank = ranks(values)
    return texts.mask(rank == 1, "**" + texts + "**").mask(rank == 2, "*" + texts + "*")


def ranks(values: pd.Series) -> pd.Series:
    """1 for the highest value, 2 for the next, and so on; equal values share a rank."""
    return values.rank(method="dense", ascending=False)
