"""What a result was made with: the code that it depends on, its commit and versions. Needs no torch."""

import ast
import hashlib
import inspect
import re
import subprocess
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from types import ModuleType
from typing import Any

from hdsr import paths

PACKAGES = ("torch", "torchvision", "numpy", "scikit-image", "pillow", "accelerate", "safetensors")
_WRITTEN = {"PROJECT", "NOTEBOOKS", "PARAMETERS", "PUBLISHED"}
"""Folders in `hdsr.paths` that are no input of a module that names them; every other one is."""
_FILE = re.compile(r"\w[\w.-]*")
_MODULE = re.compile(r"hdsr(\.\w+)+")


def commit() -> str | None:
    """The commit of the checkout, with "+changes" where files differ from it; None outside a checkout.

    A copy of the code inside a checkout of something else has none.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(paths.PROJECT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != paths.PROJECT:
            return None
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "hdsr")
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def versions() -> dict[str, str]:
    """Version of Python and of the packages that results depend on, as far as they are installed."""
    found = {"python": python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def code_version(*sources: ModuleType | Callable[..., Any]) -> str:
    """Short SHA-256 of what code does: of modules with all of hdsr that they import, directly or not, and of
    functions by themselves, where what stands beside them does not matter.

    It is taken over the syntax trees without docstrings, so comments, formatting and documentation do not
    change it, and rows made before such an edit stay valid.
    """
    modules = [source for source in sources if isinstance(source, ModuleType)]
    files = closure("\n".join(f"import {module.__name__}" for module in modules))
    digests = [_digest(path) for path in sorted(files) if path.suffix == ".py"]
    functions = [source for source in sources if not isinstance(source, ModuleType)]
    digests += [_digest_of(textwrap.dedent(inspect.getsource(function))) for function in functions]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:12]


def closure(source: str) -> set[Path]:
    """Files of the project that a piece of code depends on: modules of hdsr, and the data that they read.

    Read off the imports, wherever they stand; those under `if TYPE_CHECKING` are none. Two kinds that a
    parser cannot see are found by their names: a module imported or started by the name in a string, and
    data, which is either a string that names a file or folder beside the module, or a name in `hdsr.paths`.

    Args:
        source: Python, perhaps with IPython's lines of % and !.
    """
    found: set[Path] = set()
    waiting = _files_of(_names_in(_running(source)))
    while waiting:
        found |= waiting
        waiting = {used for path in waiting if path.suffix == ".py" for used in _used_by(path)} - found
    return found


@cache
def _used_by(path: Path) -> frozenset[Path]:
    """Files that a module of hdsr needs itself."""
    nodes = _running(path.read_text(encoding="utf-8"))
    files = _files_of(_names_in(nodes, strings=path.name != "__init__.py"))
    if path.stem != "paths":
        beside = {path.parent / text for text in _strings(nodes) if _FILE.fullmatch(text)}
        plain = (place for place in beside if not (place / "__init__.py").exists())
        files |= {file for place in plain for file in _data_in(place)}
    return frozenset(files)


def _running(source: str) -> list[ast.AST]:
    """The nodes of code, its module first, less docstrings, lines of IPython and what type checkers see."""
    waiting: list[ast.AST] = [ast.parse(re.sub(r"(?m)^\s*[%!].*", "", source))]
    nodes = []
    while waiting:
        nodes.append(node := waiting.pop())
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [statement for statement in body if not _is_silent(statement)]
        waiting.extend(ast.iter_child_nodes(node))
    return nodes


def _is_silent(statement: ast.stmt) -> bool:
    """Whether a statement does nothing when code runs: a bare string, or imports for type checkers."""
    if isinstance(statement, ast.If):
        return getattr(statement.test, "id", None) == "TYPE_CHECKING"
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)


def _names_in(nodes: list[ast.AST], strings: bool = True) -> set[str]:
    """Dotted names of hdsr that code imports or takes from what it imported, such as "hdsr.paths.CONFIGS".

    Args:
        nodes: the code; see `_running`.
        strings: whether a module's name in a string counts; in the `__init__` of a package, which offers
            names that are imported on first use, it does not.
    """
    bound = dict(_imported(nodes))
    names = {*bound.values(), *(alias.name for alias in nodes if isinstance(alias, ast.alias))}
    for node in nodes:
        if isinstance(node, ast.Attribute):
            root, *rest = _chain(node)
            names |= {".".join([bound[root], *rest])} if root in bound else set()
    if strings:
        names |= {text for text in _strings(nodes) if _MODULE.fullmatch(text)}
    return {name for name in names if name.split(".")[0] == "hdsr"}


def _chain(node: ast.expr) -> list[str]:
    """The parts of a dotted name; the first is empty where it hangs on something else."""
    if isinstance(node, ast.Attribute):
        return [*_chain(node.value), node.attr]
    return [node.id if isinstance(node, ast.Name) else ""]


def _strings(nodes: list[ast.AST]) -> Iterator[str]:
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    return (value for value in values if isinstance(value, str))


def _imported(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Each name that an import binds, and what it stands for."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _files_of(names: set[str]) -> set[Path]:
    return {path for name in names for path in _files_behind(name)}


@cache
def _files_behind(name: str) -> frozenset[Path]:
    """The modules that importing a dotted name runs; for a name of `hdsr.paths`, the data there, too."""
    found, folder = set(), paths.PROJECT
    parts = name.split(".")
    for place, part in enumerate(parts):
        module, package = folder / f"{part}.py", folder / part / "__init__.py"
        if module.is_file():
            named = parts[place + 1] if module.stem == "paths" and place + 1 < len(parts) else ""
            return frozenset({*found, module, *_data_named(named)})
        if not package.is_file():
            home = _offered(folder / "__init__.py").get(part)
            return frozenset({*found, *(_files_behind(home) if home else ())})
        found.add(package)
        folder = package.parent
    return frozenset(found)


@cache
def _offered(package: Path) -> dict[str, str]:
    """What a package takes from its modules, be it on first use."""
    if not package.is_file():
        return {}
    return dict(_imported(ast.walk(ast.parse(package.read_text(encoding="utf-8")))))


def _data_named(name: str) -> set[Path]:
    """The files behind a name of `hdsr.paths`, less those of a folder inside that has its own name."""
    here = getattr(paths, name, None)
    if name in _WRITTEN or not isinstance(here, Path):
        return set()
    inside = [value for value in vars(paths).values() if isinstance(value, Path) and here in value.parents]
    return {file for file in _data_in(here) if not any(file.is_relative_to(other) for other in inside)}


def _data_in(place: Path) -> set[Path]:
    """A file, or all in a folder, that are neither code nor hidden nor words for a reader."""
    files = [place] if place.is_file() else place.rglob("*.*")
    kept = (path for path in files if path.is_file() and path.suffix not in {".py", ".pyc", ".md"})
    return {path for path in kept if not any(part.startswith(".") for part in path.parts[-3:])}


@cache
def _digest(path: Path) -> str:
    return _digest_of(path.read_text(encoding="utf-8"))


def _digest_of(source: str) -> str:
    return hashlib.sha256(ast.unparse(_running(source)[0]).encode()).hexdigest()
