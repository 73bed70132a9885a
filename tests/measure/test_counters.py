"""Counters of operations, against hand counts and single layers; hand counts against known totals."""

from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hdsr import results
from hdsr.errors import HdsrError
from hdsr.inference import fold
from hdsr.measure import counters
from hdsr.measure.counters import ATEN, HAND, PYTORCH, TORCH
from hdsr.network import HDSRNet


class ComputedKernel(nn.Module):
    """A layer, and a convolution with half its kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return F.relu(self.layer(image)) + F.conv2d(image, self.layer.weight / 2, padding=1)


LAYER_MACS = 10 * 12 * 8 * 3 * 9


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_parameters_by_hand_and_by_torch(scale: int) -> None:
    by_hand = counters.by_hand(scale, 1, 1)["parameters"].sum()
    assert counters.parameters(HDSRNet(scale)) == by_hand


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(256, 256), (17, 30)])
def test_macs_by_hand_and_by_torch(scale: int, height: int, width: int) -> None:
    parts = counters.by_hand(scale, height, width).set_index("part")["macs"]
    assert counters.macs(HDSRNet(scale), height, width) == parts.drop("mean shift").sum()


def test_folding_saves_a_third_of_the_macs_at_x4() -> None:
    assert counters.macs(fold(HDSRNet(4)), 256, 256) < 81e9


def test_a_convolution_by_hand() -> None:
    layer = nn.Conv2d(3, 8, 5, padding=2, groups=1)
    assert counters.macs(layer, 10, 12) == 10 * 12 * 8 * 3 * 25
    assert counters.parameters(layer) == 8 * 3 * 25 + 8


def test_a_network_of_one_channel() -> None:
    layer = nn.Conv2d(1, 2, 3, padding=1, bias=False)
    assert counters.macs(layer, 5, 7, channels=1) == 5 * 7 * 2 * 9
    assert counters.ptflops_macs(layer, 5, 7, "pytorch", channels=1) == 5 * 7 * 2 * 9


def test_each_counter_sees_what_it_is_said_to_see() -> None:
    network, values = ComputedKernel(), 10 * 12 * 8
    assert counters.macs(network, 10, 12) == 2 * LAYER_MACS
    assert counters.ptflops_macs(network, 10, 12, "aten") == 2 * LAYER_MACS + values
    assert counters.ptflops_macs(network, 10, 12, "pytorch") == LAYER_MACS + 2 * values


@pytest.mark.parametrize("backend", ["pytorch", "aten"])
def test_four_small_images_give_the_count_of_any_other(backend: str) -> None:
    layers = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 8, 3, padding=1)]
    network = nn.Sequential(*layers, nn.PixelShuffle(2), nn.Conv2d(2, 3, 1))
    for height, width in ((7, 9), (31, 20), (8, 12)):
        counted = counters._ptflops_count(network, (3, height, width), backend)
        assert counters.ptflops_macs(network, height, width, backend) == counted


def test_rows_have_every_counter_and_a_hand_count_where_there_is_one(tmp_path: Path) -> None:
    rows = counters.count_networks(["SRCNN", "HDSRNet"], [2], 16)
    assert rows["counter"].tolist() == [TORCH, ATEN, PYTORCH, HAND, TORCH, ATEN, PYTORCH]
    srcnn = 32 * 32 * (81 * 64 + 25 * 64 * 32 + 25 * 32)
    assert rows.loc[rows["network"] == "SRCNN", "macs"].iloc[0] == srcnn
    assert rows.loc[rows["network"] == "HDSRNet", "parameters"].unique().tolist() == [1_818_496]
    results.write_table(rows, tmp_path / "rows" / "complexity.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "rows" / "complexity.csv"), rows)


def test_published_networks_at_the_scales_that_they_exist_for() -> None:
    rows = counters.count_networks(["FSRCNN", "IDN", "DnCNN", "LapSRN", "CSCN"], [2, 3], 16)
    rows = rows[rows["counter"] == TORCH].set_index(["network", "scale"])
    assert rows.loc["LapSRN"].index.tolist() == [2]
    known = {"FSRCNN": 12_644, "IDN": 552_769, "DnCNN": 665_921}
    assert {name: rows.loc[(name, 3), "parameters"] for name in known} == known
    assert rows.loc[("CSCN", 3), "parameters"] == 2 * rows.loc[("CSCN", 2), "parameters"]
    layers = 25 * 56 + 2 * 56 * 12 + 4 * 9 * 12 * 12
    assert rows.loc[("FSRCNN", 2), "macs"] == 16 * 16 * layers + 18 * 18 * 81 * 56
    assert rows.loc[("DnCNN", 2), "macs"] == 32 * 32 * 9 * (64 + 18 * 64 * 64 + 64)


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(HdsrError, match="unknown network 'EDSR': expected one of SRCNN"):
        counters.count_networks(["EDSR"], [2], 16)
    with pytest.raises(HdsrError, match="unknown network 'EDSR': expected one of DCLS, ACNet"):
        counters.by_hand(2, 8, 8, "EDSR")


def test_counting_leaves_the_network_and_torch_alone() -> None:
    network = HDSRNet(2).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    relu = F.relu
    counters.macs(network, 8, 8)
    counters.ptflops_macs(network, 8, 8, "pytorch")
    assert network.training
    assert F.relu is relu
    assert vars(network).keys() == vars(HDSRNet(2)).keys()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


PARAMETERS = {
    ("HDSRNet", 2): 1_818_496,
    ("HDSRNet", 3): 2_003_136,
    ("HDSRNet", 4): 1_966_208,
    ("ACNet", 2): 1_356_544,
    ("ACNet", 3): 1_541_184,
    ("ACNet", 4): 1_504_256,
    ("DCLS", 2): 13_478_475,
    ("DCLS", 3): 13_663_115,
    ("DCLS", 4): 13_626_187,
}


@pytest.mark.parametrize(("network", "scale"), PARAMETERS)
def test_parameters(network: str, scale: int) -> None:
    assert counters.by_hand(scale, 1, 1, network)["parameters"].sum() == PARAMETERS[network, scale]


def test_known_macs_of_hdsrnet_at_x4() -> None:
    assert counters.by_hand(4, 256, 256)["macs"].sum() == 122_845_157_952


def test_convolutions_are_proportional_to_pixels_and_mixing_is_not() -> None:
    small, large = (counters.by_hand(4, *size).set_index("part")["macs"] for size in ((8, 8), (16, 24)))
    ratio = large / small
    fixed = ["attention, squeeze", "attention, excite", "mixing of kernels", "mixing of biases"]
    assert (ratio[fixed] == 1).all()
    assert (ratio.drop([*fixed, "global pooling", "activations after them"]) == 6).all()


def test_items_add_up_to_the_parts() -> None:
    parts = counters.by_hand(4, 16, 24, "DCLS")
    items = counters.by_item(parts)
    assert items.sum() == parts[["macs", "biases", "activations", "pooled"]].to_numpy().sum()


def test_weights_used_twice_may_be_counted_once() -> None:
    parts = counters.by_hand(2, 8, 8, "ACNet")
    once, twice = counters.by_item(parts, shared_once=True), counters.by_item(parts)
    assert (twice - once)[counters.CONVOLUTIONS] == 9 * 64 * 256 * 8 * 8
    assert (twice - once)[counters.BIASES] == 256 * 8 * 8


def test_the_mean_shift_has_24_constants() -> None:
    parts = counters.by_hand(4, 1, 1).set_index("part")
    assert parts.loc["mean shift", ["parameters", "macs", "biases"]].tolist() == [0, 9 * 17, 3 * 17]
    assert counters.SHIFT_CONSTANTS == 2 * (3 * 3 + 3)
