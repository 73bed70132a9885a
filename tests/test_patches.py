"""Patches: aligned, reproducible, shared out over processes, drawn as the weights say."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hdsr.config import TrainingConfig
from hdsr.errors import HdsrError
from hdsr.patches import Pair, batches, draw_batch, draw_patch, held_out_paths, load_training_data
from hdsr.resize import imresize


def write_set(root: Path, name: str, sizes: list[tuple[int, int]]) -> None:
    folder = root / "train" / name / "HR"
    folder.mkdir(parents=True)
    random = np.random.default_rng(len(name))
    for i, (height, width) in enumerate(sizes):
        coarse = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        Image.fromarray(imresize(coarse, 8)[:height, :width]).save(folder / f"{name}{i:02}.png")


@pytest.fixture
def config() -> TrainingConfig:
    return TrainingConfig(
        scale=2,
        sets=[{"name": "Big", "weight": 3}, {"name": "Small", "weight": 1}],
        validation={"set": "Big", "images": 2},
        patch_px=16,
        batch_size=6,
        steps=1,
        seed=5,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_set(tmp_path, "Big", [(40, 33), (20, 20), (31, 50), (48, 48)])
    write_set(tmp_path, "Small", [(16, 16), (15, 40), (18, 22)])
    return tmp_path


def test_held_out_images_are_never_drawn(root: Path, config: TrainingConfig) -> None:
    data = load_training_data(config, root, progress=False)
    assert [pair.name for pair in data.held_out] == ["Big00", "Big02"]
    assert [pair.name for pair in data.pairs] == ["Big01", "Big03", "Small00", "Small02"]
    assert data.left_out == 1


def test_probability_is_weight_by_area(root: Path, config: TrainingConfig) -> None:
    data = load_training_data(config, root, progress=False)
    big, small = np.array([400, 2304]), np.array([256, 396])
    expected = np.concatenate([0.75 * big / big.sum(), 0.25 * small / small.sum()])
    np.testing.assert_allclose(data.probability, expected)


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


def test_processes_share_the_batch(root: Path, config: TrainingConfig) -> None:
    data = load_training_data(config, root, progress=False)
    whole = draw_batch(data, config, 2)[0]
    shares = [draw_batch(data, config, 2, rank, 2)[0] for rank in range(2)]
    assert torch.equal(torch.stack(shares, dim=1).flatten(0, 1), whole)


def test_a_broken_image_is_named_before_the_first_step(root: Path, config: TrainingConfig) -> None:
    broken = root / "train" / "Small" / "HR" / "Small02.png"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(HdsrError, match=r"Small02\.png"):
        load_training_data(config, root, progress=False)


def test_no_image_large_enough(root: Path, config: TrainingConfig) -> None:
    with pytest.raises(HdsrError, match="no training image is as large as patch_px 64"):
        load_training_data(config.model_copy(update={"patch_px": 64}), root, progress=False)


def test_too_many_held_out() -> None:
    with pytest.raises(HdsrError, match="cannot hold out 4 of 4 images"):
        held_out_paths([Path(str(i)) for i in range(4)], 4)
