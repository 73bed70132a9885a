"""The first page of a report, as HTML and as Markdown: what was found, then figures, tables and pages."""

import base64
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import Markup
from PIL import Image

from hdsr import paper, paths, provenance, results
from hdsr.datasets import BENCHMARK_SETS
from hdsr.errors import HdsrError
from hdsr.report import overview, protocol_tables, psnr_tables
from hdsr.report.figures import caption
from hdsr.report.tables import ABSENT, Table
from hdsr.scorecard import scorecard
from hdsr.scorecard.verdict import Verdict
from hdsr.suite import pages, parameters
from hdsr.suite.pages import Executed

_WORDS = {
    "reproduced": "hold",
    "explained": "hold, measured otherwise",
    "traced": "are traced to their source",
    "contradicted": "do not hold",
    "not measured": "cannot be judged here",
}
"""What verdicts are called on the first screen."""
_UNITS, _NO_BREAK = ["printed", "counted"], "\N{NO-BREAK SPACE}"
_FIRST = ("figure_2", "samples_x4", "samples_x3", "samples_x2")
"""The picture of the first screen: the first of these that there is."""
_THUMBNAIL_PX = 900
_OPENING = (
    "Written by `make publish` from the rows beside it. The pages behind it are in [html](html), with "
    "[index.html](index.html) as their door: download the folder and open that in a browser."
)


class Figure(NamedTuple):
    """A figure of a report: its file, its number in the paper if it has one, and what is seen in it."""

    path: Path
    title: str
    caption: str


def write_index(profile: str, names: Sequence[str]) -> Path:
    """Write a profile's first page: what it is, when it ran, its pages, its figures, and the versions used.

    Raises:
        HdsrError: where nothing, or not all of `names`, has been executed in this profile.
    """
    if not names:
        raise HdsrError(f"profile {profile!r}: no notebook has been executed yet")
    parts = [pages.read_executed(name, profile) for name in names]
    report = paths.report_dir(profile)
    links = [pages.Link(pages.short_title(part.name), part.address) for part in parts]
    shown = figures(report)
    first = next((figure for name in _FIRST for figure in shown if figure.path.stem == name), None)
    page = pages.template("index.html.j2").render(
        title=pages.SITE,
        links=[pages.Link("Overview", "index.html", current=True), *links],
        profile=profile,
        about=_about(profile),
        counts=verdict_counts(report),
        tables=[_table_html(table, report) for table in tables(report)],
        first=_picture(first) if first else "",
        pictures=[_picture(figure) for figure in shown if figure != first],
        items=[item for item in _items(report) if item[0].notebook in names],
        parts=parts,
        facts=_facts(parts),
        versions=", ".join(f"{name} {number}" for name, number in provenance.versions().items()),
    )
    return pages.write(pages.index_path(profile), page)


def readme(report: Path) -> str:
    """A report on one page of Markdown: verdicts, what Table VII hides, scores, tables and figures."""
    parts = ["# What was found", _OPENING]
    verdicts = _verdicts(report)
    if verdicts is not None:
        parts += ["## Claims by verdict", scorecard.counts(verdicts).markdown()]
    shown = [*tables(report)]
    if (rows := _rows(report)) is not None:
        shown.append(psnr_tables.headline(rows))
    parts += [f"## {table.caption}\n\n{table.markdown()}" for table in shown]
    parts += ["## Figures", *(_figure(figure) for figure in figures(report))]
    return "\n\n".join([*parts, "## Tables", "\n".join(map(_line, _items(report)))]) + "\n"


def verdict_counts(report: Path) -> dict[str, int]:
    """How many claims have each verdict; empty where no scorecard has been made."""
    verdicts = _verdicts(report)
    if verdicts is None:
        return {}
    totals = verdicts["verdict"].value_counts()
    return {_WORDS[verdict]: int(totals.get(verdict, 0)) for verdict in Verdict}


def tables(report: Path) -> Iterator[Table]:
    """The tables of the first screen, as far as there is what they are read off."""
    said = findings(report)
    if len(said.numbers):
        yield said
    if (rows := _rows(report)) is not None:
        yield _distances(rows)
    verdicts = _verdicts(report)
    if verdicts is not None:
        yield _table_vii(verdicts)
        yield _causes(verdicts)


def findings(report: Path) -> Table:
    """What the tables on protocols of a report say."""
    order = {name: place for place, name in enumerate(BENCHMARK_SETS)}
    found = ((*path.stem.split("_", 1), path) for path in (report / "tables").glob("protocol*_*.csv"))
    files = sorted((kind, order.get(of, len(order)), path) for kind, of, path in found if of != "findings")
    numbers = (pd.read_csv(path) for *_, path in files)
    return protocol_tables.findings([*numbers])


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


def _verdicts(report: Path) -> pd.DataFrame | None:
    try:
        return scorecard.read_verdicts(report)
    except HdsrError:
        return None


def _rows(report: Path) -> pd.DataFrame | None:
    path = report / "rows" / "benchmarks.csv"
    return results.prevailing(pd.read_csv(path)) if path.is_file() else None


def _causes(verdicts: pd.DataFrame) -> Table:
    """Why claims cannot be judged: the opening words of their reasons, by number of claims."""
    reasons = verdicts.loc[verdicts["verdict"] == Verdict.NOT_MEASURED, "reason"]
    opening = reasons.map(lambda reason: re.split(r" ?[;:(]", reason)[0])
    numbers = opening.value_counts().rename_axis("reason").reset_index(name="claims")
    return Table("causes", "Why claims cannot be judged here", numbers, numbers.astype(str))


def _table_vii(verdicts: pd.DataFrame) -> Table:
    """Numbers of Table VII that are not what the table says they are."""
    numbers = verdicts.query("where == 'Table VII' and verdict == 'contradicted' and measured != ''")
    numbers = numbers[["claim", "published", "measured", "reason"]].reset_index(drop=True)
    printed = numbers.set_axis(["at ×4", "printed", "counted", "the printed number is"], axis=1)
    printed["at ×4"] = printed["at ×4"].str.removesuffix(" at ×4")
    printed[_UNITS] = printed[_UNITS].map(lambda cell: cell.replace(" ", _NO_BREAK))
    printed.iloc[:, -1] = printed.iloc[:, -1].str.removeprefix("the printed number is ")
    return Table(
        "found_table_VII", "Table VII: printed numbers that are not what the table says", numbers, printed
    )


def _distances(rows: pd.DataFrame) -> Table:
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


def _items(report: Path) -> list[tuple[Any, list[tuple[str, str]]]]:
    """The paper's tables and claims, with the files (kind, address) of each."""
    return [
        (item, pages.table_files(report, Path(item.output).name, ""))
        for item in overview.contents(report).itertuples()
    ]


def _line(item: tuple[Any, list[tuple[str, str]]]) -> str:
    about, files = item
    links = ", ".join(f"[{kind}]({address})" for kind, address in files)
    return f"- {about.item}: {about.subject} ({about.state}) {links}".rstrip()


def _figure(figure: Figure) -> str:
    title = f"**{figure.title}.** " * bool(figure.title)
    return f"{title}{figure.caption}\n\n![{figure.caption}](figures/{figure.path.name})"


def _table_html(table: Table, report: Path) -> Markup:
    return Markup(pages.with_files(table._repr_html_(), report, ""))


def _picture(figure: Figure) -> Markup:
    """A small copy of a figure that leads to the whole, and its caption."""
    address, source = f"figures/{figure.path.name}", thumbnail(figure.path)
    fields = {"address": address, "source": source, "title": figure.title, "caption": figure.caption}
    return Markup(pages.template("figure.html.j2").render(fields))


def thumbnail(path: Path) -> str:
    """A picture as a data URI, at most 900 px wide."""
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _about(profile: str) -> str:
    """What a profile is, from the comment that opens its file of parameters."""
    lines = (parameters.PARAMETER_FILES / f"{profile}.yaml").read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.lstrip("# ") for line in comment)


def _facts(parts: Sequence[Executed]) -> dict[str, str]:
    """When the notebooks were executed, and how long that took in all."""
    seconds = sum((part.ended - part.started).total_seconds() for part in parts)
    taken = f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
    return {"Executed": pages.moment(max(part.ended for part in parts)), "Time of this run": taken}
