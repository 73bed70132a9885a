"""What a report has found, read off its files: for the first screen of its overview, and as Markdown."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from hdsr import paper
from hdsr.errors import HdsrError
from hdsr.report import protocol_tables, psnr_tables
from hdsr.report.figures import caption
from hdsr.report.overview import overview
from hdsr.report.tables import ABSENT, Table
from hdsr.scorecard import scorecard
from hdsr.scorecard.verdict import Verdict
from hdsr.suite import pages

WORDS = {
    "reproduced": "hold",
    "explained": "hold, measured otherwise",
    "traced": "are traced to their source",
    "contradicted": "do not hold",
    "not measured": "cannot be judged here",
}
"""What verdicts are called on the first screen; others go by their own name."""
UNITS, NO_BREAK = ["printed", "counted"], "\N{NO-BREAK SPACE}"
FIRST = ("figure_2", "samples_x4", "samples_x3", "samples_x2")
"""The picture of the first screen: the first of these that there is."""

OPENING = (
    "Written by `make publish` from the rows beside it. The pages behind it are in [html](html), with "
    "[index.html](index.html) as their door: download the folder and open that in a browser."
)


class Figure(NamedTuple):
    """A figure of a report: its file, its number in the paper if it has one, and what is seen in it."""

    path: Path
    title: str
    caption: str


def verdicts_of(report: Path) -> pd.DataFrame | None:
    """The verdicts of a report's scorecard, or None where none has been made."""
    try:
        return scorecard.read(report)
    except HdsrError:
        return None


def verdict_counts(report: Path) -> dict[str, int]:
    """How many claims have each verdict; empty where no scorecard has been made."""
    verdicts = verdicts_of(report)
    if verdicts is None:
        return {}
    totals = verdicts["verdict"].value_counts()
    return {WORDS.get(verdict, verdict): int(totals.get(verdict, 0)) for verdict in Verdict}


def tables(report: Path) -> Iterator[Table]:
    """The tables of the first screen, as far as there is what they are read off."""
    said = findings(report)
    if len(said.numbers):
        yield said
    if (report / "rows" / "benchmarks.csv").is_file():
        yield distances(pd.read_csv(report / "rows" / "benchmarks.csv"))
    verdicts = verdicts_of(report)
    if verdicts is not None:
        yield table_vii(verdicts)
        yield causes(verdicts)


def findings(report: Path) -> Table:
    """What the tables on protocols of a report say."""
    files = sorted((report / "tables").glob("protocol*_*.csv"))
    numbers = (pd.read_csv(path) for path in files if path.stem != "protocol_findings")
    return protocol_tables.findings([*numbers])


def causes(verdicts: pd.DataFrame) -> Table:
    """Why claims cannot be judged: the opening words of their reasons, by number of claims."""
    reasons = verdicts.loc[verdicts["verdict"] == Verdict.NOT_MEASURED, "reason"]
    opening = reasons.map(lambda reason: re.split(r" ?[;:(]", reason)[0])
    numbers = opening.value_counts().rename_axis("reason").reset_index(name="claims")
    return Table("causes", "Why claims cannot be judged here", numbers, numbers.astype(str))


def table_vii(verdicts: pd.DataFrame) -> Table:
    """Numbers of Table VII that are not what the table says they are."""
    numbers = verdicts.query("where == 'Table VII' and verdict == 'contradicted' and measured != ''")
    numbers = numbers[["claim", "published", "measured", "reason"]].reset_index(drop=True)
    printed = numbers.set_axis(["at ×4", "printed", "counted", "the printed number is"], axis=1)
    printed["at ×4"] = printed["at ×4"].str.removesuffix(" at ×4")
    printed[UNITS] = printed[UNITS].map(lambda cell: cell.replace(" ", NO_BREAK))
    printed.iloc[:, -1] = printed.iloc[:, -1].str.removeprefix("the printed number is ")
    return Table(
        "found_table_VII", "Table VII: printed numbers that are not what the table says", numbers, printed
    )


def distances(rows: pd.DataFrame) -> Table:
    """How far HDSRNet with the weights that ship lies from the paper, or from bicubic without one."""
    numbers = psnr_tables.headline(rows).numbers.set_index(["dataset", "scale"])
    own = numbers.query("model == 'hdsrnet' and weights == 'ours'")
    bicubic = numbers.query("model == 'bicubic'")["psnr_db"]
    printed = own["difference_db"].notna().any()
    difference = own["difference_db"] if printed else own["psnr_db"] - bicubic.reindex(own.index)
    cells = difference.map("{:+.2f}".format).unstack().reindex(own.index.unique("dataset")).fillna(ABSENT)
    cells = cells.rename(columns="×{}".format).rename_axis(columns=None, index="set").reset_index()
    of = "less the paper's" if printed else "over bicubic; the paper has no numbers for these images"
    caption = f"PSNR (dB) of HDSRNet with the weights trained here, {of}"
    return Table("distances", caption, difference.rename("difference_db").reset_index(), cells)


def figures(report: Path) -> list[Figure]:
    """The figures of a report: the paper's in their order, then the others by name."""
    subjects = paper.contents().set_index("output")["subject"]
    found = []
    for path in (report / "figures").glob("*.png"):
        numbers = path.with_suffix(".csv")
        panels = pd.read_csv(numbers, dtype=str).get("panel", []) if numbers.is_file() else []
        shown = caption(path.stem, panels, subjects.get(f"figures/{path.stem}", ""))
        title = path.stem.replace("_", " ").capitalize() if path.stem.startswith("figure_") else ""
        found.append(Figure(path, title, shown))
    return sorted(found, key=lambda figure: (not figure.path.stem.startswith("figure_"), figure.path.stem))


def first_figure(report: Path) -> Figure | None:
    """The picture of the first screen."""
    by_name = {figure.path.stem: figure for figure in figures(report)}
    return next((by_name[name] for name in FIRST if name in by_name), None)


def markdown(report: Path) -> str:
    """A report on one page of Markdown: verdicts, what Table VII hides, scores, tables and figures."""
    parts = ["# What was found", OPENING]
    verdicts = verdicts_of(report)
    if verdicts is not None:
        parts += ["## Claims by verdict", _body(scorecard.counts(verdicts))]
    parts += [f"## {table.caption}\n\n{_body(table)}" for table in tables(report)]
    if (report / "rows" / "benchmarks.csv").is_file():
        headline = psnr_tables.headline(pd.read_csv(report / "rows" / "benchmarks.csv"))
        parts += ["## " + headline.caption, _body(headline)]
    parts += ["## Figures", *(_figure(figure) for figure in figures(report))]
    parts += [
        "## Tables",
        "\n".join(
            _table_line(report, line)
            for line in overview(report).numbers.itertuples()
            if line.output.startswith("tables/")
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _body(table: Table) -> str:
    return "\n".join(line for line in repr(table).splitlines() if line.startswith("|"))


def _figure(figure: Figure) -> str:
    title = f"**{figure.title}.** " * bool(figure.title)
    return f"{title}{figure.caption}\n\n![{figure.caption}](figures/{figure.path.name})"


def _table_line(report: Path, line: Any) -> str:
    links = ", ".join(
        f"[{kind}]({address})" for kind, address in pages.table_files(report, Path(line.output).name, "")
    )
    return f"- {line.item}: {line.subject} ({line.state}) {links}".rstrip()
