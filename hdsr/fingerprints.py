"""Hashes that tell whether a result row still stands: of the code that made it, and of its images."""

import ast
import hashlib
import inspect
import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pixels_sha256(image: NDArray[np.uint8]) -> str:
    """Hexadecimal SHA-256 of an image's shape and pixels, whatever file they came from."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def code_version(*sources: Any) -> str:
    """Short SHA-256 of what the code of modules or functions does.

    It is taken over the syntax tree without docstrings, so comments, formatting and documentation do not
    change it, and rows made before such an edit stay valid.
    """
    digest = hashlib.sha256()
    for source in sources:
        tree = ast.parse(textwrap.dedent(inspect.getsource(source)))
        digest.update(ast.unparse(without_docstrings(tree)).encode())
    return digest.hexdigest()[:12]


def without_docstrings(tree: ast.Module) -> ast.Module:
    """The tree less every statement that is only a string: docstrings and notes beneath attributes."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [statement for statement in body if not is_text(statement)]
    return tree


def is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a bare string."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
