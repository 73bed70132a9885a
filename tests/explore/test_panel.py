"""The page without a browser: every control does what it says, and whatever fails leaves all as it was."""

import base64
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exploring import photograph, settings_in, weights_in
from PIL import Image
from torch import nn

from hdsr.errors import HdsrError
from hdsr.explore import controls, look, pictures, still
from hdsr.explore.controls import FIRST_LAYER
from hdsr.explore.panel import Explorer
from hdsr.images import write_png
from hdsr.methods import registry
from hdsr.metrics import psnr_y
from hdsr.settings import ExploreSettings
from hdsr.study import mixes, trace
from hdsr.suite import parameters


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explore")


@pytest.fixture(scope="module")
def settings(folder: Path) -> ExploreSettings:
    return settings_in(folder)


@pytest.fixture
def explorer(settings: ExploreSettings) -> Explorer:
    return Explorer(settings)


def settled(explorer: Explorer) -> str:
    """What the line above the pictures says when nothing is left to be done."""
    assert explorer.latest.wait(60)
    assert explorer.progress.layout.visibility == "hidden"
    return explorer.status.value


def is_stale(explorer: Explorer) -> bool:
    return "hdsr-stale" in explorer._dom_classes


def shown(explorer: Explorer) -> dict[str, bytes]:
    return {picture["name"]: picture["png"] for picture in explorer.comparison.pictures}


def everything(explorer: Explorer) -> tuple[object, ...]:
    values = (explorer.scores, explorer.error, explorer.mixes, explorer.maps)
    settled(explorer)
    return explorer.seen, explorer.view.made_by, shown(explorer), *(widget.value for widget in values)


def test_it_opens_with_the_first_image_scale_and_weights(explorer: Explorer) -> None:
    assert "first: 20 x 20 → 40 x 40 pixels" in settled(explorer)
    assert list(shown(explorer)) == ["Bicubic", "HDSRNet", "True image"]
    assert shown(explorer)["HDSRNet"] == pictures.png(explorer.seen.trained.sr)
    assert explorer.picker.value == explorer.layer.value == FIRST_LAYER
    assert len(explorer.picker.parts) == len(explorer.layer.options)
    for part in explorer.picker.parts:
        assert 0 < part["left"] < part["left"] + part["width"] < 1
        assert 0 < part["top"] < part["top"] + part["height"] < 1


def test_another_image_changes_everything(explorer: Explorer) -> None:
    before, figure = everything(explorer), explorer.picker.png
    explorer.controls.image.value = explorer.controls.image.options[1][1]
    after = everything(explorer)
    assert after[0].subject.name == "second"
    assert all(new != old for new, old in zip(after[2:], before[2:], strict=True))
    assert explorer.picker.png != figure


def test_the_temperature_is_moved_and_put_back(explorer: Explorer) -> None:
    before = everything(explorer)
    explorer.controls.temperature.value = 0.1
    settled(explorer)
    assert list(shown(explorer)) == ["Bicubic", "HDSRNet at 0.1", "True image"]
    assert shown(explorer)["HDSRNet at 0.1"] != before[2]["HDSRNet"]
    assert "temperature 0.1" in explorer.scores.value
    assert explorer.maps.value != before[-1]
    explorer.controls.left.value = "HDSRNet as trained"
    settled(explorer)
    assert shown(explorer)["HDSRNet as trained"] == before[2]["HDSRNet"]
    explorer.controls.left.value = "Bicubic"
    explorer.controls.reset.click()
    assert everything(explorer)[2:] == before[2:]


def test_the_slider_need_not_hit_the_trained_temperature_exactly(explorer: Explorer) -> None:
    trained = explorer.view.made_by.temperature
    explorer.controls.temperature.value = 10 ** (round(np.log10(trained) / 0.05) * 0.05)
    assert explorer.controls.temperature.value != trained
    settled(explorer)
    assert explorer.seen.chosen is explorer.seen.trained


def test_a_layer_is_picked_in_the_figure_or_by_name(explorer: Explorer) -> None:
    explorer.picker.value = "mul"
    assert explorer.layer.value == "mul"
    settled(explorer)
    assert "Feature maps of product of both branches: 64 maps of 20 × 20" in explorer.maps.value
    explorer.layer.value = "reconstruction.exit"
    assert explorer.picker.value == "reconstruction.exit"
    settled(explorer)
    assert "3 maps of 40 × 40" in explorer.maps.value
    alike = explorer.maps.value
    explorer.controls.each.value = True
    settled(explorer)
    assert explorer.maps.value != alike


def test_weights_that_cannot_be_used_leave_all_as_it_was(explorer: Explorer, folder: Path) -> None:
    before = everything(explorer)
    explorer.controls.scale.value = 4
    assert re.search("holds weights for x2, expected x4. Everything below is as it was", settled(explorer))
    assert is_stale(explorer)
    assert everything(explorer) == before
    explorer.controls.weights.value = controls.FILE
    assert "Type the path" in settled(explorer)
    explorer.controls.file.value = str(folder / "nowhere.safetensors")
    assert "no weights at" in settled(explorer)
    assert everything(explorer) == before
    explorer.controls.file.value = str(weights_in(folder, 4))
    assert "first: 10 x 10 → 40 x 40 pixels" in settled(explorer)
    assert "untrained_x4.safetensors" in settled(explorer)
    assert not is_stale(explorer)


def test_an_upload_is_shown_enlarged_or_compared(explorer: Explorer) -> None:
    explorer.receive("mine.png", pictures.png(photograph(32)))
    assert "mine.png: 32 x 32 → 64 x 64 pixels" in settled(explorer)
    assert list(shown(explorer)) == ["Bicubic", "HDSRNet"]
    assert "nothing can be scored" in explorer.scores.value
    assert explorer.error.value == ""
    assert explorer.controls.role.layout.display == ""
    explorer.controls.role.value = "hr"
    assert "mine.png: 16 x 16 → 32 x 32 pixels" in settled(explorer)
    assert "Error map" in explorer.error.value
    explorer.receive("other.png", pictures.png(photograph(36)))
    labels = [label for label, _ in explorer.controls.image.options]
    assert labels == ["tiny: first", "tiny: second", "uploaded: other.png"]
    explorer.controls.image.value = explorer.controls.image.options[0][1]
    assert explorer.controls.role.layout.display == "none"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no image", "mine.png is not an image of a known format"),
        (pictures.png(photograph(32))[:900], "mine.png is a damaged image"),
    ],
)
def test_a_bad_upload_leaves_all_as_it_was(explorer: Explorer, data: bytes, sentence: str) -> None:
    explorer.controls.role.value = "hr"
    before, offered = everything(explorer), explorer.controls.choice()
    explorer.receive("mine.png", data)
    assert sentence in settled(explorer)
    assert "Shown: first: 20 x 20 → 40 x 40 pixels" in settled(explorer)
    assert everything(explorer) == before
    assert explorer.controls.choice() == offered
    explorer.picker.value = "mul"
    assert "first: 20 x 20" in settled(explorer)


def test_an_upload_too_small_to_be_scored_leaves_the_one_before(explorer: Explorer) -> None:
    explorer.controls.role.value = "hr"
    explorer.receive("mine.png", pictures.png(photograph(32)))
    before, offered = everything(explorer), explorer.controls.choice()
    explorer.receive("tiny.png", pictures.png(photograph(15)))
    assert "tiny.png has 15 x 15 pixels, too few to be scored at x2: expected 16 x 16" in settled(explorer)
    assert everything(explorer) == before
    assert explorer.controls.choice() == offered
    explorer.receive("least.png", pictures.png(photograph(16)))
    assert "least.png: 8 x 8 → 16 x 16 pixels" in settled(explorer)


def test_what_was_refused_is_told_beside_what_was_chosen_before(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = threading.Event()
    enlarge = look.enlarge
    monkeypatch.setattr(look, "enlarge", lambda *given, **more: refused.wait(60) and enlarge(*given, **more))
    explorer.controls.image.value = explorer.controls.image.options[1][1]
    explorer.receive("broken.png", b"no image")
    refused.set()
    assert "broken.png is not an image" in settled(explorer)
    assert "Shown: second: " in settled(explorer)
    explorer.controls.image.value = explorer.controls.image.options[0][1]
    assert "broken.png" not in settled(explorer)


def test_what_a_file_loses_is_told(explorer: Explorer) -> None:
    see_through = np.dstack([photograph(32), np.full((32, 32), 9, np.uint8)])
    explorer.receive("mine.png", pictures.png(see_through))
    assert "Of mine.png, its transparency is left out." in settled(explorer)


def test_the_true_image_is_offered_only_where_it_is_known(explorer: Explorer) -> None:
    explorer.controls.left.value = "True image"
    settled(explorer)
    assert list(shown(explorer)) == ["True image", "HDSRNet"]
    explorer.receive("mine.png", pictures.png(photograph(32)))
    settled(explorer)
    assert list(shown(explorer)) == ["Bicubic", "HDSRNet"]
    assert explorer.controls.left.value == "Bicubic"
    explorer.controls.role.value = "hr"
    settled(explorer)
    assert ("True image", "True image") in explorer.controls.left.options


def test_figure_1_shows_what_the_temperature_makes(explorer: Explorer) -> None:
    drawn = {}
    for temperature in (40.0, 0.01, 40.0, 1.0):
        explorer.controls.temperature.value = temperature
        settled(explorer)
        assert drawn.setdefault(temperature, explorer.picker.png) == explorer.picker.png
    assert len(set(drawn.values())) == 3


def test_a_file_that_is_too_large_is_declined_in_a_sentence(explorer: Explorer) -> None:
    explorer.decline("film.avi", 3_000_000_000)
    assert "film.avi has 3000 MB, more than the 200 MB that are read here." in settled(explorer)


def test_names_of_files_cannot_write_html(explorer: Explorer) -> None:
    explorer.receive("<img src=x>.png", b"")
    assert "&lt;img src=x&gt;.png" in settled(explorer)


def test_where_nothing_is_alive_there_is_a_picture(explorer: Explorer) -> None:
    bundle, about = explorer._repr_mimebundle_()
    assert about["image/jpeg"]["alt"].startswith("One image in the explorer: before and after")
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == "Explorer: first at ×2"
    with Image.open(BytesIO(base64.b64decode(bundle["image/jpeg"]))) as picture:
        assert picture.format == "JPEG"
        assert picture.width == 1000


def test_the_still_picture_carries_its_numbers(explorer: Explorer, tmp_path: Path) -> None:
    numbers = explorer.still().write(tmp_path).numbers
    assert numbers["panel"].tolist() == ["Bicubic", "HDSRNet", *(f"block {index}" for index in range(1, 6))]
    lines = still.table(numbers).printed
    assert lines["PSNR (dB)"].tolist()[2:] == ["–"] * 5
    assert lines["kernel 1"].tolist()[:2] == ["–"] * 2
    assert lines["kernel 1"][2] == f"{numbers['share_1'][2]:.4f}"
    assert numbers["share_1"][2:].to_numpy() == pytest.approx(explorer.seen.chosen.shares[:, 0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["explore.csv", "explore.pdf", "explore.png"]
    explorer.receive("mine.png", pictures.png(photograph(32)))
    settled(explorer)
    assert explorer.still().numbers["panel"].tolist()[0] == "block 1"


def test_what_is_not_there_is_not_offered(folder: Path, settings: ExploreSettings) -> None:
    changes = {
        "datasets": (*settings.datasets, "Set77"),
        "weights": (*settings.weights, "authors", str(folder / "none.pt")),
    }
    changed = settings.model_copy(update=changes)
    assert "unknown data set &#x27;Set77&#x27;" in Explorer(changed).status.value
    assert controls.offered_weights(changed) == [*settings.weights, "ours"]


def test_without_images_or_weights_one_line_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parameters.schema_of("explore")(datasets=["Set77"])
    with pytest.raises(HdsrError, match="there is no image to begin with: unknown data set 'Set77'"):
        Explorer(settings)
    monkeypatch.setattr(controls, "_is_there", lambda source, settings: False)
    with pytest.raises(HdsrError, match="there are no weights to begin with: looked for ours, authors"):
        Explorer(parameters.schema_of("explore")())


def slow_enlargements(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[float]:
    """Make every enlargement take so long; gives the temperatures of those that were finished."""
    finished, enlarge = [], look.enlarge

    def slow(lr: np.ndarray, made_by: look.Networks, temperature: float, advance: Any) -> look.Enlargement:
        for _ in range(20):
            time.sleep(seconds / 20)
            advance(0)
        finished.append(temperature)
        return enlarge(lr, made_by, temperature, advance)

    monkeypatch.setattr(look, "enlarge", slow)
    return finished


def test_widgets_moved_faster_than_they_compute_show_only_the_last(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = slow_enlargements(monkeypatch, 0.4)
    temperatures = [10 ** (step / 20) for step in range(30)]
    for temperature in temperatures:
        explorer.controls.temperature.value = temperature
        explorer.layer.value = "mul" if temperature < 10 else "upper.entry"
        assert is_stale(explorer)
        assert "hdsr-busy" in explorer.status.value
        time.sleep(0.01)
    assert explorer.progress.layout.visibility == "visible"
    settled(explorer)
    assert finished == temperatures[-1:]
    assert not is_stale(explorer)
    view = explorer.view
    assert (view.choice, view.seen.chosen.temperature) == (explorer.controls.choice(), temperatures[-1])
    assert np.array_equal(
        view.seen.chosen.sr, look.enlarge(view.seen.subject.lr, view.made_by, temperatures[-1], int).sr
    )
    assert f"temperature {temperatures[-1]:.3g}" in explorer.scores.value
    assert "Feature maps of upper, entry" in explorer.maps.value


def test_what_has_been_shown_is_kept_when_a_person_comes_back_to_it(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, finished = everything(explorer), slow_enlargements(monkeypatch, 1.0)
    explorer.controls.temperature.value = 1.0
    explorer.controls.reset.click()
    assert everything(explorer) == before
    assert finished == []


def test_two_threads_change_the_controls_and_a_third_measures(explorer: Explorer) -> None:
    """As in JupyterLab: messages of widgets on one thread, cells on another, which use the same networks."""
    call, network = nn.Module.__call__, explorer.view.made_by.plain
    lr = explorer.seen.subject.lr
    wanted = mixes.kernel_mix(network, lr).shares

    def move(layers: list[str]) -> None:
        for step in range(12):
            explorer.controls.temperature.value = 0.1 * (step + 1)
            explorer.layer.value = layers[step % len(layers)]
            trace.cut_behind(network, layers[0])

    with ThreadPoolExecutor() as pool:
        moving = [pool.submit(move, layers) for layers in (["mul", "upper.entry"], ["reconstruction.exit"])]
        while not all(each.done() for each in moving):
            assert np.array_equal(mixes.kernel_mix(network, lr).shares, wanted)
            assert nn.Module.__call__ is call
        for each in moving:
            each.result()
    settled(explorer)
    assert explorer.view.choice == explorer.controls.choice()
    assert explorer.seen.chosen.shares.shape == (5, 4)
    assert network.upper.blocks[0].dynamic.attention.temperature == 40
    assert not any(module._forward_hooks for module in network.modules())


def test_a_fault_of_the_program_is_told_and_ends_nothing(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(look, "feature_maps", lambda *_: {}["gone"])
        explorer.layer.value = "mul"
        assert "KeyError: &#x27;gone&#x27;. Everything below is as it was before." in settled(explorer)
    assert is_stale(explorer)
    assert "Traceback" in capsys.readouterr().err
    explorer.layer.value = "upper.entry"
    assert "first: 20 x 20" in settled(explorer)
    assert not is_stale(explorer)


def test_a_method_with_weights_stands_left_of_the_divider_and_is_scored(explorer: Explorer) -> None:
    assert ("SRCNN, trained here", ("srcnn", "ours")) in explorer.controls.left.options
    explorer.controls.left.value = ("srcnn", "ours")
    settled(explorer)
    image = registry.load("srcnn", 2, "ours")(explorer.seen.subject.lr)
    assert shown(explorer)["SRCNN, trained here"] == pictures.png(image)
    assert list(shown(explorer)) == ["SRCNN, trained here", "HDSRNet", "True image"]
    assert f"{psnr_y(image, explorer.seen.subject.hr, 2):.2f}" in explorer.scores.value
    explorer.controls.left.value = "True image"
    settled(explorer)
    assert list(shown(explorer)) == ["True image", "HDSRNet"]
    assert "SRCNN" not in explorer.scores.value


def test_a_slow_method_is_dropped_on_the_way(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = []

    def slow(lr: np.ndarray) -> np.ndarray:
        for _ in range(1000):
            operations.append(torch.ones(1) + 1)
            time.sleep(0.01)
        raise AssertionError("it was run to its end")

    monkeypatch.setattr(look, "method", lambda *_: registry.Method("slow", "Slow", "none", "none", "0", slow))
    explorer.controls.left.value = ("srcnn", "ours")
    while not operations:
        time.sleep(0.01)
    explorer.controls.left.value = "Bicubic"
    settled(explorer)
    assert len(operations) < 1000
    assert next(iter(shown(explorer))) == "Bicubic"


def test_benchmark_images_of_the_data_folder_are_offered(folder: Path, settings: ExploreSettings) -> None:
    root = folder / "data"
    write_png(root / "benchmarks" / "Set5" / "HR" / "butterfly.png", photograph())
    (root / "benchmarks" / "Set14").mkdir()
    explorer = Explorer(settings.model_copy(update={"data_root": str(root)}))
    labels = [label for label, _ in explorer.controls.image.options]
    assert labels == ["tiny: first", "tiny: second", "Set5 (altered): butterfly"]
    explorer.controls.image.value = ("Set5", "butterfly")
    assert "butterfly: 20 x 20 → 40 x 40 pixels" in settled(explorer)
    assert explorer.comparison.file_name == "butterfly_x2.png"
