import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data as photographs
from torch import nn
from untrained import image_like_network

from hdsr.checkpoint import load_pretrained
from hdsr.errors import HdsrError
from hdsr.inference import fold
from hdsr.upscaling import run as runners

CPU = torch.device("cpu")


class Stretch(nn.Module):
    """Leaves the range of 0..255 on both sides and whole numbers, and enlarges nothing."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return 2.5 * batch - 100.25


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def test_floats_are_neither_rounded_nor_clipped(image):
    run = runners.network_runner(Stretch(), CPU, "fp32")
    np.testing.assert_array_equal(run(image + np.float32(0.5)), 2.5 * image.astype(np.float32) - 99)


def test_uint8_is_rounded_and_clipped(image):
    upscale = runners.network_upscaler(Stretch(), CPU, "fp32")
    np.testing.assert_array_equal(upscale(image), np.clip(np.rint(2.5 * image - 100.25), 0, 255))


def test_axes_are_those_of_the_contract(image):
    seen = []
    module = nn.Identity()
    module.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    runners.network_runner(module, CPU, "fp32")(image.astype(np.float32))
    np.testing.assert_array_equal(seen[0].numpy(), image.transpose(2, 0, 1)[None])


def test_bfloat16_reaches_the_network(image):
    convolution = nn.Conv2d(3, 3, 1)
    seen = []
    convolution.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    for precision in ("fp32", "bf16"):
        assert (
            runners.network_runner(convolution, CPU, precision)(image.astype(np.float32)).dtype == np.float32
        )
    assert seen == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("name", ["tpu9", "meta", ""])
def test_a_device_that_cannot_compute_is_named(name):
    with pytest.raises(HdsrError, match=f"device '{name}' cannot be used here: expected one of cpu"):
        runners.torch_device(name)


def test_an_image_too_large_for_the_device_is_named(image):
    class Full(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("tried to allocate 1 TiB")

    with pytest.raises(HdsrError, match="7 x 9 pixels is too large for the memory of cpu"):
        runners.network_upscaler(Full(), CPU, "fp32")(image)


def test_the_cpu_is_always_there():
    assert runners.torch_device("cpu") == CPU
    assert runners.devices()[0] == "cpu"


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([2, 3, 4]), st.integers(1, 60), st.integers(1, 20), st.integers(1, 61))
def test_strips_are_the_whole_image(scale: int, height: int, width: int, rows: int) -> None:
    folded = fold(image_like_network(scale))
    image = np.random.default_rng(height).uniform(0, 255, (height, width, 3)).astype(np.float32)
    whole = runners.network_runner(folded, CPU, "fp32")(image)
    strips = list(runners.strip_runner(folded, CPU, "fp32")(image, rows))
    assert [len(strip) for strip in strips[:-1]] == [scale * rows] * (len(strips) - 1)
    assert np.abs(np.concatenate(strips) - whole).max() <= 0.002


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0.002), ("bf16", 2.0)])
def test_strips_of_a_photograph_with_the_shipped_weights(scale, precision, tolerance) -> None:
    image = photographs.chelsea()[90:190, 100:180].astype(np.float32)
    folded = fold(load_pretrained(scale))
    whole = runners.network_runner(folded, CPU, precision)(image)
    strips = np.concatenate(list(runners.strip_runner(folded, CPU, precision)(image, 23)))
    assert np.abs(strips - whole).max() <= tolerance
    assert np.abs(strips - whole).mean() <= tolerance / 100


def test_strips_report_every_row_of_every_convolution(image) -> None:
    folded = fold(image_like_network(2))
    told = []
    list(runners.strip_runner(folded, CPU, "fp32")(image.astype(np.float32), 4, told.append))
    assert sum(told) == folded.convolved_rows(len(image)) == 9 * 32
