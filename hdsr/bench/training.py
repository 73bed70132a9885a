"""How much faster a training step is than one of the published form, and how long its patches take."""

import pandas as pd

from hdsr.bench.forms import DTYPES
from hdsr.bench.rows import Request, Row
from hdsr.measure import training_step

SCALE = 4
BATCH_SIZE, LR_PX = 16, 32


def measure(request: Request, turns: int = 5, steps: int = 30) -> list[Row]:
    """Times of a step in each form, in turns, and the share of a real loop's time spent drawing patches.

    Raises:
        HdsrError: if the training images are not there.
    """
    rows = step_rows(training_step.ratios(SCALE, BATCH_SIZE, LR_PX, turns=turns))
    config = training_step.step_config(SCALE, BATCH_SIZE, LR_PX, "muon")
    share = training_step.drawing_share(config, steps, request.root)
    place = (SCALE, rows[0].size, DTYPES[config.precision], "share")
    return [*rows, Row("time drawing patches", "loop of hdsr train", *place, steps, share)]


def step_rows(frame: pd.DataFrame) -> list[Row]:
    """The lines of `hdsr.measure.training_step.ratios` as rows."""
    return [
        Row(
            *("time of a training step", line.form, line.scale),
            size=f"{line.batch_size} of {line.lr_px}x{line.lr_px}",
            dtype=DTYPES[line.precision],
            unit="ms",
            n=line.n,
            median=line.step_ms,
            quartile1=line.step_ms_quartile1,
            quartile3=line.step_ms_quartile3,
            ratio=line.ratio,
            baseline=line.baseline,
            note=f"optimizer {line.optimizer}",
        )
        for line in frame.itertuples()
    ]
