"""Pages of a report: self-contained, linked with each other, readable on a phone."""

import base64
import dataclasses
import io
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from contrast import READABLE, contrast
from fabricated import rows
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from pygments.formatters import HtmlFormatter

from hdsr import paths
from hdsr.errors import HdsrError
from hdsr.report import tables
from hdsr.scorecard import scorecard
from hdsr.scorecard.verdict import Claim
from hdsr.suite import execute, index, pages, parameters

NAMES = ["01_data", "02_benchmarks"]
LOADED = re.compile(
    r"""(?:src|href)\s*=\s*["'](?!data:|#|https://arxiv|[\w./-]+\.(?:html|png|csv|md|tex)["'])([^"']*)"""
    r"""|@import|url\("""
)


def write_executed(name: str, title: str) -> None:
    """An executed notebook as papermill leaves it, ten seconds long."""
    table = new_output("display_data", data={"text/html": "<table><tr><td>37.60</td></tr></table>"})
    cells = [
        new_markdown_cell(f"# {title}\n\nAll about it & more. Then."),
        new_code_cell("x", outputs=[table]),
    ]
    record = {"start_time": "2026-05-03T14:07:00+00:00", "end_time": "2026-05-03T14:07:10+00:00"}
    path = execute.executed_path(name, "quick")
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata={"papermill": record}), path)


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a profile in which two notebooks have been executed and a figure drawn."""
    monkeypatch.setenv("HDSR_REPORTS", str(tmp_path))
    monkeypatch.setattr(parameters, "PARAMETER_FILES", tmp_path)
    (tmp_path / "quick.yaml").write_text("# Built-in images,\n# offline.\ndata: {}\n# Not this.\n")
    for name, title in zip(NAMES, ("Data sets", "Tables & more"), strict=True):
        write_executed(name, title)
    (tmp_path / "quick" / "figures").mkdir()
    Image.new("RGB", (1800, 600)).save(tmp_path / "quick" / "figures" / "figure_2.png")
    return tmp_path / "quick"


def test_pages_load_nothing_and_name_no_folder_of_this_machine(report: Path) -> None:
    written = [pages.render(name, "quick", NAMES) for name in NAMES] + [index.write_index("quick", NAMES)]
    for path in written:
        page = path.read_text(encoding="utf-8")
        assert LOADED.search(page) is None
        assert "<script" not in page
        assert str(report) not in page
        assert str(paths.PROJECT) not in page


def test_links_between_pages_lead_to_files(report: Path) -> None:
    written = [pages.render(name, "quick", NAMES) for name in NAMES] + [index.write_index("quick", NAMES)]
    for path in written:
        links = re.findall(r'href="(?!https:)([^"#]+)"', path.read_text(encoding="utf-8"))
        assert len(links) >= 3
        assert [link for link in links if not (path.parent / link).is_file()] == []


def test_a_page_shows_its_cells_its_place_and_its_time(report: Path) -> None:
    page = pages.render("02_benchmarks", "quick", NAMES).read_text(encoding="utf-8")
    assert "<title>Tables &amp; more · HDSRNet, reproduced</title>" in page
    assert '<a href="02_benchmarks.html" aria-current="page">Benchmarks</a>' in page
    assert '<a rel="prev" href="01_data.html">← Data</a>' in page
    assert 'rel="next"' not in page
    assert "<td>37.60</td>" in page
    assert "Profile quick, executed 3 May 2026, 14:07 UTC." in page


def test_pages_fit_a_phone_and_a_dark_screen(report: Path) -> None:
    page = pages.render("01_data", "quick", NAMES).read_text(encoding="utf-8")
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert re.search(r"\.output_subarea \{[^}]*overflow-x: auto", page)
    assert "@media (prefers-color-scheme: dark)" in page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_code_are_readable_in_both_themes(theme: str) -> None:
    light, dark = re.findall(r":root \{ ?(.*?)\}", (pages.TEMPLATES / "page.css").read_text(), re.DOTALL)[:2]
    colors = dict(re.findall(r"--(\w+): (#\w+)", light if theme == "light" else light + dark))
    for ground in (colors["paper"], colors["tint"]):
        for name in ("ink", "soft", "accent", "best", "second"):
            assert contrast(colors[name], ground) >= READABLE, name
    code = HtmlFormatter(style=pages.CODE_STYLES[theme]).get_style_defs(".highlight")
    for rule in re.findall(r"^\.highlight \.(?!hll)\w+ \{(.*?)\}", code, re.MULTILINE):
        own = re.search(r"(?<!-)color: (#\w+)", rule)
        under = re.search(r"background-color: (#\w+)", rule)
        ground = under.group(1) if under else colors["tint"]
        assert contrast(own.group(1) if own else colors["ink"], ground) >= READABLE, rule


@pytest.mark.parametrize(("index", "ground"), [(0, "#ffffff"), (1, "#111111")])
def test_marks_of_best_and_second_are_readable_in_both_themes_of_notebooks(index: int, ground: str) -> None:
    for name in ("best", "second"):
        marks = re.findall(rf"--{name}[:,] (#\w+)", tables.STYLE)
        assert contrast(marks[index], ground) >= READABLE


def test_the_overview_sums_up_the_profile(report: Path) -> None:
    page = index.write_index("quick", NAMES).read_text(encoding="utf-8")
    assert "Profile <strong>quick</strong>: Built-in images, offline." in page
    assert "Not this" not in page
    assert "20 seconds" in page
    assert re.search(r'<a href="html/01_data.html">Data sets</a>\s*<p>All about it &amp; more.</p>', page)
    assert 'href="figures/figure_2.png"' in page
    assert "data:image/webp;base64," in page
    assert re.search(r"python \d+\.\d+.*torch \d+\.\d+", page)
    assert page.index("figure_2.png") < page.index("<h2")


def test_the_overview_says_first_what_was_found(report: Path) -> None:
    write_findings(report)
    page = index.write_index("quick", NAMES).read_text(encoding="utf-8")
    first = page[: page.index("<h2")]
    assert "<strong>1</strong> claims hold" in first
    assert "<strong>2</strong> claims do not hold" in first
    assert "<strong>3</strong> claims cannot be judged here" in first
    assert re.search(r"timed on a CPU</th><td[^>]*>2</td>", first)
    assert "1,966.21\xa0K" in first
    assert "+0.40" in first


def write_findings(report: Path) -> None:
    """Verdicts and rows of a report."""
    fields = [field.name for field in dataclasses.fields(Claim)]
    claims = [
        ("Table II", "a", "", "1", "reproduced", ""),
        ("Table II", "b", "", "1", "contradicted", ""),
        ("Table VII", "parameters", "1,819 K", "1,966.21 K", "contradicted", "the printed number is of ×2"),
        *[("Table VI", size, "", "", "not measured", f"timed on a CPU: {size}") for size in "ab"],
        ("Table V", "c", "", "", "not measured", "not here"),
    ]
    (report / "tables").mkdir(exist_ok=True)
    for basis in scorecard.BASES:
        lines = claims if basis == "measured" else []
        pd.DataFrame(lines, columns=fields).to_csv(report / "tables" / f"scorecard_{basis}.csv", index=False)
    (report / "rows").mkdir(exist_ok=True)
    measured = rows({("bicubic", "none"): 33.67 + 2, ("hdsrnet", "ours"): 37.95 + 2 + 0.4}, scales=[2])
    measured.to_csv(report / "rows" / "benchmarks.csv", index=False)


def test_the_same_numbers_stand_in_the_markdown(report: Path) -> None:
    write_findings(report)
    text = index.readme(report)
    assert "| at ×4 | printed | counted | the printed number is |" in text
    assert "| Set5 | +0.40 |" in text
    assert "![zebra of Set14 at x2: side by side HR" in text


def test_tables_link_their_files_where_these_are(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.csv").touch()
    page = pages.with_files("<!-- files of a --><!-- files of b -->", tmp_path, "../")
    assert page == '<p class="files"><a href="../tables/a.csv">CSV</a></p>'


def test_an_overview_needs_all_of_its_notebooks(report: Path) -> None:
    with pytest.raises(HdsrError, match="notebook 04_figures has not been executed"):
        index.write_index("quick", [*NAMES, "04_figures"])
    with pytest.raises(HdsrError, match="no notebook has been executed yet"):
        index.write_index("quick", [])


def test_thumbnails_are_small_copies(report: Path) -> None:
    [figure] = index.figures(report)
    assert figure.title == "Figure 2"
    assert figure.caption.startswith("zebra of Set14 at x2: side by side HR")
    with Image.open(io.BytesIO(base64.b64decode(index.thumbnail(figure.path).split(",")[1]))) as image:
        assert image.size == (900, 300)


def test_times_are_given_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert pages.moment(datetime(2026, 5, 3, 1, 7, tzinfo=east)) == "2 May 2026, 23:07 UTC"
    assert pages.moment(datetime(2026, 12, 31, 9, 5, tzinfo=UTC)) == "31 December 2026, 09:05 UTC"
