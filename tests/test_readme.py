"""What the READMEs print is what was measured, and the weights are those that they describe."""

import re

import pandas as pd
import pytest

from hdsr import checkpoint, tables
from hdsr.files import sha256
from hdsr.paths import OWN_WEIGHTS, PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
WEIGHTS_README = OWN_WEIGHTS / "README.md"
PUBLISHED_ROWS = PROJECT / "reports" / "published" / "rows" / "benchmarks.csv"


def table_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("|")]


def test_readme_prints_the_published_rows() -> None:
    expected = table_lines(repr(tables.headline(pd.read_csv(PUBLISHED_ROWS))))
    assert len(expected) == 2 + 9
    start = README.index(expected[0])
    assert table_lines(README[start:])[: len(expected)] == expected


def test_published_rows_are_of_the_weights_that_ship() -> None:
    rows = pd.read_csv(PUBLISHED_ROWS).query("weights == 'ours'")
    for scale, part in rows.groupby("scale"):
        shipped = sha256(OWN_WEIGHTS / f"hdsrnet_x{scale}.safetensors")
        assert set(part["weights_sha256"]) == {shipped}, f"x{scale}: run and publish the paper profile anew"


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_weights_are_described(scale: int) -> None:
    path = OWN_WEIGHTS / f"hdsrnet_x{scale}.safetensors"
    about = checkpoint.describe(path)
    assert about["scale"] == about["config"]["scale"] == scale
    (line,) = [line for line in table_lines(WEIGHTS_README.read_text(encoding="utf-8")) if path.name in line]
    for value in (sha256(path), f"{about['step']:,}", f"{about['minutes']:.0f}"):
        assert value in line


def test_links_of_the_readme_lead_somewhere() -> None:
    for text, folder in ((README, PROJECT), (WEIGHTS_README.read_text(encoding="utf-8"), OWN_WEIGHTS)):
        for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", text):
            assert (folder / target).exists(), target
