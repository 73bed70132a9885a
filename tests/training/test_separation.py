"""No image that is trained or validated on is an image of a benchmark."""

from pathlib import Path

import pytest
from near_duplicates import near_duplicates
from PIL import Image

from hdsr import checkpoint
from hdsr.datasets import BENCHMARK_SETS
from hdsr.fetch import manifest
from hdsr.paths import OWN_WEIGHTS
from hdsr.report.training import lineage
from hdsr.training.config import load_config
from hdsr.training.data import evenly_spread
from hdsr.training.sources import TRAINING_SETS

CONFIGS = sorted((Path(__file__).parents[2] / "hdsr" / "configs").glob("*.yaml"))
THRESHOLD = 0.7
"""Reached by 24 of 25 images of B100 cut and reduced at random; other pairs have 0.68 at most."""
LEAST_PX = 160
"""Shorter side of the images that are compared, if they have it; thumbnails are of 36 pixels at most."""
ALSO_IN_A_BENCHMARK = {("BSD200/302003", "Set5/woman")}


def gray_images(folder: Path, sets: tuple[str, ...]) -> dict[str, Image.Image]:
    paths = [path for name in sets for path in sorted((folder / name / "HR").iterdir())]
    return {f"{path.parent.parent.name}/{path.stem}": gray(path) for path in paths}


def gray(path: Path) -> Image.Image:
    """The gray image in a file, reduced by a whole number: what is compared is smaller still."""
    with Image.open(path) as image:
        factor = max(1, min(image.size) // LEAST_PX)
        image.draft("L", (image.width // factor, image.height // factor))  # a JPEG is decoded smaller
        found = image.convert("L")
    return found.reduce(max(1, min(found.size) // LEAST_PX))


def test_no_file_is_in_both() -> None:
    assert not {entry.sha256 for entry in manifest.benchmarks()} & {
        entry.sha256 for entry in manifest.training()
    }


def test_no_picture_is_in_both_but_those_that_are_known(real_data_root: Path) -> None:
    present = tuple(name for name in BENCHMARK_SETS if (real_data_root / "benchmarks" / name / "HR").is_dir())
    benchmarks = gray_images(real_data_root / "benchmarks", present)
    training = gray_images(real_data_root / "train", TRAINING_SETS)
    assert near_duplicates(training, benchmarks, THRESHOLD) == ALSO_IN_A_BENCHMARK


def test_a_reduced_mirrored_part_is_found(real_data_root: Path) -> None:
    images = gray_images(real_data_root / "benchmarks", ("Set14",))
    chosen = {name: images[name] for name in ("Set14/baboon", "Set14/comic", "Set14/zebra")}
    width, height = chosen["Set14/comic"].size
    part = chosen["Set14/comic"].crop((20, 30, width - 30, height - 10)).resize((150, 220))
    found = near_duplicates({"part": part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)}, chosen, THRESHOLD)
    assert found == {("part", "Set14/comic")}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_configuration_leaves_them_out(path: Path) -> None:
    config = load_config(path)
    known = {name.split("/")[1] for name, _ in ALSO_IN_A_BENCHMARK}
    assert all(known <= set(item.exclude) for item in config.sets if item.name == "BSD200")
    for name, images in {config.validation.set: config.validation.images, **config.validation.more}.items():
        names = [entry.image for entry in manifest.images_of(name)]
        assert not known & set(evenly_spread(names, images)), name


@pytest.mark.parametrize("path", sorted(OWN_WEIGHTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_no_weights_that_ship_have_seen_them(path: Path) -> None:
    known = {name.split("/")[1] for name, _ in ALSO_IN_A_BENCHMARK}
    for _, about in lineage(path.stem, checkpoint.describe(path)):
        sets = [item for item in about["config"]["sets"] if item["name"] == "BSD200"]
        assert all(known <= set(item["exclude"]) for item in sets)
