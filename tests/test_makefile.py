"""The Makefile, run as it is on a copy of the tree: its logic on stub commands, and once for real."""

import itertools
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
import yaml

from hdsr.paths import PROJECT
from hdsr.provenance import closure
from hdsr.suite import execute

NAMES = execute.notebook_names()
TARGETS = """
    help setup reproduce report publish test refresh lab data verify-paper train bench lock clean
"""
OURS = re.compile(r"MAKE|MFLAGS|HDSR_(?!CACHE)|PROFILE$|VENV$|STAMP$|PYTHON")
STUB = """#!/bin/sh
# Stands in for the command that executes and renders: logs what it is asked for, and makes its file.
echo "begin $1 $2" >> "$LOG"
test -z "$PAUSE" || sleep "$PAUSE"
report=$HDSR_REPORTS/$4
case $1 in
  run) file=notebooks/$2.ipynb ;;
  render) file=html/$2.html ;;
  index) report=$HDSR_REPORTS/$3; file=index.html ;;
esac
mkdir -p "$(dirname "$report/$file")"
echo "$HDSR_DATA $HDSR_GOLDEN" > "$report/$file"
test "$1 $2" != "$KILLED" || kill -9 $$
echo "end $1 $2" >> "$LOG"
"""


class Tree:
    """A copy of the working tree, in which make uses this environment and never installs."""

    def __init__(self, root: Path) -> None:
        self.root, self.stamp = root, root.parent / "stamp"
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
        for name in names.splitlines():
            if (PROJECT / name).is_file() and not name.startswith(("tests/", "reports/published/")):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / name, root / name)
        for profile in ("tiny", "other"):  # their parameters are read by no stub
            (root / "notebooks" / "params" / f"{profile}.yaml").touch()
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

    def report(self, profile: str) -> dict[str, tuple[int, bytes]]:
        """Time and content of every file in a profile's report."""
        folder = self.root / "reports" / profile
        return {
            path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
            for path in folder.rglob("*")
            if path.is_file()
        }


class StubTree(Tree):
    """A tree in which executing and rendering are left to STUB; profile tiny has been reproduced."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.log, self.stub = root.parent / "log", root.parent / "stub"
        self.stub.write_text(STUB, encoding="utf-8")
        self.stub.chmod(self.stub.stat().st_mode | stat.S_IXUSR)
        self.make("reproduce", "PROFILE=tiny")

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return super().start(f"REPORTS={self.stub}", *arguments, LOG=str(self.log), **environment)

    def steps(self, *arguments: str, **environment: str) -> list[str]:
        """What make had the stub do: "begin run 01_data", "end run 01_data", "begin index --profile"."""
        self.log.unlink(missing_ok=True)
        self.make(*arguments, **environment)
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []

    def plan(self, *arguments: str, **environment: str) -> list[str]:
        """The steps that make would take: "run 01_data", "render 01_data", "index"."""
        printed = self.make("--dry-run", *arguments, **environment)
        return re.findall(rf"{self.stub} ((?:run|render) \S+|index)", printed)

    @contextmanager
    def touched(self, name: str) -> Iterator[None]:
        """Give a file the present time, as an editor that saves it does, and then its own time back."""
        times = (self.root / name).stat()
        (self.root / name).touch()
        yield
        os.utime(self.root / name, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> StubTree:
    """A copy of the tree with stub commands. Tests leave it up to date."""
    root = tmp_path_factory.mktemp("make") / "tree"
    root.mkdir()
    return StubTree(root)


@pytest.fixture(scope="module", autouse=True)
def verifying(
    tree: StubTree, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """`make verify-paper` without a network, which waits and tries again while tests run, and its folder."""
    folder = tmp_path_factory.mktemp("verifying")
    places = {"HDSR_DATA": f"{folder}/data", "HDSR_REPORTS": f"{folder}/reports"}
    with tree.start("verify-paper", "MIRROR=http://127.0.0.1:9", **places) as process:
        yield process, folder
        process.terminate()


def reads(name: str) -> set[str]:
    """The notebooks that a notebook reads, as its metadata say."""
    named = nbformat.read(PROJECT / "notebooks" / f"{name}.ipynb", as_version=4).metadata.get("hdsr", {})
    return set(NAMES) - {name} if named.get("reads") == "all" else set(named.get("reads", ()))


def with_readers(names: set[str]) -> set[str]:
    """Notebooks, and those that read them, directly or not."""
    more = names | {reader for reader in NAMES if reads(reader) & names}
    return names if more == names else with_readers(more)


def module(name: str) -> str:
    """Where a file of hdsr lies, by its name."""
    (path,) = (PROJECT / "hdsr").rglob(name)
    return path.relative_to(PROJECT).as_posix()


def test_every_notebook_runs_after_what_it_reads_and_before_its_page(tree: StubTree) -> None:
    shutil.rmtree(tree.root / "reports" / "tiny")
    steps = tree.steps("reproduce", "PROFILE=tiny")
    expected = [f"{kind} {name}" for kind in ("run", "render") for name in NAMES]
    assert sorted(step[6:] for step in steps if step.startswith("begin")) == sorted(
        [*expected, "index --profile"]
    )
    for name in NAMES:
        first = steps.index(f"begin run {name}")
        assert all(steps.index(f"end run {other}") < first for other in reads(name))
        assert steps.index(f"end run {name}") < steps.index(f"begin render {name}")
    assert steps[-1] == "end index --profile"


def test_notebooks_that_do_not_read_each_other_run_side_by_side(tree: StubTree) -> None:
    shutil.rmtree(tree.root / "reports" / "tiny")
    steps = tree.steps("-j2", "reproduce", "PROFILE=tiny", PAUSE="0.05")
    for name in NAMES:
        first = steps.index(f"begin run {name}")
        assert all(steps.index(f"end run {other}") < first for other in reads(name))
    running = itertools.accumulate(
        {"begin run": 1, "end run": -1}.get(step.rsplit(" ", 1)[0], 0) for step in steps
    )
    assert max(running) == 2
    assert steps[-1] == "end index --profile"


def test_a_second_run_does_nothing(tree: StubTree) -> None:
    before = tree.report("tiny")
    assert "Nothing to be done" in tree.make("reproduce", "PROFILE=tiny")
    assert tree.report("tiny") == before


@pytest.fixture(scope="module")
def database(tree: StubTree) -> str:
    """What make knows of all targets."""
    return tree.make("--print-data-base", "--dry-run", "reproduce", "PROFILE=tiny")


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_depends_on_all_that_it_uses_and_on_no_more(database: str, name: str) -> None:
    found = re.search(rf"^reports/tiny/notebooks/{name}\.ipynb: (.*?)(?: \| .*)?$", database, re.MULTILINE)
    code = nbformat.read(PROJECT / "notebooks" / f"{name}.ipynb", as_version=4).cells
    used = closure("\n".join(cell.source for cell in code if cell.cell_type == "code"))
    expected = {path.relative_to(PROJECT).as_posix() for path in used}
    expected |= {f"notebooks/{name}.ipynb", "notebooks/params/tiny.yaml", "constraints.txt", "data/weights"}
    expected |= {f"reports/tiny/notebooks/{other}.ipynb" for other in reads(name)}
    assert set(found[1].split()) == expected
    assert module("paths.py") in expected


@pytest.mark.parametrize(
    ("file", "seen_by"),
    [
        (module("panel.py"), {"09_explore"}),
        (module("layer_picker.js"), {"09_explore"}),
        (module("figures_2_to_7.py"), {"04_figures", "09_explore", "10_dynamics", "11_protocols"}),
        (module("smoke.yaml"), {"03_training", "08_scorecard"}),
        ("data/trials.csv", {"03_training"}),
        ("reports/bench.csv", {"06_runtime"}),
        ("notebooks/04_figures.ipynb", {"04_figures"}),
        (module("network.py"), set(NAMES)),
        ("constraints.txt", set(NAMES)),
        ("notebooks/params/tiny.yaml", set(NAMES)),
        ("notebooks/params/other.yaml", set()),
        (module("commands.py"), set()),
        (module("page.css"), set()),
        ("README.md", set()),
    ],
)
def test_a_touched_file_executes_the_notebooks_that_can_see_it(
    tree: StubTree, file: str, seen_by: set[str]
) -> None:
    with tree.touched(file):
        plan = tree.plan("reproduce", "PROFILE=tiny")
    executed = {f"run {name}" for name in with_readers(seen_by)}
    assert {step for step in plan if step.startswith("run")} == executed
    rendered = set(NAMES) if file.endswith("page.css") else with_readers(seen_by)
    assert {step for step in plan if step.startswith("render")} == {f"render {name}" for name in rendered}
    assert ("index" in plan) is bool(rendered)


def test_an_edited_figure_module_redraws_and_measures_nothing_anew(tree: StubTree) -> None:
    with tree.touched("hdsr/report/figures.py"):
        plan = tree.plan("reproduce", "PROFILE=tiny")
    assert "run 02_benchmarks" not in plan
    assert {"run 04_figures", "render 04_figures", "index"} <= set(plan)


@pytest.mark.parametrize("step", ["run 02_benchmarks", "render 04_figures"])
def test_a_killed_step_leaves_no_target_and_the_next_run_goes_on(tree: StubTree, step: str) -> None:
    kind, name = step.split()
    places = {"run": f"notebooks/{name}.ipynb", "render": f"html/{name}.html"}
    target = tree.root / "reports" / "tiny" / places[kind]
    index = tree.root / "reports" / "tiny" / "index.html"
    before = index.stat().st_mtime_ns
    target.unlink()
    process = tree.start("reproduce", "PROFILE=tiny", KILLED=step)
    printed, _ = process.communicate()
    assert process.returncode != 0, printed
    assert not target.exists()
    assert index.stat().st_mtime_ns == before
    steps = tree.steps("reproduce", "PROFILE=tiny")
    assert steps[0] == f"begin {step}"
    assert steps[-1] == "end index --profile"
    assert tree.plan("reproduce", "PROFILE=tiny") == []


def test_two_profiles_do_not_disturb_each_other(tree: StubTree) -> None:
    before = tree.report("tiny")
    tree.make("PROFILE=other", "reports/other/html/01_data.html")
    assert set(tree.report("other")) == {"notebooks/01_data.ipynb", "html/01_data.html"}
    assert tree.report("tiny") == before
    assert tree.plan("reproduce", "PROFILE=tiny") == []


@pytest.mark.parametrize(("profile", "seen"), [("quick", " \n"), ("paper", "/elsewhere /golden\n")])
def test_the_quick_profile_never_sees_the_data_of_a_machine(tree: StubTree, profile: str, seen: str) -> None:
    tree.make("reproduce", f"PROFILE={profile}", HDSR_DATA="/elsewhere", HDSR_GOLDEN="/golden")
    report = tree.root / "reports" / profile
    for name in NAMES:
        assert (report / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8") == seen


def test_new_images_and_weights_are_measured(tree: StubTree, tmp_path: Path) -> None:
    images = tmp_path / "benchmarks" / "Set5" / "HR"
    images.mkdir(parents=True)
    assert "run 02_benchmarks" in tree.plan("reproduce", "PROFILE=tiny", HDSR_DATA=str(tmp_path))
    os.utime(images, (0, 0))
    assert tree.plan("reproduce", "PROFILE=tiny", HDSR_DATA=str(tmp_path)) == []


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"reads": ["02_benchmark"]}, "notebook 01_data: '02_benchmark' in its metadata: expected reads"),
        ({"read": ["02_benchmarks"]}, "notebook 01_data: 'read' in its metadata: expected reads"),
        ({"reads": ["04_figures"]}, "notebooks read each other in a circle: "),
    ],
)
def test_metadata_that_make_no_sense_stop_make_in_one_line(
    tree: StubTree, metadata: dict[str, object], message: str
) -> None:
    changed = {"01_data": metadata, "04_figures": {"reads": ["01_data"]}}
    before = {name: (tree.root / "notebooks" / f"{name}.ipynb") for name in changed}
    kept = {path: (path.read_bytes(), path.stat()) for path in before.values()}
    for name, path in before.items():
        document = nbformat.read(path, as_version=4)
        document.metadata["hdsr"] = changed[name]
        nbformat.write(document, path)
    process = tree.start("reproduce", "PROFILE=tiny")
    printed, _ = process.communicate()
    for path, (content, times) in kept.items():
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert process.returncode != 0
    assert printed.startswith(f"hdsr: error: {message}")
    assert tree.plan("reproduce", "PROFILE=tiny") == []


def test_what_notebooks_depend_on_is_read_without_an_environment(tree: StubTree, tmp_path: Path) -> None:
    """In a fresh clone any Python reads it; the environment is installed before the first notebook runs."""
    shutil.rmtree(tree.root / "reports" / "quick", ignore_errors=True)
    printed = tree.make("--dry-run", "reproduce", f"VENV={tmp_path}/new", f"STAMP={tmp_path}/new/stamp")
    installs, first = printed.index("pip install"), printed.index("run 01_data")
    assert installs < first
    assert list(tmp_path.iterdir()) == []


def test_help_explains_every_target(tree: StubTree) -> None:
    explained = dict(re.findall(r"^  make ([\w-]+) +(\S.*)$", tree.make(), re.MULTILINE))
    assert explained.keys() >= set(TARGETS.split())


def test_data_fetches_what_is_asked_for(tree: StubTree) -> None:
    fetch = f"{sys.prefix}/bin/python -m hdsr data fetch"
    assert tree.make("--dry-run", "data").split() == fetch.split()
    options = ["WHAT=Set5 DIV2K", "MIRROR=http://host"]
    assert (
        tree.make("--dry-run", "data", *options).split() == f"{fetch} Set5 DIV2K --mirror http://host".split()
    )


def test_an_old_python_is_refused_in_one_line(tree: StubTree, tmp_path: Path) -> None:
    process = tree.start("setup", f"VENV={tmp_path}", f"STAMP={tmp_path}/stamp", "PYTHONS=false")
    printed, _ = process.communicate()
    assert process.returncode != 0
    assert "hdsr: error: none of false is Python 3.11 or newer with pip\n" in printed
    assert list(tmp_path.iterdir()) == []


SETTINGS = r"""
:env:.extra-index-url='https://a/simple https://b/simple'
:env:.find-links='/wheels'
global.cert='/certs.pem'
global.extra-index-url='https://hidden/by/the/environment'
global.index-url='\nhttps://c/simple'
global.no-index='true'
"""
ASKED_OF_UV = (
    "--extra-index-url https://a/simple --extra-index-url https://b/simple --find-links /wheels "
    "--index-url https://c/simple --no-index --no-build-isolation -e .[dev]"
)
STUB_PYTHON = """#!/bin/sh
# Stands in for the environment's interpreter: logs what it is asked for; uv ends with $STATUS.
case "$*" in
  "-m pip config list") cat "$SETTINGS" ;;
  "-m uv "*) echo "$*" >> "$LOG"; exit $STATUS ;;
  "-m "*) echo "$*" >> "$LOG" ;;
esac
"""


@pytest.mark.parametrize("fails", ["0", "1"])
def test_uv_installs_from_where_pip_is_set_to_look_and_pip_where_uv_cannot(
    tree: StubTree, tmp_path: Path, fails: str
) -> None:
    python = tmp_path / "new" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STUB_PYTHON, encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "settings").write_text(SETTINGS, encoding="utf-8")
    tree.log.unlink(missing_ok=True)
    places = (f"VENV={tmp_path}/new", f"STAMP={tmp_path}/new/stamp")
    tree.make("setup", *places, SETTINGS=f"{tmp_path}/settings", STATUS=fails)
    tools, by_uv, *by_pip = tree.log.read_text(encoding="utf-8").splitlines()
    assert tools.endswith("-c constraints.txt setuptools uv")
    assert f"--python {python} -c constraints.txt" in by_uv
    assert by_uv.endswith(ASKED_OF_UV)
    assert [line.split(" ", 3)[:3] for line in by_pip] == [["-m", "pip", "install"]] * int(fails)
    assert all(line.endswith("-c constraints.txt --no-build-isolation -e .[dev]") for line in by_pip)
    assert (tmp_path / "new" / "stamp").is_file()


def test_cleaning_keeps_runs_and_removes_the_remains_of_killed_steps(tree: StubTree) -> None:
    remains = tree.root / "reports" / "tiny" / "notebooks" / ".01_data.1.partial.ipynb"
    remains.touch()
    (tree.root / "runs").mkdir(exist_ok=True)
    (tree.root / "runs" / "weights.safetensors").touch()
    whole = {name for name in tree.report("tiny") if "partial" not in name}
    tree.make("clean")
    assert tree.report("tiny").keys() == whole
    assert (tree.root / "runs" / "weights.safetensors").is_file()
    assert tree.plan("reproduce", "PROFILE=tiny") == []


def test_verifying_the_paper_fetches_then_judges(tree: StubTree) -> None:
    shutil.rmtree(tree.root / "reports" / "paper", ignore_errors=True)
    printed = tree.make("--dry-run", "verify-paper")
    steps = ["hdsr data fetch", f"{tree.stub} run 08_scorecard --profile paper", f"{tree.stub} verdicts"]
    places = [printed.index(step) for step in steps]
    assert places == sorted(places)


def test_without_a_network_nothing_is_verified_and_one_line_says_so(
    verifying: tuple[subprocess.Popen[str], Path],
) -> None:
    process, folder = verifying
    printed, _ = process.communicate()
    assert process.returncode != 0
    assert len(re.findall("hdsr: error: .* no connection", printed)) == 1
    assert [path for path in folder.rglob("*") if path.is_file() and path.name != ".fetch.lock"] == []


def test_training_needs_a_config(tree: StubTree) -> None:
    process = tree.start("train")
    printed, _ = process.communicate()
    assert process.returncode != 0
    assert "hdsr: error: make train needs CONFIG=, one of hdsr/configs/" in printed


FEWER = {
    "training": {"turns": 2},
    "runtime": {"warmup": 0, "runs": 2, "hr_sizes": [64, 128]},
    "dynamics": {"temperatures": [1], "patches": 1},
}
"""Parameters of the quick profile that are changed where all notebooks are executed, to save minutes."""


def test_for_real(tmp_path: Path) -> None:
    """Every notebook, executed and rendered by make, its first step killed; and what is drawn anew later.

    What they print is what is stored in them, the same that `pytest --nbval notebooks` compares. Nothing that
    is compared depends on FEWER, or on the patches of a step.
    """
    (tmp_path / "tree").mkdir()
    real = Tree(tmp_path / "tree")
    quick = real.root / "notebooks" / "params" / "quick.yaml"
    parameters = yaml.safe_load(quick.read_text(encoding="utf-8"))
    for notebook, fewer in FEWER.items():
        assert fewer.keys() <= parameters[notebook].keys()
        parameters[notebook] |= fewer
    parameters["training"]["overrides"] += ["batch_size=2"]
    quick.write_text(yaml.safe_dump(parameters), encoding="utf-8")
    executed = real.root / "reports" / "quick" / "notebooks"
    first = executed / "01_data.ipynb"
    process = real.start("reproduce")
    os.kill(step_that_writes(first), signal.SIGKILL)
    printed, _ = process.communicate()
    assert process.returncode != 0, printed
    assert not first.exists()

    real.make("-j2", "reproduce")
    before = real.report("quick")
    assert {"index.html", "rows/benchmarks.csv"} <= before.keys()
    assert {f"html/{name}.html" for name in NAMES} <= before.keys()
    assert not [name for name in before if "partial" in name or "failed" in name]
    for name in NAMES:
        assert compared(executed / f"{name}.ipynb") == compared(PROJECT / "notebooks" / f"{name}.ipynb"), name
    assert "Nothing to be done" in real.make("reproduce")
    assert real.report("quick") == before

    (real.root / "hdsr/report/figures.py").touch()
    real.make("reports/quick/notebooks/04_figures.ipynb")
    after = real.report("quick")
    redrawn = {name for name in after if after[name][0] != before[name][0]}
    kept = [name for name in redrawn if name.startswith(("rows/", "images/")) and not name.endswith(".lock")]
    assert kept == []
    tables = [name for name in after if name.startswith("tables/")]
    assert [name for name in tables if after[name][1] != before[name][1]] == []
    assert [name for name in redrawn if name.startswith("figures/")]


def compared(path: Path) -> dict[str, list[str]]:
    """What the cells of a notebook print, by their ids, less those whose outputs are not compared."""
    cells = nbformat.read(path, as_version=4).cells
    return {
        cell.id: [f"{output.name}: {output.text}" for output in cell.outputs]
        for cell in cells
        if cell.cell_type == "code"
        and not {"nbval-ignore-output", "injected-parameters"} & set(cell.metadata.get("tags", []))
    }


def step_that_writes(target: Path) -> int:
    """The process that is writing a notebook, whose number is in the name of its temporary file."""
    for _ in range(1200):
        for path in target.parent.glob(f".{target.stem}.*.partial.ipynb"):
            return int(path.name.split(".")[2])
        time.sleep(0.1)
    pytest.fail(f"nothing began to write {target.name} within two minutes")
