"""DCLS: the published counts, its deconvolution against the normal equations, its kernel by convolution."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from hdsr.errors import HdsrError
from hdsr.measure.counters import macs, parameters
from hdsr.methods import dcls
from hdsr.methods.dcls import DCLS, DualPathGroup, KernelEstimator, deconvolve


@pytest.fixture(scope="module")
def network() -> DCLS:
    torch.manual_seed(0)
    return DCLS(2).eval()


@pytest.mark.parametrize(("scale", "expected"), [(2, 13_478_475), (3, 13_663_115), (4, 13_626_187)])
def test_as_many_parameters_as_published(scale: int, expected: int) -> None:
    with torch.device("meta"):
        network = DCLS(scale)
    assert parameters(network) == expected
    assert parameters(network.estimator) == 6_695_136


def test_as_many_operations_of_convolution_layers_as_known() -> None:
    """Less the linear layers that emit the filters, and the filters' own convolutions."""
    emitted = 256 * (5808 + 12544 + 6400 + 48)
    composed = 31**2 * 5808 + 25**2 * 12544 + 21**2 * (6400 + 48)
    of_layers = macs(DCLS(4), 256, 256) - emitted - composed
    assert of_layers / 1e9 == pytest.approx(496.45, abs=0.005)


@pytest.mark.parametrize(("scale", "height", "width"), [(2, 7, 7), (3, 13, 8), (4, 9, 22)])
def test_any_image_size(scale: int, height: int, width: int) -> None:
    with torch.inference_mode():
        sr = DCLS(scale)(255 * torch.rand(1, 3, height, width))
    assert sr.shape == (1, 3, scale * height, scale * width)
    assert sr.isfinite().all()


def test_too_small_an_image_and_an_unknown_scale(network: DCLS) -> None:
    with pytest.raises(HdsrError, match="at least 7 x 7 pixels, not 9 x 6"):
        network(torch.zeros(1, 3, 6, 9))
    with pytest.raises(HdsrError, match="unknown scale 5: expected 2, 3 or 4"):
        DCLS(5)


def test_each_image_of_a_batch_is_treated_alone(network: DCLS) -> None:
    images = 255 * torch.rand(2, 3, 11, 12)
    with torch.inference_mode():
        together, alone = network(images), torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-2)


def circular_matrix(kernel: np.ndarray, side: int) -> np.ndarray:
    """Circular convolution of side x side images with a kernel, its center at the origin, as a matrix."""
    spread, half = np.zeros((side, side)), kernel.shape[0] // 2
    for (y, x), value in np.ndenumerate(kernel):
        spread[(y - half) % side, (x - half) % side] += value
    pixels = np.arange(side)
    offset = (pixels[:, None] - pixels[None]) % side
    return spread[offset[:, None, :, None], offset[None, :, None, :]].reshape(side**2, side**2)


def test_deconvolution_solves_the_normal_equations() -> None:
    random = np.random.default_rng(0)
    kernel = random.uniform(0, 0.01, (21, 21))
    kernel[10, 10] += 1
    smoothing = random.uniform(-0.5, 0.5, (3, 3))
    image = random.uniform(-1, 1, (4, 4))
    blur, rough = circular_matrix(kernel, 46), circular_matrix(smoothing, 46)
    observed = np.pad(image, 21, mode="edge").ravel()
    solution = np.linalg.solve(blur.T @ blur + rough.T @ rough, blur.T @ observed).reshape(46, 46)
    arguments = (torch.tensor(array)[None, None] for array in (image, kernel, smoothing))
    result = deconvolve(*arguments)
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result[0, 0], solution[21:-21, 21:-21], atol=1e-5)


def test_deconvolution_stays_in_float32_under_autocast() -> None:
    features, kernel = torch.rand(1, 2, 9, 8), torch.zeros(1, 1, 21, 21)
    kernel[..., 10, 10] = 1
    with torch.autocast("cpu", torch.bfloat16):
        result = deconvolve(features, kernel, torch.zeros(1, 2, 3, 3))
    torch.testing.assert_close(result, features, rtol=0, atol=1e-5)


def test_the_kernel_is_the_convolution_of_the_emitted_filters() -> None:
    torch.manual_seed(0)
    estimator = KernelEstimator(channels=8, code_size=16)
    image = torch.rand(1, 3, 12, 12)
    emitted = []
    for emitter in estimator.emitters:
        torch.nn.init.uniform_(emitter.bias, 0, 1)
        emitter.register_forward_hook(lambda module, inputs, output: emitted.append(output[0].double()))
    with torch.inference_mode():
        kernel = estimator(image)[0, 0]
    channels = [np.ones((1, 1))] * 3
    for values, (inputs, outputs, side) in zip(emitted, estimator.filters, strict=True):
        weight = values.reshape(outputs, inputs, side, side).numpy()
        channels = [sum(map(convolve2d, channels, filters)) for filters in weight]
    expected = sum(channels)
    np.testing.assert_allclose(kernel, expected / expected.sum(), rtol=1e-3, atol=1e-6)
    assert kernel.sum().item() == pytest.approx(1, abs=1e-5)


def test_the_kernel_learns_nothing_from_the_image_s_error() -> None:
    network = DCLS(2)
    network(255 * torch.rand(1, 3, 9, 9)).mean().backward()
    assert all(parameter.grad is None for parameter in network.estimator.parameters())
    assert all(parameter.grad is not None for parameter in network.restorer.parameters())
    network.estimator(torch.rand(1, 3, 9, 9))[..., 0, 0].sum().backward()
    assert all(parameter.grad is not None for parameter in network.estimator.parameters())


def test_blocks_that_add_nothing_leave_both_paths_doubled() -> None:
    group = DualPathGroup(primary=8, secondary=4, blocks=2)
    for parameter in group.parameters():
        torch.nn.init.zeros_(parameter)
    primary, secondary = torch.rand(1, 8, 5, 5), torch.rand(1, 4, 5, 5)
    for path, result in zip((primary, secondary), group(primary, secondary), strict=True):
        assert torch.equal(result, 2 * path)


def published(network: DCLS, first: str) -> dict[str, torch.Tensor]:
    """The weights under names that we do not know, one part of the network before the other."""
    items = sorted(network.state_dict().items(), key=lambda item: not item[0].startswith(first))
    return {f"layer{i}.{key.rpartition('.')[2]}": value for i, (key, value) in enumerate(items)}


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize("first", ["restorer", "estimator"])
def test_tensors_with_other_names_are_taken_in_order(network: DCLS, first: str) -> None:
    ours = network.state_dict()
    assert same(dcls.under_our_names(published(network, first), ours), ours)


def test_a_user_s_file(network: DCLS, tmp_path: Path) -> None:
    torch.save({"state_dict": published(network, "restorer")}, tmp_path / "dcls.pth")
    loaded = dcls.load(tmp_path / "dcls.pth", 2)
    assert not loaded.training
    assert same(loaded.state_dict(), network.state_dict())


def test_files_that_do_not_fit(network: DCLS, tmp_path: Path) -> None:
    path = tmp_path / "dcls.pth"
    torch.save({"conv_first.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(HdsrError, match=r"dcls\.pth is not DCLS: missing restorer.* unknown conv_first"):
        dcls.load(path, 2)
    stored = network.state_dict()
    torch.save({**stored, "restorer.exit.bias": torch.zeros(4)}, path)
    with pytest.raises(HdsrError, match=r"restorer\.exit\.bias has shape \(4,\), expected \(3,\)"):
        dcls.load(path, 2)
