"""The weights under which the authors' networks gave the golden outputs; they come from a formula."""

import csv
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hdsr.network import RGB_MEAN


def formula_tensor(index: int, key: str, shape: tuple[int, ...], gain: float) -> Tensor:
    """The weights under which the golden outputs were computed: the fractional part of a sine, scaled."""
    j = np.arange(1, prod(shape) + 1, dtype=np.float64)
    v = np.sin(j * 12.9898 + (index + 1) * 78.233) * 43758.5453
    u = v - np.floor(v)
    fan_in = prod(shape[2:]) if len(shape) == 5 else prod(shape[1:])
    amplitude = 0.05 if key.endswith("bias") else np.sqrt(gain / fan_in)
    return torch.from_numpy(((2 * u - 1) * amplitude).astype(np.float32).reshape(shape))


def mean_tensor(key: str, white: float) -> Tensor:
    mean = white * torch.tensor(RGB_MEAN)
    if key.endswith("weight"):
        return torch.eye(3).reshape(3, 3, 1, 1)
    return mean if key.startswith("add") else -mean


def official_state_dict(golden: Path, scale: int, gain: float = 3, white: float = 255) -> dict[str, Tensor]:
    """The weights behind a golden folder's output; `white` is the value that white has in the network."""
    state_dict = {}
    with (golden / f"x{scale}_state_dict.csv").open() as stream:
        for row in csv.DictReader(stream):
            key, shape = row["key"], tuple(map(int, row["shape"].split("x")))
            state_dict[key] = (
                mean_tensor(key, white)
                if "mean" in key
                else formula_tensor(int(row["index"]), key, shape, gain)
            )
    return state_dict
