import numpy as np
import pytest
import torch

from hdsr import checkpoint, methods
from hdsr.errors import HdsrError
from hdsr.files import sha256
from hdsr.network import HDSRNet
from hdsr.resize import imresize


def image(height: int = 9, width: int = 7) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    checkpoint.save(HDSRNet(3), path, {})
    return path


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_matlabs(scale):
    method = methods.load("bicubic", scale)
    np.testing.assert_array_equal(method(image()), imresize(image(), scale))
    assert (method.name, method.label, method.weights_label) == ("bicubic", "Bicubic", "none")


def test_hdsrnet_is_the_network_rounded_and_clipped(weights):
    network = checkpoint.load(weights)
    with torch.no_grad():
        expected = network(torch.tensor(image()).permute(2, 0, 1)[None].float())[0].permute(1, 2, 0).numpy()
    sr = methods.load("hdsrnet", 3, weights)(image())
    assert sr.dtype == np.uint8
    assert sr.shape == (27, 21, 3)
    np.testing.assert_allclose(sr, np.clip(expected, 0, 255), atol=0.5001)


def test_bfloat16_is_near_but_not_equal(weights):
    exact = methods.load("hdsrnet", 3, weights)(image()).astype(int)
    rough = methods.load("hdsrnet", 3, weights, precision="bf16")(image()).astype(int)
    assert 0 < np.abs(exact - rough).max() <= 8


def test_a_read_only_image_is_taken(weights):
    lr = image()
    lr.flags.writeable = False
    assert methods.load("hdsrnet", 3, weights)(lr).shape == (27, 21, 3)


def test_weights_of_a_file_are_named_so_that_runs_differ(weights):
    method = methods.load("hdsrnet", 3, weights)
    assert method.weights_sha256 == sha256(weights)
    assert method.weights_label == f"weights.safetensors@{sha256(weights)[:8]}"


def test_authors_weights_are_looked_for_in_the_data_folder(tmp_path):
    with pytest.raises(HdsrError, match=r"hdsrnet_authors_x4\.pt"):
        methods.load("hdsrnet", 4, "authors", root=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "edsr"}, "unknown model 'edsr': expected one of bicubic, hdsrnet"),
        ({"scale": 5}, "unknown scale 5: expected 2, 3 or 4"),
        ({"precision": "fp8"}, "unknown precision 'fp8': expected fp32 or bf16"),
        ({"device": "tpu9"}, "device 'tpu9' cannot be used here: expected one of cpu"),
        ({"device": "meta"}, "device 'meta' cannot be used here: expected one of cpu"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(HdsrError, match=message):
        methods.load(**{"name": "bicubic", "scale": 2, **arguments})
