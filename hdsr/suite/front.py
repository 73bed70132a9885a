"""The overview of a report: its first screen says what was found, then come figures, tables and pages."""

import base64
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from hdsr import paths, provenance
from hdsr.errors import HdsrError
from hdsr.report import overview
from hdsr.report.tables import Table
from hdsr.suite import chapters, found, pages, parameters
from hdsr.suite.chapters import Chapter

THUMBNAIL_PX = 900


def write_index(profile: str, names: Sequence[str]) -> Path:
    """Write a profile's overview: what it is, when it ran, its pages, its figures, and the versions used.

    Raises:
        HdsrError: where nothing, or not all of `names`, has been executed in this profile.
    """
    if not names:
        raise HdsrError(f"profile {profile!r}: no notebook has been executed yet")
    parts = [chapters.read(name, profile) for name in names]
    report = paths.report_dir(profile)
    links = [pages.Link(chapters.short_title(part.name), part.address) for part in parts]
    first = found.first_figure(report)
    items = [
        (item, pages.table_files(report, Path(item.output).name, ""))
        for item in overview.overview(report).numbers.itertuples()
        if item.output.startswith("tables/") and item.notebook in names
    ]
    page = pages.template("index.html.j2").render(
        title=pages.SITE,
        links=[pages.Link("Overview", "index.html", current=True), *links],
        profile=profile,
        about=about(profile),
        counts=found.verdict_counts(report),
        tables=[table_html(table, report) for table in found.tables(report)],
        first=picture(first) if first else "",
        pictures=[picture(figure) for figure in found.figures(report) if figure != first],
        items=items,
        chapters=parts,
        facts=facts(parts),
        outputs=table_html(overview.outputs(report), report),
        versions=", ".join(f"{name} {number}" for name, number in provenance.versions().items()),
    )
    return pages.write(pages.index_path(profile), page)


def table_html(table: Table, report: Path) -> Markup:
    """A table of the overview, with links to its files."""
    return Markup(pages.with_files(table._repr_html_(), report, ""))


def picture(figure: found.Figure) -> Markup:
    """A figure of the overview: a small copy that leads to the whole, and its caption."""
    address, source = f"figures/{figure.path.name}", thumbnail(figure.path)
    fields = {"address": address, "source": source, "title": figure.title, "caption": figure.caption}
    return Markup(pages.template("figure.html.j2").render(fields))


def thumbnail(path: Path) -> str:
    """A picture as a data URI, at most 900 px wide."""
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def about(profile: str) -> str:
    """What a profile is, from the comment that opens its file of parameters."""
    lines = (parameters.PARAMETER_FILES / f"{profile}.yaml").read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.lstrip("# ") for line in comment)


def facts(parts: Sequence[Chapter]) -> dict[str, str]:
    """When the chapters were executed, and how long that took in all."""
    seconds = sum((part.ended - part.started).total_seconds() for part in parts)
    taken = f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
    return {"Executed": pages.moment(max(part.ended for part in parts)), "Time taken": taken}
