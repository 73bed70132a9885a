"""What is read of a report, and which weights a completed run of the paper's recipe made."""

from pathlib import Path

import pandas as pd
import pytest

from hdsr import checkpoint, paths, results
from hdsr.files import sha256
from hdsr.network import HDSRNet
from hdsr.scorecard import evidence
from hdsr.study import mixes
from hdsr.training.config import TrainingConfig, load_config

LAST_STEP = 1_200_000


def write_run(folder: Path, last_step: int = LAST_STEP, **changes: object) -> Path:
    """The weights and the log of a run by the paper's recipe for x2, with changes."""
    config = load_config(
        evidence.paths.CONFIGS / "paper_x2.yaml", [f"{key}={value}" for key, value in changes.items()]
    )
    stored = config.model_dump(mode="json", exclude_none=True)
    folder.mkdir()
    checkpoint.save(HDSRNet(2), folder / "weights.safetensors", {"config": stored, "step": 500})
    (folder / "log.csv").write_text(f"step,loss\n100,9.0\n{last_step},5.0\n", encoding="utf-8")
    return folder / "weights.safetensors"


def test_every_file_of_a_report_is_read_to_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "BENCH", tmp_path / "bench.csv")
    rows, figures = tmp_path / "rows", tmp_path / "figures"
    for path in (paths.BENCH, rows / "complexity.csv", rows / "runtime.csv"):
        results.write_table(pd.DataFrame({"of": [path.stem]}), path)
    for name in ("kernel_mixes", "dynamics_mixes"):
        results.write_table(pd.DataFrame([dict.fromkeys(mixes.COLUMNS, name)]), rows / f"{name}.csv")
    for figure in range(1, 9):
        results.write_table(pd.DataFrame({"panel": [f"of {figure}"]}), figures / f"figure_{figure}.csv")
    found = evidence.read_evidence(tmp_path)
    for name in ("bench", "complexity", "runtime"):
        assert getattr(found, name)["of"].tolist() == [name]
    assert found.kernel_mixes["image"].tolist() == ["kernel_mixes"]
    assert found.crops.to_numpy().tolist() == [[f"of {figure}", figure] for figure in range(2, 8)]


def test_a_run_that_reached_the_last_step_is_completed(tmp_path: Path) -> None:
    assert evidence.is_completed(write_run(tmp_path / "run"))


@pytest.mark.parametrize("key", ["seed", "save_every", "log_every"])
def test_what_leaves_the_recipe_alone_may_differ(key: str, tmp_path: Path) -> None:
    assert evidence.is_completed(write_run(tmp_path / "run", **{key: 7}))


@pytest.mark.parametrize(
    ("key", "value"), [("batch_size", 32), ("learning_rate", 2e-4), ("steps", 2_000_000)]
)
def test_another_recipe_is_not_the_papers(key: str, value: float, tmp_path: Path) -> None:
    assert not evidence.is_completed(write_run(tmp_path / "run", last_step=2_000_000, **{key: value}))


def test_every_other_key_belongs_to_the_recipe() -> None:
    recipe = load_config(paths.CONFIGS / "paper_x2.yaml")
    stored = recipe.model_dump(mode="json", exclude_none=True)
    free = {key for key in TrainingConfig.model_fields if evidence.follows({**stored, key: "?"}, recipe)}
    assert free == {"data", "images_on", "save_every", "log_every", "seed", "validation", "channels_last"}


@pytest.mark.parametrize("key", ["started_from", "warm_start", "branch_from"])
def test_a_run_that_began_with_other_weights_is_not_completed(key: str, tmp_path: Path) -> None:
    weights = write_run(tmp_path / "run")
    about = checkpoint.describe(weights)
    assert evidence.is_completed(weights)
    checkpoint.save(HDSRNet(2), weights, about | {key: "shipped/hdsrnet_x2.safetensors"})
    assert not evidence.is_completed(weights)


def test_a_run_that_stopped_before_is_not_completed(tmp_path: Path) -> None:
    assert not evidence.is_completed(write_run(tmp_path / "run", last_step=LAST_STEP - 1))


def test_weights_without_a_log_are_not_taken_for_a_completed_runs(tmp_path: Path) -> None:
    weights = write_run(tmp_path / "run")
    (tmp_path / "run" / "log.csv").unlink()
    assert not evidence.is_completed(weights)


def test_what_is_no_weights_file_is_not_completed(tmp_path: Path) -> None:
    assert not evidence.is_completed(tmp_path / "absent.safetensors")


def test_completed_weights_go_by_their_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "OWN_WEIGHTS", tmp_path / "none")
    completed, stopped = write_run(tmp_path / "a"), write_run(tmp_path / "b", last_step=10)
    found = evidence.completed_weights(["authors", "ours", str(completed), str(stopped)])
    assert found == {sha256(completed)}
    assert evidence.completed_weights(["authors"]) == frozenset()
