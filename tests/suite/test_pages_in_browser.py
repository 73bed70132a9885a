"""Pages as a browser lays them out: on a phone, on a screen, and printed."""

import shutil
from collections.abc import Iterator

import pandas as pd
import pytest
from markupsafe import Markup
from playwright.sync_api import Page, sync_playwright

from hdsr.report.tables import Table
from hdsr.suite import pages

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
A4_PX = 686
"""Width of a sheet of A4 within its margins, in pixels of a page."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to open pages in")


def verdicts() -> Table:
    """A table as the scorecard's widest: three scales, each with a value, a measured one and a verdict."""
    cells = {
        "paper": "37.95/0.9604",
        "measured": "37.55/0.9590",
        "difference": "-0.402/-0.00139",
        "verdict": "contradicted",
    }
    printed = {("method", ""): ["HDSRNet", "LESRCNN"]}
    printed |= {(f"×{scale}", head): [cell] * 2 for scale in (2, 3, 4) for head, cell in cells.items()}
    return Table(
        "verdicts",
        "What was measured, and what that says of the printed cells",
        pd.DataFrame(),
        pd.DataFrame(printed),
    )


def timings() -> Table:
    """A table as that of GPUs: three columns of names before four of numbers."""
    printed = {("HR", ""): ["256 × 256"], ("network", ""): ["HDSRNet"], ("form", ""): ["as published"]}
    cards = ("the paper's GPU", "NVIDIA H200, fp32", "NVIDIA H200, tf32", "NVIDIA H200, bf16")
    printed |= {
        (card, head): [cell] for card in cards for head, cell in (("ms", "17.20"), ("÷ VDSR", "1.00"))
    }
    return Table("timings", "Times", pd.DataFrame(), pd.DataFrame(printed))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    tables = "".join(table._repr_html_() for table in (verdicts(), timings()))
    body = f'<div class="output_html output_subarea">{tables}</div><pre>{"word " * 60}</pre>'
    written = pages.template("page.html.j2").render(
        title="Tables",
        body=Markup(body),
        links=[pages.Link(f"Chapter {index}", "a.html") for index in range(12)],
        before=None,
        after=None,
        profile="quick",
        executed="now",
    )
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(written, encoding="utf-8")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(path.as_uri())
        yield page
        browser.close()


@pytest.mark.parametrize(("width", "media"), [(390, "screen"), (1300, "screen"), (A4_PX, "print")])
def test_every_difference_and_verdict_is_in_sight(page: Page, width: int, media: str) -> None:
    page.emulate_media(media=media)
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    seen = page.locator(".difference, .verdict").all()
    boxes = [cell.bounding_box() for cell in seen]
    assert len(boxes) == 3 * 2 * 3
    assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    assert len({(box["x"], box["y"]) for box in boxes}) == len(boxes)


def test_no_word_of_a_table_is_broken_on_a_phone(page: Page) -> None:
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 390, "height": 900})
    broken = page.evaluate("""() => {
        const lines = (node, word) => {
            const range = document.createRange();
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            return new Set([...range.getClientRects()].map(box => box.top)).size;
        };
        const cells = [...document.querySelectorAll(".hdsr-table :is(th, td, caption)")];
        const texts = cells.flatMap(cell => [...cell.childNodes].filter(node => node.nodeName === "#text"));
        return texts.flatMap(node =>
            [...node.data.matchAll(/[\\p{L}\\d.,]+/gu)].filter(word => lines(node, word) > 1).map(String));
    }""")
    assert broken == []
