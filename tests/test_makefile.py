"""The Makefile, run as it is on a copy of the tree, with the smallest of profiles and this environment."""

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

from hdsr.paths import PROJECT
from hdsr.suite import execute

TINY = """# One method, no network.
index: {}
data: {scales: [4]}
benchmarks: &measurement {scales: [4], methods: [bicubic]}
figures: *measurement
training:
  scales: [4]
  turns: 2
  overrides:
    ["sets=[{name: samples}]", steps=2, patch_px=32, batch_size=1, "validation={images: 0}"]
network: {scales: [4]}
runtime: {hr_sizes: [16], warmup: 0, runs: 2}
explore: {scales: [4]}
complexity: {networks: [SRCNN, HDSRNet], scales: [4], lr_px: 8}
dynamics: {scales: [4], temperatures: [1], patches: 1}
"""
TARGETS = {
    "help",
    "setup",
    "reproduce",
    "report",
    "publish",
    "test",
    "refresh",
    "lab",
    "data",
    "verify-paper",
    "train",
    "bench",
}
OURS = re.compile(r"MAKE|MFLAGS|HDSR_|PROFILE$|VENV$|STAMP$|PYTHON")


class Tree:
    """A copy of the working tree, in which make uses this environment and never installs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stamp = root.parent / "stamp"
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
        for name in names.splitlines():
            if (PROJECT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / name, root / name)
        for profile in ("tiny", "other"):
            (root / "notebooks" / "params" / f"{profile}.yaml").write_text(TINY, encoding="utf-8")
        self.stamp.touch()

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start make, keeping away from it the variables of the make that runs these tests."""
        inherited = {name: value for name, value in os.environ.items() if not OURS.match(name)}
        return subprocess.Popen(
            ["make", f"STAMP={self.stamp}", f"VENV={sys.prefix}", *arguments],
            cwd=self.root,
            env={**inherited, "PYTHONPATH": str(self.root), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def make(self, *arguments: str, **environment: str) -> str:
        """Run make to its end and return what it printed; it has to succeed."""
        process = self.start(*arguments, **environment)
        printed, _ = process.communicate()
        assert process.returncode == 0, printed
        return printed

    def plan(self, *arguments: str, **environment: str) -> list[str]:
        """The steps that make would take: "run 01_data", "render 01_data", "index"."""
        printed = self.make("--dry-run", *arguments, **environment)
        return re.findall(r"-m hdsr\.suite ((?:run|render) \S+|index)", printed)

    @contextmanager
    def touched(self, name: str) -> Iterator[None]:
        """Give a file the present time, as an editor that saves it does, and then its own time back."""
        times = (self.root / name).stat()
        (self.root / name).touch()
        yield
        os.utime(self.root / name, ns=(times.st_atime_ns, times.st_mtime_ns))

    def report(self, profile: str) -> dict[str, tuple[int, bytes]]:
        """Time and content of every file in a profile's report."""
        folder = self.root / "reports" / profile
        return {
            path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
            for path in folder.rglob("*")
            if path.is_file()
        }


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A copy of the tree in which profile tiny has been reproduced. Tests leave it up to date."""
    root = tmp_path_factory.mktemp("make") / "tree"
    root.mkdir()
    copy = Tree(root)
    copy.make("reproduce", "PROFILE=tiny")
    return copy


def imported_modules(source: str) -> Iterator[str]:
    """Modules of hdsr that a piece of code imports, as `datasets` or `baselines/vdsr`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "hdsr":
            package = node.module.split(".")[1:]
            yield "/".join(package)
            yield from ("/".join([*package, name.name]) for name in node.names)


def modules_used(source: str, root: Path) -> set[str]:
    """Files of hdsr that code imports, directly or through others."""
    found: set[str] = set()
    waiting = [source]
    while waiting:
        names = {f"hdsr/{name}.py" for name in imported_modules(waiting.pop()) if name}
        new = {name for name in names - found if (root / name).is_file()}
        waiting += [(root / name).read_text(encoding="utf-8") for name in new]
        found |= new
    return found


def code_of(notebook: Path) -> str:
    """The code of a notebook in one piece."""
    cells = nbformat.read(notebook, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def test_everything_is_reproduced(tree: Tree) -> None:
    files = tree.report("tiny").keys()
    names = execute.notebook_names()
    assert {"index.html", "rows/benchmarks.csv"} <= files
    assert {f"notebooks/{name}.ipynb" for name in names} | {f"html/{name}.html" for name in names} <= files
    assert not [name for name in files if "partial" in name or "failed" in name]


def test_a_second_run_does_nothing(tree: Tree) -> None:
    before = tree.report("tiny")
    assert "Nothing to be done" in tree.make("reproduce", "PROFILE=tiny")
    assert tree.report("tiny") == before


def test_an_edited_figure_module_redraws_and_recomputes_no_row(tree: Tree) -> None:
    before = tree.report("tiny")
    (tree.root / "hdsr" / "report" / "figures.py").touch()
    plan = tree.plan("reproduce", "PROFILE=tiny")
    assert "run 02_benchmarks" not in plan
    assert {"run 04_figures", "render 04_figures", "index"} <= set(plan)
    tree.make("reproduce", "PROFILE=tiny")
    after = tree.report("tiny")
    redrawn = {name for name in after if after[name][0] != before[name][0]}
    kept = [name for name in redrawn if name.startswith(("rows/", "images/")) and not name.endswith(".lock")]
    assert kept == []
    tables = [name for name in after if name.startswith("tables/")]
    assert [name for name in tables if after[name][1] != before[name][1]] == []
    assert {"notebooks/04_figures.ipynb", "html/04_figures.html", "index.html"} <= redrawn
    assert [name for name in redrawn if name.startswith("figures/")]


def test_an_edited_template_renders_and_executes_nothing(tree: Tree) -> None:
    with tree.touched("hdsr/suite/templates/page.css"):
        plan = tree.plan("reproduce", "PROFILE=tiny")
    assert plan == [f"render {name}" for name in execute.notebook_names()] + ["index"]


def test_a_killed_step_leaves_no_target_and_the_next_run_goes_on(tree: Tree) -> None:
    index = tree.root / "reports" / "tiny" / "index.html"
    before = index.read_bytes()
    target = tree.root / "reports" / "tiny" / "notebooks" / "00_index.ipynb"
    target.unlink()
    process = tree.start("reproduce", "PROFILE=tiny")
    os.kill(wait_for_step(target), signal.SIGKILL)
    printed, _ = process.communicate()
    assert process.returncode != 0, printed
    assert not target.exists()
    assert index.read_bytes() == before
    tree.make("reproduce", "PROFILE=tiny")
    assert target.exists()


def wait_for_step(target: Path) -> int:
    """The process that is writing a notebook, whose number is in the name of its temporary file."""
    for _ in range(1200):
        for path in target.parent.glob(f".{target.stem}.*.partial.ipynb"):
            return int(path.name.split(".")[2])
        time.sleep(0.1)
    pytest.fail(f"nothing began to write {target.name} within two minutes")


def test_two_profiles_do_not_disturb_each_other(tree: Tree) -> None:
    before = tree.report("tiny")
    tree.make("PROFILE=other", "reports/other/html/01_data.html")
    assert (tree.root / "reports" / "other" / "rows" / "benchmarks.csv").is_file()
    assert tree.report("tiny") == before
    assert tree.plan("reproduce", "PROFILE=tiny") == []


def test_the_quick_profile_never_sees_the_data_of_a_machine(tree: Tree) -> None:
    quick = tree.make("--dry-run", "reproduce", HDSR_DATA="/elsewhere")
    paper = tree.make("--dry-run", "reproduce", "PROFILE=paper", HDSR_DATA="/elsewhere")
    assert len(re.findall(r"env -u HDSR_DATA \S+ -m hdsr.suite run", quick)) == len(execute.notebook_names())
    assert "env -u" not in paper


def test_new_images_and_weights_are_measured(tree: Tree, tmp_path: Path) -> None:
    images = tmp_path / "benchmarks" / "Set5" / "HR"
    images.mkdir(parents=True)
    assert "run 02_benchmarks" in tree.plan("reproduce", "PROFILE=tiny", HDSR_DATA=str(tmp_path))
    os.utime(images, (0, 0))
    assert tree.plan("reproduce", "PROFILE=tiny", HDSR_DATA=str(tmp_path)) == []


@pytest.mark.parametrize("name", execute.notebook_names())
def test_a_notebook_depends_on_the_code_that_it_uses(tree: Tree, name: str) -> None:
    database = tree.make("--print-data-base", "--dry-run", "reproduce", "PROFILE=tiny")
    prerequisites = re.search(rf"^reports/tiny/notebooks/{name}\.ipynb: (.*)$", database, re.MULTILINE)
    used = modules_used(code_of(tree.root / "notebooks" / f"{name}.ipynb"), tree.root)
    assert "hdsr/settings.py" in used
    assert used - set(prerequisites[1].split()) == set()


def test_new_pins_execute_everything_anew(tree: Tree) -> None:
    with tree.touched("constraints.txt"):
        plan = tree.plan("reproduce", "PROFILE=tiny")
    assert {f"run {name}" for name in execute.notebook_names()} <= set(plan)


def test_help_explains_every_target(tree: Tree) -> None:
    explained = dict(re.findall(r"^  make ([\w-]+) +(\S.*)$", tree.make(), re.MULTILINE))
    assert explained.keys() >= TARGETS | {"lock", "clean"}


def test_data_fetches_what_is_asked_for(tree: Tree) -> None:
    fetch = f"{sys.prefix}/bin/python -m hdsr data fetch"
    assert tree.make("--dry-run", "data").split() == fetch.split()
    options = ["WHAT=Set5 DIV2K", "MIRROR=http://host"]
    assert (
        tree.make("--dry-run", "data", *options).split() == f"{fetch} Set5 DIV2K --mirror http://host".split()
    )


def test_an_old_python_is_refused_in_one_line(tree: Tree, tmp_path: Path) -> None:
    process = tree.start("setup", f"VENV={tmp_path}", f"STAMP={tmp_path}/stamp", "PYTHONS=false")
    printed, _ = process.communicate()
    assert process.returncode != 0
    assert "hdsr: error: none of false is Python 3.11 or newer with pip\n" in printed
    assert list(tmp_path.iterdir()) == []


def test_cleaning_keeps_runs_and_removes_the_remains_of_killed_steps(tree: Tree) -> None:
    remains = tree.root / "reports" / "tiny" / "notebooks" / ".01_data.1.partial.ipynb"
    remains.touch()
    (tree.root / "runs").mkdir(exist_ok=True)
    (tree.root / "runs" / "weights.safetensors").touch()
    whole = {name for name in tree.report("tiny") if "partial" not in name}
    tree.make("clean")
    assert tree.report("tiny").keys() == whole
    assert (tree.root / "runs" / "weights.safetensors").is_file()
    assert tree.plan("reproduce", "PROFILE=tiny") == []


def test_verifying_the_paper_fetches_then_judges(tree: Tree) -> None:
    printed = tree.make("--dry-run", "verify-paper")
    steps = [
        "hdsr data fetch",
        "hdsr.suite run 08_scorecard --profile paper",
        "hdsr.suite verdicts",
    ]
    places = [printed.index(step) for step in steps]
    assert places == sorted(places)


def test_without_a_network_nothing_is_verified_and_one_line_says_so(tree: Tree, tmp_path: Path) -> None:
    process = tree.start("verify-paper", "MIRROR=http://127.0.0.1:9", HDSR_DATA=str(tmp_path))
    printed, _ = process.communicate()
    assert process.returncode != 0
    assert len(re.findall("hdsr: error: .* no connection", printed)) == 1
    assert not (tree.root / "reports" / "paper").exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".fetch.lock"]


def test_training_needs_a_config(tree: Tree) -> None:
    process = tree.start("train")
    printed, _ = process.communicate()
    assert process.returncode != 0
    assert "hdsr: error: make train needs CONFIG=, one of hdsr/configs/" in printed
