"""How much faster one image is enlarged than by the published form, and how near that is to the limit."""

import statistics
from collections.abc import Iterable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from hdsr.bench.forms import (
    CPU,
    DIRECT,
    DTYPES,
    FOLDED,
    KEPT,
    MEMORY,
    PUBLISHED,
    PUBLISHED_KEPT,
    batch_of_one,
    call_on,
    random_image,
)
from hdsr.bench.rows import Request, Row, in_threads, spread
from hdsr.checkpoint import load_pretrained
from hdsr.inference import fold
from hdsr.measure import counters
from hdsr.measure.latency import Call, time_calls, time_ratios
from hdsr.network import SCALES, HDSRNet
from hdsr.upscaling import onnx
from hdsr.upscaling.allocator import keep_freed_memory, return_freed_memory
from hdsr.upscaling.run import Precision
from hdsr.winograd.fused import is_fusable

ONNX = "ONNX Runtime"
Variant = tuple[str, Precision]
VARIANTS: tuple[Variant, ...] = (
    (PUBLISHED, "fp32"),
    (PUBLISHED_KEPT, "fp32"),
    (DIRECT, "fp32"),
    (FOLDED, "fp32"),
    (FOLDED, "bf16"),
    (ONNX, "fp32"),
)
IN_ONE_THREAD: tuple[Variant, ...] = ((PUBLISHED, "fp32"), (DIRECT, "fp32"), (FOLDED, "fp32"))
"""Those that are measured in one thread too."""
PRODUCTS = (PRODUCT, PRODUCT_ONEDNN) = ("matrix product", "matrix product by oneDNN")
"""The faster of the two, of square matrices, stands for what the machine can do. PyTorch's own product in
float32 is MKL's, which is not at its best on every processor."""
PRODUCT_SIDE = 2048


def measure(request: Request, scales: Iterable[int] = SCALES, lr_px: int = 256, turns: int = 4) -> list[Row]:
    """Time and rate of every form at each scale on one LR image of `lr_px` squared, all in turns.

    Each runs under the allocator's settings that are its own; the first call under them is not timed. Where
    there are several threads, the main forms' times in one follow.
    """
    rows = []
    for scale in scales:
        network = load_pretrained(scale)
        times_ms = timed(network, lr_px, VARIANTS, turns, request)
        rows += time_rows(scale, lr_px, times_ms) + rate_rows(network, lr_px, times_ms)
        if torch.get_num_threads() > 1:
            with in_threads(1):
                rows += time_rows(scale, lr_px, timed(network, lr_px, IN_ONE_THREAD, turns, request))
    return rows


def timed(
    network: HDSRNet, lr_px: int, variants: Iterable[Variant], turns: int, request: Request
) -> dict[Variant, list[float]]:
    """Milliseconds of each variant in each turn; with ONNX Runtime, also of the matrix products."""
    lr = random_image(lr_px, lr_px)
    calls = {variant: call_on(network, *variant, lr) for variant in variants if variant[0] in MEMORY}
    block = network.upper.entry.out_channels * lr_px**2 * torch.float32.itemsize
    before = {variant: partial(rehearse, variant[0], call, block) for variant, call in calls.items()}
    if (ONNX, "fp32") in variants:
        calls[ONNX, "fp32"] = onnx_call(network, lr)
        calls |= {
            (form, precision): call for precision in DTYPES for form, call in products(precision).items()
        }
    return time_calls(calls, CPU, 0, turns, request.progress, before)


def rehearse(form: str, call: Call, block: int) -> None:
    """Call a form once under its settings of the allocator: memory is as its next call will find it."""
    if MEMORY[form] == KEPT:
        keep_freed_memory()
    else:
        return_freed_memory(block)
    call()


def onnx_call(network: HDSRNet, lr: NDArray[np.float32]) -> Call:
    """The exported network in ONNX Runtime as a call on one image, (height, width, 3)."""
    run, batch = onnx.session(onnx.to_onnx(network).SerializeToString()).run, batch_of_one(lr)
    return lambda: run([onnx.OUTPUT], {onnx.INPUT: batch})


def products(precision: Precision, side: int = PRODUCT_SIDE) -> dict[str, Call]:
    """The product of two random matrices in one precision, by PyTorch and, where it can, by oneDNN."""
    left, right = torch.rand(2, side, side, dtype=getattr(torch, DTYPES[precision]))
    calls: dict[str, Call] = {PRODUCT: lambda: left @ right}
    if is_fusable(CPU, left.dtype):
        product = partial(F.linear, left.to_mkldnn(), right.to_mkldnn())
        calls[PRODUCT_ONEDNN] = torch.inference_mode()(product)
    return calls


def time_rows(scale: int, lr_px: int, times_ms: dict[Variant, list[float]]) -> list[Row]:
    """Times of the forms, and how many times faster than the published form each is."""
    reference = times_ms[VARIANTS[0]]
    return [
        Row(
            *("time", form, scale, f"{lr_px}x{lr_px}", DTYPES[precision], "ms"),
            **spread(times_ms[form, precision]),
            ratio=time_ratios(reference, times_ms[form, precision])[0],
            baseline=f"{PUBLISHED}, {DTYPES['fp32']}",
            note=MEMORY.get(form, ""),
        )
        for form, precision in VARIANTS
        if (form, precision) in times_ms
    ]


def rate_rows(network: HDSRNet, lr_px: int, times_ms: dict[Variant, list[float]]) -> list[Row]:
    """Operations per second of the forms and the matrix products, and the share of the fastest product's."""
    size = f"{lr_px}x{lr_px}"
    counted = dict.fromkeys((PUBLISHED, PUBLISHED_KEPT), network)
    counted |= dict.fromkeys((DIRECT, FOLDED), fold(network)) | {ONNX: onnx.FoldedGraph(network)}
    flops = {form: 2 * counters.macs(module, lr_px, lr_px) for form, module in counted.items()}
    flops |= dict.fromkeys(PRODUCTS, 2 * PRODUCT_SIDE**3)
    rates = {key: [flops[key[0]] / (1e6 * time) for time in times] for key, times in times_ms.items()}
    rows = []
    for (form, precision), values in rates.items():
        measured = [product for product in PRODUCTS if (product, precision) in rates]
        limit = max(measured, key=lambda product: statistics.median(rates[product, precision]))
        rows.append(
            Row(
                *("rate", form, network.scale, size, DTYPES[precision], "GFLOP/s"),
                **spread(values),
                ratio=time_ratios(values, rates[limit, precision])[0],
                baseline=f"{limit} of {PRODUCT_SIDE}, {DTYPES[precision]}",
            )
        )
    return rows
