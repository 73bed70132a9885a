"""Patches: aligned, reproducible, shared out over processes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from made_sets import TWO_SETS, write_two_sets

from hdsr.training.config import LatePatches, TrainingConfig
from hdsr.training.data import Pair, load_training_data
from hdsr.training.patches import batches, draw_batch, draw_patch


@pytest.fixture
def config() -> TrainingConfig:
    return TWO_SETS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_two_sets(tmp_path)
    return tmp_path


def test_lr_and_hr_show_the_same_place() -> None:
    # Flat 4x4 blocks: where LR is made by picking one value of each block, HR must be that value, repeated.
    lr = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    pair = Pair("blocks", lr, lr.repeat(4, axis=0).repeat(4, axis=1))
    seen = set()
    for seed in range(60):
        small, large = draw_patch(pair, 7, 4, np.random.default_rng(seed))
        assert small.shape == (7, 7, 3)
        np.testing.assert_array_equal(small.repeat(4, axis=0).repeat(4, axis=1), large)
        seen.add(small.tobytes())
    assert len(seen) > 55


def test_the_place_with_the_most_detail_is_taken() -> None:
    lr = np.zeros((8, 40, 3), np.uint8)
    lr[::2, 32:] = 200  # stripes in a fifth of an otherwise flat image
    pair = Pair("flat", lr, lr.repeat(2, axis=0).repeat(2, axis=1))
    shares = []
    for draws in (1, 16):
        patches = [draw_patch(pair, 8, 2, np.random.default_rng(i), draws)[0] for i in range(60)]
        shares.append(np.mean([patch.any() for patch in patches]))
    assert shares[0] < 0.7
    assert shares[1] == 1


def test_all_eight_orientations_occur() -> None:
    lr = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    pair = Pair("one", lr, lr.repeat(2, axis=0).repeat(2, axis=1))
    assert len({draw_patch(pair, 3, 2, np.random.default_rng(i))[0].tobytes() for i in range(100)}) == 8


def test_a_step_sees_the_same_batch_however_one_gets_there(root: Path, config: TrainingConfig) -> None:
    data = load_training_data(config, root, progress=False)
    straight = batches(data, config, 0)
    sequence = [next(straight) for _ in range(4)]
    resumed = next(batches(data, config, 3))
    assert torch.equal(sequence[3][0], resumed[0])
    assert torch.equal(sequence[3][1], resumed[1])
    assert not torch.equal(sequence[2][0], resumed[0])
    assert resumed[0].shape == (6, 3, 8, 8)
    assert resumed[1].shape == (6, 3, 16, 16)
    assert resumed[0].is_contiguous(memory_format=torch.channels_last)


def test_the_batches_of_runs_already_made_stay_as_they_are(root: Path, config: TrainingConfig) -> None:
    # Recorded when images were still decoded into memory at every start.
    data = load_training_data(config, root, progress=False)
    digest = hashlib.sha256()
    for side in draw_batch(data, config, 3):
        digest.update(side.byte().contiguous().numpy())
    assert data.sha256 == "523053ceaed52ae75b0fd5a76414c566b040c57c7ec7d93ebe84d9021b6c8391"
    assert digest.hexdigest() == "b12f81750a3b78038a4b0ed6bc41c2004929b58d7e13d500bb38f2a803a8ad6c"


def test_late_steps_take_larger_patches_of_the_images_that_hold_them(
    root: Path, config: TrainingConfig
) -> None:
    late = config.model_copy(update={"late": LatePatches(share=0.5, patch_px=40, batch_size=3)})
    data = load_training_data(late, root, progress=False)
    sequence = batches(data, late, 0, is_late=lambda step: step >= 2)
    shapes = [tuple(hr.shape) for _, (_, hr) in zip(range(4), sequence, strict=False)]
    assert shapes == [(6, 3, 16, 16)] * 2 + [(3, 3, 40, 40)] * 2
    share = data.probability_of(40)
    assert [pair.name for pair, value in zip(data.pairs, share, strict=True) if value] == ["Big03"]
    assert share.sum() == pytest.approx(1)
    assert data.probability_of(16) is data.probability


def test_processes_share_the_batch(root: Path, config: TrainingConfig) -> None:
    data = load_training_data(config, root, progress=False)
    whole = draw_batch(data, config, 2)[0]
    shares = [draw_batch(data, config, 2, rank, 2)[0] for rank in range(2)]
    assert torch.equal(torch.stack(shares, dim=1).flatten(0, 1), whole)


def test_patches_of_enlarged_images_are_as_large_as_those_of_hr(root: Path, config: TrainingConfig) -> None:
    srcnn = config.model_copy(update={"network": "srcnn"})
    data = load_training_data(srcnn, root, progress=False)
    enlarged, hr = draw_batch(data, srcnn, 3)
    assert enlarged.shape == hr.shape == (6, 3, 16, 16)
    assert (enlarged - hr).abs().mean() < 0.2 * (enlarged - hr.flip(0)).abs().mean()
