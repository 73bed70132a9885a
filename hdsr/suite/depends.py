"""What each notebook depends on, as a piece of Makefile: its code's files, and the notebooks it reads.

The Makefile calls this as `python -m hdsr.suite.depends FILE`. It needs nothing but the standard library, so
that it can run before the environment is there. What a notebook reads of others stands in its metadata:
`"hdsr": {"reads": ["02_benchmarks"]}`, or `{"reads": "all"}` for all the others.
"""

import json
import sys
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from hdsr import paths
from hdsr.errors import HdsrError, error_line
from hdsr.files import atomic_path
from hdsr.provenance import closure

_PAGES = "import hdsr.suite.pages"
"""The code that makes a page of an executed notebook."""


def fragment() -> str:
    """Rules of make without commands, for targets under $(REPORT); $(PAGES) are the files behind each page.

    Raises:
        HdsrError: for a notebook that cannot be read, or whose metadata make no sense.
    """
    notebooks = {path.stem: _document(path) for path in sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))}
    reads = {name: _reads(name, document, notebooks.keys()) for name, document in notebooks.items()}
    try:
        TopologicalSorter(reads).prepare()
    except CycleError as error:
        raise HdsrError(f"notebooks read each other in a circle: {' -> '.join(error.args[1])}") from None
    lines = [f"PAGES := {_listed(closure(_PAGES))}"]
    for name, document in notebooks.items():
        others = " ".join(map(_target, reads[name]))
        lines.append(f"{_target(name)}: {_listed(_used(name, document))} {others}")
    return "\n".join(lines) + "\n"


def _document(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise HdsrError(f"notebook {path.stem} is not JSON: {error}") from None


def _used(name: str, document: dict[str, Any]) -> set[Path]:
    """The files that the code cells of a notebook depend on."""
    cells = (cell for cell in document["cells"] if cell["cell_type"] == "code")
    try:
        return closure("\n".join("".join(cell["source"]) for cell in cells))
    except SyntaxError as error:
        raise HdsrError(f"notebook {name} or what it imports is no Python: {error}") from None


def _reads(name: str, document: dict[str, Any], names: Iterable[str]) -> list[str]:
    own = document["metadata"].get("hdsr", {})
    others = [other for other in names if other != name]
    reads = others if own.get("reads") == "all" else own.get("reads", [])
    wrong = [*(own.keys() - {"reads", "alone"}), *(set(reads) - set(others))]
    if wrong:
        raise HdsrError(
            f"notebook {name}: {wrong[0]!r} in its metadata: expected reads, a list of other notebooks"
        )
    return reads


def _target(name: str) -> str:
    return f"$(REPORT)/notebooks/{name}.ipynb"


def _listed(files: Iterable[Path]) -> str:
    """Files as prerequisites, relative to the project."""
    names = sorted(path.relative_to(paths.PROJECT).as_posix() for path in files)
    return " ".join(name.replace("$", "$$").replace(" ", "\\ ") for name in names)


def main(path: str) -> int:
    """Write the fragment to a file; an error is one line on stderr."""
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(fragment(), encoding="utf-8")
    except HdsrError as error:
        print(error_line(error), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
