"""Attentions in the place of a network's own: what they make of it, and that nothing of them stays."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hdsr.inference import fold
from hdsr.network import DynamicConv2d, HDSRNet
from hdsr.study.interventions import ConstantMix, attending, cooled, dynamic_layers, frozen
from hdsr.study.mixes import kernel_mix


@pytest.fixture
def network() -> HDSRNet:
    torch.manual_seed(0)
    made = HDSRNet(2).eval()
    for layer in dynamic_layers(made):
        layer.attention.excite.weight.data *= 1000
    return made


@pytest.fixture
def lr() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)


def batch(lr: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(lr).permute(2, 0, 1)[None].float()


@torch.no_grad()
def test_a_constant_mix_of_one_kernel_is_that_kernel() -> None:
    torch.manual_seed(1)
    layer = DynamicConv2d(8)
    layer.bias.data.normal_()
    layer.attention = ConstantMix(torch.tensor([0.0, 0.0, 1.0, 0.0]))
    features = torch.randn(2, 8, 5, 6)
    expected = F.conv2d(features, layer.weight[16:24], layer.bias[2], padding=1)
    torch.testing.assert_close(layer(features), expected)


@torch.no_grad()
@pytest.mark.parametrize("form", [lambda network: network, fold])
def test_an_images_own_mix_changes_nothing_and_another_does(network: HDSRNet, lr: np.ndarray, form) -> None:
    module, own = form(network), kernel_mix(network, lr).shares
    expected = module(batch(lr))
    with attending(module, frozen(own)) as used:
        # Twice what Winograd's convolutions of mixes that differ in the last bit may differ by.
        torch.testing.assert_close(module(batch(lr)), expected, atol=4e-3, rtol=0)
    torch.testing.assert_close(torch.cat(used), torch.from_numpy(own))
    with attending(module, frozen(own[:, ::-1].copy())):
        assert (module(batch(lr)) - expected).abs().max() > 1e-2


@torch.no_grad()
def test_cooled_attentions_have_the_networks_weights_at_another_temperature(
    network: HDSRNet, lr: np.ndarray
) -> None:
    features = torch.rand(1, 64, 4, 4)
    own = dynamic_layers(network)[0].attention
    cold = cooled(network, 1.0)[0]
    logits = own.excite(F.relu(own.squeeze(features.mean((2, 3), keepdim=True)))).flatten(1)
    torch.testing.assert_close(cold(features), torch.softmax(logits, 1))
    assert own.temperature == 40
    expected = network(batch(lr))
    with attending(network, cooled(network, 40.0)):
        torch.testing.assert_close(network(batch(lr)), expected)


def test_the_networks_own_attentions_are_put_back_even_after_an_error(network: HDSRNet) -> None:
    own = [layer.attention for layer in dynamic_layers(network)]
    given = frozen(np.full((5, 4), 0.25))
    with attending(network, given):
        assert [layer.attention for layer in dynamic_layers(network)] == given
    assert [layer.attention for layer in dynamic_layers(network)] == own
    with pytest.raises(ValueError, match="failed"), attending(network, given):
        raise ValueError("failed")
    assert [layer.attention for layer in dynamic_layers(network)] == own
    assert not any(module._forward_hooks for module in [*own, *given])


def test_as_many_attentions_are_needed_as_there_are_layers(network: HDSRNet) -> None:
    own = [layer.attention for layer in dynamic_layers(network)]
    with pytest.raises(ValueError, match="shorter"), attending(network, frozen(np.full((4, 4), 0.25))):
        pass
    assert [layer.attention for layer in dynamic_layers(network)] == own
