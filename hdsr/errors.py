"""The one exception that stands for bad input: its message is one line, fit to be shown as it is."""

import difflib
from collections.abc import Iterable, Sequence

EXTRAS = {
    "notebooks": "anywidget ipykernel ipython ipywidgets jinja2 jupyterlab matplotlib nbconvert nbformat "
    "papermill ptflops torchvision",
    "train": "accelerate",
    "export": "onnx onnxruntime onnxscript",
    "fast": "llvmlite numba",
}
"""Packages that the core does without, by the extra that brings them."""


class HdsrError(ValueError):
    """Input that cannot be used. The message names the offending value and what was expected."""


def missing(error: ModuleNotFoundError) -> HdsrError:
    """One line on a package that is not installed, with the extra that brings it."""
    package = (error.name or "").partition(".")[0]
    extra = next((extra for extra, names in EXTRAS.items() if package.lower() in names.split()), None)
    advice = f"`pip install 'hdsr[{extra}]'` brings it" if extra else "install it, or hdsr anew"
    return HdsrError(f"the package {package} is not installed: {advice}")


def error_line(error: Exception) -> str:
    """The one line that a failed command says."""
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        message = message or type(error).__name__
        message = message.replace("Value error, ", "")
    return f"hdsr: error: {' '.join(message.split())}"


def listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its kind where it has none."""
    return " ".join((str(error).strip().splitlines() or [type(error).__name__])[0].split())


def unknown(kind: str, name: object, known: Iterable[str], besides: str = "") -> HdsrError:
    """The error for a name that is none of those known, with the one that was probably meant.

    Args:
        kind: what it should name, such as "model".
        name: the name.
        known: names that there are.
        besides: what else could have been given.
    """
    known = list(known)
    expected = f"expected one of {', '.join(known)}{besides}"
    return HdsrError(f"unknown {kind} {str(name)!r}: {expected}{meant(name, known)}")


def meant(name: object, known: Iterable[str]) -> str:
    """The end of an error: which of the known names was probably meant, if one is near."""
    lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1)
    return f"; did you mean {lower[near[0]]}?" if near else ""
