"""Other programs get the same network, and a program that is not installed is named with what brings it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from untrained import image_like_network

from hdsr.bench import peers
from hdsr.bench.forms import FOLDED
from hdsr.bench.rows import Request
from hdsr.errors import HdsrError


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_frozen_network_is_the_network_inside_the_outermost_ring(scale: int) -> None:
    network, image = image_like_network(scale), 255 * torch.rand(1, 3, 12, 9)
    with torch.no_grad():
        expected, found = network(image), peers.Frozen(network, image)(image)
    inside = (..., slice(scale, -scale), slice(scale, -scale))
    torch.testing.assert_close(found[inside], expected[inside], rtol=0, atol=0.005)


def test_another_image_is_an_error_but_for_the_ring() -> None:
    ours = np.zeros((8, 8, 3), np.float32)
    other = ours.copy()
    other[0] = 100
    peers.check_alike({(FOLDED, "fp32"): ours, ("ncnn", "fp32"): other}, 2)
    other[4, 4] = 1
    with pytest.raises(HdsrError, match=r"ncnn in fp32 differs from ours by 1 of 255, expected at most"):
        peers.check_alike({(FOLDED, "fp32"): ours, ("ncnn", "fp32"): other}, 2)


def test_what_is_not_installed_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def timed(scale, lr_px, variants, warmup, turns):
        asked.extend(variants)
        return {variant: [1.0, 2.0] if variant[0] == FOLDED else [4.0, 4.0] for variant in variants}

    monkeypatch.setattr(peers, "timed", timed)
    monkeypatch.setattr(
        peers.importlib.util, "find_spec", lambda name: name if name == "onnxruntime" else None
    )
    rows = peers.measure(Request(Path("nowhere"), progress=False), [2], 8)
    assert asked == [(FOLDED, "fp32"), ("ONNX Runtime", "fp32"), (FOLDED, "bf16")]
    assert [(row.form, row.ratio) for row in rows[:3]] == [(FOLDED, 1), ("ONNX Runtime", 0.375), (FOLDED, 1)]
    assert [row.note for row in rows[3:]] == [
        "OpenVINO is not installed: `pip install openvino` brings it",
        "ncnn is not installed: `pip install ncnn pnnx` brings it",
    ]


def test_a_program_and_ours_in_processes_of_their_own() -> None:
    variants = [(FOLDED, "fp32"), ("ONNX Runtime", "fp32")]
    times_ms = peers.timed(2, 8, variants, 0, 2)
    assert [len(times_ms[variant]) for variant in variants] == [2, 2]
