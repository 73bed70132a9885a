"""A training run followed in a notebook: its curve moves while it goes on."""

import hashlib
import time
from pathlib import Path

from IPython.display import display

from hdsr.errors import HdsrError
from hdsr.paths import CONFIGS
from hdsr.provenance import code_version
from hdsr.report.curves import curve, read_log
from hdsr.report.figures import Drawing
from hdsr.settings import TrainingSettings
from hdsr.training import loop as training
from hdsr.training.config import PLACES, TrainingConfig, load_config

DRAWING_SHARE = 0.05
"""Of a run's time, that drawing its curve may take between two validations."""


class LiveCurve:
    """Draws a run's log in place of the last drawing, as a watcher of `hdsr.training.loop.train`.

    A row with a validation is always drawn, so the last one is; others as far as there is time.
    """

    def __init__(self, name: str, config: TrainingConfig) -> None:
        self.name, self.config, self.title = name, config.model_dump(), f"{name}, ×{config.scale}"
        self.handle = display("The curve appears with the first row of the log.", display_id=True)
        self.next_drawing = 0.0

    def __call__(self, log: Path) -> None:
        rows = read_log(log, self.config)
        began = time.monotonic()
        if began < self.next_drawing and rows["psnr_db"].isna().iloc[-1]:
            return
        self.handle.update(self.drawing(log))
        now = time.monotonic()
        self.next_drawing = now + (now - began) / DRAWING_SHARE

    def drawing(self, log: Path) -> Drawing:
        """The curve of a log as it is now."""
        return curve(self.name, read_log(log, self.config), self.title)


def follow(settings: TrainingSettings) -> Drawing | None:
    """Train as the settings say, drawing on the way; go on with a run of the same code that was stopped.

    Returns:
        The finished curve; None, and the reason in the notebook, where the training images are not there.
    """
    config = run_config(settings)
    out = run_folder(settings, config)
    live = LiveCurve(Path(settings.config).stem, config)
    try:
        training.train(config, out, resume=True, progress=False, watch=live)
    except HdsrError as error:
        live.handle.update(f"not trained: {str(error).replace(str(settings.root), 'DATA')}")
        return None
    drawing = live.drawing(out / "log.csv")
    live.handle.update(drawing)
    return drawing


def run_config(settings: TrainingSettings) -> TrainingConfig:
    """The configuration of a notebook's run: a file of hdsr/configs, or one's own, with its changes.

    Raises:
        HdsrError: for a name of neither, or a file that `load_config` refuses.
    """
    shipped = CONFIGS / f"{settings.config}.yaml"
    path = shipped if shipped.is_file() else Path(settings.config)
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.yaml")))
        raise HdsrError(f"unknown configuration {settings.config!r}: expected a file or one of {known}")
    return load_config(path, [*settings.overrides, f"data={settings.root}"])


def run_folder(settings: TrainingSettings, config: TrainingConfig) -> Path:
    """Where a notebook's run lies: another folder for another configuration or other code."""
    kept = config.model_dump_json(exclude=PLACES)
    code = code_version(training)
    digest = hashlib.sha256(f"{kept} {code}".encode()).hexdigest()[:8]
    return settings.report / "runs" / f"{Path(settings.config).stem}-{digest}"
