"""The fused convolution is conv2d and ReLU: alike in value, layout and data type, or not used."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from hdsr import inference
from hdsr.winograd.fused import computed_dtype, directly_rectified, is_fusable

CPU = torch.device("cpu")


def plain(
    features: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, dilation: int
) -> torch.Tensor:
    return F.relu(F.conv2d(features, weight, bias, padding=dilation, dilation=dilation))


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 3),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    channels=st.sampled_from([3, 64]),
    dilation=st.sampled_from([1, 2]),
    biased=st.booleans(),
    layout=st.sampled_from([torch.contiguous_format, torch.channels_last]),
)
def test_equal_to_the_plain_operations(
    batch: int,
    height: int,
    width: int,
    channels: int,
    dilation: int,
    biased: bool,
    layout: torch.memory_format,
) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(batch, channels, height, width, generator=generator).contiguous(
        memory_format=layout
    )
    weight = torch.randn(64, channels, 3, 3, generator=generator)
    bias = torch.randn(64, generator=generator) if biased else None
    with torch.inference_mode():
        found = directly_rectified(features, weight, bias, dilation)
    torch.testing.assert_close(found, plain(features, weight, bias, dilation), rtol=1e-5, atol=1e-4)
    assert (found == 0).any() or found.numel() < 200


def test_the_one_operation_is_used_where_it_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere the plain ones are, with the same result."""
    features, weight = torch.randn(1, 64, 9, 7), torch.randn(64, 64, 3, 3)
    assert is_fusable(CPU, torch.float32) == torch.backends.mkldnn.is_available()
    assert not is_fusable(CPU, torch.float64)
    assert not is_fusable(torch.device("cuda"), torch.float32)
    here = directly_rectified(features, weight)
    monkeypatch.setattr(inference.torch.backends.mkldnn, "is_available", lambda: False)
    assert not is_fusable(CPU, torch.float32)
    torch.testing.assert_close(directly_rectified(features, weight), here, rtol=1e-5, atol=1e-4)


def test_double_precision_and_shapes_without_values_take_the_plain_operations() -> None:
    features, weight = torch.randn(2, 64, 6, 5).double(), torch.randn(64, 64, 3, 3).double()
    torch.testing.assert_close(directly_rectified(features, weight), plain(features, weight, None, 1))
    assert directly_rectified(features.to("meta"), weight.to("meta")).shape == features.shape


def test_autocast_decides_the_data_type_as_for_conv2d() -> None:
    features, weight = torch.randn(1, 64, 9, 7), torch.randn(64, 64, 3, 3)
    bias = torch.randn(64)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert computed_dtype(features) == torch.bfloat16
        found = directly_rectified(features, weight, bias)
        expected = plain(features, weight, bias, 1)
    assert found.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=0.01, atol=0.05)
    assert computed_dtype(features) == torch.float32


def test_the_layout_that_convolutions_are_fastest_in_is_kept() -> None:
    features = torch.randn(1, 64, 9, 7).contiguous(memory_format=torch.channels_last)
    found = directly_rectified(features, torch.randn(64, 64, 3, 3))
    assert found.is_contiguous(memory_format=torch.channels_last)
