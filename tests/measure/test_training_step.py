"""The step benchmark: known times give known ratios, both forms take the same loss, waiting is seen."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from hdsr.errors import HdsrError
from hdsr.measure import training_step
from hdsr.network import HDSRNet
from hdsr.report import time_tables
from hdsr.training.config import TrainingConfig
from hdsr.training.loop import Run, new_accelerator

SAMPLES = TrainingConfig(
    scale=2,
    sets=[{"name": "samples"}],
    validation={"images": 0},
    patch_px=16,
    batch_size=2,
    steps=100,
)


def test_ratios_are_taken_turn_by_turn() -> None:
    frame = pd.DataFrame({"form": [training_step.PUBLISHED, "ours, Adam"]})
    times = {training_step.PUBLISHED: [100.0, 200.0, 300.0], "ours, Adam": [50.0, 50.0, 100.0]}
    ours = training_step._with_times(frame, times).iloc[1]
    assert (ours["step_ms"], ours["steps_per_second"]) == (50.0, 20.0)
    assert (ours["ratio"], ours["ratio_quartile1"], ours["ratio_quartile3"]) == (3.0, 2.5, 3.5)


def test_every_form_is_timed_and_said_of_what() -> None:
    frame = training_step.ratios(scale=2, batch_size=2, lr_px=8, warmup=0, turns=2).set_index("form")
    assert frame.index.tolist() == ["published form", "ours, Adam", "ours, Muon"]
    assert frame["ratio"].iloc[0] == 1
    assert (frame["ratio"] > 0).all()
    assert frame["precision"].tolist() == ["fp32", "bf16", "bf16"]
    assert frame["layout"].tolist() == ["contiguous", "channels_last", "channels_last"]
    assert frame["threads"].unique().tolist() == [torch.get_num_threads()]
    assert frame["n"].unique().tolist() == [2]
    with pytest.raises(HdsrError, match="1 runs after 0 to warm up: expected 2 or more"):
        training_step.ratios(warmup=0, turns=1)


def test_both_forms_take_the_same_loss() -> None:
    lr, hr = training_step.random_patches(scale=3, batch_size=2, lr_px=8)
    config = training_step.step_config(3, 2, 8, "adam").model_copy(update={"precision": "fp32"})
    run = Run(config, training_step.NO_FOLDER, training_step.NO_IMAGES, new_accelerator(config)).step
    torch.manual_seed(0)
    published = HDSRNet(3)
    run.network.load_state_dict(published.state_dict())
    inner = (..., slice(3, -3), slice(3, -3))
    expected = (published(lr)[inner] - hr[inner]).abs().mean()
    torch.testing.assert_close(run.loss(lr, hr), expected, rtol=1e-5, atol=1e-3)


def test_a_published_step_moves_the_weights_down_the_loss() -> None:
    lr, hr = training_step.random_patches(scale=2, batch_size=1, lr_px=8)
    step = training_step.PublishedStep(lr, hr, 2)
    before = {key: value.clone() for key, value in step.network.state_dict().items()}
    assert step.lr.is_contiguous()
    step()
    moved = [not torch.equal(value, before[key]) for key, value in step.network.state_dict().items()]
    assert all(moved)


def test_drawing_is_a_part_of_a_step() -> None:
    assert 0 < training_step.drawing_share(SAMPLES, steps=4) < 1


def test_rows_are_kept_until_code_or_turns_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real, calls = training_step.ratios, []

    def small(turns: int) -> pd.DataFrame:
        calls.append(turns)
        return real(scale=2, batch_size=1, lr_px=8, warmup=0, turns=turns)

    monkeypatch.setattr(training_step, "ratios", small)
    first = training_step.measured(tmp_path, 2)
    again = training_step.measured(tmp_path, 2)
    pd.testing.assert_frame_equal(first, again)
    assert calls == [2]
    training_step.measured(tmp_path, 3)
    monkeypatch.setattr(training_step, "code_version", lambda *_: "other")
    assert training_step.measured(tmp_path, 3)["code"].unique().tolist() == ["other"]
    assert calls == [2, 3, 3]


def test_the_table_says_what_was_timed() -> None:
    table = time_tables.training_step(training_step.ratios(scale=2, batch_size=1, lr_px=8, warmup=0, turns=2))
    assert table.caption == "A training step at ×2, 1 LR patches of 8 px"
    assert table.printed["times faster"].iloc[0] == "1.00 (1.00 to 1.00)"
    assert "Medians of 2 turns after 0 to warm up, cpu" in table.notes[0]
