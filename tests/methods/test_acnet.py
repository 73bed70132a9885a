"""ACNet against the authors' own outputs, folded and as published."""

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_weights import official_state_dict
from torch import Tensor

from hdsr.errors import HdsrError
from hdsr.measure.counters import parameters
from hdsr.methods import acnet
from hdsr.methods.acnet import ACNet, AsymmetricConv2d

PARAMETERS = {2: 1_356_544, 3: 1_541_184, 4: 1_504_256}


def published(golden_root: Path, scale: int) -> dict[str, Tensor]:
    return official_state_dict(golden_root / "official_acnet", scale, gain=1.5, white=1)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_loaded_network_meets_the_authors_output(golden_root: Path, tmp_path: Path, scale: int) -> None:
    torch.save(published(golden_root, scale), tmp_path / "acnet.pth")
    network = acnet.load(tmp_path / "acnet.pth", scale)
    with np.load(golden_root / "official_acnet" / f"x{scale}.npz") as golden, torch.inference_mode():
        sr = network(255 * torch.from_numpy(golden["input"])) / 255
        np.testing.assert_allclose(sr, golden["output"], atol=2e-6)
    assert not network.training


def test_every_published_key_is_needed_and_no_other_taken(golden_root: Path, tmp_path: Path) -> None:
    path = tmp_path / "acnet.pth"
    whole = published(golden_root, 2)
    assert len(whole) == 64
    for key in ("conv7_2.0.weight", "sub_mean.shifter.bias", "upsample.up.body.0.bias"):
        torch.save({other: value for other, value in whole.items() if other != key}, path)
        with pytest.raises(HdsrError, match=rf"acnet\.pth is not ACNet: missing .*{key}"):
            acnet.load(path, 2)
    torch.save(whole | {"conv23.0.weight": torch.zeros(1)}, path)
    with pytest.raises(HdsrError, match=r"acnet\.pth is not ACNet: unknown conv23\.0\.weight"):
        acnet.load(path, 2)


def test_weights_of_another_scale_are_refused(golden_root: Path, tmp_path: Path) -> None:
    torch.save(published(golden_root, 2), tmp_path / "acnet.pth")
    with pytest.raises(HdsrError, match=r"upsample\.up\.body\.0\.weight has shape \(256, 64, 3, 3\)"):
        acnet.load(tmp_path / "acnet.pth", 3)


@pytest.mark.parametrize("scale", PARAMETERS)
def test_parameter_count(scale: int) -> None:
    with torch.device("meta"):
        assert parameters(ACNet(scale)) == PARAMETERS[scale]


def test_an_asymmetric_layer_by_hand() -> None:
    layer = AsymmetricConv2d(1, 1)
    with torch.no_grad():
        layer.row.weight.copy_(torch.tensor([1.0, 2, 3]).reshape(1, 1, 1, 3))
        layer.column.weight.copy_(torch.tensor([10.0, 20, 30]).reshape(1, 1, 3, 1))
        layer.square.weight.fill_(100)
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 1, 1] = 1
    expected = torch.tensor([[100.0, 130, 100], [103, 122, 101], [100, 110, 100]])
    torch.testing.assert_close(layer(image)[0, 0], expected)
    torch.testing.assert_close(layer.folded()(image)[0, 0], expected)


def test_folded_is_the_same_function_with_fewer_parameters() -> None:
    torch.manual_seed(0)
    network = ACNet(2).double()
    image = 255 * torch.rand(2, 3, 9, 7, dtype=torch.float64)
    with torch.inference_mode():
        before = network(image)
        after = acnet.fold(network).double()(image)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-4)
    assert parameters(network) == PARAMETERS[2] - 6 * 64 * (3 + 16 * 64)
