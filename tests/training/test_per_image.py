"""Images convolved with their own kernels by Triton, interpreted on a CPU, against a grouped convolution."""

import os
import subprocess
import sys

import pytest

COMPARISON = """
import torch
from hdsr.network import DynamicConv2d, convolve_each
from hdsr.training import per_image

per_image.DTYPE = torch.float16  # the interpreter knows no bfloat16
torch.manual_seed(0)
layer = DynamicConv2d(64)
torch.nn.init.normal_(layer.bias)
features = torch.randn(2, 64, 7, 19).requires_grad_()
share = torch.randn(2, 4).softmax(1).requires_grad_()
sources = [features, share, layer.weight, layer.bias]
known = convolve_each(features, *layer.mixed(share))
upstream = torch.randn_like(known)
known = [known, *torch.autograd.grad(known, sources, upstream)]
found = per_image.convolve_each(layer, features, share).float()
assert found.is_contiguous(memory_format=torch.channels_last)
found = [found, *torch.autograd.grad(found, sources, upstream)]
for expected, given in zip(known, found, strict=True):
    assert (given - expected).norm() < 1e-3 * expected.norm()
"""


def test_results_and_gradients() -> None:
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-W", "ignore", "-c", COMPARISON]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
