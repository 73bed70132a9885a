"""Reports on the command line: one-line errors, rendering of what exists, publishing of complete runs."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from fabricated import rows
from nbformat.v4 import new_markdown_cell, new_notebook

from hdsr import paths
from hdsr.errors import HdsrError
from hdsr.suite import commands, execute, pages

RECORD = {"start_time": "2026-05-03T14:07:00+00:00", "end_time": "2026-05-03T14:07:10+00:00"}
CELLS = [new_markdown_cell("# Title\n\nWords.")]


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of profile quick after a complete run: two notebooks, a row, a table, a figure."""
    folder = tmp_path / "reports" / "quick"
    monkeypatch.setenv("HDSR_REPORTS", str(folder.parent))
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(paths, "PUBLISHED", folder.parent / "published")
    for name in ("01_data", "02_benchmarks"):
        nbformat.write(new_notebook(cells=CELLS), tmp_path / f"{name}.ipynb")
        executed = execute.executed_path(name, "quick")
        executed.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=CELLS, metadata={"papermill": RECORD}), executed)
    for part in (
        "rows/benchmarks.csv",
        "rows/.lock",
        "tables/table_2.csv",
        "figures/figure_2.csv",
        "figures/figure_2.pdf",
    ):
        (folder / part).parent.mkdir(exist_ok=True)
        (folder / part).write_text("panel\nHDSRNet\n", encoding="utf-8")
    rows({("bicubic", "none"): 36.0, ("hdsrnet", "ours"): 39.0}).to_csv(folder / "rows" / "benchmarks.csv")
    commands.report("quick")
    return folder


def contents(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_has_been_executed_is_rendered(report: Path, capsys: pytest.CaptureFixture) -> None:
    execute.executed_path("02_benchmarks", "quick").unlink()
    pages.page_path("02_benchmarks", "quick").unlink()
    commands.report("quick")
    assert "02_benchmarks" not in pages.index_path("quick").read_text(encoding="utf-8")
    assert not pages.page_path("02_benchmarks", "quick").exists()
    assert capsys.readouterr().out.startswith("Open ")


def test_a_complete_run_is_published_in_place_of_the_last(report: Path) -> None:
    published = report.parent / "published"
    published.mkdir()
    (published / "stale.csv").touch()
    commands.publish("quick")
    assert contents(published) == {
        "rows/benchmarks.csv",
        "tables/table_2.csv",
        "figures/figure_2.csv",
        "html/01_data.html",
        "html/02_benchmarks.html",
        "index.html",
        "README.md",
    }
    assert {path.name for path in report.parent.iterdir()} == {"quick", "published"}


def test_the_papers_own_pictures_are_not_published(report: Path) -> None:
    page = pages.page_path("01_data", "quick")
    panel = '<figure class="from-paper"><img src="data:image/png;base64,AA" alt="paper"></figure>'
    page.write_text(f"<p>ours</p>{panel}<p>after</p>", encoding="utf-8")
    pages.index_path("quick").touch()
    commands.publish("quick")
    published = report.parent / "published" / "html" / "01_data.html"
    assert published.read_text(encoding="utf-8") == "<p>ours</p><p>after</p>"
    assert "from-paper" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("part", ["rows", "html/02_benchmarks.html", "notebooks/01_data.ipynb", "index.html"])
def test_an_incomplete_run_is_not_published(report: Path, part: str) -> None:
    (report / part).rename(report.parent / "aside")
    with pytest.raises(HdsrError, match=rf"profile 'quick' is not complete, .*: no {part}$"):
        commands.publish("quick")
    assert not (report.parent / "published").exists()


def test_a_page_older_than_its_notebook_is_not_published(report: Path) -> None:
    os.utime(pages.page_path("01_data", "quick"), (0, 0))
    with pytest.raises(HdsrError, match=r"html/01_data\.html is not up to date$"):
        commands.publish("quick")


def test_a_report_that_is_too_large_is_not_published(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands.publish("quick")
    published = contents(report.parent / "published")
    (report / "rows" / "large.csv").write_bytes(bytes(3_000_000))
    monkeypatch.setattr(commands, "PUBLISHED_LIMIT_MB", 3)
    message = r"has 3\.\d MB, expected at most 3; its largest files: rows/large\.csv \(3\.0\)"
    with pytest.raises(HdsrError, match=message):
        commands.publish("quick")
    assert contents(report.parent / "published") == published
    assert {path.name for path in report.parent.iterdir()} == {"quick", "published"}


def test_bad_input_ends_in_one_line(
    report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["reports", "run", "09_more"])
    code = commands.main()
    expected = "hdsr: error: unknown notebook '09_more': expected one of 01_data, 02_benchmarks\n"
    assert (code, capsys.readouterr().err) == (2, expected)


def test_help_shows_no_value_that_an_option_does_not_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["suite", "--help"])
    assert commands.main() == 0
    said = capsys.readouterr().out
    assert "publish" in said
    assert "<bool>" not in said
