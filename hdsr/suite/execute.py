"""Notebooks executed from top to bottom, in a kernel of the environment that runs this process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import papermill
from filelock import ReadWriteLock
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm
from traitlets import default

from hdsr import paths
from hdsr.errors import HdsrError
from hdsr.files import atomic_path
from hdsr.suite import parameters as notebook

_START_TIMEOUT_S = 120
_AT_THE_END = "immediate"
"""How a kernel is shut down: asked to end by itself, it tidies its memory for a second or two."""
_READ_FIRST = ("01_data", "05_network")
WIDGET = "application/vnd.jupyter.widget-view+json"
_PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
STORED_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class _EnvironmentKernel(AsyncKernelManager):
    """Starts the interpreter of this process, whichever kernels are registered for the user."""

    @default("transport_encryption")
    def encrypt_where_possible(self) -> str:
        return "auto"

    async def start_kernel(self, **options: Any) -> None:
        """Start it without its own chatter; what cells write to stderr reaches their outputs all the same.

        It imports the code of this process, not that of another checkout that happens to be installed.
        """
        environment = options.pop("env", None) or os.environ
        search = os.pathsep.join(filter(None, [str(paths.PROJECT), environment.get("PYTHONPATH")]))
        environment = {**environment, "PYTHONPATH": search}
        await super().start_kernel(stderr=subprocess.DEVNULL, env=environment, **options)

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(**get_kernel_dict())


class _PatientKernel(_EnvironmentKernel):
    """Its threads sleep where they wait for each other, and leave the processor to the notebook beside it.

    Else they wait in a loop (GNU's OpenMP): on two cores two notebooks took longer than one after the other.
    """

    async def start_kernel(self, **options: Any) -> None:
        environment = options.pop("env", None) or os.environ
        await super().start_kernel(env={"OMP_WAIT_POLICY": "passive", **environment}, **options)


def _source_of(name: str) -> Path:
    """The notebook file of a name such as "02_benchmarks"; HdsrError names the known ones."""
    path = paths.NOTEBOOKS / f"{name}.ipynb"
    if not path.is_file():
        raise HdsrError(f"unknown notebook {name!r}: expected one of {', '.join(notebook_names())}")
    return path


def notebook_names() -> list[str]:
    """Names of all notebooks, in the order of reading: data and network first, then by their numbers."""
    names = (path.stem for path in paths.NOTEBOOKS.glob("[0-9]*.ipynb"))
    return sorted(names, key=lambda name: (name not in _READ_FIRST, name))


def executed_path(name: str, profile: str) -> Path:
    """Where a profile's execution of a notebook is kept."""
    return paths.report_dir(profile) / "notebooks" / f"{name}.ipynb"


def run(name: str, profile: str) -> Path:
    """Execute a notebook with the parameters of a profile, and return the path of the executed copy.

    The copy appears when all cells have run. Where one fails, there is none; what has been executed until
    then is kept beside it as NAME.failed.ipynb.

    Raises:
        HdsrError: for unknown names and parameters before anything runs, and for the cell that failed.
    """
    source, target = _source_of(name), executed_path(name, profile)
    parameters = notebook.load_parameters(name, profile)
    failed = target.with_suffix(".failed.ipynb")
    alone = nbformat.read(source, as_version=4).metadata.get("hdsr", {}).get("alone", False)
    side_by_side = "--jobserver" in os.environ.get("MAKEFLAGS", "")
    with (
        atomic_path(target) as temporary,
        _errors_in_one_line(name, temporary, failed),
        machine_to_itself(alone),
    ):
        document = papermill.execute_notebook(
            source,
            temporary,
            parameters,
            kernel_name="python3",
            language="python",
            kernel_manager_class=_PatientKernel if side_by_side and not alone else _EnvironmentKernel,
            start_timeout=_START_TIMEOUT_S,
            shutdown_kernel=_AT_THE_END,
            coalesce_streams=True,
            store_widget_state=False,
            # bars of notebooks that make runs side by side would write over each other
            progress_bar=False if side_by_side else {"desc": name},
            stderr_file=sys.stderr if sys.stderr.isatty() else None,
        )
        leave_pictures_of_widgets(document)
        nbformat.write(document, temporary)
    failed.unlink(missing_ok=True)
    return target


@contextmanager
def machine_to_itself(alone: bool) -> Iterator[None]:
    """Wait until no other notebook runs that writes to the same reports, if `alone`; else for those that are.

    A notebook that measures times says `"hdsr": {"alone": true}` in its metadata.
    """
    path = paths.reports_root() / ".running.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = ReadWriteLock(path, is_singleton=False)
    with lock.write_lock() if alone else lock.read_lock():
        yield


@contextmanager
def _errors_in_one_line(name: str, temporary: Path, failed: Path) -> Iterator[None]:
    """Turn the failure of a cell, or of the kernel, into an HdsrError; keep the notebook as `failed`."""
    try:
        yield
    except (PapermillExecutionError, DeadKernelError) as error:
        temporary.replace(failed)
        raise HdsrError(f"notebook {name}: {_first_line(error)} (see {shown(failed)})") from None


def _first_line(error: PapermillExecutionError | CellExecutionError | DeadKernelError) -> str:
    """What went wrong, in one line. Errors of this module say it all; others need their type."""
    if isinstance(error, DeadKernelError):
        return "the kernel died, often for want of memory"
    message = error.evalue.strip().splitlines()[0] if error.evalue.strip() else "no message"
    return message if error.ename == HdsrError.__name__ else f"{error.ename}: {message}"


def shown(path: Path) -> str:
    """A path as a person here would type it: relative to the working folder where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)


def refresh(name: str, reports: Path) -> Path:
    """Execute a notebook with the parameters it carries, and renew the outputs stored in its file.

    What it writes goes to the folder `reports`. Metadata that differ from run to run are left out.

    Raises:
        HdsrError: for the cell that failed; the file is then as it was.
    """
    source = _source_of(name)
    document = nbformat.read(source, as_version=4)
    client = NotebookClient(
        document,
        kernel_manager_class=_EnvironmentKernel,
        startup_timeout=_START_TIMEOUT_S,
        shutdown_kernel=_AT_THE_END,
        timeout=None,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
    )
    client.reset_execution_trackers()
    try:
        with client.setup_kernel(env={**os.environ, "HDSR_REPORTS": str(reports)}):
            for index, cell in enumerate(tqdm(document.cells, desc=name, unit="cell")):
                client.execute_cell(cell, index)
    except (CellExecutionError, DeadKernelError) as error:
        raise HdsrError(f"notebook {name}: {_first_line(error)}") from None
    leave_pictures_of_widgets(document)
    document.metadata = nbformat.from_dict(
        {key: value for key, value in document.metadata.items() if key == "hdsr"} | STORED_METADATA
    )
    with atomic_path(source) as temporary:
        nbformat.write(document, temporary)
    return source


def has_picture(output: nbformat.NotebookNode) -> bool:
    """Whether an output can be shown as a picture."""
    return any(kind in output.get("data", {}) for kind in _PICTURES)


def leave_pictures_of_widgets(document: nbformat.NotebookNode) -> None:
    """Of a widget that has a picture of itself store only that: without a kernel nothing else shows."""
    for cell in document.cells:
        for output in cell.get("outputs", []):
            if has_picture(output):
                output["data"].pop(WIDGET, None)
