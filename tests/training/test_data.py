"""Training data: drawn as the weights say, held-out images never, broken ones named before the first step."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from made_sets import TWO_SETS, write_two_sets

from hdsr import images, resize
from hdsr.errors import HdsrError
from hdsr.images import write_png
from hdsr.provenance import code_version
from hdsr.resize import imresize
from hdsr.training import data as training_data
from hdsr.training.config import TrainingConfig, TrainingSet, Validation
from hdsr.training.data import Pair, fingerprint, load_training_data


@pytest.fixture
def config() -> TrainingConfig:
    return TWO_SETS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_two_sets(tmp_path)
    return tmp_path


def test_held_out_images_are_never_drawn(root: Path, config: TrainingConfig) -> None:
    data = load_training_data(config, root, progress=False)
    assert [pair.name for pair in data.held_out[0]] == ["Big00", "Big02"]
    assert [pair.name for pair in data.pairs] == ["Big01", "Big03", "Small00", "Small02"]
    assert data.left_out == 1


def test_other_sets_are_held_out_as_a_group_of_their_own(root: Path, config: TrainingConfig) -> None:
    more = config.validation.model_copy(update={"more": {"Small": 1}})
    data = load_training_data(config.model_copy(update={"validation": more}), root, progress=False)
    assert [[pair.name for pair in pairs] for pairs in data.held_out] == [["Big00", "Big02"], ["Small00"]]
    assert [pair.name for pair in data.pairs] == ["Big01", "Big03", "Small02"]


def test_probability_is_weight_by_area(root: Path, config: TrainingConfig) -> None:
    data = load_training_data(config, root, progress=False)
    big, small = np.array([400, 2304]), np.array([256, 396])
    expected = np.concatenate([0.75 * big / big.sum(), 0.25 * small / small.sum()])
    np.testing.assert_allclose(data.probability, expected)


def test_a_broken_image_is_named_before_the_first_step(root: Path, config: TrainingConfig) -> None:
    broken = root / "train" / "Small" / "HR" / "Small02.png"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(HdsrError, match=r"Small02\.png"):
        load_training_data(config, root, progress=False)


def test_no_image_large_enough(root: Path, config: TrainingConfig) -> None:
    with pytest.raises(HdsrError, match="no training image is as large as patch_px 64"):
        load_training_data(config.model_copy(update={"patch_px": 64}), root, progress=False)


def test_excluded_images_are_neither_drawn_nor_held_out(root: Path, config: TrainingConfig) -> None:
    sets = (TrainingSet(name="Big", exclude=["Big01", "Big02"]), config.sets[1])
    data = load_training_data(config.model_copy(update={"sets": sets}), root, progress=False)
    assert [pair.name for pair in data.pairs] == ["Big03", "Small00", "Small02"]
    assert [pair.name for pair in data.held_out[0]] == ["Big00"]
    misspelt = config.model_copy(update={"sets": (TrainingSet(name="Big", exclude=["big01"]),)})
    with pytest.raises(HdsrError, match="cannot exclude 'big01' from Big: it has no such image"):
        load_training_data(misspelt, root, progress=False)


def test_shrunk_copies_are_drawn_beside_the_images_but_not_of_those_kept_back(
    root: Path, config: TrainingConfig
) -> None:
    config = config.model_copy(update={"patch_px": 8})
    plain = load_training_data(config, root, progress=False)
    big, small = config.sets
    sets = (big.model_copy(update={"shrunk": (0.75, 0.5), "exclude": ("Big01",)}), small)
    data = load_training_data(config.model_copy(update={"sets": sets}), root, progress=False)
    drawn = [pair for pair in data.pairs if pair.name.startswith("Big")]
    assert {pair.name for pair in drawn} == {"Big03"}
    assert [pair.name for pair in data.held_out[0]] == [pair.name for pair in plain.held_out[0]]
    whole, *copies = drawn
    for copy, factor in zip(copies, (0.75, 0.5), strict=True):
        shrunk = imresize(whole.hr, factor)
        height, width = (side // 2 * 2 for side in shrunk.shape[:2])
        np.testing.assert_array_equal(copy.hr, shrunk[:height, :width])
        np.testing.assert_array_equal(copy.lr, imresize(copy.hr, 0.5))
    assert data.sha256 != plain.sha256


def test_too_many_held_out(root: Path, config: TrainingConfig) -> None:
    too_many = config.model_copy(update={"validation": Validation(set="Big", images=4)})
    with pytest.raises(HdsrError, match="cannot hold out 4 of 4 images"):
        load_training_data(too_many, root, progress=False)


def test_without_validation_every_image_is_trained_on(root: Path, config: TrainingConfig) -> None:
    none = config.model_copy(update={"validation": Validation(set="Nowhere", images=0)})
    data = load_training_data(none, root, progress=False)
    assert (len(data.pairs), data.held_out) == (6, ())


def write_div2k(root: Path, numbers: range, scale: int | None = None) -> None:
    """Stand-ins for images of DIV2K in unpacked folders, with the published LR if a scale is given."""
    folder = root / "train" / "DIV2K"
    for number in numbers:
        part = "train" if number <= 800 else "valid"
        hr = np.random.default_rng(number).integers(0, 256, (24, 36, 3), dtype=np.uint8)
        write_png(folder / f"DIV2K_{part}_HR" / f"{number:04}.png", hr)
        if scale:
            lr = folder / f"DIV2K_{part}_LR_bicubic" / f"X{scale}" / f"{number:04}x{scale}.png"
            write_png(lr, np.full((24 // scale, 36 // scale, 3), number % 256, dtype=np.uint8))


def div2k_config(images: str, held_out: int | str = 0) -> TrainingConfig:
    return TrainingConfig(
        scale=2,
        sets=[{"name": "DIV2K", "images": images}],
        validation={"set": "DIV2K", "images": held_out},
        patch_px=16,
        steps=1,
    )


def test_a_range_of_div2k_with_lr_made_from_hr(tmp_path: Path) -> None:
    write_div2k(tmp_path, range(798, 804))
    data = load_training_data(div2k_config("799-802"), tmp_path, progress=False)
    assert [pair.name for pair in data.pairs] == ["0799", "0800", "0801", "0802"]
    for pair in data.pairs:
        np.testing.assert_array_equal(pair.lr, imresize(pair.hr, 0.5))


def test_the_published_lr_of_div2k_is_used_and_counts_in_the_fingerprint(tmp_path: Path) -> None:
    write_div2k(tmp_path, range(1, 4))
    made = load_training_data(div2k_config("1-3"), tmp_path, progress=False)
    write_div2k(tmp_path, range(1, 4), scale=2)
    published = load_training_data(div2k_config("1-3"), tmp_path, progress=False)
    assert [int(pair.lr.mean()) for pair in published.pairs] == [1, 2, 3]
    assert made.sha256 != published.sha256


def test_lr_of_another_size_is_named(tmp_path: Path) -> None:
    write_div2k(tmp_path, range(1, 3), scale=2)
    wrong = tmp_path / "train" / "DIV2K" / "DIV2K_train_LR_bicubic" / "X2" / "0002x2.png"
    write_png(wrong, np.zeros((12, 17, 3), np.uint8))
    complaint = r"0002x2\.png has 17 x 12 pixels, expected 1/2 of the 36 x 24 of .*0002\.png"
    with pytest.raises(HdsrError, match=complaint):
        load_training_data(div2k_config("1-2"), tmp_path, progress=False)


def test_a_range_of_div2k_is_held_out(tmp_path: Path) -> None:
    write_div2k(tmp_path, range(799, 803))
    data = load_training_data(div2k_config("799-802", held_out="801-802"), tmp_path, progress=False)
    assert [pair.name for pair in data.held_out[0]] == ["0801", "0802"]
    assert [pair.name for pair in data.pairs] == ["0799", "0800"]


def test_an_image_that_changed_is_decoded_again(root: Path, config: TrainingConfig) -> None:
    before = load_training_data(config, root, progress=False)
    write_png(root / "train" / "Big" / "HR" / "Big03.png", np.full((48, 48, 3), 7, np.uint8))
    after = load_training_data(config, root, progress=False)
    assert before.sha256 != after.sha256
    assert int(after.pairs[1].hr.mean()) == int(after.pairs[1].lr.mean()) == 7


@pytest.mark.parametrize(("changed", "again"), [(images, "decoded"), (resize, "resized")])
def test_images_are_made_again_by_code_that_has_changed(
    root: Path, config: TrainingConfig, changed: ModuleType, again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(*modules: ModuleType) -> str:
        return "changed" if changed in modules else code_version(*modules)

    def made(what: str) -> None:
        raise HdsrError(what)

    before = load_training_data(config, root, progress=False)
    monkeypatch.setattr(training_data.ImageSource, "read", lambda source: made("decoded"))
    monkeypatch.setattr(training_data, "imresize", lambda *given: made("resized"))
    assert load_training_data(config, root, progress=False).sha256 == before.sha256
    monkeypatch.setattr(training_data, "code_version", version)
    with pytest.raises(HdsrError, match=again):
        load_training_data(config, root, progress=False)


def test_the_fingerprint_is_of_names_sizes_and_pixels() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    pairs = [("a", image), ("b", image), ("a", image.reshape(4, 2, 3)), ("a", image + 1)]
    assert len({fingerprint([Pair(name, None, hr)]) for name, hr in pairs}) == len(pairs)


def test_shrunk_copies_of_div2k_have_lr_of_their_own(tmp_path: Path) -> None:
    write_div2k(tmp_path, range(1, 3), scale=2)
    sets = [{"name": "DIV2K", "images": "1-2", "shrunk": [0.5]}]
    none = {"set": "DIV2K", "images": 0}
    config = TrainingConfig(scale=2, sets=sets, validation=none, patch_px=12, steps=1)
    *published, third, fourth = load_training_data(config, tmp_path, progress=False).pairs
    assert [int(pair.lr.mean()) for pair in published] == [1, 2]
    for pair in (third, fourth):
        np.testing.assert_array_equal(pair.lr, imresize(pair.hr, 0.5))


def test_a_published_lr_that_changed_is_read_again(tmp_path: Path) -> None:
    write_div2k(tmp_path, range(1, 3), scale=2)
    load_training_data(div2k_config("1-2"), tmp_path, progress=False)
    changed = tmp_path / "train" / "DIV2K" / "DIV2K_train_LR_bicubic" / "X2" / "0002x2.png"
    write_png(changed, np.full((12, 18, 3), 77, np.uint8))
    data = load_training_data(div2k_config("1-2"), tmp_path, progress=False)
    assert [int(pair.lr.mean()) for pair in data.pairs] == [1, 77]


def test_an_image_without_room_for_what_its_lr_is_made_of_is_left_out(
    root: Path, config: TrainingConfig
) -> None:
    data = load_training_data(config.model_copy(update={"any_phase": True}), root, progress=False)
    assert ([pair.name for pair in data.pairs], data.left_out) == (["Big03"], 4)


def test_div2k_without_a_range_is_its_training_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_data, "div2k_hr", lambda root, numbers: numbers)
    monkeypatch.setattr(training_data, "div2k_lr", lambda root, numbers, scale: numbers)
    found = training_data.set_sources(TrainingSet(name="DIV2K"), tmp_path, 2)
    assert found == (range(1, 801), range(1, 801))
