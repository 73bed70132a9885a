"""What is sent to the page, and what comes from it."""

import re
import tomllib
from fnmatch import fnmatch
from importlib import resources

import pytest

from hdsr.explore.widgets import Comparison, FileUpload, LayerPicker
from hdsr.paths import PROJECT

SENT = sorted(
    path.name for path in resources.files("hdsr.explore").iterdir() if path.name.endswith(("js", "css"))
)


@pytest.mark.parametrize("name", SENT)
def test_what_is_sent_loads_nothing(name: str) -> None:
    text = (resources.files("hdsr.explore") / name).read_text(encoding="utf-8")
    assert not re.search(r"https?:|\bimport\b|\bfetch\b|XMLHttpRequest|@import|url\((?!\$\{address\})", text)


def test_what_is_sent_is_installed_with_the_package() -> None:
    pyproject = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = pyproject["tool"]["setuptools"]["package-data"]["hdsr"]
    assert SENT
    for name in SENT:
        assert any(fnmatch(f"explore/{name}", pattern) for pattern in patterns)


@pytest.mark.parametrize("kind", [Comparison, LayerPicker])
def test_scripts_are_inlined(kind: type) -> None:
    assert "export default { render }" in kind()._esm


class Desk:
    """Where files arrive."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.declined: list[tuple[str, int]] = []
        self.upload = FileUpload(
            lambda *file: self.received.append(file),
            lambda *file: self.declined.append(file),
            limit_bytes=100,
        )

    def send(self, name: str, size: int, offset: int, piece: bytes = b"", file: str = "1") -> None:
        message = {"file": file, "name": name, "size": size, "offset": offset}
        self.upload.take(self.upload, message, [memoryview(piece)] if piece else [])


def test_a_file_is_put_together_from_its_pieces() -> None:
    desk = Desk()
    desk.send("a.png", 5, 0, b"abc")
    assert desk.received == []
    desk.send("a.png", 5, 3, b"de")
    desk.send("a.png", 5, 0, b"fghij")
    assert desk.received == [("a.png", b"abcde"), ("a.png", b"fghij")]


def test_a_file_that_another_interrupts_is_dropped() -> None:
    desk = Desk()
    desk.send("a.png", 5, 0, b"abc")
    desk.send("b.png", 4, 0, b"wxyz")
    desk.send("a.png", 5, 3, b"de")
    assert desk.received == [("b.png", b"wxyz")]


def test_pieces_of_two_files_of_one_name_are_not_mixed() -> None:
    desk = Desk()
    for offset in (0, 2, 4):
        for file, letter in (("1", b"a"), ("2", b"b")):
            desk.send("a.png", 6, offset, 2 * letter, file)
    assert desk.received == [("a.png", b"bbbbbb")]


def test_an_empty_file_arrives_too() -> None:
    desk = Desk()
    desk.send("a.png", 0, 0)
    assert desk.received == [("a.png", b"")]


def test_a_file_that_is_too_large_is_declined() -> None:
    desk = Desk()
    desk.send("a.png", 101, 0)
    assert desk.declined == [("a.png", 101)]
    assert desk.received == []
