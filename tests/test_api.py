"""The front door: what `import hdsr` and torch.hub give."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

import hdsr
from hdsr import metrics, resize
from hdsr.paths import PROJECT


def test_the_front_door_lists_itself_without_loading_torch() -> None:
    code = "import sys, hdsr; print(*dir(hdsr)); sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert {*hdsr.__all__, "__version__"} <= set(done.stdout.split())


def test_names_at_the_top_are_those_below() -> None:
    assert hdsr.imresize is resize.imresize
    assert (hdsr.psnr_y, hdsr.ssim_y) == (metrics.psnr_y, metrics.ssim_y)
    with pytest.raises(AttributeError, match="no attribute 'upscael'"):
        hdsr.upscael  # noqa: B018


def test_annotations_are_shipped() -> None:
    pyproject = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "py.typed" in pyproject["tool"]["setuptools"]["package-data"]["hdsr"]
    assert (PROJECT / "hdsr" / "py.typed").is_file()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_torch_hub_gives_the_network_with_weights(scale: int) -> None:
    network = torch.hub.load(str(PROJECT), "hdsrnet", source="local", scale=scale)
    wanted = hdsr.load_pretrained(scale).state_dict()
    assert not network.training
    assert network.scale == scale
    assert all(torch.equal(value, wanted[key]) for key, value in network.state_dict().items())
    untrained = torch.hub.load(str(PROJECT), "hdsrnet", source="local", scale=scale, pretrained=False)
    assert not torch.equal(untrained.upper.entry.weight, network.upper.entry.weight)


def test_torch_hub_finds_the_code_beside_it(tmp_path: Path) -> None:
    code = f"""
import sys, torch
sys.path = [path for path in sys.path if path not in ("", {str(PROJECT)!r})]
print(type(torch.hub.load({str(PROJECT)!r}, "hdsrnet", source="local")).__module__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "hdsr.network\n"), done.stderr


def test_a_copy_writes_its_reports_into_itself(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (copy / "hdsr").mkdir(parents=True)
    (copy / "notebooks").mkdir()
    (copy / "hdsr" / "paths.py").write_text("")
    code = "from hdsr import paths; print(paths.PROJECT, paths.report_dir('quick'), paths.BENCH)"
    own = {name: value for name, value in os.environ.items() if name != "HDSR_REPORTS"}
    environment = {**own, "PYTHONPATH": str(PROJECT)}
    for here, reports in ((copy / "notebooks", copy / "reports"), (tmp_path, PROJECT / "reports")):
        command = [sys.executable, "-P", "-c", code]
        done = subprocess.run(command, cwd=here, env=environment, check=True, capture_output=True, text=True)
        assert done.stdout.split() == [str(PROJECT), str(reports / "quick"), str(reports / "bench.csv")]
