"""Execution of notebooks: in this environment's kernel, whole or not at all, failures in one line."""

import json
import os
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hdsr import paths
from hdsr.errors import HdsrError
from hdsr.suite import execute
from hdsr.suite import parameters as notebook


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of notebooks with one profile, and an empty folder of reports."""
    parameters = tmp_path / "notebooks" / "params"
    parameters.mkdir(parents=True)
    (parameters / "tiny.yaml").write_text("# One image.\ndata: {scales: [3]}\n", encoding="utf-8")
    monkeypatch.setattr(paths, "NOTEBOOKS", parameters.parent)
    monkeypatch.setattr(notebook, "PARAMETER_FILES", parameters)
    monkeypatch.setenv("HDSR_REPORTS", str(tmp_path / "reports"))
    return tmp_path


def add_notebook(project: Path, *sources: str, **metadata: object) -> Path:
    """A notebook named 01_data: a heading, a parameters cell, then code."""
    parameters = new_code_cell('profile = "quick"\nscales = [2, 4]', metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell("# Data\n\nWhat there is."), parameters, *map(new_code_cell, sources)]
    path = project / "notebooks" / "01_data.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def printed(path: Path) -> str:
    """What the cells of a notebook printed."""
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_cells_see_the_parameters_of_the_profile(project: Path) -> None:
    add_notebook(project, "print(profile, scales)")
    target = execute.run("01_data", "tiny")
    assert target == project / "reports" / "tiny" / "notebooks" / "01_data.ipynb"
    assert printed(target) == "tiny [3]\n"


def test_the_kernel_is_this_interpreter_whatever_is_registered(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = project / "jupyter" / "kernels" / "python3" / "kernel.json"
    registered.parent.mkdir(parents=True)
    other = {"argv": ["/bin/false", "{connection_file}"], "display_name": "another", "language": "python"}
    registered.write_text(json.dumps(other), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(project / "jupyter"))
    monkeypatch.setenv("PATH", os.defpath)
    add_notebook(project, "import sys\nprint(sys.executable, sys.prefix)")
    assert printed(execute.run("01_data", "tiny")) == f"{sys.executable} {sys.prefix}\n"


def test_the_kernel_imports_the_code_of_this_process(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(project)
    add_notebook(project, "from hdsr import paths\nprint(paths.PROJECT)")
    assert printed(execute.run("01_data", "tiny")) == f"{paths.PROJECT}\n"


def test_a_failed_notebook_is_set_aside_and_explained_in_one_line(project: Path) -> None:
    source = add_notebook(project, "print('before')", "1 / 0", "print('after')")
    with pytest.raises(HdsrError, match=r"^notebook 01_data: ZeroDivisionError: division by zero \(see "):
        execute.run("01_data", "tiny")
    folder = project / "reports" / "tiny" / "notebooks"
    assert [path.name for path in folder.iterdir()] == ["01_data.failed.ipynb"]
    assert printed(folder / "01_data.failed.ipynb") == "before\n"

    nbformat.write(new_notebook(), source)
    execute.run("01_data", "tiny")
    assert [path.name for path in folder.iterdir()] == ["01_data.ipynb"]


def test_the_modules_own_errors_are_shown_as_they_are(project: Path) -> None:
    add_notebook(project, "from hdsr.errors import HdsrError\nraise HdsrError('no such set: Set6')")
    with pytest.raises(HdsrError, match=r"^notebook 01_data: no such set: Set6 \(see "):
        execute.run("01_data", "tiny")


def test_a_dead_kernel_is_an_error_in_one_line(project: Path) -> None:
    add_notebook(project, "import os\nos._exit(1)")
    with pytest.raises(HdsrError, match=r"^notebook 01_data: the kernel died"):
        execute.run("01_data", "tiny")


def test_unknown_parameters_stop_before_any_work(project: Path) -> None:
    add_notebook(project, "print(scales)")
    (notebook.PARAMETER_FILES / "tiny.yaml").write_text("data: {scale: [3]}\n", encoding="utf-8")
    with pytest.raises(HdsrError, match="unknown parameter 'scale'"):
        execute.run("01_data", "tiny")
    assert not (project / "reports").exists()


def test_unknown_notebooks_are_refused_with_the_known_ones(project: Path) -> None:
    add_notebook(project)
    with pytest.raises(HdsrError, match=r"unknown notebook '09_more': expected one of 01_data$"):
        execute.run("09_more", "tiny")


def test_refreshing_renews_stored_outputs_alike_each_time(project: Path) -> None:
    cells = ("import os\nos.environ['HDSR_REPORTS']", "print(scales)")
    source = add_notebook(project, *cells, hdsr={"reads": ["02_benchmarks"]}, widgets={"of": "this run"})
    execute.refresh("01_data", project / "elsewhere")
    first = source.read_bytes()
    assert nbformat.read(source, as_version=4).metadata.keys() == {"hdsr", "kernelspec", "language_info"}
    assert printed(source) == "[2, 4]\n"
    assert f"{project / 'elsewhere'}" in first.decode()
    execute.refresh("01_data", project / "elsewhere")
    assert source.read_bytes() == first
    assert not (project / "reports").exists()


def test_of_a_widget_with_a_picture_only_the_picture_is_stored() -> None:
    widget, picture = {execute.WIDGET: {"model_id": "x"}}, {"image/jpeg": "/9j/4AAQ"}
    outputs = [new_output("display_data", data=data) for data in (widget, widget | picture)]
    document = new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell("show()", outputs=outputs)])
    execute.leave_pictures_of_widgets(document)
    assert [output.data for output in document.cells[1].outputs] == [widget, picture]


def test_a_failed_refresh_leaves_the_notebook_as_it_was(project: Path) -> None:
    source = add_notebook(project, "print(scales)", "1 / 0")
    before = source.read_bytes()
    with pytest.raises(HdsrError, match=r"^notebook 01_data: ZeroDivisionError: division by zero$"):
        execute.refresh("01_data", project / "elsewhere")
    assert source.read_bytes() == before


@pytest.mark.parametrize(("alone", "waits"), [(True, True), (False, False)])
def test_what_measures_times_waits_for_the_others(project: Path, alone: bool, waits: bool) -> None:
    began = threading.Event()

    def run() -> None:
        with execute.machine_to_itself(alone):
            began.set()

    with execute.machine_to_itself(False):
        thread = threading.Thread(target=run)
        thread.start()
        assert began.wait(1) is not waits
    thread.join(10)
    assert began.is_set()


@pytest.mark.parametrize(
    ("flags", "alone", "policy"),
    [
        (" -j2 --jobserver-auth=3,4", False, "passive"),
        (" -j2 --jobserver-auth=3,4", True, None),
        ("", False, None),
    ],
)
def test_threads_of_notebooks_side_by_side_wait_without_taking_a_core(
    project: Path, monkeypatch: pytest.MonkeyPatch, flags: str, alone: bool, policy: str | None
) -> None:
    monkeypatch.setenv("MAKEFLAGS", flags)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    add_notebook(project, "import os\nprint(os.environ.get('OMP_WAIT_POLICY'))", hdsr={"alone": alone})
    assert printed(execute.run("01_data", "tiny")) == f"{policy}\n"
