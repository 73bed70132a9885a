"""The page without a browser: every control does what it says, and whatever fails leaves all as it was."""

import base64
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from exploring import photograph, settings_in, weights_in
from PIL import Image

from hdsr.errors import HdsrError
from hdsr.explore import controls, pictures, still
from hdsr.explore.panel import FIRST_LAYER, Explorer
from hdsr.settings import ExploreSettings
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


def shown(explorer: Explorer) -> dict[str, bytes]:
    return {picture["name"]: picture["png"] for picture in explorer.comparison.pictures}


def everything(explorer: Explorer) -> tuple[object, ...]:
    values = (explorer.scores, explorer.error, explorer.mixes, explorer.maps)
    return explorer.seen, explorer.made_by, shown(explorer), *(widget.value for widget in values)


def test_it_opens_with_the_first_image_scale_and_weights(explorer: Explorer) -> None:
    assert "first: 20 x 20 → 40 x 40 pixels" in explorer.status.value
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
    assert list(shown(explorer)) == ["Bicubic", "HDSRNet at 0.1", "True image"]
    assert shown(explorer)["HDSRNet at 0.1"] != before[2]["HDSRNet"]
    assert "temperature 0.1" in explorer.scores.value
    assert explorer.maps.value != before[-1]
    explorer.before.value = "HDSRNet as trained"
    assert shown(explorer)["HDSRNet as trained"] == before[2]["HDSRNet"]
    explorer.before.value = "Bicubic"
    explorer.controls.reset.click()
    assert everything(explorer)[2:] == before[2:]


def test_the_slider_need_not_hit_the_trained_temperature_exactly(explorer: Explorer) -> None:
    trained = explorer.made_by.temperature
    explorer.controls.temperature.value = 10 ** (round(np.log10(trained) / 0.05) * 0.05)
    assert explorer.controls.temperature.value != trained
    assert explorer.seen.chosen is explorer.seen.trained


def test_a_layer_is_picked_in_the_figure_or_by_name(explorer: Explorer) -> None:
    explorer.picker.value = "mul"
    assert explorer.layer.value == "mul"
    assert "Feature maps of product of both branches: 64 maps of 20 × 20" in explorer.maps.value
    explorer.layer.value = "reconstruction.exit"
    assert explorer.picker.value == "reconstruction.exit"
    assert "3 maps of 40 × 40" in explorer.maps.value
    alike = explorer.maps.value
    explorer.each.value = True
    assert explorer.maps.value != alike


def test_weights_that_cannot_be_used_leave_all_as_it_was(explorer: Explorer, folder: Path) -> None:
    before = everything(explorer)
    explorer.controls.scale.value = 4
    assert re.search(
        "holds weights for x2, expected x4. Everything below is as it was", explorer.status.value
    )
    assert everything(explorer) == before
    explorer.controls.weights.value = controls.FILE
    assert "Type the path" in explorer.status.value
    explorer.controls.file.value = str(folder / "nowhere.safetensors")
    assert "no weights at" in explorer.status.value
    assert everything(explorer) == before
    explorer.controls.file.value = str(weights_in(folder, 4))
    assert "first: 10 x 10 → 40 x 40 pixels" in explorer.status.value
    assert "untrained_x4.safetensors" in explorer.status.value


def test_an_upload_is_shown_enlarged_or_compared(explorer: Explorer) -> None:
    explorer.receive("mine.png", pictures.png(photograph(32)))
    assert "mine.png: 32 x 32 → 64 x 64 pixels" in explorer.status.value
    assert list(shown(explorer)) == ["Bicubic", "HDSRNet"]
    assert "nothing can be scored" in explorer.scores.value
    assert explorer.error.value == ""
    assert explorer.controls.role.layout.display == ""
    explorer.controls.role.value = "hr"
    assert "mine.png: 16 x 16 → 32 x 32 pixels" in explorer.status.value
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
        (pictures.png(photograph(8)), "an image of 8 x 8 pixels is too small"),
    ],
)
def test_a_bad_upload_leaves_all_as_it_was(explorer: Explorer, data: bytes, sentence: str) -> None:
    explorer.controls.role.value = "hr"
    before, offered = everything(explorer), explorer.controls.state()
    explorer.receive("mine.png", data)
    assert sentence in explorer.status.value
    assert "Everything below is as it was before." in explorer.status.value
    assert everything(explorer) == before
    assert explorer.controls.state() == offered
    explorer.picker.value = "mul"
    assert "first: 20 x 20" in explorer.status.value


def test_a_file_that_is_too_large_is_declined_in_a_sentence(explorer: Explorer) -> None:
    explorer.decline("film.avi", 3_000_000_000)
    assert "film.avi has 3000 MB, more than the 200 MB that are read here." in explorer.status.value


def test_names_of_files_cannot_write_html(explorer: Explorer) -> None:
    explorer.receive("<img src=x>.png", b"")
    assert "&lt;img src=x&gt;.png" in explorer.status.value


def test_where_nothing_is_alive_there_is_a_picture(explorer: Explorer) -> None:
    bundle = explorer._repr_mimebundle_()
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
    assert explorer.still().numbers["panel"].tolist()[0] == "block 1"


def test_what_is_not_there_is_not_offered(folder: Path, settings: ExploreSettings) -> None:
    changes = {
        "datasets": (*settings.datasets, "Set77"),
        "weights": (*settings.weights, "authors", str(folder / "none.pt")),
        "data_root": str(folder),
    }
    changed = settings.model_copy(update=changes)
    assert "unknown data set &#x27;Set77&#x27;" in Explorer(changed).status.value
    assert controls.offered_weights(changed) == [*settings.weights, "ours"]


def test_without_images_or_weights_one_line_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = parameters.validate("explore", {"datasets": ["Set77"]})
    with pytest.raises(HdsrError, match="there is no image to begin with: unknown data set 'Set77'"):
        Explorer(settings)
    monkeypatch.setattr(controls, "is_there", lambda source, settings: False)
    with pytest.raises(HdsrError, match="there are no weights to begin with: looked for ours, authors"):
        Explorer(parameters.validate("explore", {}))
