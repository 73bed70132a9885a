"""The house that hdsr/ is: its floors, and a picture of who imports whom, read off the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

from hdsr.paths import PROJECT

FLOORS = (
    ("errors", "paths", "files", "free_memory", "progress", "provenance"),
    ("images", "resize", "metrics", "results", "paper", "settings"),
    ("fetch",),
    ("datasets",),
    ("network", "winograd", "formats"),
    ("checkpoint",),
    ("inference",),
    ("upscaling",),
    ("methods",),
    ("evaluation",),
    ("training",),
    ("measure",),
    ("report",),
    ("study",),
    ("scorecard", "explore", "bench"),
    ("suite", "cli"),
)
"""From the ground up. A room imports from those below, or beside it without a circle."""
_PICTURE = PROJECT / "docs" / "house.svg"
_BOX = (1.5, 0.62)
"""Width and height of a room."""


def modules() -> dict[str, Path]:
    """Every module of hdsr but the `__init__` of packages, by its dotted name."""
    files = (path for path in PROJECT.glob("hdsr/**/*.py") if path.name not in ("__init__.py", "__main__.py"))
    return {".".join(path.relative_to(PROJECT).with_suffix("").parts): path for path in files}


def imports() -> dict[str, set[str]]:
    """The modules of hdsr that each module imports, at its top or later."""
    known = modules()
    return {name: set(_imported(path, known)) for name, path in known.items()}


def _imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            named = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in (node.module, *named) if name in known)


def draw(path: Path = _PICTURE) -> Path:
    """Draw the rooms with their lines of code, and an arrow from each to what it imports.

    An arrow is left out where a longer way of arrows says the same.
    """
    import matplotlib.pyplot as plt

    with plt.rc_context({"svg.hashsalt": "hdsr", "svg.fonttype": "none", "font.size": 9}):
        figure, axes = plt.subplots(figsize=(11, 12))
        places = _places()
        for room, (x, y) in places.items():
            axes.text(x, y, f"{room}\n{_lines(room):,} lines", ha="center", va="center", zorder=3)
            corner = (x - _BOX[0] / 2, y - _BOX[1] / 2)
            axes.add_patch(plt.Rectangle(corner, *_BOX, fc="#eef3f8", ec="#456", zorder=2))
        for room, others in _reduced(_rooms()).items():
            for other in sorted(others):
                _arrow(axes, places[room], places[other])
        axes.set(xlim=(-6, 6), ylim=(-0.6, len(FLOORS) - 0.4))
        axes.axis("off")
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
        plt.close(figure)
    return path


def _places() -> dict[str, tuple[float, float]]:
    return {
        room: (1.9 * (number - (len(rooms) - 1) / 2) + 1.1 * ((floor % 3) - 1) * (len(rooms) == 1), floor)
        for floor, rooms in enumerate(FLOORS)
        for number, room in enumerate(rooms)
    }


def _arrow(axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    beside = start[1] == end[1]
    style = {"arrowstyle": "->", "color": "#456", "alpha": 0.6, "shrinkA": 0, "shrinkB": 0}
    style["connectionstyle"] = f"arc3,rad={0.4 if beside else 0.05 * (start[1] - end[1])}"
    half = _BOX[1] / 2
    tail = (start[0], start[1] + half if beside else start[1] - half)
    axes.annotate("", (end[0], end[1] + half), tail, arrowprops=style, zorder=1)


def _lines(room: str) -> int:
    files = [path for name, path in modules().items() if name.split(".")[1] == room]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


def _rooms() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {room: set() for floor in FLOORS for room in floor}
    for name, others in imports().items():
        graph[name.split(".")[1]] |= {other.split(".")[1] for other in others}
    return {room: others - {room} for room, others in graph.items()}


def _reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The edges of a graph without circles that no longer way replaces."""

    def reached(room: str) -> set[str]:
        return graph[room].union(*map(reached, graph[room]))

    behind = {room: reached(room) for room in graph}
    return {
        room: others - set().union(*(behind[other] for other in others)) for room, others in graph.items()
    }
