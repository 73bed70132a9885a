import pytest
import torch
from torch import nn

from hdsr import complexity
from hdsr.inference import fold
from hdsr.network import HDSRNet

PARAMETERS = {2: 1_818_496, 3: 2_003_136, 4: 1_966_208}


@pytest.mark.parametrize("scale", PARAMETERS)
def test_parameters_by_hand_and_by_torch(scale):
    assert complexity.hand_count(scale, 1, 1)["parameters"].sum() == PARAMETERS[scale]
    assert complexity.parameters(HDSRNet(scale)) == PARAMETERS[scale]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(256, 256), (17, 30)])
def test_macs_by_hand_and_by_torch(scale, height, width):
    parts = complexity.hand_count(scale, height, width).set_index("part")["macs"]
    assert complexity.macs(HDSRNet(scale), height, width) == parts.drop("mean shift").sum()


def test_known_macs_at_x4():
    assert complexity.hand_count(4, 256, 256)["macs"].sum() == 122_845_157_952
    assert complexity.macs(fold(HDSRNet(4)), 256, 256) < 81e9


def test_a_convolution_by_hand():
    layer = nn.Conv2d(3, 8, 5, padding=2, groups=1)
    assert complexity.macs(layer, 10, 12) == 10 * 12 * 8 * 3 * 25
    assert complexity.parameters(layer) == 8 * 3 * 25 + 8


def test_counting_leaves_the_network_alone():
    network = HDSRNet(2).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    complexity.macs(network, 8, 8)
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
