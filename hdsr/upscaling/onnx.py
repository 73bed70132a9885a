"""HDSRNet as an ONNX file, for programs without PyTorch: its folded form, compared with PyTorch at once."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hdsr import __version__, checkpoint
from hdsr.datasets import samples
from hdsr.errors import HdsrError
from hdsr.fetch.weights import weights_path
from hdsr.files import atomic_path, sha256
from hdsr.inference import REACH, folded_kernel, reconstruct_interior
from hdsr.network import HDSRNet
from hdsr.provenance import commit, versions

OPSET = 20
INPUT, OUTPUT = "lr", "sr"
TOLERANCE = 0.01
"""Largest difference between ONNX Runtime and PyTorch that is accepted, of 255."""
COMPARED_SIZES = ((8, 8), (9, 31), (33, 15), (64, 65), (101, 57))
"""LR height and width of the parts of photographs that are compared, besides one whole photograph."""


class FoldedGraph(nn.Module):
    """The folded network (see `hdsr.inference`) without branches, so that one graph serves every size.

    forward: RGB in 0..255, (1, 3, height, width) to (1, 3, scale * height, scale * width), not clipped.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, network: HDSRNet) -> None:
        super().__init__()
        self.network = network
        with torch.no_grad():
            weight, bias = folded_kernel(network.reconstruction, network.scale)
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", bias)

    def forward(self, lr: Tensor) -> Tensor:
        features = self.network.features(lr)
        sr = reconstruct_interior(features, self.weight, self.bias, self.network.scale)
        for axis in (2, 3):
            sr = self.with_exact_ends(sr, features, axis)
        return sr + self.network.mean

    def with_exact_ends(self, sr: Tensor, features: Tensor, axis: int) -> Tensor:
        """The HR image with the first and last LR pixel along an axis computed the long way."""
        scale, reconstruction = self.network.scale, self.network.reconstruction
        first = reconstruction(_narrowed(features, axis, 0, REACH + 1))
        last = reconstruction(_narrowed(features, axis, -REACH - 1, None))
        sr = torch.cat([_narrowed(first, axis, 0, scale), _narrowed(sr, axis, scale, None)], axis)
        return torch.cat([_narrowed(sr, axis, 0, -scale), _narrowed(last, axis, -scale, None)], axis)


def _narrowed(tensor: Tensor, axis: int, start: int, stop: int | None) -> Tensor:
    return tensor[(slice(None),) * axis + (slice(start, stop),)]


def export(
    scale: int, out: str | Path, weights: str | Path = "ours", root: str | Path | None = None
) -> float:
    """Write HDSRNet's folded form as ONNX (opset 20), after comparing it with PyTorch on photographs.

    Input `lr`: float32 RGB in 0..255, (1, 3, height, width), height and width from 1 upwards; output `sr`:
    (1, 3, scale * height, scale * width), not clipped. The file says where its weights come from.

    Args:
        scale: 2, 3 or 4.
        out: file, ending in .onnx; replaced if it is there.
        weights: "ours", "authors" or a file.
        root: the data folder, where the authors' weights lie.

    Returns:
        The largest difference between ONNX Runtime and PyTorch, of 255.

    Raises:
        HdsrError: for arguments that do not fit, or a difference above 0.01: then nothing is written.
    """
    out = Path(out)
    if out.suffix != ".onnx" or out.is_dir():
        raise HdsrError(f"{out}: expected the name of a file that ends in .onnx")
    network = checkpoint.load_pretrained(scale, weights, root).eval()
    model = to_onnx(network)
    about = _metadata(scale, weights, weights_path(scale, weights, root))
    onnx.helper.set_model_props(model, about)
    with atomic_path(out) as temporary:
        onnx.save(model, temporary)
        difference = _largest_difference(temporary, network)
        if not difference <= TOLERANCE:
            raise HdsrError(
                f"ONNX Runtime and PyTorch differ by {difference:.3g} of 255, expected at most {TOLERANCE}: "
                f"{out} was not written"
            )
    return difference


def to_onnx(network: HDSRNet) -> onnx.ModelProto:
    """The folded form of a network as a graph of any height and width."""
    # From 4 on the borders' slices of three pixels are the same for all sizes, as torch.export wants it. ONNX
    # clamps slices, so that the file serves smaller images too.
    any_size = {axis: torch.export.Dim(name, min=4) for axis, name in ((2, "height"), (3, "width"))}
    with redirect_stdout(sys.stderr):  # where the exporter tells of its progress
        program = torch.onnx.export(
            FoldedGraph(network).eval(),
            (torch.zeros(1, 3, 12, 10),),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=(any_size,),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model = _without_notes(program.model_proto)
    model.producer_name, model.producer_version = "hdsr", __version__
    onnx.checker.check_model(model, full_check=True)
    return model


def _without_notes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without what PyTorch notes beside each node: stack traces with the paths of this machine."""
    graph = model.graph
    parts = (graph.node, graph.input, graph.output, graph.value_info, graph.initializer)
    for item in (model, graph, *(item for part in parts for item in part)):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    return model


def _metadata(scale: int, weights: str | Path, path: Path) -> dict[str, str]:
    """What the file says of itself: its input and output, its weights, and what made it."""
    digest = sha256(path)
    trained = checkpoint.describe(path) if path.suffix == ".safetensors" else {}
    return {
        "network": "HDSRNet, arXiv 2402.15704, folded",
        "scale": str(scale),
        "input": f"{INPUT}: RGB in 0..255, (1, 3, height, width)",
        "output": f"{OUTPUT}: RGB in 0..255, not clipped, (1, 3, {scale} * height, {scale} * width)",
        "weights": Path(weights).name,
        "weights_sha256": digest,
        "weights_training": json.dumps(trained, sort_keys=True),
        "hdsr_commit": commit() or "outside a checkout",
        "versions": json.dumps(versions() | {"onnx": onnx.__version__}),
    }


def session(model: str | Path | bytes) -> onnxruntime.InferenceSession:
    """An ONNX file, or its content, in ONNX Runtime, on as many CPU threads as torch uses."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _largest_difference(path: str | Path, network: HDSRNet) -> float:
    """Between an ONNX file and the published form in PyTorch, on photographs of many sizes; of 255."""
    run = session(path).run
    differences = []
    for lr in _compared_images(network.scale):
        with torch.inference_mode():
            expected = network(torch.from_numpy(lr)).numpy()
        (found,) = run([OUTPUT], {INPUT: lr})
        differences.append(np.abs(found - expected).max() if found.shape == expected.shape else np.inf)
    return float(max(differences))


def _compared_images(scale: int) -> list[NDArray[np.float32]]:
    """Parts of the built-in photographs, reduced `scale` times, and one whole, as (1, 3, height, width)."""
    reduced = [lr for _, lr, _ in samples(scale)]
    parts = [lr[:height, :width] for lr, (height, width) in zip(reduced, COMPARED_SIZES, strict=False)]
    return [lr.transpose(2, 0, 1)[None].astype(np.float32) for lr in (*parts, reduced[-1])]
