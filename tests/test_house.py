"""The rules of the house: who may import whom, what stands at the top, what does without torch."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from hdsr.paths import PROJECT
from hdsr.suite import house


def test_imports_go_down_and_never_in_a_circle() -> None:
    floor = {room: number for number, rooms in enumerate(house.FLOORS) for room in rooms}
    graph = house.imports()
    upward = [
        f"{name} imports {other}"
        for name, others in graph.items()
        for other in others
        if floor[name.split(".")[1]] < floor[other.split(".")[1]]
    ]
    assert not upward
    TopologicalSorter(graph).prepare()


def test_the_core_is_an_hour_s_reading() -> None:
    core = (
        "network",
        "resize",
        "datasets",
        "metrics",
        "checkpoint",
        "inference",
        "evaluation",
        "training/loop",
    )
    texts = [(PROJECT / "hdsr" / f"{name}.py").read_text(encoding="utf-8") for name in core]
    assert sum(len(text.splitlines()) for text in texts) <= 1800


def test_few_files_at_the_top_and_each_package_says_what_lives_there() -> None:
    assert len(list(PROJECT.glob("hdsr/*.py"))) <= 20
    for package in PROJECT.glob("hdsr/*/__init__.py"):
        text = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8")))
        assert text, package
        assert "\nHere: " in text, package
        assert "\nNot here: " in text, package


@pytest.mark.parametrize(
    "module", ["cli", "suite.commands", "report.tables", "results", "paper", "fetch.fetch"]
)
def test_torch_is_not_loaded_for_what_does_without(module: str) -> None:
    code = f"import sys, hdsr.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_picture_shows_every_room_and_is_drawn_alike(tmp_path: Path) -> None:
    first, second = house.draw(tmp_path / "a.svg"), house.draw(tmp_path / "b.svg")
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text(encoding="utf-8")
    assert [room for rooms in house.FLOORS for room in rooms if f">{room}<" not in text] == []
