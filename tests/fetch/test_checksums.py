"""Hashes against those that git and coreutils print, and what is said of a file that has another."""

from pathlib import Path

import pytest

from hdsr.fetch import manifest
from hdsr.fetch.checksums import Algorithm, Checksum, git_blob_sha1

HELLO: dict[Algorithm, str] = {
    "SHA-256": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
    "MD5": "b1946ac92492d2347c6235b4d2611184",
    "git blob SHA-1": "ce013625030ba8dba906f756967f9e9ca394464a",
}
"""Of the six bytes "hello" and a line feed, by sha256sum, md5sum and git hash-object."""


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    (tmp_path / "hello").write_bytes(b"hello\n")
    return tmp_path / "hello"


@pytest.mark.parametrize("algorithm", HELLO)
def test_the_published_file_has_no_fault(hello: Path, algorithm: Algorithm) -> None:
    for length in (6, None):
        assert Checksum(algorithm, HELLO[algorithm], length).fault(hello) is None


@pytest.mark.parametrize("algorithm", HELLO)
def test_one_wrong_byte_is_a_fault(hello: Path, algorithm: Algorithm) -> None:
    hello.write_bytes(b"hellp\n")
    fault = Checksum(algorithm, HELLO[algorithm], 6).fault(hello)
    assert f"its {algorithm} is " in fault
    assert f", expected {HELLO[algorithm]}" in fault


def test_another_length_is_a_fault_by_itself(hello: Path) -> None:
    checksum = Checksum("SHA-256", HELLO["SHA-256"], 1_000_000)
    assert checksum.fault(hello) == "it has 6 bytes, expected 1,000,000"


def test_git_names_real_images_as_the_manifest_does(real_data_root: Path) -> None:
    for entry in manifest.images_of("Set5"):
        path = real_data_root / "benchmarks" / "Set5" / "HR" / entry.file_name
        assert git_blob_sha1(path) == entry.git_blob_sha1
