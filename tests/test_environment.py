"""The versions are pinned once, in constraints.txt, and everything that installs uses that file."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution, metadata
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from PIL import Image

from hdsr.errors import EXTRAS
from hdsr.paths import CONFIGS, PROJECT

PIN = re.compile(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*")


@pytest.fixture(scope="module")
def pin_lines() -> list[str]:
    lines = (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


@pytest.fixture(scope="module")
def pins(pin_lines: list[str]) -> dict[str, Version]:
    pairs = (line.split("==") for line in pin_lines)
    return {canonicalize_name(name): Version(version) for name, version in pairs}


@pytest.fixture(scope="module")
def pyproject() -> dict:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def installed_requirements(name: str, extras: frozenset[str], seen: set) -> Iterator[Requirement]:
    """Everything that an installed package needs in this environment, direct and transitive."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    for requirement in map(Requirement, distribution(name).requires or []):
        environments = [{**default_environment(), "extra": extra} for extra in (extras or {""})]
        marker = requirement.marker
        if marker is None or any(marker.evaluate(environment) for environment in environments):
            yield requirement
            yield from installed_requirements(requirement.name, frozenset(requirement.extras), seen)


def test_every_line_is_an_exact_version_of_a_package_named_once(pin_lines: list[str], pins: dict) -> None:
    assert [line for line in pin_lines if not PIN.fullmatch(line)] == []
    assert len(pins) == len(pin_lines)


def test_pins_satisfy_what_the_project_asks_for(pins: dict[str, Version], pyproject: dict) -> None:
    project = pyproject["project"]
    asked = pyproject["build-system"]["requires"] + project["dependencies"]
    asked += [line for lines in project["optional-dependencies"].values() for line in lines]
    for requirement in map(Requirement, asked):
        if requirement.name == "hdsr":
            continue
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_installed_versions_are_the_pinned_ones(pins: dict[str, Version]) -> None:
    needed = {requirement.name for requirement in installed_requirements("hdsr", frozenset({"dev"}), set())}
    installed = {name: distribution(name).version for name in needed}
    drifted = {
        name: version
        for name, version in installed.items()
        if name != "hdsr" and Version(version).public != str(pins.get(canonicalize_name(name)))
    }
    assert drifted == {}, "installed, but not as constraints.txt says: run `make setup`, or `make lock`"
    assert {"torch", "nbval", "ruff"} <= needed


def test_pinned_versions_run_on_the_oldest_python_that_is_promised(pyproject: dict) -> None:
    oldest = f"{pyproject['project']['requires-python'].removeprefix('>=')}.0"
    names = {requirement.name for requirement in installed_requirements("hdsr", frozenset({"dev"}), set())}
    asked = {name: metadata(name)["Requires-Python"] or "" for name in names}
    assert {name: wanted for name, wanted in asked.items() if oldest not in SpecifierSet(wanted)} == {}


def test_torch_is_pinned_with_its_cuda_libraries(pins: dict[str, Version]) -> None:
    assert {"nvidia-cudnn-cu13", "nvidia-cublas", "triton"} <= pins.keys()


def test_conda_installs_the_pinned_versions() -> None:
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))
    *packages, by_pip = environment["dependencies"]
    assert packages == ["python=3.11", "pip"]
    assert by_pip == {"pip": ["-c constraints.txt", "-e .[dev]"]}


def test_make_installs_the_pinned_versions() -> None:
    command = ["make", "--dry-run", "--always-make", "setup"]
    shown = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    installs = re.findall(r"-m (?:uv )?pip install .*?(?=\|\||$)", shown, re.MULTILINE)
    assert len(installs) == 4
    assert all("-c constraints.txt" in line for line in installs)


def test_ci_runs_make_test() -> None:
    script = PROJECT / ".ci" / "run"
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "exec make test"
    assert script.stat().st_mode & 0o111


def test_extras_are_those_that_messages_name(pyproject: dict) -> None:
    asked = pyproject["project"]["optional-dependencies"]
    names = {extra: {Requirement(line).name for line in asked[extra]} for extra in EXTRAS}
    assert names == {extra: set(packages.split()) for extra, packages in EXTRAS.items()}
    assert Requirement(asked["dev"][0]).extras == EXTRAS.keys()


BLOCKED = """
import sys
from hdsr.errors import EXTRAS
for packages in EXTRAS.values():
    for package in packages.replace("ipython", "IPython").split():
        sys.modules[package] = None
from hdsr.cli import main
sys.exit(max(main(line.split()) for line in sys.argv[1:]))
"""


def without_extras(*lines: str) -> subprocess.CompletedProcess[str]:
    """Lines for `hdsr`, in one process, where nothing but the core is installed."""
    return subprocess.run([sys.executable, "-c", BLOCKED, *lines], capture_output=True, text=True)


def test_the_core_enlarges_evaluates_and_counts(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    Image.new("RGB", (24, 24), "teal").save(tmp_path / "set" / "a.png")
    done = without_extras(
        f"upscale {tmp_path}/set/a.png --scale 2 --out {tmp_path}/out",
        f"evaluate --model hdsrnet --scale 2 --dataset {tmp_path}/set --out {tmp_path}/rows.csv",
        "profile --scale 2 --lr-size 8 --warmup 0 --runs 2",
        "data status",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "a_x2.png").is_file()
    assert (tmp_path / "rows.csv").is_file()


@pytest.mark.parametrize(
    ("line", "package", "extra"),
    [
        (f"train {CONFIGS / 'smoke.yaml'} --out nowhere/run", "accelerate", "train"),
        ("export --scale 2 --out nowhere/net.onnx", "onnx", "export"),
    ],
)
def test_what_is_missing_is_named_with_the_extra_that_brings_it(line: str, package: str, extra: str) -> None:
    done = without_extras(line)
    said = f"hdsr: error: the package {package} is not installed: `pip install 'hdsr[{extra}]'` brings it\n"
    assert (done.returncode, done.stderr) == (2, said)
