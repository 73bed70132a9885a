"""A run followed in a notebook: the curve moves, a stopped run goes on, a finished one is not repeated."""

from pathlib import Path
from typing import Any

import pytest

from hdsr.errors import HdsrError
from hdsr.report.figures import Drawing
from hdsr.settings import TrainingSettings
from hdsr.study import live_run
from hdsr.suite import parameters
from hdsr.training import loop as training

OVERRIDES = (
    "sets=[{name: samples}]",
    "validation={images: 0}",
    "steps=4",
    "patch_px=16",
    "batch_size=2",
    "log_every=2",
)


class Handle:
    """Notes what a notebook would show."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def update(self, item: Any) -> None:
        self.shown.append(item)


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Handle:
    handle = Handle()
    monkeypatch.setenv("HDSR_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setattr(live_run, "display", lambda *_, **__: handle)
    monkeypatch.setattr(live_run, "DRAWING_SHARE", 1e9)
    return handle


def settings(*overrides: str, **changes: Any) -> TrainingSettings:
    return parameters.schema_of("training")(**{"overrides": [*OVERRIDES, *overrides], **changes})


def test_the_curve_grows_with_each_row(handle: Handle) -> None:
    drawing = live_run.follow(settings())
    assert [len(item.numbers) for item in handle.shown] == [1, 2, 2]
    assert drawing is handle.shown[-1]
    assert drawing.numbers["step"].tolist() == [2, 4]


def test_a_configuration_that_there_is_not_is_named() -> None:
    named = settings().model_copy(update={"config": "smok"})
    with pytest.raises(HdsrError, match=r"unknown configuration 'smok': expected a file or one of .*, smoke"):
        live_run.run_config(named)


def test_drawing_takes_a_small_share_but_a_validation_is_always_drawn(
    handle: Handle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(live_run, "DRAWING_SHARE", 1e-9)
    live = live_run.LiveCurve("run", live_run.run_config(settings()))
    header = "step,loss,learning_rate,gradient_norm,skipped,psnr_db,seconds\n"
    for row in ("1,9,1,1,0,,1\n", "2,8,1,1,0,,2\n", "3,7,1,1,0,25,3\n"):
        header += row
        (tmp_path / "log.csv").write_text(header)
        live(tmp_path / "log.csv")
    assert [len(item.numbers) for item in handle.shown] == [1, 3]


def test_a_finished_run_is_not_repeated_and_another_one_is_another(
    handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = live_run.follow(settings())
    with monkeypatch.context() as patch:
        patch.setattr(training.Run, "take_step", None)
        again = live_run.follow(settings())
    assert again.numbers.equals(first.numbers)
    assert isinstance(live_run.follow(settings("seed=1")), Drawing)
    folders = {
        live_run.run_folder(item, live_run.run_config(item)) for item in (settings(), settings("seed=1"))
    }
    assert all((folder / "weights.safetensors").is_file() for folder in folders)
    assert len(folders) == 2


def test_a_stopped_run_goes_on(handle: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    take_step = training.Run.take_step

    def interrupted(self: training.Run, *batch: Any) -> None:
        if self.progress.step == 3:
            raise KeyboardInterrupt
        take_step(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(training.Run, "take_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            live_run.follow(settings("save_every=2"))
    assert live_run.follow(settings("save_every=2")).numbers["step"].tolist() == [2, 4]


def test_missing_images_are_told_without_the_folders_of_this_machine(handle: Handle, tmp_path: Path) -> None:
    absent = settings("sets=[{name: T91}]", profile="paper", data_root=str(tmp_path))
    assert live_run.follow(absent) is None
    assert handle.shown[-1].startswith("not trained: ")
    assert "T91" in handle.shown[-1]
    assert str(tmp_path) not in handle.shown[-1]


def test_the_quick_profile_trains_what_needs_no_download() -> None:
    quick = parameters.schema_of("training")(**parameters.load_parameters("training", "quick"))
    config = live_run.run_config(quick)
    assert {item.name for item in config.sets} | {config.validation.set} == {"samples"}
    assert config.steps <= 100
