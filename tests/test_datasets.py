"""Benchmark sets, folders of one's own, and what is said when images are missing."""

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hdsr.datasets import image_paths, load_benchmark
from hdsr.errors import HdsrError
from hdsr.fetch import manifest
from hdsr.images import read_image, write_png
from hdsr.resize import imresize
from hdsr.training.sources import training_images


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    """A folder with three images, one of them gray."""
    folder = tmp_path / "holiday"
    write_png(folder / "b.png", noise(13, 17))
    write_png(folder / "a.png", noise(12, 16)[..., 0])
    Image.fromarray(noise(20, 20)).save(folder / "C.JPG")
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden.png").write_text("nor this")
    return folder


def test_a_published_file_stands_for_its_copies(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    assert [path.name for path in image_paths(tmp_path, {"a.png", "b.png"})] == ["a.png", "b.jpg"]
    with pytest.raises(HdsrError, match="would both be called 'a'"):
        image_paths(tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder with stand-ins for the five images of Set5."""
    for i, entry in enumerate(manifest.images_of("Set5")):
        write_png(tmp_path / "benchmarks" / "Set5" / "HR" / entry.file_name, noise(16 + i, 14))
    return tmp_path


def test_samples_are_color_photographs_that_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HDSR_DATA", "/nowhere")
    benchmark = load_benchmark("samples", 4)
    assert (len(benchmark), benchmark.expected, benchmark.complete) == (6, 6, True)
    images = {name: hr for name, _, hr in benchmark}
    assert list(images) == ["astronaut", "chelsea", "coffee", "ihc", "motorcycle_left", "rocket"]
    for hr in images.values():
        assert min(hr.shape[:2]) >= 300
        assert np.ptp(hr.astype(int), axis=2).mean() > 5


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lr_is_made_from_hr_cropped_from_the_top_left(own_folder: Path, scale: int) -> None:
    benchmark = load_benchmark(own_folder, scale)
    assert (benchmark.name, benchmark.lr_source, benchmark.expected) == ("holiday", "imresize", None)
    triples = list(benchmark)
    assert [name for name, _, _ in triples] == ["C", "a", "b"]
    _, lr, hr = triples[2]
    height, width = 13 // scale * scale, 17 // scale * scale
    np.testing.assert_array_equal(hr, noise(13, 17)[:height, :width])
    np.testing.assert_array_equal(lr, imresize(hr, 1 / scale))
    assert lr.shape == (height // scale, width // scale, 3)


def test_gray_images_become_rgb(own_folder: Path) -> None:
    _, (_, lr, hr), _ = load_benchmark(str(own_folder), 2)
    assert lr.shape == (6, 8, 3)
    np.testing.assert_array_equal(hr, np.stack([noise(12, 16)[..., 0]] * 3, axis=2))


def test_images_are_decoded_only_when_their_turn_comes(own_folder: Path) -> None:
    (own_folder / "b.png").write_bytes((own_folder / "b.png").read_bytes()[:60])
    images = iter(load_benchmark(own_folder, 2))
    assert [next(images)[0], next(images)[0]] == ["C", "a"]
    with pytest.raises(HdsrError, match=r"b\.png"):
        next(images)


def test_every_format_that_is_read_is_measured_and_other_files_are_named(tmp_path: Path) -> None:
    for suffix in ("png", "gif", "jp2", "avif", "ppm", "tga", "pcx", "ico"):
        Image.fromarray(noise(16, 16)).save(tmp_path / f"{suffix}.{suffix}")
    (tmp_path / "notes.txt").write_text("not an image")
    benchmark = load_benchmark(tmp_path, 2)
    assert [name for name, _, _ in benchmark] == ["avif", "gif", "ico", "jp2", "pcx", "png", "ppm", "tga"]
    assert benchmark.left_out == ("notes.txt",)


def test_a_whole_published_set(root: Path) -> None:
    (root / "benchmarks" / "Set5" / "HR" / "extra.png").write_text("not of this set")
    benchmark = load_benchmark("Set5", 2, root)
    assert [name for name, _, _ in benchmark] == ["baby", "bird", "butterfly", "head", "woman"]
    assert (len(benchmark), benchmark.expected, benchmark.missing, benchmark.complete) == (5, 5, (), True)
    assert benchmark.left_out == ("extra.png",)


def test_an_incomplete_set_says_what_is_missing(root: Path) -> None:
    (root / "benchmarks" / "Set5" / "HR" / "bird.png").unlink()
    benchmark = load_benchmark("Set5", 2, root)
    assert (len(benchmark), benchmark.expected, benchmark.missing) == (4, 5, ("bird",))
    assert not benchmark.complete
    assert "4 of 5 images in" in benchmark.description
    assert "missing bird" in benchmark.description


def test_a_missing_set_says_where_it_was_looked_for_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(HdsrError) as caught:
        load_benchmark("Urban100", 4, tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "benchmarks" / "Urban100" / "HR") in message
    assert "all 100 images are missing" in message
    assert "`hdsr data fetch Urban100`" in message
    assert "HDSR_DATA" in message


def test_a_published_set_given_by_its_folder_is_still_counted(root: Path) -> None:
    (root / "benchmarks" / "Set5" / "HR" / "head.png").unlink()
    benchmark = load_benchmark(root / "benchmarks" / "Set5", 2, "/nowhere")
    assert (benchmark.name, benchmark.expected, benchmark.missing) == ("Set5 (altered)", 5, ("head",))


def test_a_set_with_another_image_does_not_have_the_name_of_the_published_one(
    root: Path, real_data_root: Path
) -> None:
    assert load_benchmark("Set5", 2, real_data_root).name == "Set5"
    for path in (real_data_root / "benchmarks" / "Set5" / "HR").iterdir():
        shutil.copy(path, root / "benchmarks" / "Set5" / "HR" / path.name)
    assert load_benchmark("Set5", 2, root).name == "Set5"
    write_png(root / "benchmarks" / "Set5" / "HR" / "head.png", noise(16, 16))
    benchmark = load_benchmark("Set5", 2, root)
    assert (benchmark.name, benchmark.altered) == ("Set5 (altered)", ("head",))
    assert "not the published ones: head; `hdsr data fetch Set5`" in benchmark.description


def test_another_set_in_the_data_folder(tmp_path: Path) -> None:
    write_png(tmp_path / "benchmarks" / "Manga" / "HR" / "a.png", noise(8, 8))
    benchmark = load_benchmark("Manga", 2, tmp_path)
    assert (benchmark.name, len(benchmark), benchmark.expected) == ("Manga", 1, None)


def test_the_data_folder_may_be_named_by_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HDSR_DATA", str(root))
    assert len(load_benchmark("Set5", 2)) == 5


def test_lr_files_are_used_where_they_lie(own_folder: Path) -> None:
    sizes = {"C": (10, 10), "a": (6, 8), "b": (6, 8)}
    for name, size in sizes.items():
        write_png(own_folder / "LR_bicubic" / "X2" / f"{name}x2.png", noise(*size))
    benchmark = load_benchmark(own_folder, 2)
    assert benchmark.lr_source == "files"
    for name, lr, _ in benchmark:
        np.testing.assert_array_equal(lr, noise(*sizes[name]))
    assert load_benchmark(own_folder, 3).lr_source == "imresize"


def test_missing_lr_files_are_named(own_folder: Path) -> None:
    write_png(own_folder / "LR_bicubic" / "X2" / "ax2.png", noise(6, 8))
    with pytest.raises(HdsrError, match=r"lacks 2 of 3 LR images: Cx2\.png, bx2\.png"):
        load_benchmark(own_folder, 2)


@pytest.mark.parametrize(("height", "width"), [(6, 8), (6, 10), (10, 8)])
def test_an_lr_file_of_another_size_is_named_with_both_sizes(
    own_folder: Path, height: int, width: int
) -> None:
    for name in "Cab":
        write_png(own_folder / "LR_bicubic" / "X2" / f"{name}x2.png", noise(height, width))
    with pytest.raises(HdsrError, match=rf"Cx2\.png has {width} x {height} pixels.* 20 x 20 of .*C\.JPG"):
        list(load_benchmark(own_folder, 2))


@pytest.mark.parametrize(("height", "width"), [(2, 9), (9, 2)])
def test_an_image_smaller_than_the_scale_is_named(tmp_path: Path, height: int, width: int) -> None:
    write_png(tmp_path / "set" / "dot.png", noise(height, width))
    with pytest.raises(HdsrError, match=rf"dot\.png has {width} x {height} pixels: too small for x3"):
        list(load_benchmark(tmp_path / "set", 3))


def test_unknown_names_and_scales(tmp_path: Path) -> None:
    with pytest.raises(HdsrError, match="unknown data set 'Set6': expected one of samples, Set5"):
        load_benchmark("Set6", 2, tmp_path)
    with pytest.raises(HdsrError, match="no images in"):
        load_benchmark(tmp_path, 2)
    for scale in (1, 2.0, True, "2"):
        with pytest.raises(HdsrError, match="unknown scale"):
            load_benchmark("samples", scale)


def test_a_folder_may_not_pass_for_the_built_in_set(tmp_path: Path) -> None:
    write_png(tmp_path / "samples" / "a.png", noise(8, 8))
    with pytest.raises(HdsrError, match="name of the built-in set"):
        load_benchmark(tmp_path / "samples", 2)


def test_two_images_of_one_name_are_refused(own_folder: Path) -> None:
    Image.fromarray(noise(8, 8)).save(own_folder / "b.bmp")
    with pytest.raises(HdsrError, match=r"b\.bmp and b\.png .* 'b'"):
        load_benchmark(own_folder, 2)


def test_training_images_of_a_set_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "Mine" / "HR"
    for name in ("b.png", "a.png"):
        write_png(folder / name, noise(8, 8))
    assert training_images(tmp_path, "Mine") == (folder / "a.png", folder / "b.png")


def test_missing_training_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(HdsrError, match=r"data set T91 is not in .*train.*all 91 images are missing"):
        training_images(tmp_path, "T91")
    write_png(tmp_path / "train" / "BSD200" / "HR" / "100075.png", noise(8, 8))
    with pytest.raises(HdsrError, match=r"BSD200 is incomplete.*lacks 199 of 200 images: 100080\.png"):
        training_images(tmp_path, "BSD200")


def test_another_training_image_under_the_name_of_a_published_one_is_named(
    tmp_path: Path, real_data_root: Path
) -> None:
    folder = tmp_path / "train" / "T91" / "HR"
    shutil.copytree(real_data_root / "train" / "T91" / "HR", folder)
    Image.fromarray(noise(20, 20)).save(folder / "t10.bmp")
    with pytest.raises(
        HdsrError, match=r"T91 .* has other images than the published .*: t10\.bmp; `hdsr data"
    ):
        training_images(tmp_path, "T91")


def test_real_training_sets_are_whole(real_data_root: Path) -> None:
    for name in ("T91", "BSD200"):
        assert len(training_images(real_data_root, name)) == len(manifest.images_of(name))


def test_lr_made_here_is_what_matlab_made(real_data_root: Path, golden_root: Path) -> None:
    for name, lr, _ in load_benchmark("Set5", 3, real_data_root):
        golden = golden_root / "matlab_bicubic" / "Set5" / "X3"
        np.testing.assert_array_equal(lr, read_image(next(golden.glob(f"{name}*"))))
