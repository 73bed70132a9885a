"""What the READMEs print is what was measured, and the weights are those that they describe."""

import doctest
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from hdsr import checkpoint, results
from hdsr.errors import HdsrError
from hdsr.files import sha256
from hdsr.paths import OWN_WEIGHTS, PROJECT
from hdsr.report import psnr_tables
from hdsr.report.training import PUBLISHED_ROWS
from hdsr.suite import index, readmes


def test_the_tables_are_of_the_published_rows_and_the_weights_that_ship() -> None:
    current = readmes.current_tables()
    for path, contents in current.items():
        text = path.read_text(encoding="utf-8")
        assert readmes.with_tables(text, contents, path.name) == text, f"{path}: renew its tables"
    assert len(current[PROJECT / "README.md"]["headline"].splitlines()) == 2 + 9


def test_other_weights_and_another_precision_leave_the_headline_alone() -> None:
    rows = pd.read_csv(PUBLISHED_ROWS)
    own = rows[(rows["model"] == "hdsrnet") & (rows["weights"] == "ours")]
    file = own.assign(weights="worse.safetensors", psnr_db=own["psnr_db"] - 5)
    more = pd.concat([rows, file, own.assign(precision="bf16", psnr_db=own["psnr_db"] - 5)])
    expected = psnr_tables.headline(rows).printed
    found = psnr_tables.headline(results.prevailing(more)).printed
    pd.testing.assert_frame_equal(found[expected.columns], expected)
    columns = [" ".join(column) for column in found if column not in expected]
    assert columns == [f"HDSRNet {name}" for name in ("worse.safetensors", "difference, worse.safetensors")]


def test_the_page_of_the_published_report_is_of_its_rows() -> None:
    written = (readmes.PUBLISHED / "README.md").read_text(encoding="utf-8")
    assert written == index.readme(readmes.PUBLISHED), "publish anew"


def test_the_published_overview_shows_the_same_numbers() -> None:
    page = (readmes.PUBLISHED / "index.html").read_text(encoding="utf-8")
    counts = index.verdict_counts(readmes.PUBLISHED)
    for word, number in counts.items():
        assert f"<strong>{number}</strong> claims {word}" in page, "publish anew"
    for table in index.tables(readmes.PUBLISHED):
        assert table._repr_html_().partition("<!-- files")[0] in page, f"publish anew: {table.name}"


def test_published_rows_are_of_the_weights_that_ship() -> None:
    rows = pd.read_csv(readmes.PUBLISHED_ROWS).query("weights == 'ours'")
    for (model, scale), part in rows.groupby(["model", "scale"]):
        shipped = sha256(OWN_WEIGHTS / f"{model}_x{scale}.safetensors")
        assert set(part["weights_sha256"]) == {shipped}, f"{model} x{scale}: run the paper profile anew"


@pytest.mark.parametrize("path", sorted(OWN_WEIGHTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_weights_describe_themselves(path: Path) -> None:
    about = checkpoint.describe(path)
    assert path.stem.endswith(f"_x{about['scale']}")
    assert about["config"]["scale"] == about["scale"]
    assert about["step"] > 0
    assert len(about["training_data_sha256"]) == 64


def test_a_table_takes_the_place_between_its_marks() -> None:
    text = "before\n<!-- a -->\nold\n<!-- end of a -->\nafter\n"
    renewed = readmes.with_tables(text, {"a": r"| new \1 |"}, "README.md")
    assert renewed == "before\n<!-- a -->\n" + r"| new \1 |" + "\n<!-- end of a -->\nafter\n"
    with pytest.raises(HdsrError, match=r"README\.md has no place for a table: expected <!-- b -->"):
        readmes.with_tables(text, {"b": ""}, "README.md")


PROSE = sorted(
    path
    for pattern in (
        "*.md",
        "docs/*.md",
        "reports/published/README.md",
        "hdsr/*/README.md",
        "data/weights/README.md",
    )
    for path in PROJECT.glob(pattern)
)


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target, heading in re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)", text):
        there = path.parent / target if target else path
        assert there.exists(), target
        if heading:
            assert heading in anchors(there.read_text(encoding="utf-8")), heading


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as a repository's web page makes them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_readme_takes_two_minutes() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    written = re.sub(r"<!-- (\w+) -->.*?<!-- end of \1 -->", "", text, flags=re.DOTALL)
    assert len(re.findall(r"\w[\w'.×/-]*", re.sub(r"\]\([^)]*\)", "]", written))) <= 1000
    assert len(written.split()) <= 1000


def test_the_example_in_the_readme_puts_out_what_it_says() -> None:
    assert doctest.testfile(str(PROJECT / "README.md"), module_relative=False).failed == 0


def test_workflows_use_targets_that_the_makefile_has() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    files = [*(PROJECT / ".github" / "workflows").glob("*.yml"), PROJECT / "Dockerfile"]
    used = {name for path in files for name in re.findall(r"\bmake ([a-z-]+)", path.read_text("utf-8"))}
    assert used == {"setup", "test"} <= set(targets)
    for path in files[:-1]:
        assert {"on", "jobs", "name", "permissions"} <= {
            "on" if key is True else key for key in yaml.safe_load(path.read_text("utf-8"))
        }
