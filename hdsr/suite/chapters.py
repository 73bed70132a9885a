"""Executed notebooks as chapters of a report: their opening words, their times, their cells as HTML."""

import html
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.markdown import markdown2html
from nbformat import NotebookNode
from traitlets.config import Config

from hdsr import paths
from hdsr.errors import HdsrError
from hdsr.suite import execute
from hdsr.suite.execute import WIDGET

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_TYPES = ["image/svg+xml", "text/html", "text/markdown", "image/png", "image/jpeg", "text/plain"]
"""The first of these that an output has is shown; scripts never are."""

PLUMBING = ("## What is compared from run to run", "## What this page was made with")
BACK = "How this page is checked, and what made it"
MANY_SECTIONS = 4


@dataclass(frozen=True)
class Chapter:
    """One executed notebook, as its opening cell and papermill's record describe it."""

    name: str
    title: str
    summary: str
    started: datetime
    ended: datetime
    document: NotebookNode

    @property
    def address(self) -> str:
        """The chapter's page, relative to index.html."""
        return f"html/{self.name}.html"


def read(name: str, profile: str) -> Chapter:
    """A notebook that has been executed in a profile; HdsrError where it has not."""
    path = execute.executed_path(name, profile)
    if not path.is_file():
        raise HdsrError(f"notebook {name} has not been executed in profile {profile!r}")
    document = nbformat.read(path, as_version=4)
    title, summary = opening(document)
    record = document.metadata.papermill
    return Chapter(
        name=name,
        title=title or short_title(name),
        summary=summary,
        started=datetime.fromisoformat(record.start_time),
        ended=datetime.fromisoformat(record.end_time),
        document=document,
    )


def short_title(name: str) -> str:
    """A word for a notebook: "02_benchmarks" is Benchmarks."""
    return re.sub(r"^\d+_", "", name).replace("_", " ").capitalize()


def opening(document: NotebookNode) -> tuple[str, str]:
    """The heading and the first sentence of a notebook's first Markdown cell, as plain text."""
    cell = next((cell for cell in document.cells if cell.cell_type == "markdown"), None)
    parts = re.split(r"\n\s*\n", cell.source.strip()) if cell else [""]
    title = parts.pop(0).removeprefix("# ") if parts[0].startswith("# ") else ""
    first = re.split(r"(?<=[.!?])\s(?=[A-Z])", plain(parts[0]), maxsplit=1)[0] if parts else ""
    return plain(title), first


def plain(markdown: str) -> str:
    """Markdown without its marks, on one line."""
    text = html.unescape(re.sub(r"<[^>]+>", "", markdown2html(markdown)))
    return " ".join(text.split())


def as_html(document: NotebookNode) -> str:
    """The cells of a notebook as HTML, code folded; links to other notebooks lead to their pages.

    Its sections are listed at the top; those on how it is checked and made are folded at the end.
    """
    cells = joined(without_progress(document.cells))
    end = next((index for index, cell in enumerate(cells) if is_plumbing(cell)), len(cells))
    front, back = cells_as_html(document, cells[:end]), cells_as_html(document, cells[end:])
    page = with_sections(front)
    if end < len(cells):
        page += f'<details class="back"><summary>{BACK}</summary>{back}</details>'
    return page


def cells_as_html(document: NotebookNode, cells: list[NotebookNode]) -> str:
    """Some cells of a notebook as HTML."""
    exporter = HTMLExporter(
        template_name="notebook",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
        config=Config(NbConvertBase={"display_data_priority": SHOWN_TYPES}),
    )
    readable = nbformat.from_dict(
        {**document, "metadata": without_widgets(document.metadata), "cells": cells}
    )
    body, _ = exporter.from_notebook_node(without_local_paths(readable))
    return re.sub(r'(href="[\w-]+)\.ipynb', r"\1.html", body)


def is_plumbing(cell: NotebookNode) -> bool:
    """Whether a cell opens the sections that only who checks or repeats a run needs."""
    return cell.cell_type == "markdown" and cell.source.startswith(PLUMBING)


def with_sections(page: str) -> str:
    """A page with a list of its sections before the first, where there are many."""
    opening, *sections = re.split(r"<h2\b[^>]*>", page)
    if len(sections) < MANY_SECTIONS:
        return page
    titles = [section.partition("</h2>")[0] for section in sections]
    links = "".join(f'<li><a href="#part-{number}">{title}</a></li>' for number, title in enumerate(titles))
    contents = f'<nav class="contents" aria-label="On this page"><ol>{links}</ol></nav>'
    headed = (f'<h2 id="part-{number}">{section}' for number, section in enumerate(sections))
    return f"{opening}{contents}{''.join(headed)}"


def without_widgets(metadata: NotebookNode) -> NotebookNode:
    """Metadata of a notebook without the state of its widgets, which would become a script."""
    return nbformat.from_dict({key: value for key, value in metadata.items() if key != "widgets"})


def without_progress(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Cells without what they wrote to stderr and without progress bars."""
    return [
        nbformat.from_dict({**cell, "outputs": [output for output in cell.outputs if is_lasting(output)]})
        if cell.cell_type == "code"
        else cell
        for cell in cells
    ]


def is_lasting(output: NotebookNode) -> bool:
    """Whether an output is of interest once its cell has run."""
    live_only = WIDGET in output.get("data", {}) and not execute.has_picture(output)
    return output.get("name") != "stderr" and not live_only


def joined(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Cells in which code that puts out nothing stands together with the code that follows it."""
    result: list[NotebookNode] = []
    for cell in cells:
        last = result[-1] if result else None
        if last and last.cell_type == cell.cell_type == "code" and not last.outputs:
            result[-1] = nbformat.from_dict({**cell, "source": f"{last.source.rstrip()}\n\n{cell.source}"})
        else:
            result.append(cell)
    return result


def without_local_paths(document: NotebookNode) -> NotebookNode:
    """A copy of a notebook in whose text the folders of this machine are replaced by what they stand for."""
    copy = nbformat.from_dict(document)
    for cell in copy.cells:
        cell.source = without_folders(cell.source)
        for output in cell.get("outputs", []):
            if "text" in output:
                output.text = without_folders(output.text)
            for kind, content in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output.data[kind] = without_folders(content)
    return copy


def without_folders(text: str) -> str:
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
