"""What the network makes of a subject: the same as elsewhere, at any softmax temperature."""

from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import torch.nn.functional as F
from exploring import photograph, weights_in

from hdsr import metrics
from hdsr.errors import HdsrError
from hdsr.explore import look
from hdsr.explore.look import Networks
from hdsr.explore.subjects import Subject
from hdsr.resize import imresize
from hdsr.study import trace
from hdsr.study.mixes import attentions, kernel_mix
from hdsr.upscaling.files import upscale


@pytest.fixture(scope="module")
def made_by(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    return look.networks(2, str(weights_in(tmp_path_factory.mktemp("weights"))))


@pytest.fixture(scope="module")
def subject() -> Subject:
    hr = photograph()
    return Subject("tiny", imresize(hr, 1 / 2), hr)


def as_tensor(lr: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(lr.copy()).permute(2, 0, 1)[None].float()


def test_at_the_trained_temperature_all_is_as_elsewhere(made_by: Networks, subject: Subject) -> None:
    seen = look.look(subject, made_by)
    assert seen.chosen is seen.trained
    assert seen.trained.temperature == 40
    assert np.array_equal(seen.trained.sr, upscale(subject.lr, 2, made_by.folded))
    assert np.array_equal(seen.bicubic, imresize(subject.lr, 2))
    mix = kernel_mix(made_by.plain, subject.lr)
    np.testing.assert_allclose(seen.trained.shares, mix.shares, atol=1e-6)
    assert seen.trained.live == mix.live.sum(axis=1).tolist()


def test_another_temperature_sharpens_the_softmax_and_is_forgotten(
    made_by: Networks, subject: Subject
) -> None:
    seen = look.look(subject, made_by, 0.5)
    trained, chosen = seen.trained, seen.chosen
    powers = trained.shares[0].astype(float) ** (trained.temperature / 0.5)
    np.testing.assert_allclose(chosen.shares[0], powers / powers.sum(), rtol=1e-3)
    assert chosen.shares.max() > trained.shares.max()
    assert not np.array_equal(chosen.sr, trained.sr)
    for network in (made_by.plain, made_by.folded):
        assert {attention.temperature for attention in attentions(network)} == {40}
    again = look.at(seen, made_by, trained.temperature)
    assert again.chosen is again.trained is trained


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_is_above_zero(made_by: Networks, subject: Subject, temperature: float) -> None:
    with pytest.raises(HdsrError, match="a softmax temperature is a number above 0"):
        look.enlarge(subject.lr, made_by, temperature)


def test_scores_are_those_of_the_tables(made_by: Networks, subject: Subject) -> None:
    lines = look.scores(look.look(subject, made_by, 1.0))
    assert lines["panel"].tolist() == ["Bicubic", "HDSRNet", "HDSRNet, other temperature"]
    assert lines["psnr_db"][0] == metrics.psnr_y(imresize(subject.lr, 2), subject.hr, 2)
    assert lines["ssim"][0] == metrics.ssim_y(imresize(subject.lr, 2), subject.hr, 2)
    assert lines["temperature"].tolist()[1:] == [40, 1]


def test_without_a_true_image_nothing_is_scored(made_by: Networks, subject: Subject) -> None:
    assert look.scores(look.look(Subject("mine", subject.lr, None), made_by)).empty


@torch.inference_mode()
def test_feature_maps_are_what_the_parts_put_out(made_by: Networks, subject: Subject) -> None:
    network, image = made_by.plain, as_tensor(subject.lr)
    centered = image - network.mean
    wanted = {
        "lower.layers.0": F.relu(network.lower.layers[0](centered)),
        "mul": network.features(image),
        "reconstruction.upsampler.0": network.reconstruction.upsampler(network.features(image)),
        "reconstruction.exit": network(image),
    }
    for part, maps in wanted.items():
        found = look.feature_maps(subject.lr, made_by, part)
        np.testing.assert_allclose(found, maps[0].numpy(), rtol=1e-4, atol=1e-3)


def test_feature_maps_follow_the_temperature(made_by: Networks, subject: Subject) -> None:
    after, before = "upper.blocks.0.dynamic", "upper.blocks.0.dilated"
    maps = {part: look.feature_maps(subject.lr, made_by, part) for part in (before, after)}
    assert np.array_equal(look.feature_maps(subject.lr, made_by, before, 0.1), maps[before])
    assert not np.array_equal(look.feature_maps(subject.lr, made_by, after, 0.1), maps[after])


def test_unknown_parts_and_images_too_large_are_declined(
    made_by: Networks, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HdsrError, match=r"no part 'conv9': expected one of image, upper\.entry"):
        look.feature_maps(subject.lr, made_by, "conv9")
    memory = type("Memory", (), {"available": 6_000_000})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    with pytest.raises(HdsrError, match="is too large"):
        look.feature_maps(np.tile(subject.lr, (4, 4, 1)), made_by, "mul")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_part_but_the_image_has_a_name_of_its_own(scale: int) -> None:
    network = look.HDSRNet(scale)
    labels = look.layer_labels(scale)
    assert list(labels) == list(trace.parts(network))[1:]
    plain = [label for label in labels.values() if "sub-pixel" not in label]
    assert len(set(plain)) == len(plain)
    assert labels["upper.blocks.0.dynamic"] == "upper, block 1: dynamic convolution + ReLU"
    assert labels["lower.layers.15"] == "lower, layer 16: convolution + ReLU"
    assert labels["mul"] == "product of both branches"
    assert "lower, layer 9: sum" in plain


def test_changed_weights_are_read_anew(tmp_path: Path) -> None:
    path = weights_in(tmp_path)
    first = look.networks(2, str(path))
    assert look.networks(2, str(path)) is first
    path.touch()
    assert look.networks(2, str(path)) is not first
    with pytest.raises(HdsrError, match="holds weights for x2, expected x4"):
        look.networks(4, str(path))
