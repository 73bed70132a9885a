"""The notebooks themselves: thin, in order, one parameters cell each, red when a stored number is wrong."""

import ast
import copy
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

from hdsr import paths
from hdsr.suite import execute, parameters, regression

NAMES = execute.notebook_names()
IGNORED = "nbval-ignore-output"
LONGEST_CELL = 15


def cells_of(name: str, kind: str = "code") -> list[Any]:
    document = nbformat.read(paths.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    return [cell for cell in document.cells if cell.cell_type == kind]


def tags(cell: Any) -> list[str]:
    return cell.metadata.get("tags", [])


def text_of(cell: Any) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_each_has_a_schema() -> None:
    assert [parameters.schema_of(name) for name in NAMES]


def test_it_opens_with_a_title_and_how_to_read_it(name: str) -> None:
    opening = cells_of(name, "markdown")[0].source
    assert opening.startswith("# ")
    assert "**How to read it.**" in opening


def test_its_first_code_cell_holds_its_parameters(name: str) -> None:
    first, second, *others = cells_of(name)
    assert "parameters" in tags(first)
    assert not any("parameters" in tags(cell) for cell in [second, *others])
    lines = ast.parse(first.source).body
    values = {line.targets[0].id: ast.literal_eval(line.value) for line in lines}
    schema = parameters.schema_of(name)
    assert set(values) == set(schema.model_fields)
    assert schema(**values) == schema(**parameters.load_parameters(name, "quick"))
    code = "\n".join(cell.source for cell in (second, *others[:1]))
    call = next(node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    assert ast.unparse(call.func) == schema.__name__
    assert {word.arg: ast.unparse(word.value) for word in call.keywords} == {key: key for key in values}


def test_its_cells_are_short_and_define_nothing(name: str) -> None:
    for cell in cells_of(name):
        assert len(cell.source.splitlines()) <= LONGEST_CELL
        nodes = ast.walk(ast.parse(cell.source))
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda) for node in nodes)


def test_its_imports_hide_no_parameter(name: str) -> None:
    nodes = [node for cell in cells_of(name) for node in ast.walk(ast.parse(cell.source))]
    imported = {alias.asname or alias.name for node in nodes for alias in getattr(node, "names", [])}
    assert imported.isdisjoint(parameters.schema_of(name).model_fields)


def test_it_was_run_from_top_to_bottom_without_errors_or_warnings(name: str) -> None:
    cells = cells_of(name)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert not any(
            output.output_type == "error" or output.get("name") == "stderr" for output in cell.outputs
        )


def test_it_ends_with_versions_and_provenance(name: str) -> None:
    last = cells_of(name)[-1]
    assert "overview.provenance(" in last.source
    assert IGNORED in tags(last)


def test_its_compared_outputs_are_plain_text(name: str) -> None:
    for cell in cells_of(name):
        if IGNORED not in tags(cell):
            assert all(output.output_type == "stream" for output in cell.outputs)


def test_it_holds_nothing_of_the_machine_that_ran_it(name: str) -> None:
    stored = (paths.NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    for folder in (paths.PROJECT, Path.home(), Path(sys.prefix), Path("/tmp")):
        assert f"{folder}/" not in stored


def test_values_of_all_scales_are_compared() -> None:
    compared = pd.read_csv(regression.COMPARED)
    assert {2, 3, 4} <= set(compared["scale"])
    assert {"bicubic", "hdsrnet"} <= set(compared["model"])


def test_stored_lines_say_that_the_stored_values_were_met() -> None:
    cells = [cell for name in NAMES for cell in cells_of(name) if "regression.report(" in cell.source]
    assert len(cells) == 2
    for cell in cells:
        assert re.fullmatch(r"\d+ values are those of notebooks/compared.csv, within .*\n", text_of(cell))


def nbval(path: Path, reports: Path) -> subprocess.CompletedProcess[str]:
    """Run `pytest --nbval` on one notebook, its reports in a folder of their own."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "-q",
        "-p",
        "no:cacheprovider",
        "--nbval-current-env",
    ]
    search = os.pathsep.join(filter(None, [str(paths.PROJECT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "HDSR_REPORTS": str(reports), "PYTHONPATH": search}
    return subprocess.run(
        [*command, str(path)], cwd=path.parent, env=environment, capture_output=True, text=True
    )


def test_a_stored_psnr_that_is_wrong_by_a_hundredth_is_red(tmp_path: Path) -> None:
    """A notebook whose compared cell is there three times: as stored, a hundredth more, a hundredth less."""
    document = nbformat.read(paths.NOTEBOOKS / "01_data.ipynb", as_version=4)
    cells = [cell for cell in document.cells if cell.cell_type == "code"]
    place = next(place for place, cell in enumerate(cells) if "regression.report" in cell.source)
    stored = pd.read_csv(regression.COMPARED)
    for hundredths in (-1, 1):
        path = tmp_path / f"off_by_{hundredths}.csv"
        first = stored.index == stored.query("model == 'bicubic'").index[0]
        stored.assign(psnr_db=stored["psnr_db"] + first * hundredths / 100).to_csv(path, index=False)
        wrong = copy.deepcopy(cells[place])
        wrong.id = path.stem.replace("_", "-")
        wrong.source = f"regression.COMPARED = __import__('pathlib').Path({str(path)!r})\n{wrong.source}"
        cells.insert(place + 1, wrong)
    document.cells = cells
    nbformat.write(document, tmp_path / "copy.ipynb")
    run = nbval(tmp_path / "copy.ipynb", tmp_path / "reports")
    assert run.returncode == 1, run.stdout
    failed = re.findall(r"^FAILED copy\.ipynb::Cell (\d+)", run.stdout, re.MULTILINE)
    assert failed == [str(place + 1), str(place + 2)], run.stdout
    assert f"2 failed, {len(cells) - 2} passed" in run.stdout
