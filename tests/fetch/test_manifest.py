"""The manifests: typed, complete, and addresses that name one version of each file."""

import dataclasses
import re

import pytest

from hdsr.errors import HdsrError
from hdsr.fetch import manifest


@pytest.mark.parametrize(
    ("dataset", "count"),
    [("Set5", 5), ("Set14", 14), ("B100", 100), ("Urban100", 100), ("T91", 91), ("BSD200", 200), ("Set6", 0)],
)
def test_every_published_set_is_whole_and_in_the_order_of_names(dataset: str, count: int) -> None:
    names = [entry.image for entry in manifest.images_of(dataset)]
    assert len(set(names)) == count
    assert names == sorted(names)


def test_hashes_and_lengths_are_well_formed() -> None:
    for entry in (*manifest.benchmarks(), *manifest.training()):
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256)
        assert re.fullmatch("[0-9a-f]{40}", entry.git_blob_sha1)
        assert re.fullmatch("[0-9a-f]{40}", entry.commit)
        assert min(entry.bytes, entry.width, entry.height) > 0


def test_no_training_image_is_a_benchmark_image() -> None:
    training = {entry.sha256 for entry in manifest.training()}
    assert not training & {entry.sha256 for entry in manifest.benchmarks()}


def test_an_image_has_its_canonical_name_and_the_address_of_its_source() -> None:
    baby = manifest.images_of("Set5")[0]
    assert baby.file_name == "baby.png"
    assert baby.url == (
        "https://raw.githubusercontent.com/jbhuang0604/SelfExSR/8f6dd8c1d20cb7e8792a7177b4f6fd677633f598/"
        "data/Set5/image_SRF_2/img_001_SRF_2_HR.png"
    )
    assert manifest.images_of("T91")[0].file_name == "t1.bmp"


def test_addresses_are_percent_encoded() -> None:
    spaced = dataclasses.replace(
        manifest.images_of("T91")[0], repository="a/b", commit="c0", path="x y/ü.png"
    )
    assert spaced.mirrored == "a/b/c0/x%20y/%C3%BC.png"
    assert spaced.url.endswith("/a/b/c0/x%20y/%C3%BC.png")


def test_weights_tell_their_scales_and_leave_out_what_is_not_known() -> None:
    by_file = {entry.file: entry for entry in manifest.weights()}
    assert by_file["carn_m.pth"].scales == (2, 3, 4)
    assert by_file["carn_m.pth"].bytes == 1670695
    assert by_file["hdsrnet_authors_x3.pt"].scales == (3,)
    assert by_file["hdsrnet_authors_x3.pt"].sha256 is None
    assert by_file["hdsrnet_authors_x3.pt"].bytes is None


def test_div2k_is_listed_with_its_checksums() -> None:
    archives = manifest.archives()
    assert "DIV2K_train_HR.zip" in {archive.file for archive in archives}
    assert all(re.fullmatch("[0-9a-f]{32}", archive.md5) for archive in archives)


def test_a_missing_manifest_is_named(tmp_path) -> None:
    with pytest.raises(HdsrError, match=r"no manifest at .*absent\.csv"):
        manifest.rows(tmp_path / "absent.csv")
