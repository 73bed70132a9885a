"""The network against the authors' own outputs, and against the counts the paper's figure gives."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_weights import official_state_dict
from torch import Tensor

from hdsr.checkpoint import from_official
from hdsr.errors import HdsrError
from hdsr.inference import fold
from hdsr.network import HDSRNet, KernelAttention

PARAMETERS = {2: 1_818_496, 3: 2_003_136, 4: 1_966_208}


def kernel_mixes(network: HDSRNet, image: Tensor) -> Tensor:
    """The output of every dynamic convolution's attention: (layers, batch, kernels)."""
    mixes: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, KernelAttention):
            module.register_forward_hook(lambda _, __, output: mixes.append(output))
    network(image)
    return torch.stack(mixes)


@pytest.fixture(params=[2, 3, 4])
def scale(request: pytest.FixtureRequest) -> Iterator[int]:
    return request.param


@pytest.mark.parametrize("channels_last", [False, True])
def test_outputs_and_attention_meet_the_authors_network(
    golden_root: Path, scale: int, channels_last: bool
) -> None:
    folder = golden_root / "official_hdsrnet"
    golden = np.load(folder / f"x{scale}.npz")
    network = from_official(official_state_dict(folder, scale), scale).eval()
    image = torch.from_numpy(golden["input"]).float()
    if channels_last:
        network, image = (item.to(memory_format=torch.channels_last) for item in (network, image))
    with torch.no_grad():
        output = network(image).double().numpy()
        mixes = kernel_mixes(network, image).double().numpy()
    assert np.abs(output - golden["output"]).max() <= 1e-5 * np.abs(golden["output"]).max()
    assert np.abs(mixes - golden["attention"]).max() <= 1e-6


def test_parameter_count(scale: int) -> None:
    assert sum(parameter.numel() for parameter in HDSRNet(scale).parameters()) == PARAMETERS[scale]


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 4, 8, 8), (8, 8, 3), (1, 8, 8, 3)])
@pytest.mark.parametrize("made", [HDSRNet, lambda scale: fold(HDSRNet(scale))])
def test_only_batches_of_rgb_are_enlarged(
    made: Callable[[int], torch.nn.Module], shape: tuple[int, ...]
) -> None:
    with pytest.raises(HdsrError, match=re.escape(f"{shape}: expected RGB, (batch, 3, height, width)")):
        made(2)(torch.zeros(shape))


@pytest.mark.parametrize("scale", [1, 2.0, True, "2", None])
def test_a_scale_is_one_of_three_whole_numbers(scale: object) -> None:
    with pytest.raises(HdsrError, match=f"unknown scale {scale!r}: expected 2, 3 or 4"):
        HDSRNet(scale)
    assert HDSRNet(np.int64(2)).scale == 2


def test_a_batch_gives_what_one_by_one_gives(scale: int) -> None:
    torch.manual_seed(0)
    network = HDSRNet(scale).eval()
    images = 255 * torch.rand(3, 3, 17, 23)
    with torch.no_grad():
        batch = network(images)
        single = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(batch, single, rtol=0, atol=2e-3)


@pytest.mark.parametrize("wrong", [1, 5, "2", None])
def test_other_scales_are_refused(wrong: object) -> None:
    with pytest.raises(HdsrError, match=r"unknown scale .* expected 2, 3 or 4"):
        HDSRNet(wrong)


def test_every_official_key_is_needed_and_no_other_taken(golden_root: Path, scale: int) -> None:
    state_dict = official_state_dict(golden_root / "official_hdsrnet", scale)
    for key in state_dict:
        with pytest.raises(HdsrError, match=key.replace(".", r"\.")):
            from_official({k: v for k, v in state_dict.items() if k != key}, scale)
    with pytest.raises(HdsrError, match=r"conv18\.0\.weight"):
        from_official(state_dict | {"conv18.0.weight": torch.zeros(1)}, scale)
    with pytest.raises(HdsrError, match=r"sub_mean\.bias"):
        from_official(state_dict | {"sub_mean.bias": torch.zeros(3)}, scale)
