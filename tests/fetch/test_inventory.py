"""What a data folder holds, of sets and weights, and which of it is damaged."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from made_manifests import LENGTH, manifests_in, write_manifests

from hdsr.fetch import inventory
from hdsr.fetch.published import selected

COLUMNS = ["group", "set", "scale", "images", "present", "verified", "copies", "missing", "damaged", "bytes"]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A data folder in which image b and the weights for x4 are missing, and image c is damaged."""
    contents = write_manifests(tmp_path)
    with manifests_in(tmp_path):
        for file in selected(["benchmarks", "weights", "DIV2K"]):
            path = file.path_in(tmp_path / "root")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents[file.address("/").lstrip("/").replace("%20", " ")])
        (tmp_path / "root/benchmarks/Set5/HR/b.png").unlink()
        (tmp_path / "root/weights/vdsr_x4.pth").unlink()
        damaged = tmp_path / "root/benchmarks/Set5/HR/c.png"
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
        yield tmp_path / "root"


def test_status_has_a_line_for_each_set_and_scale(root: Path) -> None:
    status = inventory.status(root)
    assert list(status) == COLUMNS
    assert status.to_numpy().tolist() == [
        ["benchmarks", "Set5", "HR", 3, 2, 1, 0, ("b",), ("c",), 2 * LENGTH],
        ["train291", "T91", "HR", 1, 0, 0, 0, ("t",), (), 0],
        ["DIV2K", "DIV2K", "2", 800, 800, 800, 0, (), (), LENGTH],
        ["weights", "VDSR", "2", 1, 1, 1, 0, (), (), LENGTH],
        ["weights", "VDSR", "4", 1, 0, 0, 0, ("vdsr_x4.pth",), (), 0],
    ]


def test_a_damaged_file_is_found_with_what_is_wrong_with_it(root: Path) -> None:
    (fault,) = (finding for finding in inventory.inspect(root) if finding.fault)
    assert fault.path == root / "benchmarks/Set5/HR/c.png"
    assert fault.fault.startswith("its SHA-256 is ")
    assert not fault.verified


def test_an_image_in_another_format_is_there_and_not_verified(root: Path) -> None:
    folder = root / "train/T91/HR"
    folder.mkdir(parents=True)
    (folder / "t.webp").write_bytes(b"an image")
    line = inventory.status(root).set_index("set").loc["T91"]
    assert (line["present"], line["verified"], line["copies"], line["missing"]) == (1, 0, 1, ())


def test_an_image_of_a_benchmark_in_another_format_is_missing(root: Path) -> None:
    (root / "benchmarks/Set5/HR/b.webp").write_bytes(b"an image")
    line = inventory.status(root).set_index("set").loc["Set5"]
    assert (line["present"], line["copies"], line["missing"]) == (2, 0, ("b",))


def test_only_the_files_asked_for_are_read(root: Path) -> None:
    findings = inventory.inspect(root, selected(["VDSR"]))
    assert [finding.path.name for finding in findings] == ["vdsr_x2.pth", "vdsr_x4.pth"]
    assert [finding.verified for finding in findings] == [True, False]


def test_an_empty_folder_of_real_sets(tmp_path: Path) -> None:
    status = inventory.status(tmp_path)
    images = status[status["group"] != "weights"].set_index(["set", "scale"])["images"]
    assert images.to_dict() == {
        ("Set5", "HR"): 5,
        ("Set14", "HR"): 14,
        ("B100", "HR"): 100,
        ("Urban100", "HR"): 100,
        ("T91", "HR"): 91,
        ("BSD200", "HR"): 200,
        ("BSDS500test", "HR"): 200,
        ("CID22", "HR"): 170,
        ("CLIC2025", "HR"): 7,
        ("TESTIMAGES", "HR"): 72,
        ("WikipediaHQ", "HR"): 31,
        ("DIV2K", "HR"): 900,
        ("DIV2K", "2"): 800,
        ("DIV2K", "3"): 800,
        ("DIV2K", "4"): 800,
    }
    assert status["present"].sum() == status["bytes"].sum() == 0


def test_real_sets_and_weights_are_as_published(real_data_root: Path) -> None:
    status = inventory.status(real_data_root)
    assert (status["present"] == status["verified"] + status["copies"]).all()
    assert not status["damaged"].map(len).any()
    whole = status.loc[status["present"] == status["images"], "set"]
    assert {"Set5", "Set14", "B100", "LESRCNN", "CARN-M", "VDSR"} <= set(whole)
