"""Patches: aligned, reproducible, shared out over processes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made_sets import TWO_SETS, write_two_sets

from hdsr.resize import imresize
from hdsr.training.config import TrainingConfig
from hdsr.training.data import Pair, TrainingData, load_training_data
from hdsr.training.patches import PatchSource, _live_on_device

CPU = torch.device("cpu")
ORIENTATIONS = [
    lambda image, turns=turns, flip=flip: np.rot90(image[::-1] if flip else image, turns)
    for turns in range(4)
    for flip in (False, True)
]


@pytest.fixture
def config() -> TrainingConfig:
    return TWO_SETS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_two_sets(tmp_path)
    return tmp_path


def source_of(lr: np.ndarray, side: int, scale: int, batch: int, draws: int = 1, **place: int) -> PatchSource:
    """Patches of one image whose HR is its LR with every pixel repeated."""
    pair = Pair("one", lr, lr.repeat(scale, axis=0).repeat(scale, axis=1))
    sizes = {"patch_px": side * scale, "batch_size": batch, "draws": draws, "folded": False}
    config = TrainingConfig(scale=scale, sets=[{"name": "One"}], steps=1, **sizes)
    return PatchSource(TrainingData((pair,), np.ones(1), (), "", 0), config, CPU, **place)


def test_lr_and_hr_show_the_same_place() -> None:
    # Flat 4x4 blocks: where LR is made by picking one value of each block, HR must be that value, repeated.
    lr = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    small, large = source_of(lr, 7, 4, batch=60).batch(0)
    assert small.shape == (60, 3, 7, 7)
    assert torch.equal(small.repeat_interleave(4, 2).repeat_interleave(4, 3), large)
    assert len({patch.numpy().tobytes() for patch in small}) > 55


def test_patches_are_parts_of_the_image() -> None:
    lr = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    whole = torch.from_numpy(lr).permute(2, 0, 1).float()
    parts = [whole[:, top : top + 4, left : left + 4] for top in range(6) for left in range(8)]
    turned = {
        torch.rot90(view, turn, (1, 2)).contiguous().numpy().tobytes()
        for part in parts
        for view in (part, part.flip(2))
        for turn in range(4)
    }
    small, _ = source_of(lr, 4, 2, batch=400).batch(5)
    seen = {patch.contiguous().numpy().tobytes() for patch in small}
    assert seen <= turned
    assert len(seen) > 200


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("scale", [2, 4])
def test_patches_of_any_phase_have_the_lr_of_the_image_that_begins_there(scale: int, draws: int) -> None:
    hr = np.random.default_rng(0).integers(0, 256, (15 * scale, 16 * scale, 3), dtype=np.uint8)
    side, around = 5 * scale, 2 * scale
    sizes = {"patch_px": side, "batch_size": 60, "draws": draws}
    config = TrainingConfig(scale=scale, sets=[{"name": "One"}], steps=1, any_phase=True, **sizes)
    source = PatchSource(TrainingData((Pair("one", None, hr),), np.ones(1), (), "", 0), config, CPU)
    known = {}
    for top in range(around, hr.shape[0] - side - around + 1):
        for left in range(around, hr.shape[1] - side - around + 1):
            more = hr[top - around : top + side + around, left - around : left + side + around]
            known[more[around:-around, around:-around].tobytes()] = imresize(more, 1 / scale)[2:-2, 2:-2]
    found = set()
    for lr, large in zip(
        *(patches.byte().permute(0, 2, 3, 1).numpy() for patches in source.batch(0)), strict=True
    ):
        for turned in ORIENTATIONS:
            if (key := turned(large).tobytes()) in known:
                assert np.array_equal(turned(lr), known[key])
                found.add(key)
    assert len(found) > 20


@pytest.mark.parametrize("stripes", [np.s_[::2, 32:], np.s_[:, 32::2]], ids=["across", "down"])
def test_the_place_with_the_most_detail_is_taken(stripes: tuple[slice, slice]) -> None:
    lr = np.zeros((8, 40, 3), np.uint8)
    lr[stripes] = 200  # in a fifth of an otherwise flat image
    shares = []
    for draws in (1, 16):
        small, _ = source_of(lr, 8, 2, 60, draws).batch(0)
        shares.append(small.flatten(1).any(dim=1).float().mean().item())
    assert shares[0] < 0.7
    assert shares[1] == 1


def test_a_gentle_fall_is_less_detail_than_stripes() -> None:
    lr = np.arange(200, 160, -1, dtype=np.uint8)[None, :, None].repeat(8, axis=0).repeat(3, axis=2)
    lr[:, 32:], lr[::2, 32:] = 0, 200
    small, _ = source_of(lr, 8, 2, 60, draws=16).batch(0)
    assert (small.flatten(1).min(dim=1).values == 0).all()


def test_of_places_with_equal_detail_the_first_is_taken() -> None:
    source = source_of(np.zeros((20, 30, 3), np.uint8), 4, 2, batch=20, draws=5)
    numbers = source.numbers(0)
    assert torch.equal(source._most_detailed(numbers), numbers[:, 0])


def test_all_eight_orientations_occur() -> None:
    lr = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    small, _ = source_of(lr, 3, 2, batch=100).batch(0)
    assert len({patch.contiguous().numpy().tobytes() for patch in small}) == 8


def test_a_step_sees_the_same_batch_however_one_gets_there(root: Path, config: TrainingConfig) -> None:
    data = load_training_data(config, root, progress=False)
    first, second = (PatchSource(data, config, CPU) for _ in range(2))
    sequence = [first.batch(step) for step in range(4)]
    lr, hr = second.batch(3)
    assert torch.equal(sequence[3][0], lr)
    assert torch.equal(sequence[3][1], hr)
    assert not torch.equal(sequence[2][0], lr)
    assert lr.shape == (6, 3, 8, 8)
    assert hr.shape == (6, 3, 16, 16)
    assert lr.is_contiguous(memory_format=torch.channels_last)


def test_another_seed_sees_other_patches() -> None:
    lr = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    first, second = source_of(lr, 4, 2, batch=4), source_of(lr, 4, 2, batch=4)
    second.config = second.config.model_copy(update={"seed": 1})
    assert not torch.equal(first.numbers(0), second.numbers(0))


def test_a_number_drawn_that_rounds_up_to_the_whole_is_of_the_last_image() -> None:
    lr = np.zeros((9, 9, 3), np.uint8)
    source = source_of(lr, 4, 2, batch=20)
    source.cumulated = np.array([5e-324])  # half of it or more rounds up to all of it
    assert source.batch(0)[0].shape == (20, 3, 4, 4)


@pytest.mark.parametrize(
    ("place", "on_device"),
    [("device", [True] * 3), ("host", [False] * 3), ("auto", [False, False, True])],
)
def test_images_lie_where_they_are_told_to_or_where_half_of_what_is_free_holds_them(
    place: str, on_device: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [Pair("one", np.zeros((4, 4, 3), np.uint8), np.zeros((8, 8, 3), np.uint8))]
    config = TWO_SETS.model_copy(update={"images_on": place})
    free = iter((0, 480, 482))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (next(free), 10**9))
    assert [_live_on_device(pairs, config, torch.device("cuda")) for _ in range(3)] == on_device


def test_images_mapped_from_files_and_in_memory_give_the_same(root: Path, config: TrainingConfig) -> None:
    data = load_training_data(config, root, progress=False)
    copied = tuple(Pair(pair.name, pair.lr.copy(), pair.hr.copy()) for pair in data.pairs)
    sources = [
        PatchSource(TrainingData(pairs, data.probability, (), "", 0), config, CPU)
        for pairs in (data.pairs, copied)
    ]
    for source, pairs in zip(sources, (data.pairs, copied), strict=True):  # none of which is copied once more
        assert [buffer.data_ptr() for buffer in source.hr.buffers] == [pair.hr.ctypes.data for pair in pairs]
    for sides in zip(*(source.batch(1) for source in sources), strict=True):
        assert torch.equal(*sides)


def test_images_are_drawn_as_often_as_their_probability_says(root: Path, config: TrainingConfig) -> None:
    data = load_training_data(config, root, progress=False)
    source = PatchSource(data, config.model_copy(update={"batch_size": 4000}), CPU)
    places = source.numbers(0)[:, 0, :2].numpy()
    ends = [
        (start + pair.lr.strides[0] * len(pair.lr))
        for start, pair in zip(source.lr.start, data.pairs, strict=True)
    ]
    for number, (pair, expected) in enumerate(zip(data.pairs, data.probability, strict=True)):
        inside = (places[:, 0] == source.lr.buffer[number]) & (places[:, 1] >= source.lr.start[number])
        share = (inside & (places[:, 1] < ends[number])).mean()
        assert share == pytest.approx(expected, abs=0.03), pair.name


def test_processes_share_the_batch(root: Path, config: TrainingConfig) -> None:
    data = load_training_data(config, root, progress=False)
    whole = PatchSource(data, config, CPU).batch(2)[0]
    shares = [PatchSource(data, config, CPU, rank, 2).batch(2)[0] for rank in range(2)]
    assert torch.equal(torch.stack(shares, dim=1).flatten(0, 1), whole)
