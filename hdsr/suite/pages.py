"""The web pages of a report. Each is one file that loads nothing from elsewhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from hdsr import paths
from hdsr.files import atomic_path
from hdsr.suite import chapters
from hdsr.suite.chapters import TEMPLATES

SITE = "HDSRNet, reproduced"
CODE_STYLES = {"light": "xcode", "dark": "lightbulb"}
"""Of pygments': those whose every color can be read on the pages' ground."""


@dataclass(frozen=True)
class Link:
    """A link to a page, relative to the page that carries it."""

    text: str
    address: str
    current: bool = False


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
        body=Markup(with_files(chapters.as_html(chapter.document), paths.report_dir(profile), "../")),
        links=links,
        before=links[here - 1],
        after=links[here + 1] if here < len(names) else None,
        profile=profile,
        executed=moment(chapter.ended),
    )
    return write(page_path(name, profile), page)


def with_files(page: str, report: Path, prefix: str) -> str:
    """A page in which links to the files of each table stand where the table marks their place."""

    def links(mark: re.Match[str]) -> str:
        files = table_files(report, mark.group(1), prefix)
        linked = " · ".join(f'<a href="{address}">{kind}</a>' for kind, address in files)
        return f'<p class="files">{linked}</p>' if files else ""

    return re.sub(r"<!-- files of (\S+) -->", links, page)


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
    light, dark = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in CODE_STYLES.values())
    rules = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{rules}"


def moment(time: datetime) -> str:
    """A time as `3 May 2026, 14:07 UTC`."""
    time = time.astimezone(UTC)
    return f"{time.day} {time:%B %Y, %H:%M} UTC"


def table_files(report: Path, name: str, prefix: str) -> list[tuple[str, str]]:
    """The files of a table as (kind, address), as far as they are there."""
    kinds = {"csv": "CSV", "md": "Markdown", "tex": "LaTeX"}
    return [
        (kind, f"{prefix}tables/{name}.{ending}")
        for ending, kind in kinds.items()
        if (report / "tables" / f"{name}.{ending}").is_file()
    ]


def without_paper_pictures(page: str) -> str:
    """A page without the pictures that are the paper's own; see `hdsr.report.figures_2_to_7.Beside`."""
    return re.sub(r'<figure class="from-paper">.*?</figure>', "", page, flags=re.DOTALL)
