"""The record of training: commands that give back what files say, scores beside published ones, trials."""

import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from fabricated import rows

from hdsr import checkpoint, paths
from hdsr.files import sha256
from hdsr.report import training as training_record
from hdsr.training.config import PLACES, load_config, validated


def test_the_runs_that_it_started_from_are_made_first_and_counted() -> None:
    first = {"step": 500, "minutes": 7.0}
    second = {"warm_start": "hdsrnet_x4/weights.safetensors", "started_from": first, "step": 200}
    about = {"warm_start": "hdsrnet_x3/weights.safetensors", "started_from": second, "step": 50}
    assert training_record.command(2, about).split(" && ") == [
        "hdsr train hdsr/configs/hdsrnet_x4.yaml --out runs/hdsrnet_x4",
        "hdsr train hdsr/configs/hdsrnet_x3.yaml --out runs/hdsrnet_x3",
        "hdsr train hdsr/configs/hdsrnet_x2.yaml --out runs/hdsrnet_x2",
        "hdsr pack runs/hdsrnet_x2/weights.safetensors --out data/weights/hdsrnet_x2.safetensors",
    ]
    assert training_record.spent(about, "step") == 750


def test_a_run_that_branched_comes_after_the_one_whose_state_it_took() -> None:
    branch = {"branch_from": "hdsrnet_x3/state-00000300.pt", "step": 70, "started_from": {"step": 300}}
    runs = training_record.lineage("hdsrnet_x4", branch)
    assert [(name, about["step"]) for name, about in runs] == [("hdsrnet_x3", 300), ("hdsrnet_x4", 70)]


@pytest.mark.parametrize("path", sorted(paths.OWN_WEIGHTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_the_runs_behind_a_file_had_the_configurations_that_are_named(path: Path) -> None:
    for name, about in training_record.lineage(path.stem, checkpoint.describe(path)):
        now = load_config(paths.CONFIGS / f"{name}.yaml")
        stored = dict(about["config"])
        if stored.pop("minutes", None):  # a budget that configurations once had
            stored["steps"] = about["step"]
        stored |= {key: about.get(key) and f"runs/{about[key]}" for key in ("warm_start", "branch_from")}
        then = validated(stored, name)
        assert then.model_dump(exclude=PLACES) == now.model_dump(exclude=PLACES)


def test_each_file_has_its_line() -> None:
    table = training_record.weights([2, 4])
    assert table.numbers["file"].tolist() == ["hdsrnet_x2.safetensors", "hdsrnet_x4.safetensors"]
    assert table.numbers["sha256"].iloc[1] == sha256(training_record.weights_path(4))
    assert (table.numbers["minutes"] > 0).all()
    assert table.printed["SHA-256"].str.len().tolist() == [16, 16]
    assert table.notes[1:] == (
        "second_x4 goes on from what first_x4 was after 10,250 of its 20,500 steps.",
        "third_x4 goes on from what second_x4 was after 32,500 of its 48,650 steps.",
    )


def test_what_several_files_go_on_from_is_said_once() -> None:
    notes = training_record.weights([2, 3, 4]).notes
    assert sorted(notes) == sorted(set(notes))


def test_trials_are_told_with_what_is_known_of_them() -> None:
    table = training_record.trials()
    assert table.numbers["psnr_db"].between(25, 35).all()
    assert table.numbers[["session", "recipe", "steps", "held_out_images"]].notna().all(axis=None)
    assert "<NA>" not in repr(table)
    assert "nan" not in repr(table)


def test_only_rows_of_the_files_that_ship_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = sha256(training_record.weights_path(2))
    now = rows({("hdsrnet", "ours"): 38.0, ("bicubic", "none"): 33.0}, scales=[2]).assign(
        weights_sha256=digest
    )
    before = rows({("hdsrnet", "ours"): 35.0}, dataset="Set14", scales=[2]).assign(weights_sha256="0" * 64)
    published = pd.concat([now.assign(psnr_db=1.0), now.assign(dataset="B100")])
    (tmp_path / "rows").mkdir()
    pd.concat([now, before]).to_csv(tmp_path / "rows" / "benchmarks.csv", index=False)
    published.to_csv(tmp_path / "published.csv", index=False)
    monkeypatch.setattr(training_record, "PUBLISHED_ROWS", tmp_path / "published.csv")
    taken = training_record.shipped_rows(tmp_path, [2])
    assert taken["dataset"].unique().tolist() == ["Set5", "B100"]
    assert taken["model"].unique().tolist() == ["hdsrnet"]
    assert taken.query("dataset == 'Set5'")["psnr_db"].mean() == pytest.approx(36.0)


def test_the_notebook_names_tests_that_there_are() -> None:
    cells = nbformat.read(paths.NOTEBOOKS / "03_training.ipynb", as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    named = re.findall(r"`(test_\w+)`", text)
    written = (paths.PROJECT / "tests" / "training" / "test_loop.py").read_text(encoding="utf-8")
    assert len(named) == 3
    assert all(f"def {name}(" in written for name in named)
