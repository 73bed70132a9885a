"""Parameters of notebooks: checked before any work, refused in one line."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hdsr import paths
from hdsr.errors import HdsrError
from hdsr.suite import parameters


def test_an_unknown_name_is_refused_in_one_line() -> None:
    with pytest.raises(
        HdsrError, match=r"^BenchmarkTableSettings: unknown parameter 'scale' .*scales"
    ) as caught:
        parameters.schema_of("benchmarks")(scale=[2])
    assert "\n" not in str(caught.value)


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
        parameters.schema_of("benchmarks")(**{name: value})
    assert "\n" not in str(caught.value)


def test_notebooks_go_by_name_or_file() -> None:
    assert parameters.schema_of("02_benchmarks")() == parameters.schema_of("benchmarks")()
    with pytest.raises(HdsrError, match="unknown notebook 'cooking': expected one of data, benchmarks"):
        parameters.schema_of("cooking")()


def test_settings_are_frozen() -> None:
    settings = parameters.schema_of("benchmarks")()
    with pytest.raises(ValidationError, match="frozen"):
        settings.profile = "other"


def test_the_quick_profile_never_reads_hdsr_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HDSR_DATA", str(tmp_path))
    assert parameters.schema_of("data")().root == paths.PROJECT / "data"
    assert parameters.schema_of("data")(profile="paper").root == tmp_path.resolve()
    assert parameters.schema_of("data")(data_root=str(tmp_path)).root == tmp_path.resolve()


def test_the_data_notebook_measures_bicubic_on_its_own_sets() -> None:
    settings = parameters.schema_of("data")(scales=[4], datasets=["Set5", "/some/folder"])
    assert settings.bicubic.methods == ("bicubic",)
    assert (settings.bicubic.scales, settings.bicubic.datasets) == (settings.scales, settings.datasets)
    assert settings.set_names == ("Set5", "folder")


@pytest.mark.parametrize("profile", ["quick", "paper"])
def test_each_profile_has_valid_parameters_for_every_notebook(profile: str) -> None:
    for name in parameters.SCHEMAS:
        assert parameters.schema_of(name)(**parameters.load_parameters(name, profile)).profile == profile


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: {scale: [2]}", "DataSettings: unknown parameter 'scale'"),
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
