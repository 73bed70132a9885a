"""Tables to read and to compute with, in files of three kinds, and how they print methods and their scores.

A table holds plain numbers, its CSV file, and the same numbers as notebooks, Markdown and LaTeX print them.
"""

import html
import itertools
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
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

SCORES = {"psnr_db": ("PSNR", 2), "ssim": ("SSIM", 4)}
"""Name of each score, and the digits that the paper prints."""
ABSENT = "–"
BEST, SECOND = "c00000", "0050c8"
"""Red and blue, as the paper marks them; the best is bold and the second underlined, too."""
_LONG_TEXT = 30
"""Letters from which on a column's texts are wrapped, and its lines are set as cards on a phone."""
_ASIDE = " paper"
"""Columns whose names end so are left out on a phone, where the full table is folded beneath."""
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
MANY_LINES = 30
"""Lines from which on a table of numbers is folded."""
_NUMBER = re.compile(
    r"[-+–·*†⁰¹²³⁴⁵⁶⁷⁸⁹/.,\d]*(e-\d+)?K?|inf|nan|\d+ of \d+ images|[-.\d]+ to [-.\d]+|[-+.\d]+ ± [.\d]+"
)
STYLE = """
.hdsr-table { overflow-x: auto; max-width: 100%; }
.hdsr-table table { border-collapse: collapse; font-size: 0.85em; }
.hdsr-table caption { text-align: left; font-weight: bold; padding: 0.4em 0; }
.hdsr-table :is(th, td) { padding: 0.2em 0.6em; text-align: right; vertical-align: top; white-space: normal; }
.hdsr-table thead th { vertical-align: bottom; }
.hdsr-table th[scope=colgroup] { text-align: center; }
.hdsr-table th[scope=row] { font-weight: inherit; }
.hdsr-table :is(th, td):is(.words, .long) { text-align: left; }
.hdsr-table .long { min-width: 12em; }
.hdsr-table .best { color: var(--best, #c00000); font-weight: bold; }
.hdsr-table .second { color: var(--second, #0050c8); font-style: normal; text-decoration: underline; }
[data-jp-theme-light=false] .hdsr-table { --best: #ff8f86; --second: #8fbcff; }
"""
"""Enough for a notebook; pages add theirs."""
_TEMPLATE = Path(__file__).parent / "table.html.j2"
_LATEX = r"""% Needs \usepackage{{booktabs, graphicx, xcolor}}.
\begin{{table*}}
\caption{{{caption}}}
\label{{tab:{name}}}
\resizebox{{\textwidth}}{{!}}{{%
{table}}}
{notes}
\end{{table*}}
"""
_LATEX_SIGNS = str.maketrans(
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
        "<": "$<$",
        ">": "$>$",
        "ρ": r"$\rho$",
        "τ": r"$\tau$",
        **{sign: rf"$^{number}$" for number, sign in enumerate(SUPERSCRIPTS)},
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
        brief: a smaller table, which stands first where there is one; `printed` is then folded beneath it.
    """

    name: str
    caption: str
    numbers: pd.DataFrame
    printed: pd.DataFrame
    notes: tuple[str, ...] = ()
    brief: pd.DataFrame | None = None

    def _repr_html_(self) -> str:
        parts = [] if self.brief is None else [grid(self.brief, f"{self.name}_brief", self.caption)]
        full = grid(self.printed, self.name, self.caption)
        many = len(self.printed) > MANY_LINES and not full["wordy"]
        lines = f"all {len(self.printed)} lines"
        alone = f"{self.caption}: {lines}" if many else ""
        # what a mark in a column that only the full form has stands for is folded with it
        hidden = [note for note in self.notes if parts and note[0] in SUPERSCRIPTS]
        full |= {"folded": lines.capitalize() if parts else alone, "notes": map(colored, hidden)}
        notes = [colored(note) for note in self.notes if note not in hidden]
        return _template().render(style=Markup(STYLE), parts=[*parts, full], notes=notes, name=self.name)

    def markdown(self) -> str:
        """What is printed of it first, as a table of Markdown without caption and notes."""
        return markdown(self.printed if self.brief is None else self.brief)

    def __repr__(self) -> str:
        return "\n\n".join([self.caption, self.markdown(), *self.notes])

    def latex(self) -> str:
        """The table as a float of LaTeX; its first line names the packages that it needs."""
        aligned = "".join(
            "l" if _is_text(self.printed.iloc[:, i]) else "r" for i in range(self.printed.shape[1])
        )
        styler = Styler(self.printed).format(_latex_cell).format_index(latex_text, axis=1).hide(axis="index")
        return _LATEX.format(
            caption=latex_text(self.caption),
            name=self.name,
            table=styler.to_latex(column_format=aligned, hrules=True, multicol_align="c"),
            notes="\n".join(rf"\par\footnotesize {latex_text(note)}" for note in self.notes),
        )

    def write(self, folder: str | Path) -> "Table":
        """Write <name>.csv, .md and .tex to a folder; the table itself is returned, to be shown."""
        text = repr(self)
        if self.brief is not None:
            text = f"{text}\n\nAll {len(self.printed)} lines:\n\n{markdown(self.printed)}"
        contents = {"csv": self.numbers.to_csv(index=False), "md": f"{text}\n", "tex": self.latex()}
        for ending, text in contents.items():
            with atomic_path(Path(folder) / f"{self.name}.{ending}") as temporary:
                temporary.write_text(text, encoding="utf-8")
        return self


def markdown(printed: pd.DataFrame) -> str:
    """Text cells as a table of Markdown."""
    heads = [" ".join(head).strip() if isinstance(head, tuple) else head for head in printed.columns]
    lines = [heads, ["---"] * len(heads), *printed.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


@cache
def _template() -> jinja2.Template:
    return jinja2.Environment(autoescape=True).from_string(_TEMPLATE.read_text(encoding="utf-8"))


def grid(printed: pd.DataFrame, name: str, caption: str) -> dict[str, Any]:
    """What the template needs: lines of heads (text, columns, kind) and of cells (text, head, kind)."""
    names = [head if isinstance(head, tuple) else (head,) for head in printed.columns]
    kinds = [column_kind(names[index][-1], printed.iloc[:, index]) for index in range(printed.shape[1])]
    heads = [" ".join(head).strip() for head in names]
    cells = printed.to_numpy().tolist()
    stack = "" if any("long" in kind for kind in kinds) else _stacked(names)
    if stack:
        kinds = [kind if all(head) else f"{kind} stays" for head, kind in zip(names, kinds, strict=True)]
    return {
        "name": name,
        "caption": caption,
        "stack": stack,
        "wordy": any("long" in kind for kind in kinds),
        "heads": [_head_line(names, kinds, level) for level in range(printed.columns.nlevels)],
        "lines": [
            [(colored(cell), head, kind) for cell, head, kind in zip(line, heads, kinds, strict=True)]
            for line in cells
        ],
    }


def _stacked(names: list[tuple[str, ...]]) -> str:
    """How a phone sets groups of columns side by side, as values for the style sheet; "" where it cannot."""
    groups = Counter(head[0] for head in names if all(head))
    if len(names[0]) == 1 or len(set(groups.values())) != 1:
        return ""
    leads = len(list(itertools.takewhile(lambda head: not all(head), names)))
    trails = len(names) - leads - groups.total()
    columns = f"repeat({leads}, fit-content({11 / leads:.3g}rem)) repeat({len(groups)}, 1fr)"
    if trails:
        columns += f" repeat({trails}, fit-content({8 / trails:.3g}rem))"
    return f"--columns: {columns}; --rows: {max(groups.values())}"


def _head_line(names: list[tuple[str, ...]], kinds: list[str], level: int) -> list[tuple[str, int, str]]:
    """One line of heads: text, number of columns, kind. Neighbors of one group share a head."""
    if level == len(names[0]) - 1:
        return [(head[level], 1, kind) for head, kind in zip(names, kinds, strict=True)]
    columns = zip(names, kinds, strict=True)
    runs = [list(run) for _, run in itertools.groupby(columns, key=lambda each: each[0][level] or each)]
    return [(run[0][0][level], len(run), "" if all(run[0][0]) else run[0][1]) for run in runs]


def column_kind(head: str, cells: pd.Series) -> str:
    """Classes of a column: whether it holds words, long ones, a verdict, or what a phone has no room for."""
    kinds = []
    if _is_text(cells):
        kinds.append("long" if cells.str.len().max() > _LONG_TEXT else "words")
    if head in ("verdict", "difference"):
        kinds.append(head)
    if head.endswith(_ASIDE):
        kinds.append("aside")
    return " ".join(kinds)


def _is_text(cells: pd.Series) -> bool:
    return not all(map(_NUMBER.fullmatch, cells))


def colored(cell: str) -> Markup:
    """A text cell as HTML: **best** bold and red, *second* underlined and blue; breaks after a slash."""
    text = re.sub(r"\*\*(.+?)\*\*", r'<b class="best">\1</b>', html.escape(cell))
    text = re.sub(r"\*(.+?)\*", r'<em class="second">\1</em>', text)
    text = re.sub(r"`(.+?)`", r"<code>\1</code>", text)
    return Markup(re.sub(r"(?<=\d|†)((?:</\w+>)?/)(?=[\d<+-])", r"\1<wbr>", text))


def _latex_cell(cell: str) -> str:
    text = re.sub(r"\*\*(.+?)\*\*", rf"\\textcolor[HTML]{{{BEST}}}{{\\textbf{{\1}}}}", latex_text(cell))
    return re.sub(r"\*(.+?)\*", rf"\\textcolor[HTML]{{{SECOND}}}{{\\underline{{\1}}}}", text)


def latex_text(text: str) -> str:
    """Plain text with what LaTeX would take as commands written out."""
    return text.translate(_LATEX_SIGNS)


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


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its scales and sources of weights as tables print them."""
    return frame.assign(scale="×" + frame["scale"].astype(str), weights=frame["weights"].map(source_label))


def texts(values: pd.Series, form: str) -> pd.Series:
    """Numbers as text, in a format such as "{:.2f}"; a dash for those that are absent."""
    return values.map(form.format, na_action="ignore").astype(object).where(values.notna(), ABSENT)


def crossed(cells: pd.DataFrame, lines: str | list[str], heads: str | list[str]) -> pd.DataFrame:
    """The texts in the column `cell`; others name the line and head of each, which keep their order."""
    table = cells.pivot(index=lines, columns=heads, values="cell")
    table = table.reindex(index=_in_order(cells, lines), columns=_in_order(cells, heads)).fillna(ABSENT)
    return table.rename_axis(columns=[None] * table.columns.nlevels).reset_index()


def _in_order(cells: pd.DataFrame, names: str | list[str]) -> pd.Index:
    if isinstance(names, str):
        return pd.Index(cells[names].unique(), name=names)
    return pd.MultiIndex.from_frame(cells[names].drop_duplicates())


def pairs(
    numbers: pd.DataFrame,
    psnr: str,
    ssim: str,
    marked: bool = False,
    sign: str = "",
    extra: int = 0,
) -> pd.Series:
    """Cells `PSNR/SSIM` with the paper's digits, or a dash where there is no PSNR.

    Args:
        numbers: a line per cell.
        psnr: the column of PSNR in dB.
        ssim: the column of SSIM.
        marked: whether the best and second of each are marked.
        sign: "+" for differences.
        extra: decimals beyond the paper's.
    """
    parts = []
    for column, digits in ((psnr, 2), (ssim, 4)):
        plain = numbers[column].map(f"{{:{sign}.{digits + extra}f}}".format)
        parts.append(_emphasized(numbers[column], plain) if marked else plain)
    return (parts[0] + "/" + parts[1]).where(numbers[psnr].notna(), ABSENT)


def _emphasized(values: pd.Series, texts: pd.Series) -> pd.Series:
    """Texts with the highest value as **best** and the next as *second*; equal values share a rank."""
    rank = values.rank(method="dense", ascending=False)
    return texts.mask(rank == 1, "**" + texts + "**").mask(rank == 2, "*" + texts + "*")


def superscript(number: int) -> str:
    """The number of a footnote."""
    return "".join(SUPERSCRIPTS[int(digit)] for digit in str(number))
