"""What a training step computes in other forms is the same, and lies in memory as convolutions want it."""

import copy

import pytest
import torch
from torch import Tensor, nn

from hdsr.network import DynamicConv2d, HDSRNet
from hdsr.training import forms
from hdsr.training.config import TrainingConfig
from hdsr.training.losses import PatchLoss

CPU, LAST = torch.device("cpu"), torch.channels_last
CONFIG = TrainingConfig(scale=4, sets=[{"name": "any"}], patch_px=48, steps=1)


@pytest.fixture
def network() -> HDSRNet:
    torch.manual_seed(0)
    network = HDSRNet(4)
    for block in network.upper.blocks:  # kernels that differ much from image to image
        block.dynamic.attention.temperature = 1.0
    return network.to(memory_format=LAST)


def patches() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    lr, hr = (255 * torch.rand(3, 3, side, side, generator=random) for side in (12, 48))
    return lr.contiguous(memory_format=LAST), hr.contiguous(memory_format=LAST)


def test_the_same_loss_and_gradients_as_of_the_network_itself(network: HDSRNet) -> None:
    of_training = copy.deepcopy(network)
    forms.use_in(of_training, CONFIG, CPU)
    losses = [PatchLoss(one, True)(*patches()) for one in (network, of_training)]
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=1e-5)
    for loss in losses:
        loss.backward()
    for (name, one), other in zip(network.named_parameters(), of_training.parameters(), strict=True):
        difference = (other.grad - one.grad).norm()
        assert difference <= 1e-3 * one.grad.norm(), name


def test_gradients_have_channels_last_as_the_features_have(network: HDSRNet) -> None:
    forms.use_in(network, CONFIG, CPU)
    of_images = {*network.upper.modules(), *network.lower.modules()}
    layers = [layer for layer in of_images if isinstance(layer, nn.Conv2d | DynamicConv2d)]
    seen = []

    def check(layer: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        if made.shape[2:] != (1, 1):  # as those of the attention are
            made.register_hook(lambda gradient: seen.append(gradient.is_contiguous(memory_format=LAST)))

    for layer in layers:
        layer.register_forward_hook(check)
    PatchLoss(network, True, border_share=0.5)(*patches()).backward()
    assert seen == 32 * [True]
