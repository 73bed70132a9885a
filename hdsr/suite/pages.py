"""The web pages of executed notebooks. Each is one file that loads nothing from elsewhere."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import jinja2
import nbformat
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters.markdown import markdown2html
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from hdsr import paths
from hdsr.errors import HdsrError
from hdsr.files import atomic_path
from hdsr.suite import execute

SITE = "HDSRNet, reproduced"
CODE_STYLES = {"light": "xcode", "dark": "lightbulb"}
"""Of pygments': those whose every color can be read on the pages' ground."""
TEMPLATES = Path(__file__).parent / "templates"
_SHOWN_TYPES = ["image/svg+xml", "text/html", "text/markdown", "image/png", "image/jpeg", "text/plain"]
"""The first of these that an output has is shown; scripts never are."""
_FOLDED_SECTIONS = ("## What is compared from run to run", "## What this page was made with")
_FOLDED_TITLE = "How this page is checked, and what made it"
_MANY_SECTIONS = 4


@dataclass(frozen=True)
class Executed:
    """One executed notebook, as its opening cell and papermill's record describe it."""

    name: str
    title: str
    summary: str
    started: datetime
    ended: datetime
    document: NotebookNode

    @property
    def address(self) -> str:
        """Its page, relative to index.html."""
        return f"html/{self.name}.html"


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
    executed = read_executed(name, profile)
    links = [Link("Overview", "../index.html")]
    links += [Link(short_title(other), f"{other}.html", other == name) for other in names]
    here = names.index(name) + 1
    page = template("page.html.j2").render(
        title=executed.title,
        body=Markup(with_files(as_html(executed.document), paths.report_dir(profile), "../")),
        links=links,
        before=links[here - 1],
        after=links[here + 1] if here < len(names) else None,
        profile=profile,
        executed=moment(executed.ended),
    )
    return write(page_path(name, profile), page)


def read_executed(name: str, profile: str) -> Executed:
    """A notebook that has been executed in a profile; HdsrError where it has not."""
    path = execute.executed_path(name, profile)
    if not path.is_file():
        raise HdsrError(f"notebook {name} has not been executed in profile {profile!r}")
    document = nbformat.read(path, as_version=4)
    title, summary = opening(document)
    record = document.metadata.papermill
    times = (datetime.fromisoformat(time) for time in (record.start_time, record.end_time))
    return Executed(name, title or short_title(name), summary, *times, document)


def short_title(name: str) -> str:
    """A word for a notebook: "02_benchmarks" is Benchmarks."""
    return re.sub(r"^\d+_", "", name).replace("_", " ").capitalize()


def opening(document: NotebookNode) -> tuple[str, str]:
    """The heading and the first sentence of a notebook's first Markdown cell, as plain text."""
    cell = next((cell for cell in document.cells if cell.cell_type == "markdown"), None)
    parts = re.split(r"\n\s*\n", cell.source.strip()) if cell else [""]
    title = parts.pop(0).removeprefix("# ") if parts[0].startswith("# ") else ""
    first = re.split(r"(?<=[.!?])\s(?=[A-Z])", _plain(parts[0]), maxsplit=1)[0] if parts else ""
    return _plain(title), first


def _plain(markdown: str) -> str:
    """Markdown without its marks, on one line."""
    text = html.unescape(re.sub(r"<[^>]+>", "", markdown2html(markdown)))
    return " ".join(text.split())


def as_html(document: NotebookNode) -> str:
    """The cells of a notebook as HTML, code folded; links to other notebooks lead to their pages.

    Its sections are listed at the top; those on how it is checked and made are folded at the end. The
    folders of this machine are replaced by what they stand for.
    """
    cells = _joined([_without_progress(cell) for cell in document.cells])
    folded = (index for index, cell in enumerate(cells) if cell.source.startswith(_FOLDED_SECTIONS))
    end = next(folded, len(cells))
    page = _with_sections(_cells_as_html(cells[:end]))
    if end < len(cells):
        back = _cells_as_html(cells[end:])
        page += f'<details class="back"><summary>{_FOLDED_TITLE}</summary>{back}</details>'
    return _without_folders(page)


def _cells_as_html(cells: list[NotebookNode]) -> str:
    exporter = HTMLExporter(
        template_name="notebook",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
        config=Config(NbConvertBase={"display_data_priority": _SHOWN_TYPES}),
    )
    # Without the notebook's own metadata: the state of widgets would become a script.
    body, _ = exporter.from_notebook_node(
        nbformat.v4.new_notebook(cells=cells, metadata=execute.STORED_METADATA)
    )
    body = re.sub(r'(href="[\w-]+)\.ipynb', r"\1.html", body)
    # a page may lie far from the checkout whose files a notebook points to
    return re.sub(r'<a href="\.\./[^"]*">(.*?)</a>', r"\1", body)


def _with_sections(page: str) -> str:
    """A page with a list of its sections before the first, where there are many."""
    opening, *sections = re.split(r"<h2\b[^>]*>", page)
    if len(sections) < _MANY_SECTIONS:
        return page
    titles = [section.partition("</h2>")[0] for section in sections]
    links = "".join(f'<li><a href="#part-{number}">{title}</a></li>' for number, title in enumerate(titles))
    contents = f'<nav class="contents" aria-label="On this page"><ol>{links}</ol></nav>'
    headed = (f'<h2 id="part-{number}">{section}' for number, section in enumerate(sections))
    return f"{opening}{contents}{''.join(headed)}"


def _without_progress(cell: NotebookNode) -> NotebookNode:
    """A cell without what it wrote to stderr, and without progress bars."""
    copy = nbformat.from_dict(cell)
    if cell.cell_type == "code":
        copy.outputs = [
            output
            for output in copy.outputs
            if output.get("name") != "stderr"
            and (execute.WIDGET not in output.get("data", {}) or execute.has_picture(output))
        ]
    return copy


def _joined(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Cells in which code that puts out nothing stands together with the code that follows it."""
    result: list[NotebookNode] = []
    for cell in cells:
        last = result[-1] if result else None
        if last and last.cell_type == cell.cell_type == "code" and not last.outputs:
            cell.source = f"{result.pop().source.rstrip()}\n\n{cell.source}"
        result.append(cell)
    return result


def _without_folders(text: str) -> str:
    """Text with the folders of this machine replaced; what looks like a part of a longer word is left."""
    folders = {
        paths.reports_root(): "reports",
        paths.data_root(): "HDSR_DATA",
        paths.PROJECT: ".",
        Path.home(): "~",
    }
    for folder in sorted(folders, key=lambda folder: -len(str(folder))):
        text = re.sub(rf"(?<![\w+/]){re.escape(str(folder))}(?![\w+])", folders[folder], text)
    return text


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
