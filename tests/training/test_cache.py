"""The cache of decoded images: made once, and made again when it is stale or damaged."""

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hdsr.errors import HdsrError
from hdsr.training import cache as decoded
from hdsr.training.cache import cached_images

SHAPES = [(4, 5, 3), (1, 2, 3), (7, 3, 3)]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HDSR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "set.images"


def noise(seed: int = 0) -> list[NDArray[np.uint8]]:
    return [np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8) for shape in SHAPES]


def never() -> Iterator[NDArray[np.uint8]]:
    raise LookupError("made anew")
    yield


def load(images: object, origin: object = "one") -> list[NDArray[np.uint8]]:
    return cached_images("set", origin, images, len(SHAPES), progress=False)


def test_made_once_then_mapped_read_only(cache: Path) -> None:
    for images in (load(noise()), load(never())):
        for one, other in zip(images, noise(), strict=True):
            np.testing.assert_array_equal(one, other)
        assert not images[0].flags.writeable
        assert isinstance(images[0].base.base, np.memmap)
    assert sorted(path.name for path in cache.parent.iterdir()) == ["set.images", "set.lock"]


def test_another_origin_makes_it_anew(cache: Path) -> None:
    load(noise())
    np.testing.assert_array_equal(load(noise(1), origin="two")[2], noise(1)[2])


@pytest.mark.parametrize("damage", ["flipped", "short", "tail", "empty", "long", "garbage"])
def test_a_damaged_file_is_made_anew(cache: Path, damage: str) -> None:
    load(noise())
    content = cache.read_bytes()
    damaged = {
        "flipped": bytes([content[0] ^ 1]) + content[1:],
        "short": content[1:],
        "tail": content[:-3],
        "empty": b"",
        "long": content + b"more than was written",
        "garbage": b"\xff" * 100,
    }[damage]
    cache.write_bytes(damaged)
    with pytest.raises(LookupError):
        load(never())
    np.testing.assert_array_equal(load(noise())[1], noise()[1])
    load(never())


def test_an_interrupted_build_leaves_nothing(cache: Path) -> None:
    def interrupted() -> Iterator[NDArray[np.uint8]]:
        yield noise()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(interrupted())
    assert [path.name for path in cache.parent.iterdir()] == ["set.lock"]


def build_in_turn(made: object) -> None:
    def images() -> Iterator[NDArray[np.uint8]]:
        with made.get_lock():
            made.value += 1
        yield from noise()

    load(images())


def test_of_several_processes_one_makes_it(cache: Path) -> None:
    context = multiprocessing.get_context("fork")
    made = context.Value("i", 0)
    processes = [context.Process(target=build_in_turn, args=(made,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert made.value == 1


def test_a_folder_that_cannot_be_written_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HDSR_CACHE", str(tmp_path / "file"))
    with pytest.raises(HdsrError, match=r"cannot keep decoded images in .*HDSR_CACHE"):
        load(noise())


def test_a_full_disk_is_told_in_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(os.strerror(28))

    monkeypatch.setattr(decoded, "write_cache", full)
    with pytest.raises(HdsrError, match=r"No space left on device; make room there"):
        load(noise())
