"""Winograd's convolutions are those of float64 to rounding; where they cannot be, others serve."""

import ctypes
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from untrained import image_like_network

from hdsr.inference import fold, upper_features
from hdsr.network import subtract_mean
from hdsr.winograd import convolution as winograd
from hdsr.winograd.fused import directly_rectified, rectified_conv2d, winograd_obstacle

pytest.importorskip("numba", reason="numba, which makes the kernels, is not installed")
binding = pytest.importorskip("llvmlite.binding", reason="llvmlite, which numba needs, is not installed")

TOLERANCE = 2e-5
"""Of the largest value; float32 itself has 6e-8, and 576 products are summed at the values of six points."""


def operands(size: int, outputs: int, *shape: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features, weight and bias, the same ones each time."""
    generator = torch.Generator().manual_seed(sum(shape))
    features = torch.randn(shape[0], 64, *shape[1:], generator=generator)
    weight = torch.randn(outputs, 64, size, size, generator=generator) / (8 * size)
    return features, weight, torch.randn(outputs, generator=generator)


def exact(
    features: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, dilation: int = 1
) -> torch.Tensor:
    around = dilation * (weight.shape[-1] // 2)
    return F.conv2d(features.double(), weight.double(), bias.double(), padding=around, dilation=dilation)


def assert_near(found: torch.Tensor, expected: torch.Tensor) -> None:
    """As near as float32 sums get, each result of bfloat16 being rounded once more."""
    largest = expected.abs().max().item()
    rounding = torch.finfo(found.dtype).eps / 2 if found.dtype == torch.bfloat16 else 0
    torch.testing.assert_close(found.double(), expected, rtol=rounding, atol=TOLERANCE * max(largest, 1))


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 2),
    height=st.integers(1, 40),
    width=st.integers(1, 120),
    dilation=st.integers(1, 3),
    summed=st.booleans(),
    first=st.integers(0, 12),
    left_out=st.integers(0, 12),
    dtype=st.sampled_from(winograd.DTYPES),
)
def test_equal_to_float64_at_any_size_dilation_sum_and_rows(
    batch: int,
    height: int,
    width: int,
    dilation: int,
    summed: bool,
    first: int,
    left_out: int,
    dtype: torch.dtype,
) -> None:
    features, weight, bias = operands(3, 64, batch, height, width)
    features = features.to(dtype)
    rows = slice(min(first, height - 1), max(height - left_out, min(first, height - 1) + 1))
    expected = exact(features, weight, bias, dilation).relu()[:, :, rows]
    residual = torch.randn(expected.shape).to(dtype) if summed else None
    given = {"dilation": dilation, "residual": residual, "rows": rows}
    found = winograd.convolve(features, winograd.transformed(weight), 3, bias, **given)
    assert found.dtype == dtype
    assert_near(found, expected if residual is None else expected + residual)


@pytest.mark.parametrize("outputs", [48, 27, 12])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 31), (33, 15), (1, 2)])
def test_5x5_without_relu(outputs: int, height: int, width: int) -> None:
    features, weight, bias = operands(5, outputs, 1, height, width)
    found = winograd.convolve(features, winograd.transformed(weight), 5, bias, rectified=False)
    assert_near(found[:, :outputs], exact(features, weight, bias))


def test_the_sum_may_overwrite_what_is_added_in_rows_of_a_batch() -> None:
    features, weight, bias = operands(3, 64, 2, 20, 18)
    kept = torch.randn(2, 64, 20, 18).contiguous(memory_format=torch.channels_last)
    before, part = kept.clone(), kept[:, :, 4:11]
    kernel = winograd.transformed(weight)
    winograd.convolve(features, kernel, 3, bias, residual=part, rows=slice(4, 11), out=part)
    expected = before.double()
    expected[:, :, 4:11] += exact(features, weight, bias).relu()[:, :, 4:11]
    assert_near(kept, expected)


@pytest.mark.parametrize("registers", [(16, 4, 6), (8, 2, 6), (4, 4, 6), (4, 2, 6)])
def test_every_width_of_registers(registers: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """LLVM splits registers that this processor does not have."""
    monkeypatch.setattr(winograd, "_registers", lambda: registers)
    features, weight, bias = operands(3, 64, 1, 13, 37)
    assert_near(
        winograd.convolve(features, winograd.transformed(weight), 3, bias),
        exact(features, weight, bias).relu(),
    )


def test_as_many_threads_as_torch_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of several callers at once, and with the same bits."""
    features, weight, bias = operands(3, 64, 1, 64, 64)
    kernel = winograd.transformed(weight)
    run, seen = winograd.threads.run, []
    monkeypatch.setattr(winograd.threads, "run", lambda *call: seen.append(call[-1]) or run(*call))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(winograd.convolve(features, kernel, 3, bias))
        assert seen == [1, 3]
    finally:
        torch.set_num_threads(before)
    with ThreadPoolExecutor(4) as pool:
        results += pool.map(lambda _: winograd.convolve(features, kernel, 3, bias), range(4))
    assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize("has_gnu_openmp", [True, False])
def test_every_thread_runs_machine_code_once(has_gnu_openmp: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In torch's threads where OpenMP is GNU's, else in Python's."""
    seen = []
    kernel = ctypes.CFUNCTYPE(None, ctypes.c_int64)(
        lambda address: seen.append((address, threading.get_native_id())) or time.sleep(0.05)
    )
    if not has_gnu_openmp:
        monkeypatch.setattr(winograd.threads, "_parallel", lambda: None)
    elif sys.platform == "linux":  # where torch's OpenMP has GNU's interface, Intel's too
        assert winograd.threads._parallel() is not None
    winograd.threads.run(kernel, 7, 3)
    assert [address for address, _ in seen] == [7, 7, 7]
    assert len({thread for _, thread in seen}) == 3


@pytest.mark.parametrize("width", [13, 37, 120])
def test_nothing_is_computed_from_memory_that_was_not_written(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers that happen to lie there may be denormal, which makes sums a hundred times slower."""
    features, weight, bias = operands(3, 64, 1, 9, width)
    before, empty, made = 1e30, torch.empty, []
    monkeypatch.setattr(torch, "empty", lambda *a, **k: made.append(empty(*a, **k).fill_(before)) or made[-1])
    winograd.convolve(features, winograd.transformed(weight), 3, bias)
    buffers = made[-1]
    assert buffers.ndim == 2
    assert buffers[buffers != before].abs().max() < 1e6


def test_bfloat16_by_autocast_is_rounded_between_convolutions_only() -> None:
    features, weight, bias = operands(3, 64, 1, 20, 18)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        kernel = winograd.transformed(weight)
        found = winograd.convolve(features.bfloat16(), kernel, 3, bias)
    assert kernel.dtype == torch.float32
    assert_near(found, exact(features.bfloat16(), weight, bias).relu())


def test_what_cannot_be_computed_has_a_reason_and_is_computed_otherwise() -> None:
    features, weight, bias = operands(3, 64, 1, 9, 7)
    expected = exact(features, weight, bias).relu()
    assert winograd_obstacle(features, weight) == "it has no gradient"
    with torch.inference_mode():
        assert "torch.float64" in winograd_obstacle(features.double(), weight.double())
        assert "on meta" in winograd_obstacle(features.to("meta"), weight.to("meta"))
        assert "64 channels" in winograd_obstacle(features[:, :3], weight[:, :3])
        with torch.autocast("cpu", torch.float16):
            assert "torch.float16" in winograd_obstacle(features, weight)
        with winograd.switched_off():
            assert winograd_obstacle(features, weight) == "it is switched off"
            assert_near(rectified_conv2d(features, weight, bias), expected)
        assert_near(rectified_conv2d(features.double(), weight.double(), bias.double()), expected)
    assert_near(rectified_conv2d(features, weight, bias), expected)


def test_sums_and_rows_are_the_same_where_others_serve() -> None:
    features, weight, bias = operands(3, 64, 1, 9, 7)
    residual, rows = torch.randn(1, 64, 4, 7), slice(2, 6)
    expected = exact(features, weight, bias).relu()[:, :, rows] + residual
    with torch.inference_mode(), winograd.switched_off():
        assert_near(rectified_conv2d(features, weight, bias, residual=residual, rows=rows), expected)


def test_the_slower_way_and_one_that_cannot_be_compiled_are_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def quicker(features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return features

    assert "ms where the other way takes" in winograd._probe(quicker)
    threads = torch.get_num_threads()
    monkeypatch.setattr(winograd, "_kernel", lambda form: 1 / 0)
    found = winograd._probe.__wrapped__(directly_rectified)
    assert found.startswith("it cannot be compiled here: ZeroDivisionError")
    assert torch.get_num_threads() == threads


def test_the_two_ways_are_compared_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    before, counts = torch.get_num_threads(), []
    monkeypatch.setattr(winograd, "_milliseconds", lambda way: counts.append(torch.get_num_threads()) or 1.0)
    torch.set_num_threads(2)
    try:
        assert winograd._probe.__wrapped__(directly_rectified, turns=1) is not None
        assert (counts, torch.get_num_threads()) == ([1, 1], 2)
    finally:
        torch.set_num_threads(before)


def test_one_slow_time_of_the_other_way_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    times_ms = iter([2.0, 5.0, 2.0, 1.0, 2.0, 1.0, 0.5, 1.0])
    monkeypatch.setattr(winograd, "_milliseconds", lambda way: next(times_ms))
    found = winograd._probe.__wrapped__(directly_rectified, turns=3)
    assert found == "it takes 2 ms where the other way takes 1"


def test_strips_are_the_whole() -> None:
    network, image = fold(image_like_network(2)), 255 * torch.rand(1, 3, 50, 41)
    with torch.inference_mode():
        centered = subtract_mean(image, network.mean)
        whole, strips = (upper_features(network.upper, centered, rows) for rows in (50, 7))
        torch.testing.assert_close(strips, whole, rtol=0, atol=TOLERANCE * whole.abs().max().item())


PROGRAM = """
import sys
if "--without" in sys.argv: sys.modules["numba"] = None
import torch
from hdsr.winograd import convolution as winograd
from hdsr.winograd.fused import rectified_conv2d, winograd_obstacle
torch.manual_seed(0)
features, weight = torch.rand(1, 64, 48, 48), torch.rand(64, 64, 3, 3) - 0.5
with torch.inference_mode():
    print(winograd_obstacle(features, weight), "numba" in sys.modules)
    expected = torch.conv2d(features, weight, padding=1).relu_()
    torch.testing.assert_close(rectified_conv2d(features, weight), expected, rtol=0, atol=1e-4)
"""


def run(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HDSR_CACHE": str(cache)}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def test_compiled_once_with_a_sentence_and_kept_in_a_cache_that_may_be_read_only(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = run(cache)
    (kernel,) = (cache / "kernels").iterdir()
    assert first.stderr.count("\n") == 1
    assert "compiling convolutions for this processor, kept for the next time" in first.stderr
    kernel.write_bytes(kernel.read_bytes()[:-1])
    assert "compiling" in run(cache).stderr
    (cache / "kernels").chmod(0o555)
    last = run(cache)
    assert (last.stderr, last.stdout) == ("", "None False\n")


def test_machine_code_of_another_processor_or_of_older_sources_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    form = winograd.Form(3, 64, True, 4, *winograd._registers())
    names = {winograd._identity(form)}
    for owner, attribute in ((binding, "get_host_cpu_name"), (Path, "read_bytes")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, attribute, lambda *_: b"another")
            names.add(winograd._identity(form))
    assert winograd._identity(form) in names
    assert len(names) == 3


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where a folder is wanted")
    found = run(tmp_path / "cache")
    assert found.stdout == "None True\n"
    assert found.stderr.startswith("hdsr: compiling")


def test_without_numba_others_serve(tmp_path: Path) -> None:
    found = run(tmp_path, "--without")
    assert found.stdout.startswith("numba is not installed")
    assert found.stderr == ""


@pytest.mark.parametrize(("device", "dtype"), [("meta", torch.float32), ("cpu", torch.float64)])
def test_networks_of_other_devices_and_data_types_fold(device: str, dtype: torch.dtype) -> None:
    weight = torch.zeros(64, 64, 3, 3, device=device, dtype=dtype)
    kernel = winograd.transformed(weight)
    assert (kernel.device, kernel.dtype, kernel.shape) == (weight.device, dtype, (36, 64, 64))
