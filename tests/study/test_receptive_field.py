"""The effective receptive field: known maps, both paths of the gradient, rows reused by their identity."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from small_sets import dynamics_settings
from torch import nn
from untrained import image_like_network

from hdsr import metrics
from hdsr.errors import HdsrError
from hdsr.study import receptive_field
from hdsr.study.ablation import dynamic_layers
from hdsr.study.receptive_field import ATTENTION, CENTRE, COLUMNS, CONVOLUTIONS, PATCH_PX


def patch() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (PATCH_PX, PATCH_PX, 3), np.uint8)


def test_the_map_of_an_enlargement_by_repetition_is_the_central_pixel() -> None:
    found = receptive_field.gradient_map(nn.Upsample(scale_factor=3, mode="nearest"), patch(), 3)
    assert found.shape == (3, 3, PATCH_PX, PATCH_PX)
    expected = torch.zeros_like(found)
    expected[:, :, CENTRE, CENTRE] = torch.from_numpy(metrics.LUMA_WEIGHTS)
    torch.testing.assert_close(found, expected)


def test_every_place_within_an_lr_pixel_has_a_map() -> None:
    found = receptive_field.gradient_map(nn.Upsample(scale_factor=2, mode="bilinear"), patch(), 2)
    green = found[:, 1, CENTRE - 1 : CENTRE + 2, CENTRE] / metrics.LUMA_WEIGHTS[1]
    assert green.numpy() == pytest.approx(0.75 * np.array([[0.25, 0.75, 0], [0, 0.75, 0.25]]))


def test_the_map_of_a_mean_is_flat() -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Upsample(2 * PATCH_PX))
    found = receptive_field.gradient_map(module, patch(), 2)
    weights = torch.from_numpy(metrics.LUMA_WEIGHTS).reshape(1, 3, 1, 1) / PATCH_PX**2
    torch.testing.assert_close(found, weights.expand_as(found))


@pytest.fixture(scope="module")
def live_parts() -> dict[str, np.ndarray]:
    network = image_like_network(2)
    for layer in dynamic_layers(network):
        layer.attention.temperature = 0.1
    return receptive_field.gradient_maps(network, patch())


def test_convolutions_see_the_theoretical_square_and_attention_everything(
    live_parts: dict[str, np.ndarray],
) -> None:
    reach = receptive_field.theoretical(2)
    rows, columns = np.nonzero(live_parts[CONVOLUTIONS])
    for places in (rows, columns):
        assert places.min() - CENTRE >= min(reach.low)
        assert places.max() - CENTRE <= max(reach.high)
    assert (live_parts[ATTENTION] > 0).all()


def test_nothing_goes_through_dead_attention() -> None:
    network = image_like_network(2)
    for layer in dynamic_layers(network):
        layer.attention.squeeze.weight.data = -layer.attention.squeeze.weight.data.abs()
    assert receptive_field.gradient_maps(network, patch())[ATTENTION].max() == 0


def test_the_square_that_holds_a_share() -> None:
    gradient = np.zeros((5, 5))
    gradient[2, 2], gradient[1, 2], gradient[0, 0] = 5, 4, 1
    assert [receptive_field.held_px(gradient, share) for share in (0.5, 0.9, 0.95)] == [1, 3, 5]


def made_rows(convolutions: np.ndarray, attention: np.ndarray) -> pd.DataFrame:
    lines = [
        ("ours", 2, "w", 3, "p", "c", "t", "n", part, y - CENTRE, *line)
        for part, gradient in ((CONVOLUTIONS, convolutions), (ATTENTION, attention))
        for y, line in enumerate(gradient)
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def test_numbers_by_hand() -> None:
    point, flat = np.zeros((PATCH_PX, PATCH_PX)), np.ones((PATCH_PX, PATCH_PX))
    point[CENTRE, CENTRE] = 1
    (line,) = receptive_field.numbers(made_rows(point, 0 * flat)).itertuples()
    assert (line.half_px, line.most_px, line.theoretical_px, line.attention) == (1, 1, 46, 0)
    (line,) = receptive_field.numbers(made_rows(flat, flat)).itertuples()
    assert (line.half_px, line.most_px, line.attention) == (41, 57, 0.5)


def test_the_drawing_frames_the_theoretical_square() -> None:
    flat = np.ones((PATCH_PX, PATCH_PX))
    drawing = receptive_field.drawing(made_rows(flat, 0 * flat), "ours")
    axes = drawing.figure.axes[0]
    reach, (frame,) = receptive_field.theoretical(2), axes.patches
    assert frame.get_width() == max(reach.high) - min(reach.low) + 1
    assert drawing._repr_png_().startswith(b"\x89PNG")


def test_maps_are_kept_and_reused_by_their_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dynamics_settings(tmp_path, monkeypatch, size=(116, 120))
    rows = receptive_field.measure_fields(settings, progress=False)
    assert len(rows) == 2 * PATCH_PX
    assert set(rows["patches"]) == {1}
    path = settings.report / "rows" / "dynamics_field.csv"
    before = path.stat().st_mtime_ns
    monkeypatch.setattr(receptive_field, "_mean_maps", lambda *_: pytest.fail("measured again"))
    pd.testing.assert_frame_equal(
        receptive_field.measure_fields(settings, progress=False), rows, check_dtype=False
    )
    assert path.stat().st_mtime_ns == before
    monkeypatch.setattr(receptive_field, "CODE_VERSION", "changed")
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        receptive_field.measure_fields(settings, progress=False)


def flat(value: int) -> np.ndarray:
    return np.full((PATCH_PX, PATCH_PX, 3), value, np.uint8)


def test_patches_are_spread_over_all_images_that_are_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [[("a", flat(0), None), ("b", flat(1)[1:], None)], [(str(k), flat(k), None) for k in (2, 3, 4)]]
    monkeypatch.setattr(receptive_field, "benchmarks", lambda settings, scale: sets)
    found = receptive_field.patches(SimpleNamespace(patches=2), 2)
    assert [image.max() for image in found] == [0, 3]


def test_rows_are_means_over_patches_and_of_these_patches_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def maps(network: object, image: np.ndarray) -> dict[str, np.ndarray]:
        return {part: image[..., 0] * factor for part, factor in ((CONVOLUTIONS, 1.0), (ATTENTION, 0.5))}

    monkeypatch.setattr(receptive_field, "gradient_maps", maps)
    trained = SimpleNamespace(network=None, title="any", about={})
    rows = receptive_field._mean_maps(trained, [flat(1), flat(3)], progress=False)
    for part, mean in ((CONVOLUTIONS, 2), (ATTENTION, 1)):
        assert (receptive_field._map_of(rows, part) == mean).all()
    assert rows["y"].tolist() == 2 * [*range(-CENTRE, CENTRE + 1)]
    first, second = (receptive_field._identity(trained, [flat(value)]) for value in (1, 3))
    assert {key for key in first if first[key] != second[key]} == {"patches_sha256"}


def test_images_that_are_too_small_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HdsrError, match="no LR image of Own has 57 pixels each way"):
        receptive_field.measure_fields(dynamics_settings(tmp_path, monkeypatch), progress=False)
