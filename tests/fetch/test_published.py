"""The published files: every one of every manifest, named, placed, and addressed here and on a mirror."""

from collections import Counter
from pathlib import Path

import pytest

from hdsr.errors import HdsrError
from hdsr.fetch import manifest
from hdsr.fetch.published import published_files, selected
from hdsr.fetch.weights import weights_path
from hdsr.training.sources import div2k_hr


def only(name: str):
    (file,) = selected([name])
    return file


def test_every_file_of_every_manifest_is_there_once() -> None:
    assert Counter(file.group for file in published_files()) == {
        "benchmarks": 219,
        "train291": 291,
        "photographs": 480,
        "DIV2K": 5,
        "weights": 28,
    }
    places = {file.path_in(Path("/anywhere")) for file in published_files()}
    assert len(places) == len(published_files())


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("benchmarks", 219),
        ("train291", 291),
        ("T91", 91),
        ("set5", 5),
        ("DIV2K", 5),
        ("carn-m", 1),
        ("ACNet", 3),
        ("A+", 2),
    ],
)
def test_names_of_groups_sets_and_networks(name: str, count: int) -> None:
    assert len(selected([name])) == count


def test_what_is_named_twice_is_selected_once() -> None:
    assert selected(["Set5", "benchmarks", "SET5"]) == selected(["benchmarks"])


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        HdsrError,
        match=r"unknown published name 'Set6': expected one of benchmarks.* mean Set",
    ):
        selected(["Set5", "Set6"])


def test_images_lie_where_benchmarks_and_training_sets_are_read() -> None:
    root = Path("/anywhere")
    assert only("img_004.png").path_in(root) == root / "benchmarks/Urban100/HR/img_004.png"
    assert only("t1.bmp").path_in(root) == root / "train/T91/HR/t1.bmp"


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_weights_lie_where_they_are_read(scale: int, tmp_path: Path) -> None:
    place = only(f"hdsrnet_authors_x{scale}.pt").path_in(tmp_path)
    assert place == weights_path(scale, "authors", tmp_path)


def test_archives_lie_where_they_are_read_and_tell_how_many_images_they_hold(tmp_path: Path) -> None:
    archive = only("DIV2K_valid_HR.zip")
    with pytest.raises(HdsrError) as caught:
        div2k_hr(tmp_path, range(801, 901))
    assert f"not in {archive.path_in(tmp_path).parent}: " in str(caught.value)
    by_scale = Counter()
    for file in selected(["DIV2K"]):
        by_scale[file.scale] += file.images
    assert by_scale == {"HR": 900, "2": 800, "3": 800, "4": 800}


def test_a_mirror_has_the_files_of_repositories_by_commit_and_archives_by_name() -> None:
    entry = manifest.images_of("Set5")[0]
    baby, archive = only("baby.png"), only("DIV2K_train_HR.zip")
    assert baby.address(None) == entry.url
    for mirror in ("http://host/data", "http://host/data/"):
        address = f"http://host/data/{entry.repository}/{entry.commit}/{entry.path}"
        assert baby.address(mirror) == address
        assert archive.address(mirror) == "http://host/data/DIV2K_train_HR.zip"


def test_weights_without_sha256_are_known_by_their_git_hash() -> None:
    assert only("acnet_x2_660000.pth").checksum.algorithm == "git blob SHA-1"
    assert only("carn_m.pth").checksum.algorithm == "SHA-256"
    assert only("DIV2K_train_HR.zip").checksum.algorithm == "MD5"
