"""Convolutions of 64 channels on a CPU with a quarter of the products: Winograd's minimal filtering.

After Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: a tile of 4 x 4 pixels
that a 3x3 convolution makes, or of 2 x 2 that a 5x5 one does, takes 36 products instead of 144 or 100.
Tiles and kernels are polynomials, multiplied by their values at 0, 1, -1, 2, -2 and infinity:

    V = B^T d B of every input tile d,    M = U V, 36 matrix products over channels,    y = A^T M A

A job is a row of at most 24 tiles, so that what lies between the steps stays in the processor's cache. A
dilated convolution is dilation^2 plain ones of interleaved pixels. The kernel itself is in `winograd.kernel`;
its machine code is kept on disk, so that numba is imported only where a form of it is first compiled. As
many threads as torch is told to use take jobs from a common counter. Features are float32 or bfloat16: the
sums are in float32 in either case, so that bfloat16 halves the memory on processors that cannot multiply it.
"""

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hdsr import paths
from hdsr.files import atomic_path
from hdsr.winograd import threads
from hdsr.winograd.form import CHANNELS, OUTPUTS_STEP, POINTS, SIDE, Form

_BLOCK = 24
"""Tiles of a job: its buffers take 230 KB, and the transformed kernels 590 KB, of a core's second cache."""
_PIXELS_OF_ONE_THREAD = 1024
"""Smaller images are not worth more threads."""
DTYPES = (torch.float32, torch.bfloat16)
"""Of features."""
ALL_ROWS = slice(None)
_DIGEST_BYTES = 32
_Instead = Callable[[Tensor, Tensor], Tensor]
"""What serves where this does not: ReLU of the convolution of features with a weight."""


@functools.cache
def _registers() -> tuple[int, int, int]:
    """Lanes, vectors and tiles that fit the registers: 32 of AVX-512 or NEON, 16 of AVX2 or SSE."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16, 4, 6
    if features.get("avx2"):
        return 8, 2, 6
    return (4, 4, 6) if platform.machine().lower() in ("arm64", "aarch64") else (4, 2, 6)


def knows(weight: Tensor) -> bool:
    """Whether a kernel can be transformed: (64 or fewer, 64, size, size) of size 3 or 5."""
    return weight.shape[1:] in ((CHANNELS, 3, 3), (CHANNELS, 5, 5)) and len(weight) <= CHANNELS


def transformed(weight: Tensor) -> Tensor:
    """U (36, 64, outputs) of kernels (outputs, 64, size, size); outputs are filled up to a multiple of 16."""
    size, outputs = weight.shape[-1], weight.shape[0]
    g = _kernel_transform(size)
    with torch.autocast("cpu", enabled=False):  # which would round the products
        made = torch.kron(g, g).to(weight) @ weight.detach().permute(2, 3, 1, 0).reshape(size**2, -1)
    return F.pad(made.view(SIDE**2, CHANNELS, outputs), (0, -outputs % OUTPUTS_STEP)).contiguous()


@functools.cache
@torch.inference_mode(False)
def _kernel_transform(size: int) -> Tensor:
    """G (6, size): powers of the points, each over the product of its distances to the others."""
    nodes = torch.tensor(POINTS, dtype=torch.float64)
    distances = (nodes[:, None] - nodes + torch.eye(len(nodes))).prod(1, keepdim=True)
    at_infinity = torch.eye(size, dtype=torch.float64)[-1:]
    return torch.cat([nodes[:, None] ** torch.arange(size) / distances, at_infinity])


def convolve(
    features: Tensor,
    kernel: Tensor,
    size: int = 3,
    bias: Tensor | None = None,
    *,
    dilation: int = 1,
    rectified: bool = True,
    residual: Tensor | None = None,
    rows: slice = ALL_ROWS,
    out: Tensor | None = None,
) -> Tensor:
    """relu(conv2d(features, weight, bias)) + residual, height and width kept.

    Args:
        features: float32 or bfloat16 on the CPU, (batch, 64, height, width).
        kernel: the weight, `transformed`, in float32.
        size: of the weight: 3 or 5.
        bias: (outputs,), or none.
        dilation: distance of the weight's elements in pixels.
        rectified: False leaves ReLU out.
        residual: (batch, outputs, rows, width), or none.
        rows: those of the result that are wanted.
        out: where to write the result, perhaps `residual`, never `features`; by default a new tensor.

    Returns:
        (batch, outputs, rows, width) of the features' type, channels_last; as many outputs as the kernel has.
    """
    height, width = features.shape[-2:]
    first, last, _ = rows.indices(height)
    outputs, layout = kernel.shape[-1], torch.channels_last
    x = features.contiguous(memory_format=layout)
    shape = (len(x), outputs, last - first, width)
    made = torch.empty(shape, dtype=x.dtype, memory_format=layout) if out is None else out
    y = made.to(x.dtype).contiguous(memory_format=layout)
    added = [None] * len(x) if residual is None else residual.to(x.dtype).contiguous(memory_format=layout)
    kernel, offsets = kernel.float(), torch.zeros(outputs)
    if bias is not None:
        offsets[: len(bias)] = bias
    form = Form(size, outputs, rectified, x.element_size(), *_registers())
    for image, summand, result in zip(x, added, y, strict=True):
        numbers = (height, width, first, last - first, dilation)
        _run(form, (image, kernel, offsets, summand, result), numbers)
    return made if made is y else made.copy_(y)


def _run(form: Form, tensors: tuple[Tensor | None, ...], numbers: tuple[int, ...]) -> None:
    """Run the kernel on one image, in as many threads as torch uses.

    Not in fewer, which would end torch's other ones: those that find no job return at once.
    """
    kernel, (height, width, *_) = _kernel(form), numbers
    count = torch.get_num_threads() if height * width >= _PIXELS_OF_ONE_THREAD else 1
    length = CHANNELS * (2 + SIDE * (form.tile * _BLOCK + SIDE - form.tile) + 2 * SIDE * _BLOCK)
    buffers = torch.empty(count, length)
    buffers[:, : 2 * CHANNELS] = 0
    addresses = [0 if tensor is None else tensor.data_ptr() for tensor in tensors]
    described = (0, 0, *addresses, buffers.data_ptr(), 4 * length, *numbers, _BLOCK)
    call = (ctypes.c_int64 * len(described))(*described)  # the first two count threads and jobs
    threads.run(kernel, ctypes.addressof(call), count)


@functools.cache
def _kernel(form: Form) -> threads.Kernel:
    """The kernel of a form as a function of the address of a call; it runs without Python's lock."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple().create_target_machine(jit=True)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target)
    engine.add_object_file(binding.ObjectFileRef.from_data(_machine_code(form)))
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(None, ctypes.c_int64)(engine.get_function_address("winograd"))
    function.engine = engine  # the code is there as long as its engine
    return function


def _machine_code(form: Form) -> bytes:
    """The object file of a form: from the cache, else compiled and kept there if it can be written."""
    path = paths.cache_dir() / "kernels" / f"winograd-{_identity(form)}.o"
    with contextlib.suppress(OSError):
        found = path.read_bytes()
        if hashlib.sha256(found[_DIGEST_BYTES:]).digest() == found[:_DIGEST_BYTES]:
            return found[_DIGEST_BYTES:]
    if "ipykernel" not in sys.modules:  # a notebook's outputs are the same with and without a cache
        print("hdsr: compiling convolutions for this processor, kept for the next time", file=sys.stderr)
    from hdsr.winograd.kernel import machine_code

    code = machine_code(form)
    with contextlib.suppress(OSError), atomic_path(path) as temporary:
        temporary.write_bytes(hashlib.sha256(code).digest() + code)
    return code


def _identity(form: Form) -> str:
    """Names a form, the code that it is made of, and the processor that it is made for."""
    import llvmlite
    from llvmlite import binding

    sources = [Path(__file__).with_name(name).read_bytes() for name in ("kernel.py", "form.py")]
    processor = (binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())
    facts = repr((form, processor, llvmlite.__version__, platform.machine(), sys.platform, sources))
    return hashlib.sha256(facts.encode()).hexdigest()[:24]


_allowed = True


@contextlib.contextmanager
def switched_off() -> Iterator[None]:
    """Let what stands in for this serve, to compare the two."""
    global _allowed
    before, _allowed = _allowed, False
    try:
        yield
    finally:
        _allowed = before


def obstacle(features: Tensor, weight: Tensor, dtype: torch.dtype, instead: _Instead) -> str | None:
    """Why a convolution of features with a weight cannot be, or is not to be, computed here; None if it is.

    Args:
        features: (batch, channels, height, width).
        weight: (outputs, channels, size, size).
        dtype: in which it would be computed; see `hdsr.winograd.fused.computed_dtype`.
        instead: what serves else; the first time it is timed against this on a small image.
    """
    if not _allowed:
        return "it is switched off"
    if features.device.type != "cpu" or dtype not in DTYPES:
        return f"it computes on cpu with features in float32 or bfloat16, not on {features.device} in {dtype}"
    if torch.is_grad_enabled():
        return "it has no gradient"
    if not knows(weight):
        return f"it knows 64 channels and 3x3 or 5x5 weights, not {tuple(weight.shape)}"
    if not _installed():
        return "numba is not installed: `pip install 'hdsr[fast]'` brings it"
    return _probe(instead, dtype)


@functools.cache
def _installed() -> bool:
    try:
        return all(importlib.util.find_spec(name) is not None for name in ("llvmlite", "numba"))
    except ValueError:  # what stands in sys.modules was not imported
        return False


@functools.cache
@torch.inference_mode()
def _probe(instead: _Instead, dtype: torch.dtype = torch.float32, turns: int = 20) -> str | None:
    """Why this does not serve on this machine: it is not the faster way, or cannot be compiled.

    Both ways are measured in one thread, by its own processor's time, so that nothing counts that other
    threads and programs do: at least three times, then until this one was the faster at its best, or in vain.
    """
    layout = torch.channels_last
    features = torch.rand(1, CHANNELS, 48, 96).to(dtype, memory_format=layout)
    weight = torch.rand(CHANNELS, CHANNELS, 3, 3).contiguous(memory_format=layout)
    kernel, weight = transformed(weight), weight.to(dtype)
    ways = (functools.partial(convolve, features, kernel), lambda: instead(features, weight))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        for way in ways:  # once to compile; oneDNN does so for each number of threads
            way()
        ours = theirs = float("inf")
        for turn in range(turns):
            ours, theirs = map(min, (ours, theirs), map(_milliseconds, ways))
            if ours < theirs and turn >= 2:
                return None
    except Exception as error:  # LLVM and numba have many of their own
        return f"it cannot be compiled here: {type(error).__name__}: {error}"
    finally:
        torch.set_num_threads(before)
    return f"it takes {ours:.2g} ms where the other way takes {theirs:.2g}"


def _milliseconds(way: Callable[[], Any]) -> float:
    start = time.thread_time()
    way()
    return 1000 * (time.thread_time() - start)
