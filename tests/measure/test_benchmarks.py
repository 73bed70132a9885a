"""Measuring a grid of methods, weights, sets and scales: what is reused, and what is a gap and why."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from hdsr import checkpoint, datasets, evaluation
from hdsr.errors import HdsrError
from hdsr.fetch import weights
from hdsr.images import write_png
from hdsr.measure import benchmarks
from hdsr.methods import registry
from hdsr.methods.srcnn import SRCNN
from hdsr.network import HDSRNet
from hdsr.settings import MeasurementSettings
from hdsr.suite import parameters as notebook


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two images of Set5, and reports of its own."""
    monkeypatch.setenv("HDSR_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setattr(weights, "OWN_WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(datasets, "is_altered", lambda *_: False)
    random = np.random.default_rng(0)
    for name in ("baby", "bird"):
        path = tmp_path / "benchmarks" / "Set5" / "HR" / f"{name}.png"
        write_png(path, random.integers(0, 256, (36, 48, 3), np.uint8))
    return tmp_path


def settings(data: Path, **parameters: object) -> MeasurementSettings:
    values = {"profile": "test", "data_root": str(data), "datasets": ["Set5"], "scales": [2], **parameters}
    return notebook.schema_of("benchmarks")(**values)


def save_weights(data: Path, name: str) -> None:
    checkpoint.save(HDSRNet(2), data / "weights" / name, {})


def test_rows_and_images_lie_in_the_profiles_report(data: Path) -> None:
    save_weights(data, "hdsrnet_x2.safetensors")
    measured = benchmarks.evaluate_methods(settings(data), progress=False)
    assert measured.rows[["model", "weights", "image"]].to_numpy().tolist() == [
        ["bicubic", "none", "baby"],
        ["bicubic", "none", "bird"],
        ["hdsrnet", "ours", "baby"],
        ["hdsrnet", "ours", "bird"],
    ]
    assert measured.gaps.empty
    report = data / "reports" / "test"
    assert (report / "rows" / "benchmarks.csv").is_file()
    assert (report / "images" / "ours" / "hdsrnet" / "Set5" / "x2" / "baby.png").is_file()
    assert (report / "images" / "none" / "bicubic" / "Set5" / "x2" / "bird.png").is_file()


def test_a_second_call_computes_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = benchmarks.evaluate_methods(settings(data, methods=["bicubic"]), progress=False)
    monkeypatch.setattr(evaluation.metrics, "scores", None)
    second = benchmarks.evaluate_methods(settings(data, methods=["bicubic"]), progress=False)
    assert first.rows.equals(second.rows)


def test_each_source_of_weights_is_measured_apart_and_bicubic_once(data: Path) -> None:
    save_weights(data, "hdsrnet_x2.safetensors")
    save_weights(data, "other.safetensors")
    other = str(data / "weights" / "other.safetensors")
    measured = benchmarks.evaluate_methods(settings(data, weights=["ours", other]), progress=False)
    labels = measured.rows[["model", "weights"]].drop_duplicates().to_numpy().tolist()
    assert labels[:2] == [["bicubic", "none"], ["hdsrnet", "ours"]]
    assert len(labels) == 3
    assert labels[2][1].startswith("other.safetensors@")
    folders = {path.name for path in (data / "reports" / "test" / "images").iterdir()}
    assert folders == {weights for _, weights in labels}


def test_weights_that_are_not_there_are_a_gap_without_folders_in_its_reason(data: Path) -> None:
    measured = benchmarks.evaluate_methods(settings(data, weights=["authors"]), progress=False)
    assert measured.gaps[["model", "weights", "dataset", "scale"]].to_numpy().tolist() == [
        ["hdsrnet", "authors", "Set5", 2]
    ]
    reason = measured.gaps["reason"].iloc[0]
    assert "authors" in reason
    assert str(data) not in reason


def variants(data: Path, **parameters: object) -> list[tuple[str, str, bool]]:
    """Model, label of weights, and whether they can be used."""
    found = benchmarks.variants(settings(data, **parameters), 2)
    return [(variant.model, variant.label, variant.obstacle is None) for variant in found]


def test_each_method_has_a_line_for_each_source_of_weights_that_exists_for_it(data: Path) -> None:
    names = ["bicubic", "srcnn", "vdsr", "carn_m", "dcls", "hdsrnet"]
    assert variants(data, methods=names, weights=["authors", "ours"]) == [
        ("bicubic", "none", True),
        ("srcnn", "authors", False),
        ("vdsr", "authors", False),
        ("carn_m", "authors", False),
        ("dcls", "authors", False),
        ("hdsrnet", "authors", False),
        ("hdsrnet", "ours", False),
    ]


def test_weights_trained_here_stand_in_tables_where_the_authors_are_not(
    data: Path, real_data_root: Path
) -> None:
    checkpoint.save(SRCNN(2), data / "weights" / "srcnn_x2.safetensors", {})
    both = {"methods": ["srcnn"], "weights": ["authors", "ours"]}
    assert variants(data, **both) == [("srcnn", "ours", True)]
    authors = data / "weights" / "srcnn_955_x2.mat"
    authors.symlink_to(real_data_root / "weights" / authors.name)
    assert variants(data, **both) == [("srcnn", "authors", True)]
    assert variants(data, **both | {"weights": ["ours"]}) == [("srcnn", "ours", True)]


def test_all_methods_of_the_registry_can_be_asked_for_by_one_word(data: Path) -> None:
    found = variants(data, methods=["all"], weights=["authors", "ours"])
    shown = [name for name, entry in registry.LOADERS.items() if not entry.only_by_name]
    assert list(dict.fromkeys(model for model, _, _ in found)) == shown


def test_a_source_that_a_method_does_not_have_is_said_once(data: Path) -> None:
    measured = benchmarks.evaluate_methods(
        settings(data, methods=["bicubic", "vdsr"], weights=["ours"]), progress=False
    )
    assert measured.gaps[["model", "weights", "reason"]].to_numpy().tolist() == [
        ["vdsr", "authors", "its weights are of the source authors and others, and this run asks for ours"]
    ]


def test_a_file_is_asked_of_the_method_that_it_fits(data: Path) -> None:
    save_weights(data, "other.safetensors")
    path = data / "weights" / "other.safetensors"
    names = ["bicubic", "carn_m", "hdsrnet"]
    assert [line[::2] for line in variants(data, methods=names, weights=[str(path)])] == [
        ("bicubic", True),
        ("hdsrnet", True),
    ]
    path.write_bytes(b"")
    assert [line[::2] for line in variants(data, methods=names, weights=[str(path)])] == [
        ("bicubic", True),
        ("carn_m", False),
        ("hdsrnet", False),
    ]


def test_a_set_that_is_not_there_is_a_gap_of_every_method(data: Path) -> None:
    measured = benchmarks.evaluate_methods(
        settings(data, datasets=["Set5", "Set14"], methods=["bicubic"]), progress=False
    )
    assert measured.rows["dataset"].unique().tolist() == ["Set5"]
    assert measured.gaps[["model", "dataset"]].to_numpy().tolist() == [["bicubic", "Set14"]]
    assert "Set14" in measured.gaps["reason"].iloc[0]
    assert str(data) not in measured.gaps["reason"].iloc[0]


def test_nothing_to_measure_is_an_error(data: Path) -> None:
    with pytest.raises(HdsrError, match=r"nothing can be measured: .*Set14"):
        benchmarks.evaluate_methods(settings(data, datasets=["Set14"]), progress=False)


def test_a_damaged_image_is_no_gap(data: Path) -> None:
    path = data / "benchmarks" / "Set5" / "HR" / "bird.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(HdsrError, match=r"bird\.png"):
        benchmarks.evaluate_methods(settings(data, methods=["bicubic"]), progress=False)


def test_an_unknown_method_is_refused_before_any_work(data: Path) -> None:
    with pytest.raises(
        HdsrError, match=f"unknown method 'bikubic': expected some of {', '.join(registry.LOADERS)}"
    ):
        benchmarks.evaluate_methods(settings(data, methods=["bicubic", "bikubic"]), progress=False)
    assert not (data / "reports").exists()


def test_places_restrict_what_is_measured(data: Path) -> None:
    asked = settings(data, methods=["bicubic"], scales=[2, 3])
    measured = benchmarks.evaluate_methods(asked, [("Set5", 3)], progress=False)
    assert measured.rows["scale"].unique().tolist() == [3]


@pytest.mark.parametrize("altered", [False, True])
def test_a_reused_row_needs_no_image_until_one_is_asked_for(
    altered: bool, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "is_altered", lambda *_: altered)
    save_weights(data, "hdsrnet_x2.safetensors")
    first = benchmarks.evaluate_methods(settings(data), progress=False)
    images = data / "reports" / "test" / "images"
    saved = {path: path.read_bytes() for path in images.rglob("*.png")}
    shutil.rmtree(images)
    with monkeypatch.context() as patched:
        patched.setattr(evaluation.metrics, "scores", None)
        second = benchmarks.evaluate_methods(settings(data), progress=False)
    assert first.rows.equals(second.rows)
    assert not images.exists()
    wrong = next(path for path in saved if path.parts[-5:-3] == ("ours", "hdsrnet"))
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(b"cut short")
    benchmarks.complete_images(settings(data), second.rows)
    assert {path: path.read_bytes() for path in images.rglob("*.png")} == saved


def test_a_set_goes_by_its_folder_and_one_that_stands_in_by_its_name(data: Path) -> None:
    own = settings(data, datasets=[str(data / "benchmarks" / "Set5")])
    assert benchmarks.set_of(own, "Set5") == benchmarks.set_of(own, "Set5 (altered)") == own.datasets[0]
    assert benchmarks.set_of(own, "samples") == "samples"
