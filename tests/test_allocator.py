"""The allocator takes its settings where there is one that can."""

import platform

import pytest

from hdsr import allocator


def test_glibc_takes_both_settings() -> None:
    assert allocator.keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert not allocator.keep_freed_memory()
