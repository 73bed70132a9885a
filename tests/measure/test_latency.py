import time
from functools import partial

import pytest
import torch
from torch import nn

from hdsr.errors import HdsrError
from hdsr.measure import latency


class Sleep(nn.Module):
    """Takes a known time and notes when it is called."""

    def __init__(self, name: str, calls: list[str], seconds: float = 0.0) -> None:
        super().__init__()
        self.name, self.calls, self.seconds = name, calls, seconds

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.calls.append((self.name, tuple(image.shape), torch.is_inference_mode_enabled()))
        time.sleep(self.seconds)
        return image


def test_a_known_time_is_measured():
    times_ms = latency.time_networks({"slow": Sleep("slow", [], 0.02)}, 4, 6, warmup=1, runs=4)["slow"]
    assert len(times_ms) == 4
    assert 20 <= min(times_ms) < 200


def test_networks_take_turns_in_inference_mode():
    calls = []
    latency.time_networks({"a": Sleep("a", calls), "b": Sleep("b", calls)}, 4, 6, warmup=1, runs=2)
    assert calls == [(name, (1, 3, 4, 6), True) for name in "ababab"]


def test_what_is_done_before_a_call_is_not_timed():
    order = []
    calls = {name: partial(order.append, name) for name in "ab"}
    before = {"b": lambda: (order.append("before b"), time.sleep(0.2))}
    times_ms = latency.time_calls(calls, torch.device("cpu"), 0, 2, before=before)
    assert order == ["a", "before b", "b"] * 2
    assert min(times_ms["b"]) < 100


def test_bfloat16_reaches_the_network():
    convolution = nn.Conv2d(3, 3, 1)
    seen = []
    convolution.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    latency.time_networks({"conv": convolution}, 4, 4, precision="bf16", warmup=0, runs=2)
    assert seen == [torch.bfloat16] * 2


def test_quartiles_by_hand():
    assert latency.quartiles([5.0, 1.0, 2.0, 4.0, 3.0]) == (3.0, 2.0, 4.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"runs": 1}, "1 runs after 0 to warm up"),
        ({"warmup": -1}, "2 runs after -1 to warm up"),
        ({"lr_height_px": 0}, "4 x 0 pixels"),
        ({"device": "tpu9"}, "device 'tpu9'"),
        ({"precision": "int8"}, "unknown precision 'int8'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    defaults = {"lr_height_px": 4, "lr_width_px": 4, "warmup": 0, "runs": 2}
    with pytest.raises(HdsrError, match=message):
        latency.time_networks({"a": nn.Identity()}, **{**defaults, **arguments})
