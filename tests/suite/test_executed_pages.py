"""Executed notebooks as pages: opening words, folded code, nothing of this machine."""

import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hdsr import paths
from hdsr.errors import HdsrError
from hdsr.suite import pages

WIDGET_OUTPUT = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "0%| |"}


def code(source: str, *outputs: dict) -> dict:
    return new_code_cell(source, outputs=list(outputs))


def text(content: str, name: str = "stdout") -> dict:
    return new_output("stream", name=name, text=content)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# The data\n\nWhat *is* there, see [it](x.ipynb). More.", ("The data", "What is there, see it.")),
        ("# 2 < 3\n\nSee Tian et al. 2024\nand `code`! More.", ("2 < 3", "See Tian et al. 2024 and code!")),
        ("# Only a title", ("Only a title", "")),
        ("No title here.", ("", "No title here.")),
    ],
)
def test_a_page_opens_with_its_title_and_first_sentence(source: str, expected: tuple[str, str]) -> None:
    assert pages.opening(new_notebook(cells=[new_markdown_cell(source)])) == expected


def test_a_notebook_without_text_has_neither() -> None:
    assert pages.opening(new_notebook(cells=[new_code_cell("1")])) == ("", "")


def test_a_notebook_that_was_not_executed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HDSR_REPORTS", str(tmp_path))
    with pytest.raises(HdsrError, match="notebook 01_data has not been executed in profile 'quick'"):
        pages.read_executed("01_data", "quick")


def test_code_is_folded_and_silent_code_stands_with_what_follows() -> None:
    cells = [code("first = 1"), code("second = 2"), code("print(3)", text("3\n")), new_markdown_cell("Then.")]
    page = pages.as_html(new_notebook(cells=cells))
    assert page.count("<details") == 1
    assert page.index("first") < page.index("second") < page.index("<pre>3")


def test_progress_bars_are_left_out() -> None:
    bars = [text("50%|###  |", "stderr"), new_output("display_data", data=WIDGET_OUTPUT)]
    page = pages.as_html(new_notebook(cells=[code("measure()", *bars, text("done\n"))]))
    assert "%|" not in page
    assert "model_id" not in page
    assert "done" in page


def test_of_a_widget_with_a_picture_the_picture_is_shown() -> None:
    output = new_output("display_data", data={**WIDGET_OUTPUT, "image/jpeg": "/9j/4AAQ"})
    state = {"application/vnd.jupyter.widget-state+json": {"state": {"x": {"model_name": "Explorer"}}}}
    page = pages.as_html(new_notebook(cells=[code("explorer", output)], metadata={"widgets": state}))
    assert "data:image/jpeg;base64,/9j/4AAQ" in page
    assert "model_id" not in page
    assert "<script" not in page


def test_scripts_are_not_shown() -> None:
    output = new_output("display_data", data={"application/javascript": "load()", "text/plain": "a plot"})
    page = pages.as_html(new_notebook(cells=[code("plot()", output)]))
    assert "load()" not in page
    assert "a plot" in page


def test_links_to_notebooks_lead_to_their_pages() -> None:
    page = pages.as_html(new_notebook(cells=[new_markdown_cell("See [the data](01_data.ipynb#sets).")]))
    assert 'href="01_data.html#sets"' in page


def test_folders_of_this_machine_are_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HDSR_DATA", str(tmp_path / "sets"))
    monkeypatch.setenv("HDSR_REPORTS", str(tmp_path / "out"))
    monkeypatch.setenv("HOME", str(tmp_path))
    shown = f"{paths.PROJECT}/hdsr {tmp_path}/sets/Set5 {tmp_path}/out/quick {tmp_path}/x {tmp_path}y"
    cell = code(
        "look()", text(shown), new_output("display_data", data={"text/html": f"<b>{tmp_path}/sets</b>"})
    )
    document = new_notebook(cells=[cell])
    page = pages.as_html(document)
    assert f"./hdsr HDSR_DATA/Set5 reports/quick ~/x {tmp_path}y" in page
    assert "<b>HDSR_DATA</b>" in page
    assert document.cells[0].outputs[0].text == shown, "the executed notebook itself is left as it is"


def test_long_pages_list_their_sections_and_fold_what_only_a_check_needs() -> None:
    heads = [f"## Part {number}" for number in range(4)]
    cells = [new_markdown_cell("# Title"), *map(new_markdown_cell, heads)]
    end = new_markdown_cell("## What is compared from run to run\n\nDigits.")
    page = pages.as_html(new_notebook(cells=[*cells, end, code("report()", text("37.60\n"))]))
    links = re.findall(r'<a href="#([^"]+)">', page[: page.index("<h2")])
    assert len(links) == 4
    assert all(f'id="{link}"' in page for link in links)
    assert page.index('<details class="back">') < page.index("What is compared") < page.index("37.60")
    assert "<nav" not in pages.as_html(new_notebook(cells=cells[:3]))
