"""Parameters of notebooks: found in any kernel, checked before any work, refused in one line."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hdsr import paths
from hdsr.errors import HdsrError
from hdsr.suite import parameters

START = 'settings = parameters.start("benchmarks", globals())'


def kernel(*cells: str, **variables: Any) -> dict[str, Any]:
    """Globals of a kernel that has run these cells, the last one being the call of start."""
    return {"In": ["", *cells, START], "Out": {}, **variables}


def test_parameters_are_the_literal_assignments_just_above() -> None:
    settings = parameters.start("benchmarks", kernel('profile = "mine"\nscales = [3]  # one is enough'))
    assert (settings.profile, settings.scales, settings.methods) == ("mine", (3,), ("bicubic", "hdsrnet"))


def test_an_injected_cell_overrides_the_one_above_it() -> None:
    cells = ('profile = "quick"\nscales = [2]', '# Parameters\nprofile = "paper"\ndatasets = ["Set5"]')
    settings = parameters.start("benchmarks", kernel(*cells))
    assert (settings.profile, settings.scales, settings.datasets) == ("paper", (2,), ("Set5",))


def test_a_used_kernel_is_no_obstacle() -> None:
    cells = (
        "x = 1",
        "import numpy",
        "scales = [2]",
        START,
        "scales = [4]",
        START,
        "rows = measure(settings)",
    )
    settings = parameters.start("benchmarks", kernel(*cells, x=1, rows=[1], leftover={"a": 2}))
    assert settings.scales == (4,)


def test_a_kernel_without_history_gives_its_plain_variables() -> None:
    variables = {"In": [""], "Out": {}, "_hidden": 1, "re": re, "Path": Path, "scales": [2, 4]}
    assert parameters.start("benchmarks", variables).scales == (2, 4)


def test_an_import_in_the_place_of_a_parameter_is_refused() -> None:
    with pytest.raises(HdsrError, match="parameter scales = <module 're'"):
        parameters.start("benchmarks", {"In": [""], "scales": re})


def test_an_unknown_name_is_refused_in_one_line_in_every_kernel() -> None:
    for namespace in (kernel('profile = "quick"\nscale = [2]'), {"In": [""], "scale": [2]}):
        with pytest.raises(
            HdsrError, match=r"^notebook benchmarks: unknown parameter 'scale' .*scales"
        ) as caught:
            parameters.start("benchmarks", namespace)
        assert "\n" not in str(caught.value)


def test_a_parameter_that_is_computed_is_refused() -> None:
    with pytest.raises(HdsrError, match=r"parameter scales = list\(range\(2, 5\)\): expected a literal"):
        parameters.start("benchmarks", kernel("scales = list(range(2, 5))"))


def test_start_needs_the_globals_of_a_notebook() -> None:
    with pytest.raises(HdsrError, match="globals"):
        parameters.start("benchmarks", {})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scales", [5], r"parameter scales\[0\] = 5: Input should be 2, 3 or 4"),
        ("scales", ["2"], r"parameter scales\[0\] = '2'"),
        ("scales", [], "expected one value or more"),
        ("scales", [2, 2], "each once"),
        ("methods", "bicubic", "parameter methods = 'bicubic': Input should be a list"),
        ("methods", [1], r"parameter methods\[0\] = 1"),
        ("device", "tpu", "parameter device = 'tpu'"),
        ("precision", "fp16", "parameter precision = 'fp16'"),
        ("data_root", 3, "parameter data_root = 3"),
        ("profile", "../elsewhere", "parameter profile"),
        ("profile", "published", "no run writes it"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_one_line(name: str, value: Any, message: str) -> None:
    with pytest.raises(HdsrError, match=message) as caught:
        parameters.validate("benchmarks", {name: value})
    assert "\n" not in str(caught.value)


def test_notebooks_go_by_name_or_file() -> None:
    assert parameters.validate("02_benchmarks", {}) == parameters.validate("benchmarks", {})
    with pytest.raises(HdsrError, match="unknown notebook 'cooking': expected one of index, data"):
        parameters.validate("cooking", {})


def test_settings_are_frozen() -> None:
    settings = parameters.validate("benchmarks", {})
    with pytest.raises(ValidationError, match="frozen"):
        settings.profile = "other"


def test_the_quick_profile_never_reads_hdsr_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HDSR_DATA", str(tmp_path))
    assert parameters.validate("data", {}).root == paths.PROJECT / "data"
    assert parameters.validate("data", {"profile": "paper"}).root == tmp_path.resolve()
    assert parameters.validate("data", {"data_root": str(tmp_path)}).root == tmp_path.resolve()


def test_the_data_notebook_measures_bicubic_on_its_own_sets() -> None:
    settings = parameters.validate("data", {"scales": [4], "datasets": ["Set5", "/some/folder"]})
    assert settings.bicubic.methods == ("bicubic",)
    assert (settings.bicubic.scales, settings.bicubic.datasets) == (settings.scales, settings.datasets)
    assert settings.set_names == ("Set5", "folder")


@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_each_profile_has_valid_parameters_for_every_notebook(profile: str) -> None:
    for name in parameters.SCHEMAS:
        assert parameters.validate(name, parameters.load_parameters(name, profile)).profile == profile


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {scale: [2]}", "notebook data: unknown parameter 'scale'"),
        ("cooking: {}", "unknown notebook 'cooking'"),
        ("- data", "own.yaml: expected a mapping"),
        ("", "own.yaml: expected a mapping"),
    ],
)
def test_a_profile_is_checked_as_a_whole(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(parameters, "PARAMETER_FILES", tmp_path)
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(HdsrError, match=message):
        parameters.load_parameters("benchmarks", "own")
    with pytest.raises(HdsrError, match="unknown profile 'other': expected one of own"):
        parameters.load_parameters("benchmarks", "other")
