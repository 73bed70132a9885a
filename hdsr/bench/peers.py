"""The same network by other programs for inference, in turns, each in a process of its own.

They get the network with the kernel mixes of the image at hand and without the correction at the border: not
all of them can compute a kernel; ours is the folded form as `hdsr upscale` calls it, mixes and border
included. What they give is compared inside the outermost ring of LR pixels. `pip install ncnn pnnx openvino`
brings those that hdsr does not.
"""

import copy
import importlib.util
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from hdsr.bench.forms import CPU, DTYPES, FOLDED, batch_of_one, call_on
from hdsr.bench.rows import NOT_MEASURED, Request, Row, spread
from hdsr.checkpoint import load_pretrained
from hdsr.datasets import samples
from hdsr.errors import HdsrError
from hdsr.inference import folded_kernel, reconstruct_interior
from hdsr.measure.latency import Call, time_ratios
from hdsr.network import HDSRNet, conv3x3
from hdsr.upscaling.allocator import keep_freed_memory
from hdsr.upscaling.run import Precision

ONNX, OPENVINO, NCNN = "ONNX Runtime", "OpenVINO", "ncnn"
PACKAGES = {ONNX: "onnxruntime", OPENVINO: "openvino", NCNN: "ncnn pnnx"}
VARIANTS: tuple[tuple[str, Precision], ...] = (
    (FOLDED, "fp32"),
    (ONNX, "fp32"),
    (OPENVINO, "fp32"),
    (NCNN, "fp32"),
    (FOLDED, "bf16"),
    (OPENVINO, "bf16"),
    (NCNN, "bf16"),
)
TOLERANCE = {"fp32": 0.05, "bf16": 16.0}
"""Largest difference from ours in float32, of 255."""


class Frozen(nn.Module):
    """HDSRNet with its kernel mixes for one image, and the reconstruction folded, without the border.

    forward: RGB in 0..255, (1, 3, height, width) to (1, 3, scale * height, scale * width), not clipped.
    """

    mean: Tensor
    weight: Tensor
    bias: Tensor

    @torch.no_grad()
    def __init__(self, network: HDSRNet, image: Tensor) -> None:
        super().__init__()
        network = copy.deepcopy(network)
        self.scale, self.upper, self.lower = network.scale, network.upper, network.lower
        self.register_buffer("mean", network.mean)
        weight, bias = folded_kernel(network.reconstruction, network.scale)
        self.register_buffer("weight", weight.contiguous())
        self.register_buffer("bias", bias)
        features = F.relu(self.upper.entry(image - self.mean))
        for block in self.upper.blocks:
            dilated = F.relu(block.dilated(features))
            mixed = conv3x3(64, 64, bias=True)
            weight, bias = block.dynamic.mix(dilated)
            mixed.weight.copy_(weight[0])
            mixed.bias.copy_(bias[0])
            features = features + F.relu(block.plain(F.relu(block.dynamic(dilated))))
            block.dynamic = mixed

    def forward(self, image: Tensor) -> Tensor:
        centered = image - self.mean
        features = self.upper(centered) * self.lower(centered)
        return reconstruct_interior(features, self.weight, self.bias, self.scale) + self.mean


def measure(
    request: Request, scales: Iterable[int] = (4,), lr_px: int = 256, warmup: int = 1, turns: int = 5
) -> list[Row]:
    """Time of each program on one photograph of `lr_px` squared, and how fast it is beside ours.

    At x4 unless told otherwise: the scales differ in the reconstruction only, and each takes minutes.

    A program that is not installed has a row that says what brings it.

    Raises:
        HdsrError: if the result of one is not ours.
    """
    rows = []
    for scale in scales:
        present = [variant for variant in VARIANTS if not absent(variant[0])]
        times_ms = timed(scale, lr_px, present, warmup, turns)
        rows += [time_row(scale, lr_px, variant, times_ms) for variant in present]
    for program in PACKAGES:
        if lacking := absent(program):
            note = f"{program} is not installed: `pip install {lacking}` brings it"
            rows.append(Row(NOT_MEASURED, program, None, "", "", "", 0, float("nan"), note=note))
    return rows


def absent(program: str) -> str:
    """The packages of a program that are not installed here."""
    names = PACKAGES.get(program, "").split()
    return " ".join(name for name in names if importlib.util.find_spec(name) is None)


def timed(
    scale: int, lr_px: int, variants: list[tuple[str, Precision]], warmup: int, turns: int
) -> dict[tuple[str, Precision], list[float]]:
    """Milliseconds of each variant in each turn; results are compared in the first one."""
    times_ms: dict[tuple[str, Precision], list[float]] = {variant: [] for variant in variants}
    with ExitStack() as stack:
        spawn = multiprocessing.get_context("spawn")
        pools = {
            variant: stack.enter_context(
                ProcessPoolExecutor(1, spawn, start, (*variant, scale, lr_px, torch.get_num_threads()))
            )
            for variant in variants
        }
        results = {variant: pool.submit(result) for variant, pool in pools.items()}  # they load side by side
        check_alike({variant: future.result() for variant, future in results.items()}, scale)
        for turn in range(-warmup, turns):
            for variant, pool in pools.items():
                time_ms = pool.submit(time_once).result()
                if turn >= 0:
                    times_ms[variant].append(time_ms)
    return times_ms


def check_alike(results: dict[tuple[str, Precision], NDArray[np.float32]], scale: int) -> None:
    """Raise HdsrError if an image, (height, width, 3), is not that of ours inside the outermost ring."""
    inside = np.s_[scale:-scale, scale:-scale]
    ours = results[FOLDED, "fp32"][inside]
    for (program, precision), image in results.items():
        difference = float(np.abs(image[inside] - ours).max())
        if not difference <= TOLERANCE[precision]:
            raise HdsrError(
                f"{program} in {precision} differs from ours by {difference:.3g} of 255, expected at most "
                f"{TOLERANCE[precision]}"
            )


def time_row(
    scale: int,
    lr_px: int,
    variant: tuple[str, Precision],
    times_ms: dict[tuple[str, Precision], list[float]],
) -> Row:
    """A variant's time, and how many times as fast as ours in the same precision it is."""
    program, precision = variant
    place = ("time", program, scale, f"{lr_px}x{lr_px}", DTYPES[precision], "ms")
    ratio = time_ratios(times_ms[FOLDED, precision], times_ms[variant])[0]
    return Row(*place, **spread(times_ms[variant]), ratio=ratio, baseline=f"{FOLDED}, {DTYPES[precision]}")


_call: Callable[[], NDArray[np.float32]]


def start(*work: object) -> None:
    """`prepare` in a new process, whose programs say on stderr what they have to say."""
    os.dup2(sys.stderr.fileno(), 1)
    prepare(*work)


def prepare(program: str, precision: Precision, scale: int, lr_px: int, threads: int) -> None:
    """Load one program with the network, in the process that is its own."""
    global _call
    torch.set_num_threads(threads)
    network, lr = load_pretrained(scale), photograph(lr_px)
    if program == FOLDED:
        keep_freed_memory()
        _call = call_on(network, FOLDED, precision, lr)
        return
    batch = batch_of_one(lr)
    run = LOADERS[program](Frozen(network, torch.from_numpy(batch)).eval(), batch, precision, threads)
    _call = lambda: np.asarray(run()).reshape(3, *(scale * side for side in lr.shape[:2])).transpose(1, 2, 0)  # noqa: E731


def photograph(lr_px: int) -> NDArray[np.float32]:
    """The middle of a built-in photograph, RGB in 0..255, (lr_px, lr_px, 3); repeated if it is smaller."""
    image = next(hr for _, _, hr in samples(4))
    repeats = [-(-lr_px // side) for side in image.shape[:2]]
    return np.tile(image, (*repeats, 1))[:lr_px, :lr_px].astype(np.float32)


def result() -> NDArray[np.float32]:
    """The enlarged image, (height, width, 3)."""
    return np.ascontiguousarray(_call())


def time_once() -> float:
    """Milliseconds of one call."""
    start = time.perf_counter()
    _call()
    return 1000 * (time.perf_counter() - start)


def onnx_model(frozen: Frozen, batch: NDArray[np.float32]) -> bytes:
    """The frozen network as an ONNX file of one size."""
    from hdsr.upscaling.onnx import INPUT, OPSET, OUTPUT

    given = {"input_names": [INPUT], "output_names": [OUTPUT], "opset_version": OPSET, "verbose": False}
    program = torch.onnx.export(frozen, (torch.from_numpy(batch),), dynamo=True, **given)
    return program.model_proto.SerializeToString()


def in_onnxruntime(frozen: Frozen, batch: NDArray[np.float32], precision: Precision, threads: int) -> Call:
    """ONNX Runtime on the CPU."""
    from hdsr.upscaling.onnx import INPUT, OUTPUT, session

    run = session(onnx_model(frozen, batch)).run
    return lambda: run([OUTPUT], {INPUT: batch})[0]


def in_openvino(frozen: Frozen, batch: NDArray[np.float32], precision: Precision, threads: int) -> Call:
    """OpenVINO on the CPU, in the precision asked for."""
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "PERFORMANCE_HINT": "LATENCY",
    }
    model = openvino.Core().read_model(onnx_model(frozen, batch), b"")
    request = openvino.compile_model(model, CPU.type.upper(), settings).create_infer_request()
    return lambda: request.infer([batch])[0]


def in_ncnn(frozen: Frozen, batch: NDArray[np.float32], precision: Precision, threads: int) -> Call:
    """ncnn with the model that pnnx makes, Winograd's way allowed."""
    import ncnn
    import pnnx

    network = ncnn.Net()
    network.opt.num_threads = threads
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    network.opt.use_bf16_storage = precision == "bf16"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frozen.pt"
        pnnx.export(frozen, str(path), torch.from_numpy(batch), fp16=False)
        network.load_param(str(path.with_suffix(".ncnn.param")))
        network.load_model(str(path.with_suffix(".ncnn.bin")))
    image = ncnn.Mat(batch[0]).clone()  # of its own: it keeps no hold on an array

    def run() -> NDArray[np.float32]:
        extractor = network.create_extractor()
        extractor.input("in0", image)
        return np.array(extractor.extract("out0")[1])

    return run


LOADERS = {ONNX: in_onnxruntime, OPENVINO: in_openvino, NCNN: in_ncnn}
