"""Files that are whole or absent: links, devices, long names, and what killed processes leave."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hdsr import files
from hdsr.errors import HdsrError
from hdsr.files import atomic_path, check_regular, read_bytes


def write(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write(tmp_path / "a.txt", "half\udc80")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "link.txt").symlink_to("other/a.txt")
    for text in ("first", "second"):
        write(tmp_path / "link.txt", text)
        assert (tmp_path / "link.txt").is_symlink()
        assert (tmp_path / "other" / "a.txt").read_text() == text


def test_a_device_is_written_to_and_stays_one() -> None:
    write(Path("/dev/null"), "nothing")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write(Path("/dev/full"), "nothing")


def test_a_folder_of_that_name_is_told_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with (
        pytest.raises(IsADirectoryError, match=r"Is a directory: '.*/a\.txt'"),
        atomic_path(tmp_path / "a.txt"),
    ):
        raise AssertionError
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_is_written_into_a_pipe_arrives(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        write(tmp_path / "pipe", "through")
        assert reader.communicate()[0] == b"through"
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("name", ["a" * 237 + ".png", "é" * 120 + ".csv", "a." + "b" * 240])
def test_a_long_name_is_written(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_a_killed_process_left_is_removed_and_what_others_write_is_not(tmp_path: Path) -> None:
    code = f"""
import os
from hdsr.files import atomic_path
with atomic_path({str(tmp_path / "a.txt")!r}) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    alive = tmp_path / f".b.{os.getppid()}.partial.txt"
    alive.write_text("being written")
    assert len(list(tmp_path.iterdir())) == 2
    files._remove_remains.cache_clear()
    write(tmp_path / "c.txt", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [alive.name, "c.txt"]


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").touch()
    cases = {tmp_path / "loop": "symbolic links", tmp_path / "empty": "is an empty file, expected an image"}
    cases |= {tmp_path: "is a folder", Path("/dev/zero"): "is a pipe, socket or device", Path("a\0b"): "null"}
    for path, message in cases.items():
        with pytest.raises(HdsrError, match=message) as caught:
            read_bytes(path, "an image")
        assert str(path) in str(caught.value)
    with pytest.raises(HdsrError, match=r"no file .*: expected weights"):
        check_regular(tmp_path / "absent" / "x", "weights")
