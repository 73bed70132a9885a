"""DIV2K as it is published: zipped or unpacked, with or without LR."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from hdsr.errors import HdsrError
from hdsr.images import write_png
from hdsr.training.sources import div2k_hr, div2k_lr


def write_archive(archive: Path, members: list[str]) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    write_png(archive.with_name("one.png"), np.zeros((4, 4, 3), np.uint8))
    with zipfile.ZipFile(archive, "w") as out:
        for member in members:
            out.write(archive.with_name("one.png"), member)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images 799 to 802 in archives, LR x2 for those of the training part only."""
    folder = tmp_path / "train" / "DIV2K"
    write_archive(folder / "DIV2K_train_HR.zip", ["DIV2K_train_HR/0799.png", "DIV2K_train_HR/0800.png"])
    write_archive(folder / "DIV2K_valid_HR.zip", ["DIV2K_valid_HR/0801.png", "DIV2K_valid_HR/0802.png"])
    lr = [f"DIV2K_train_LR_bicubic/X2/{number:04}x2.png" for number in (799, 800)]
    write_archive(folder / "DIV2K_train_LR_bicubic_X2.zip", lr)
    return folder


def test_a_range_reaches_over_both_archives(tmp_path: Path, folder: Path) -> None:
    sources = div2k_hr(tmp_path, range(799, 803))
    assert [source.name for source in sources] == ["0799", "0800", "0801", "0802"]
    assert [source.path.name for source in sources[1:3]] == ["DIV2K_train_HR.zip", "DIV2K_valid_HR.zip"]


def test_lr_where_it_is_published(tmp_path: Path, folder: Path) -> None:
    lr = div2k_lr(tmp_path, range(799, 803), 2)
    assert [source and source.name for source in lr] == ["0799x2", "0800x2", None, None]
    assert div2k_lr(tmp_path, range(799, 803), 3) == [None] * 4
    with pytest.raises(HdsrError, match=r"LR_bicubic_X2\.zip lacks 1 of 3 images: 0798x2\.png"):
        div2k_lr(tmp_path, range(798, 801), 2)


def test_a_folder_goes_before_an_archive(tmp_path: Path, folder: Path) -> None:
    write_png(folder / "DIV2K_valid_HR" / "0801.png", np.zeros((4, 4, 3), np.uint8))
    assert div2k_hr(tmp_path, range(801, 802))[0].path == folder / "DIV2K_valid_HR" / "0801.png"


def test_a_missing_archive_is_told_with_where_it_was_looked_for(tmp_path: Path, folder: Path) -> None:
    (folder / "DIV2K_valid_HR.zip").unlink()
    assert len(div2k_hr(tmp_path, range(799, 801))) == 2
    with pytest.raises(HdsrError) as raised:
        div2k_hr(tmp_path, range(799, 901))
    message = str(raised.value)
    assert "images 801 to 900 are not in" in message
    assert str(folder) in message
    assert "DIV2K_valid_HR.zip" in message
    assert "`hdsr data fetch DIV2K_valid_HR.zip`" in message


def test_beside_the_other_sets_or_at_the_top(tmp_path: Path, folder: Path) -> None:
    folder.rename(tmp_path / "DIV2K")
    assert len(div2k_hr(tmp_path, range(799, 803))) == 4
