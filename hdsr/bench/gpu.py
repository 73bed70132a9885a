"""On a GPU: its own rates, Table VI, latency and memory of both forms by size, a photograph by the command,
and the training step."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hdsr.bench.forms import FOLDED
from hdsr.bench.memory import HEIGHT_PX, WIDTH_PX, photograph, seconds_of_command
from hdsr.bench.rows import GIB, TABLE_VI, Request, Row, spread
from hdsr.bench.training import step_rows
from hdsr.errors import HdsrError
from hdsr.images import write_png
from hdsr.inference import fold
from hdsr.measure import fresh_process, training_step
from hdsr.measure.latency import Call, take_turns, time_ratios
from hdsr.measure.runtime import CONTENDERS, made
from hdsr.network import HDSRNet
from hdsr.report.time_tables import PRECISIONS

SCALE = 4
TABLE_VI_PX = (256, 512)
"""HR sides, as in the paper's table."""
LR_PX = (64, 128, 256, 512, 1024)
SIDE = 8192
"""Of the matrices whose product gives the device's rate."""
COPIED_BYTES = 4 * GIB
BASELINE = "VDSR, as published"
"""Of the ratios in Table VI: the oldest network in it."""


def measure(request: Request, warmup: int = 3, turns: int = 20, sizes: tuple[int, ...] = LR_PX) -> list[Row]:
    """Rows of this computer's first CUDA device.

    Raises:
        HdsrError: where there is none.
    """
    if not torch.cuda.is_available():
        raise HdsrError("no CUDA device here")
    device = torch.device("cuda")
    rows = device_rates(device, turns)
    for precision in PRECISIONS:
        for hr_px in TABLE_VI_PX:
            rows += table_vi(hr_px, precision, device, warmup, turns)
        for lr_px in sizes:
            rows += latency_and_memory(lr_px, precision, device, warmup, turns)
    return rows + photograph_by_command("cuda") + training_steps(device, turns)


@contextmanager
def precision_of(name: str) -> Iterator[None]:
    """Compute in fp32 proper, in fp32 by TF32, or in bfloat16 by autocast; algorithms chosen by trial."""
    tf32 = name == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    with (
        torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=tf32),
        torch.inference_mode(),
        torch.autocast("cuda", torch.bfloat16, enabled=name == "bf16"),
    ):
        yield


def device_rates(device: torch.device, turns: int) -> list[Row]:
    """Rate of a large matrix product in each precision, and of a large copy, bytes read and written."""
    rows = []
    for precision in PRECISIONS:
        a, b = (torch.randn(SIDE, SIDE, device=device) for _ in range(2))
        if precision == "bf16":
            a, b = a.bfloat16(), b.bfloat16()
        with precision_of(precision):
            times = take_turns({"product": lambda a=a, b=b: a @ b}, device, range(-2, turns))["product"]
        rates = spread([2 * SIDE**3 / ms / 1e9 for ms in times])
        rows.append(Row("rate", "matrix product", None, f"{SIDE}x{SIDE}", precision, "TFLOP/s", **rates))
    source = torch.empty(COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = take_turns({"copy": lambda: target.copy_(source)}, device, range(-2, turns))["copy"]
    rates = spread([2 * COPIED_BYTES / ms / 1e6 for ms in times])
    return [*rows, Row("rate", "copy", None, f"{COPIED_BYTES // GIB} GiB", "uint8", "GB/s", **rates)]


def table_vi(hr_px: int, precision: str, device: torch.device, warmup: int, turns: int) -> list[Row]:
    """Time of every network of Table VI for one image, in turns; ratios to VDSR's."""
    calls = {}
    with precision_of(precision):
        for contender in CONTENDERS:
            network = made(contender).to(device)
            image = 255 * torch.rand(contender.shape(hr_px), device=device)
            calls[contender.title] = lambda network=network, image=image: network(image)
        times = take_turns(calls, device, range(-warmup, turns))
    size = f"HR {hr_px}x{hr_px}"
    return [
        Row(TABLE_VI, name, SCALE, size, precision, "ms", **spread(values), **against(times, name))
        for name, values in times.items()
    ]


def against(times: dict[str, list[float]], name: str, baseline: str = BASELINE) -> dict[str, object]:
    """How many times faster than the baseline in the same turns."""
    ratio = time_ratios(times[baseline], times[name])[0]
    return {"ratio": ratio, "baseline": baseline}


def latency_and_memory(
    lr_px: int, precision: str, device: torch.device, warmup: int, turns: int
) -> list[Row]:
    """Time of the published and the folded form, with and without a CUDA graph, and peak memory."""
    image = 255 * torch.rand(1, 3, lr_px, lr_px, device=device)
    published = HDSRNet(SCALE).to(device).eval()
    forms: dict[str, tuple[nn.Module, Tensor]] = {"published form": (published, image)}
    image = image.contiguous(memory_format=torch.channels_last)
    forms["folded"] = (fold(HDSRNet(SCALE)).to(device), image)
    calls: dict[str, Call] = {}
    memory = {}
    with precision_of(precision):
        for name, (network, given) in forms.items():
            call = calls[name] = lambda network=network, given=given: network(given)
            memory[name] = peak_memory(call, device)
            calls[f"{name}, CUDA graph"] = as_graph(call)
        times = take_turns(calls, device, range(-warmup, turns))
    size, baseline = f"{lr_px}x{lr_px}", "published form"
    rows = [
        Row("time", name, SCALE, size, precision, "ms", **spread(values), **against(times, name, baseline))
        for name, values in times.items()
    ]
    return rows + [
        Row(
            *("peak memory", name, SCALE, size, precision, "GiB", 1, value),
            ratio=memory[baseline] / value,
            baseline=baseline,
        )
        for name, value in memory.items()
    ]


def peak_memory(call: Call, device: torch.device) -> float:
    """GiB that tensors take at most during a call, those that were there before included."""
    call()
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) / GIB


def as_graph(call: Callable[[], object]) -> Call:
    """A call on fixed tensors as one CUDA graph."""
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def photograph_by_command(
    device: str, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX, turns: int = 3
) -> list[Row]:
    """Seconds of `hdsr upscale --device` at x4 on a photograph of that size, each in a process of its own."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        write_png(photo, photograph(width_px, height_px))
        words = ["upscale", str(photo), "--scale", str(SCALE), "--out", folder, "--overwrite"]
        for precision in ("fp32", "bf16"):
            given = [*words, "--device", device, "--precision", precision]
            work = (seconds_of_command, given, torch.get_num_threads())
            seconds = [fresh_process.run(*work)[0] for _ in range(turns)]
            place = ("time", FOLDED, SCALE, f"{width_px}x{height_px}", precision, "s")
            note = f"hdsr upscale --device {device}, decoding and encoding included"
            rows.append(Row(*place, **spread(seconds), note=note))
    return rows


def training_steps(device: torch.device, turns: int) -> list[Row]:
    """A training step in the published form and in ours, on 64 LR patches of 48 x 48."""
    frame = training_step.ratios(SCALE, 64, 48, warmup=2, turns=turns, device=device)
    rows = zip(step_rows(frame), frame["precision"], strict=True)
    return [replace(row, dtype=precision) for row, precision in rows]
