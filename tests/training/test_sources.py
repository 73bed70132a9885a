"""Image files by themselves and in archives: a damaged or missing one is named with its archive."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hdsr.errors import HdsrError
from hdsr.images import write_png
from hdsr.training.sources import ImageSource, sources_in

NAMES = ["0001.png", "0002.png"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for value, name in enumerate(NAMES):
        write_png(tmp_path / "set" / name, np.full((3, 4, 3), value, np.uint8))
    return tmp_path / "set"


def zipped(folder: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", compression) as out:
        out.mkdir("set")
        for name in NAMES:
            out.write(folder / name, f"set/{name}")
    return archive


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_holds_what_the_folder_does(folder: Path, compression: int) -> None:
    loose, packed = sources_in(folder, NAMES), sources_in(zipped(folder, compression), NAMES)
    for one, other in zip(loose, packed, strict=True):
        np.testing.assert_array_equal(one.read(), other.read())
        assert one.name == other.name
        assert one.stamp[:2] == other.stamp[:2]


def test_missing_images_are_named(folder: Path) -> None:
    wanted = [f"{number:04}.png" for number in range(1, 10)]
    for place in (folder, zipped(folder)):
        complaint = r"lacks 7 of 9 images: 0003\.png.* and 2 more; complete or remove it"
        with pytest.raises(HdsrError, match=complaint):
            sources_in(place, wanted)


def test_a_damaged_image_in_an_archive_is_named(folder: Path) -> None:
    (folder / "0002.png").write_bytes(b"not an image")
    source = sources_in(zipped(folder), NAMES)[1]
    with pytest.raises(HdsrError, match=r"set/0002\.png in .*set\.zip is not an image"):
        source.read()


def test_a_member_of_unknown_version_and_one_that_is_a_bomb_are_named(folder: Path, tmp_path: Path) -> None:
    archive = zipped(folder)
    content = archive.read_bytes()
    directory = content.index(b"PK\1\2")
    archive.write_bytes(content[: directory + 6] + b"\xff" + content[directory + 7 :])
    with pytest.raises(HdsrError, match=r"set\.zip is no whole zip archive"):
        sources_in(archive, NAMES)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("0001.png", bytes(10_000_000))
    (source,) = sources_in(tmp_path / "bomb.zip", ["0001.png"])
    with pytest.raises(HdsrError, match=r"0001\.png in .*bomb\.zip is packed more than 100 times"):
        source.read()


def test_a_pipe_is_no_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "set.zip")
    with pytest.raises(HdsrError, match=r"set\.zip is a pipe, socket or device, expected a zip archive"):
        sources_in(tmp_path / "set.zip", ["0001.png"])


def test_a_damaged_archive_is_named(folder: Path) -> None:
    archive = zipped(folder)
    content = bytearray(archive.read_bytes())
    at = content.index(b"IDAT")
    content[at : at + 4] = b"????"
    archive.write_bytes(content)
    with pytest.raises(HdsrError, match=r"set/0001\.png in .*set\.zip cannot be unpacked: .*CRC"):
        sources_in(archive, NAMES)[0].read()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(HdsrError, match=r"set\.zip is no whole zip archive .*: fetch it again"):
        sources_in(archive, NAMES)


def test_a_stamp_changes_with_the_file(folder: Path) -> None:
    archive = zipped(folder)
    before = [ImageSource(folder / "0001.png").stamp, sources_in(archive, NAMES)[0].stamp]
    write_png(folder / "0001.png", np.full((3, 4, 3), 99, np.uint8))
    after = [ImageSource(folder / "0001.png").stamp, sources_in(zipped(folder), NAMES)[0].stamp]
    assert before[0] != after[0]
    assert before[1] != after[1]
