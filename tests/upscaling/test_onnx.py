"""The ONNX file is the same function as the network, at any size, and says where it comes from."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hdsr import checkpoint
from hdsr.cli import main
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.fetch.weights import weights_path
from hdsr.files import sha256
from hdsr.network import HDSRNet
from hdsr.upscaling import onnx as export

SCALE = 4


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped x4 network, written by the command."""
    path = tmp_path_factory.mktemp("onnx") / "x4.onnx"
    assert main(["export", "--scale", str(SCALE), "--out", str(path)]) == 0
    return path


def enlarged(path: Path, lr: np.ndarray) -> np.ndarray:
    (sr,) = export.session(path).run(["sr"], {"lr": lr})
    return sr


def expected(network: HDSRNet, lr: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(lr)).numpy()


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([2, 3, 4]), st.integers(1, 20), st.integers(1, 20))
def test_the_graph_equals_the_network_at_any_size(scale: int, height: int, width: int) -> None:
    network = checkpoint.load_pretrained(scale)
    lr = 255 * torch.rand(1, 3, height, width)
    with torch.inference_mode():
        difference = (export.FoldedGraph(network)(lr) - network(lr)).abs().max().item()
    assert difference < export.TOLERANCE


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (5, 4), (37, 8)])
def test_onnx_runtime_takes_any_size(exported: Path, size: tuple[int, int]) -> None:
    lr = np.random.default_rng(0).uniform(0, 255, (1, 3, *size)).astype(np.float32)
    sr = enlarged(exported, lr)
    assert sr.shape == (1, 3, SCALE * size[0], SCALE * size[1])
    np.testing.assert_allclose(
        sr, expected(checkpoint.load_pretrained(SCALE), lr), rtol=0, atol=export.TOLERANCE
    )


def test_onnx_runtime_agrees_on_whole_images_of_set5(exported: Path, real_data_root: Path) -> None:
    network = checkpoint.load_pretrained(SCALE)
    for _, image, _ in load_benchmark("Set5", SCALE, real_data_root):
        lr = image.transpose(2, 0, 1)[None].astype(np.float32)
        difference = np.abs(enlarged(exported, lr) - expected(network, lr)).max()
        assert difference < export.TOLERANCE


def test_the_file_describes_itself(exported: Path) -> None:
    model = onnx.load(exported)
    about = {item.key: item.value for item in model.metadata_props}
    weights = weights_path(SCALE)
    assert (about["scale"], about["weights"], about["weights_sha256"]) == ("4", "ours", sha256(weights))
    assert json.loads(about["weights_training"]) == checkpoint.describe(weights)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", export.OPSET)]
    (entry,), (result,) = model.graph.input, model.graph.output
    sizes = [axis.dim_param or axis.dim_value for axis in entry.type.tensor_type.shape.dim]
    assert (entry.name, sizes, result.name) == ("lr", [1, 3, "height", "width"], "sr")


def test_the_file_holds_no_path_of_the_machine_that_wrote_it(exported: Path) -> None:
    content = exported.read_bytes()
    for folder in (Path(export.__file__).parent, Path(torch.__file__).parent, Path.home()):
        assert f"{folder}/".encode() not in content


def test_a_graph_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lr, sr = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, *sides])
        for name, sides in (("lr", "hw"), ("sr", "HW"))
    )
    factor = onnx.helper.make_tensor("factor", onnx.TensorProto.FLOAT, [4], [1, 1, 2, 2])
    enlarge = onnx.helper.make_node("Resize", ["lr", "", "factor"], ["sr"])
    graph = onnx.helper.make_graph([enlarge], "nearest", [lr], [sr], [factor])
    opset = onnx.helper.make_opsetid("", export.OPSET)
    nearest = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=10)
    monkeypatch.setattr(export, "to_onnx", lambda network: nearest)
    with pytest.raises(HdsrError, match=r"differ by [\d.]+ of 255, expected at most 0.01: .*not written"):
        export.export(2, tmp_path / "x2.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x2.pt", "x2", "folder.onnx"])
def test_a_name_that_cannot_be_is_refused_before_any_work(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(HdsrError, match=rf"{name}: expected the name of a file that ends in \.onnx"):
        export.export(2, tmp_path / name)


def test_weights_of_another_scale_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HdsrError, match="holds weights for x4, expected x2"):
        export.export(2, tmp_path / "x2.onnx", weights_path(4))
    assert list(tmp_path.iterdir()) == []
