"""Curves show what the logs say."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from hdsr import checkpoint
from hdsr.errors import HdsrError
from hdsr.paths import LOGS
from hdsr.report import curves
from hdsr.report import training as training_record
from hdsr.training.config import TrainingConfig

RMSE = {"loss": "rmse"}
LOG = """step,loss,learning_rate,gradient_norm,skipped,psnr_db,seconds
10,20.0,0.001,5.0,0,,30
20,10.0,0.0005,4.0,0,28.5,60
30,8.0,0.0,3.0,1,29.5,90
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


def test_a_log_is_read_with_its_minutes(log: Path) -> None:
    rows = curves.read_log(log, RMSE)
    assert rows["minutes"].tolist() == [0.5, 1.0, 1.5]
    assert rows["psnr_db"].isna().tolist() == [True, False, False]


def test_what_is_no_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(HdsrError, match=r"no training log at .*log\.csv"):
        curves.read_log(tmp_path / "log.csv", RMSE)
    for text in ("", "a,b\n1,2\n"):
        (tmp_path / "other.csv").write_text(text)
        with pytest.raises(HdsrError, match=r"other\.csv is not a training log"):
            curves.read_log(tmp_path / "other.csv", RMSE)


def test_lines_are_those_of_the_log(log: Path) -> None:
    rows = curves.read_log(log, RMSE)
    drawing = curves.curve("run", rows, "A run")
    loss, held_out = drawing.figure.axes
    assert loss.lines[0].get_ydata().tolist() == [20, 10, 8]
    assert held_out.lines[0].get_xydata().tolist() == [[20, 28.5], [30, 29.5]]
    assert loss.get_yscale() == "log"
    assert repr(drawing) == "run: run"
    assert drawing._repr_png_().startswith(b"\x89PNG")


def test_a_run_that_was_scored_once_has_no_curve_of_that(log: Path) -> None:
    assert len(curves.curve("run", curves.read_log(log, RMSE).head(2), "A run").figure.axes) == 1


def test_a_run_that_has_no_row_yet_has_no_curve(log: Path) -> None:
    assert curves.curve("run", curves.read_log(log, RMSE).head(0), "None").numbers.empty


def _nth(scale: int, runs: int) -> list[str]:
    """What the first so many runs of a scale are called."""
    words = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
    return [f"{word}_x{scale}" for word in words[:runs]]


@pytest.mark.parametrize(
    ("scale", "names"),
    [
        (2, [*_nth(4, 1), *_nth(2, 6), "hdsrnet_x2"]),
        (3, [*_nth(4, 3), *_nth(3, 5), "hdsrnet_x3"]),
        (4, [*_nth(4, 10), "hdsrnet_x4"]),
    ],
)
def test_the_logs_that_ship_belong_to_the_weights_that_ship(scale: int, names: list[str]) -> None:
    about = checkpoint.describe(training_record.weights_path(scale))
    runs = training_record.lineage(f"hdsrnet_x{scale}", about)
    assert [name for name, _ in runs] == names
    for name, each in runs:
        log = curves.read_log(LOGS / f"{name}.csv", each["config"])
        scored: pd.Series = log.set_index("step")["psnr_db"].dropna()
        if scored.empty:  # others go on from what it was on its way, which was not scored
            assert name in ("first_x4", "second_x4")
            assert log["step"].max() >= each["step"] - each["config"]["log_every"]
            continue
        assert scored[each["step"]] == pytest.approx(each["validation_psnr_db"], abs=1e-4)
        assert scored.max() == scored[each["step"]]


@pytest.mark.parametrize(
    ("config", "loss_of"),
    [
        (RMSE, lambda levels: levels),
        ({"loss": "l1"}, lambda levels: levels),
        ({"loss": "mse"}, np.square),
        ({"loss": "psnr"}, lambda levels: 2 * np.log(levels)),
        ({"loss": "l1", "network": "srcnn"}, np.square),
    ],
)
def test_losses_of_all_kinds_are_told_in_levels(log: Path, config: dict, loss_of: Callable) -> None:
    rows = pd.read_csv(log)
    rows.assign(loss=loss_of(rows["loss"])).to_csv(log, index=False)
    assert curves.read_log(log, config)["loss"].tolist() == pytest.approx([20, 10, 8])


def test_every_kind_of_loss_is_known() -> None:
    assert set(curves._LEVELS) == set(get_args(TrainingConfig.model_fields["loss"].annotation))


def test_gains_are_those_that_the_weights_tell() -> None:
    drawing = curves.gains((2, 4))
    for axes, scale in zip(drawing.figure.axes, (2, 4), strict=True):
        about = checkpoint.describe(training_record.weights_path(scale))
        runs = training_record.lineage(f"hdsrnet_x{scale}", about)
        first = next(
            each for _, each in runs if each["config"]["scale"] == scale and each["validation_psnr_db"]
        )
        for line, key in zip(axes.lines, ("validation_psnr_db", "more_validation_psnr_db"), strict=True):
            assert line.get_ydata()[0] == 0
            assert line.get_ydata()[-1] == pytest.approx(about[key] - first[key])
    assert set(drawing.numbers["panel"]) == {"×2", "×4"}
