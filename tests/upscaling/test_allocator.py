"""The allocator takes its settings where there is one that can."""

import platform

import pytest

from hdsr.upscaling import allocator


def test_glibc_takes_both_settings() -> None:
    assert allocator.keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_and_goes_back_to_its_own() -> None:
    assert allocator.return_freed_memory(2**24) == (platform.libc_ver()[0] == "glibc")


def test_blocks_above_the_highest_threshold_count_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[int, int] = {}

    class Library:
        @staticmethod
        def mallopt(parameter: int, value: int) -> int:
            told[parameter] = value
            return 1

    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: Library)
    assert allocator.return_freed_memory(2**30)
    assert told == {allocator.M_MMAP_THRESHOLD: 2**25, allocator.M_TRIM_THRESHOLD: 2**26}


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert not allocator.keep_freed_memory()
    assert not allocator.return_freed_memory(2**24)
