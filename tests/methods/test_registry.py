from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from hdsr import checkpoint, evaluation
from hdsr.errors import HdsrError
from hdsr.files import sha256
from hdsr.images import write_png
from hdsr.measure import benchmarks
from hdsr.methods import registry
from hdsr.network import HDSRNet
from hdsr.resize import imresize
from hdsr.settings import MeasurementSettings
from hdsr.upscaling.files import upscale


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
    method = registry.load("bicubic", scale)
    np.testing.assert_array_equal(method(image()), imresize(image(), scale))
    assert (method.name, method.label, method.weights_label) == ("bicubic", "Bicubic", "none")


def test_hdsrnet_is_the_network_rounded_and_clipped(weights):
    network = checkpoint.load(weights)
    with torch.no_grad():
        expected = network(torch.tensor(image()).permute(2, 0, 1)[None].float())[0].permute(1, 2, 0).numpy()
    sr = registry.load("hdsrnet", 3, weights)(image())
    assert sr.dtype == np.uint8
    assert sr.shape == (27, 21, 3)
    np.testing.assert_allclose(sr, np.clip(expected, 0, 255), atol=0.5001)


def test_bfloat16_is_near_but_not_equal(weights):
    exact = registry.load("hdsrnet", 3, weights)(image()).astype(int)
    rough = registry.load("hdsrnet", 3, weights, precision="bf16")(image()).astype(int)
    assert 0 < np.abs(exact - rough).max() <= 8


def test_a_read_only_image_is_taken(weights):
    lr = image()
    lr.flags.writeable = False
    assert registry.load("hdsrnet", 3, weights)(lr).shape == (27, 21, 3)


def test_weights_of_a_file_are_named_so_that_runs_differ(weights):
    method = registry.load("hdsrnet", 3, weights)
    assert method.weights_sha256 == sha256(weights)
    assert method.weights_label == f"weights.safetensors@{sha256(weights)[:8]}"


def test_authors_weights_are_looked_for_in_the_data_folder(tmp_path):
    with pytest.raises(HdsrError, match=r"hdsrnet_authors_x4\.pt"):
        registry.load("hdsrnet", 4, "authors", root=tmp_path)


def test_the_registry_has_every_method_in_the_order_of_the_years():
    compared = "bicubic a_plus srcnn fsrcnn vdsr cscn dncnn lapsrn idn carn_m lesrcnn acnet dcls hdsrnet"
    assert list(registry.LOADERS) == [*compared.split(), "hdsrnet_ensemble"]


@pytest.mark.parametrize(
    ("name", "weights", "chosen"),
    [
        ("bicubic", "ours", "none"),
        ("hdsrnet", None, "ours"),
        ("hdsrnet", "authors", "authors"),
        ("carn_m", None, "authors"),
        ("srcnn", None, "ours"),
        ("srcnn", "authors", "authors"),
        ("vdsr", None, "authors"),
        ("vdsr", "others", "others"),
        ("vdsr", "my.pth", "my.pth"),
    ],
)
def test_weights_not_named_are_the_first_that_a_method_has_and_are_there(name, weights, chosen, tmp_path):
    assert registry.chosen_weights(name, weights, 2, tmp_path) == chosen


def test_the_weights_trained_here_give_their_place_to_the_authors(real_data_root):
    assert registry.load("srcnn", 2, root=real_data_root).weights_label == "authors"
    assert registry.chosen_weights("hdsrnet", None, 2, real_data_root) == "ours"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("vdsr", "vdsr_official.mat"),
        ("a_plus", "aplus_x2.mat"),
        ("cscn", "cscn_52.mat"),
        ("fsrcnn", "fsrcnn_x2.mat"),
        ("carn_m", "carn_m.pth"),
        ("lesrcnn", "lesrcnn_x2.pth"),
        ("acnet", "acnet_x2_660000.pth"),
    ],
)
def test_published_weights_have_the_name_of_the_manifest_and_can_be_fetched(tmp_path, name, file):
    with pytest.raises(HdsrError, match=rf"{file}; .*hdsr data fetch"):
        registry.load(name, 2, root=tmp_path)


def test_weights_without_a_lasting_address_are_the_users_to_bring(tmp_path):
    with pytest.raises(HdsrError, match=r"dcls_authors_x4\.pth; .* put the file there yourself"):
        registry.load("dcls", 4, root=tmp_path)


def test_published_weights_that_are_not_the_papers_authors_are_called_so(real_data_root):
    vdsr = registry.load("vdsr", 2, "others", root=real_data_root)
    assert (vdsr.label, vdsr.weights_label) == ("VDSR", "others")
    carn_m = registry.load("carn_m", 2, root=real_data_root)
    assert (carn_m.label, carn_m.weights_label) == ("CARN-M", "authors")


def test_every_network_of_rgb_enlarges_whole_images(real_data_root):
    for name in ("carn_m", "lesrcnn", "vdsr"):
        sr = registry.load(name, 3, root=real_data_root)(image())
        assert (sr.shape, sr.dtype) == ((27, 21, 3), np.uint8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "edsr"}, f"unknown model 'edsr': expected one of {', '.join(registry.LOADERS)}"),
        (
            {"name": "carn_m", "weights": "ours"},
            "carn_m has no weights of the source 'ours': expected 'authors' or a file",
        ),
        (
            {"name": "srcnn", "weights": "others"},
            "srcnn has no weights of the source 'others': expected 'authors' or 'ours' or a file",
        ),
        ({"scale": 5}, "unknown scale 5: expected 2, 3 or 4"),
        ({"precision": "fp8"}, "unknown precision 'fp8': expected fp32 or bf16"),
        ({"device": "tpu9"}, "device 'tpu9' cannot be used here: expected one of cpu"),
        ({"device": "meta"}, "device 'meta' cannot be used here: expected one of cpu"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(HdsrError, match=message):
        registry.load(**{"name": "bicubic", "scale": 2, **arguments})


def test_hdsrnet_ensemble_is_the_mean_of_eight_with_a_row_of_its_own(tmp_path: Path) -> None:
    photo = data.astronaut()[100:124, 190:220].copy()
    method = registry.load("hdsrnet_ensemble", 2)
    assert (method.name, method.label, method.weights_label) == ("hdsrnet_ensemble", "HDSRNet+", "ours")
    assert method.weights_sha256 == registry.load("hdsrnet", 2).weights_sha256
    wanted = upscale(photo, 2, ensemble=True)
    assert np.abs(method(photo).astype(int) - wanted).max() <= 1
    assert (method(photo) != registry.load("hdsrnet", 2)(photo)).any()
    write_png(tmp_path / "one" / "a.png", photo)
    rows = evaluation.evaluate("hdsrnet_ensemble", 2, [str(tmp_path / "one")], out=tmp_path / "rows.csv")
    assert rows["model"].tolist() == ["hdsrnet_ensemble"]


def test_what_takes_eight_times_as_long_is_measured_only_by_name() -> None:
    everything = benchmarks.wanted(MeasurementSettings(methods=("all",)))
    assert "hdsrnet_ensemble" not in everything
    assert "hdsrnet" in everything
