"""The web pages of a report. Each is one file that loads nothing from elsewhere."""

import base64
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup
from PIL import Image
from pygments.formatters import HtmlFormatter

from hdsr import paths, provenance
from hdsr.errors import HdsrError
from hdsr.files import atomic_path
from hdsr.suite import chapters, parameters
from hdsr.suite.chapters import TEMPLATES, Chapter

SITE = "HDSRNet, reproduced"
THUMBNAIL_PX = 900


@dataclass(frozen=True)
class Link:
    """A link to a page, relative to the page that carries it."""

    text: str
    address: str
    current: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure of the overview: its name, its file relative to index.html, and a small copy as a data URI."""

    caption: str
    address: str
    source: str


def page_path(name: str, profile: str) -> Path:
    """Where the page of a notebook is kept."""
    return paths.report_dir(profile) / "html" / f"{name}.html"


def index_path(profile: str) -> Path:
    """Where the overview of a profile is kept."""
    return paths.report_dir(profile) / "index.html"


def render(name: str, profile: str, names: Sequence[str]) -> Path:
    """Write the page of an executed notebook, with links to the pages of `names`, itself among them.

    Raises:
        HdsrError: where the notebook has not been executed in this profile.
    """
    chapter = chapters.read(name, profile)
    links = [Link("Overview", "../index.html")]
    links += [Link(chapters.short_title(other), f"{other}.html", other == name) for other in names]
    here = names.index(name) + 1
    page = template("page.html.j2").render(
        title=chapter.title,
        body=Markup(chapters.as_html(chapter.document)),
        links=links,
        before=links[here - 1],
        after=links[here + 1] if here < len(names) else None,
        profile=profile,
        executed=moment(chapter.ended),
    )
    return write(page_path(name, profile), page)


def write_index(profile: str, names: Sequence[str]) -> Path:
    """Write a profile's overview: what it is, when it ran, its pages, its figures, and the versions used.

    Raises:
        HdsrError: where nothing, or not all of `names`, has been executed in this profile.
    """
    if not names:
        raise HdsrError(f"profile {profile!r}: no notebook has been executed yet")
    parts = [chapters.read(name, profile) for name in names]
    links = [Link(chapters.short_title(part.name), part.address) for part in parts]
    page = template("index.html.j2").render(
        title=SITE,
        links=[Link("Overview", "index.html", current=True), *links],
        profile=profile,
        about=about(profile),
        facts=facts(parts),
        chapters=parts,
        pictures=list(pictures(paths.report_dir(profile))),
        versions=", ".join(f"{name} {number}" for name, number in provenance.versions().items()),
    )
    return write(index_path(profile), page)


def write(path: Path, page: str) -> Path:
    """Write a page as a whole, and return its path."""
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


@cache
def template(name: str) -> jinja2.Template:
    """The template of a kind of page, with what all pages share already filled in."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    shared = {"site": SITE, "style": Markup(style())}
    return environment.get_template(name, globals=shared)


def style() -> str:
    """The style sheet of all pages; code has colors for light and for dark screens."""
    light = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    rules = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{rules}"


def about(profile: str) -> str:
    """What a profile is, from the comment that opens its file of parameters."""
    lines = (parameters.PARAMETER_FILES / f"{profile}.yaml").read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    return " ".join(line.lstrip("# ") for line in comment)


def facts(parts: Sequence[Chapter]) -> dict[str, str]:
    """When the chapters were executed, and how long that took in all."""
    seconds = sum((part.ended - part.started).total_seconds() for part in parts)
    taken = f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
    return {"Executed": moment(max(part.ended for part in parts)), "Time taken": taken}


def moment(time: datetime) -> str:
    """A time as `3 May 2026, 14:07 UTC`."""
    time = time.astimezone(UTC)
    return f"{time.day} {time:%B %Y, %H:%M} UTC"


def pictures(report: Path) -> Iterator[Picture]:
    """The figures of a report, in the order of their names."""
    for path in sorted((report / "figures").glob("*.png")):
        caption = path.stem.replace("_", " ").capitalize()
        yield Picture(caption, path.relative_to(report).as_posix(), thumbnail(path))


def thumbnail(path: Path) -> str:
    """A picture as a data URI, at most 900 px wide."""
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
