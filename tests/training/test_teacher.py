"""The teacher: what a run starts with, seeing patches turned."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made_sets import TWO_SETS, write_two_sets

from hdsr import checkpoint
from hdsr.errors import HdsrError
from hdsr.network import HDSRNet
from hdsr.training.config import TrainingConfig
from hdsr.training.data import load_training_data
from hdsr.training.loop import train
from hdsr.training.losses import PatchLoss
from hdsr.training.patches import PatchSource, turned, turned_back
from hdsr.training.teacher import Teacher

CPU = torch.device("cpu")
WAYS = torch.tensor(list(product([False, True], repeat=3)))


def network(scale: int) -> HDSRNet:
    torch.manual_seed(scale)
    return HDSRNet(scale)


def test_patches_are_turned_in_eight_ways_and_back() -> None:
    patch = torch.arange(27.0).reshape(1, 3, 3, 3)
    seen = turned(patch.expand(8, -1, -1, -1), WAYS)
    assert seen.is_contiguous(memory_format=torch.channels_last)
    expected = {
        np.rot90(image, turns).tobytes() for image in (patch[0, 0], patch[0, 0].flip(1)) for turns in range(4)
    }
    assert {image[0].numpy().tobytes() for image in seen} == expected
    assert torch.equal(turned_back(seen, WAYS), patch.expand(8, -1, -1, -1))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_what_is_learnt_is_hr_mixed_with_what_the_start_makes_of_the_patch_turned(scale: int) -> None:
    start = network(scale)
    lr, hr = 255 * torch.rand(8, 3, 6, 6), 255 * torch.rand(8, 3, 6 * scale, 6 * scale)
    found = Teacher(start, 0.25)(lr, hr, WAYS)
    for one, small, large, (upside_down, left_right, transposed) in zip(
        found, lr, hr, WAYS.tolist(), strict=True
    ):
        flips = [axis for axis, flipped in ((1, upside_down), (2, left_right)) if flipped]
        seen = small.flip(flips).mT if transposed else small.flip(flips)
        made = start(seen[None])[0].detach()
        made = (made.mT if transposed else made).flip(flips)
        torch.testing.assert_close(one, 0.75 * large + 0.25 * made, rtol=1e-4, atol=0.01)


def test_a_teacher_changes_no_patch_and_sees_each_in_a_way_of_its_own(tmp_path: Path) -> None:
    write_two_sets(tmp_path)
    taught = TWO_SETS.model_copy(update={"teacher_share": 0.5, "warm_start": "some", "batch_size": 200})
    alone = taught.model_copy(update={"teacher_share": 0.0})
    sources = [
        PatchSource(load_training_data(one, tmp_path, progress=False), one, CPU) for one in (taught, alone)
    ]
    for sides in zip(*(source.batch(3) for source in sources), strict=True):
        assert torch.equal(*sides)
    numbers = sources[0].numbers(3)
    ways = sources[0].teacher_turns(numbers)
    assert ways.unique(dim=0).tolist() == WAYS.tolist()
    for way, turns in zip(ways.T, numbers[:, 0, -3:].T.bool(), strict=True):
        assert 0.3 < (way == turns).float().mean() < 0.7


@pytest.fixture
def taught(tmp_path: Path) -> TrainingConfig:
    write_two_sets(tmp_path)
    checkpoint.save(network(2), tmp_path / "start.safetensors", {})
    changes = {"warm_start": str(tmp_path / "start.safetensors"), "teacher_share": 0.75, "steps": 4}
    changes |= {"data": str(tmp_path), "log_every": 1, "schedule": {"kind": "constant"}, "precision": "bf16"}
    return TrainingConfig(**{**TWO_SETS.model_dump(), "validation": {"images": 0}, **changes})


def test_a_step_learns_what_the_teacher_says(taught: TrainingConfig, tmp_path: Path) -> None:
    taught = taught.model_copy(update={"precision": "fp32", "steps": 1})
    train(taught, tmp_path / "run", progress=False)
    source = PatchSource(load_training_data(taught, tmp_path, progress=False), taught, CPU)
    numbers = source.numbers(0)
    lr, hr = source.cut(numbers)
    start = network(2)
    target = Teacher(start, 0.75)(lr, hr, source.teacher_turns(numbers))
    losses = [PatchLoss(start, True, kind=taught.loss)(lr, wanted).item() for wanted in (target, hr)]
    assert pd.read_csv(tmp_path / "run" / "log.csv")["loss"].item() == pytest.approx(losses[0], rel=1e-4)
    assert losses[0] != pytest.approx(losses[1], rel=0.01)


def test_a_resumed_run_has_the_teacher_that_it_began_with(taught: TrainingConfig, tmp_path: Path) -> None:
    whole = train(taught, tmp_path / "whole", progress=False)
    stopped = tmp_path / "stopped"
    train(taught.model_copy(update={"steps": 2}), stopped, progress=False)
    resumed = train(taught, stopped, resume=True, progress=False)
    states = [checkpoint.load(path).state_dict() for path in (whole, resumed)]
    torch.testing.assert_close(*states, rtol=0, atol=0)
    checkpoint.save(network(2), tmp_path / "start.safetensors", {"step": 7})
    with pytest.raises(HdsrError, match=r"cannot resume: .*start\.safetensors is not what the run began"):
        train(taught.model_copy(update={"steps": 5}), stopped, resume=True, progress=False)
    with pytest.raises(HdsrError, match="cannot resume: teacher_share"):
        train(taught.model_copy(update={"teacher_share": 0.5}), stopped, resume=True, progress=False)
