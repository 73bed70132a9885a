"""A new user adds a method by doing what hdsr/methods/README.md says, word for word, in a copy."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fabricated import gaps

from hdsr import results
from hdsr.files import sha256
from hdsr.images import write_png
from hdsr.methods.blocks import conv3x3, upsampler
from hdsr.paths import PROJECT
from hdsr.report import psnr_tables

FILE, ROW, COMMAND = map(
    textwrap.dedent,
    re.findall(
        r"```\w+\n(.+?)\n *```", (PROJECT / "hdsr" / "methods" / "README.md").read_text("utf-8"), re.DOTALL
    ),
)
"""The three blocks of code that the page has."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with the new file and the new row, a data folder, and weights."""
    shutil.copytree(PROJECT / "hdsr", tmp_path / "hdsr", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("manifests", "paper"):
        shutil.copytree(PROJECT / "data" / folder, tmp_path / "data" / folder)
    (tmp_path / "hdsr" / "methods" / "mynet.py").write_text(FILE + "\n", encoding="utf-8")
    registry = tmp_path / "hdsr" / "methods" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    text = text.replace("from hdsr.methods import (\n", "from hdsr.methods import (\n    mynet,\n", 1)
    registry.write_text(text.replace("\n}\n", f"\n{ROW}\n}}\n", 1), encoding="utf-8")
    layers = {"entry": conv3x3(3, 64), "upsampler": upsampler(64, 2), "exit": conv3x3(64, 3)}
    torch.save(torch.nn.ModuleDict(layers).state_dict(), tmp_path / "my.pth")
    random = np.random.default_rng(0)
    known = pd.read_csv(tmp_path / "data" / "manifests" / "benchmarks.csv")
    for image in ("baby", "bird"):
        path = tmp_path / "data" / "benchmarks" / "Set5" / "HR" / f"{image}.png"
        write_png(path, random.integers(0, 256, (24, 32, 3), np.uint8))
        line = (known["dataset"] == "Set5") & (known["image"] == image)
        known.loc[line, ["bytes", "sha256"]] = [path.stat().st_size, sha256(path)]
    known.to_csv(tmp_path / "data" / "manifests" / "benchmarks.csv", index=False)
    return tmp_path


def test_it_is_measured_and_gets_a_line_in_the_tables(project: Path) -> None:
    command = [sys.executable, "-m", *shlex.split(COMMAND)]
    environment = {name: value for name, value in os.environ.items() if name != "HDSR_DATA"}
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    rows = results.load(project / "rows.csv")
    assert rows[["model", "dataset", "image"]].to_numpy().tolist() == [
        ["mynet", "Set5", "baby"],
        ["mynet", "Set5", "bird"],
    ]
    assert rows["weights"].str.startswith("my.pth@").all()
    printed = repr(psnr_tables.comparison(rows, "Set5", gaps()))
    assert re.search(r"\| mynet, my\.pth@", printed)
