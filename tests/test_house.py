"""The rules of the house: who may import whom, what stands at the top, what does without torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from hdsr.paths import PROJECT

FLOORS = """
errors paths files provenance
images resize metrics results paper settings
fetch
datasets
network
checkpoint
inference
upscaling
methods
evaluation
training
measure
report
study
scorecard explore bench
suite cli __main__
"""
"""From the ground up; rooms of one floor may import one another, without a circle."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS.split("\n")) for room in rooms.split()}
MODULES = {
    ".".join(path.relative_to(PROJECT).with_suffix("").parts): path
    for path in PROJECT.glob("hdsr/**/*.py")
    if path.name != "__init__.py"
}


def imports(path: Path) -> Iterator[str]:
    """Modules of hdsr that a file imports, at its top or later."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            named = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in (node.module, *named) if name in MODULES)


def test_imports_go_down_and_never_in_a_circle() -> None:
    graph = {name: set(imports(path)) for name, path in MODULES.items()}
    upward = [
        f"{name} imports {other}"
        for name, others in graph.items()
        for other in others
        if FLOOR[name.split(".")[1]] < FLOOR[other.split(".")[1]]
    ]
    assert not upward
    TopologicalSorter(graph).prepare()


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
