"""Whether weights come from a completed run of the paper's recipe, as their file and their log say."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from hdsr import checkpoint, paths
from hdsr.errors import HdsrError
from hdsr.files import sha256
from hdsr.training.config import TrainingConfig, load_config

_FREE = {"data", "images_on", "save_every", "log_every", "seed", "validation", "channels_last"}
"""Keys of a configuration that do not change the recipe."""


def completed_weights(weights: Iterable[str | Path]) -> frozenset[str]:
    """SHA-256 of those files, and of the weights that ship, that a completed run of the paper's recipe made.

    Args:
        weights: sources of weights; those that are no .safetensors files are passed over.
    """
    shipped = sorted(paths.OWN_WEIGHTS.glob("hdsrnet_x?.safetensors"))
    named = [Path(source) for source in weights if str(source).endswith(".safetensors")]
    return frozenset(sha256(path) for path in [*shipped, *named] if is_completed(path))


def is_completed(path: Path) -> bool:
    """Whether a file's header names the paper's recipe, and the log beside it reaches the recipe's last step.

    The log is log.csv in the folder of a run. Weights without one are not taken for a completed run's.
    """
    log = path.parent / "log.csv"
    try:
        about = checkpoint.describe(path)
        recipe = load_config(paths.CONFIGS / f"paper_x{about['scale']}.yaml")
    except HdsrError:
        return False
    if not log.is_file() or not follows(about.get("config", {}), recipe):
        return False
    return int(pd.read_csv(log)["step"].max()) >= recipe.steps


def follows(config: dict[str, object], recipe: TrainingConfig) -> bool:
    """Whether a configuration, as a weights file holds it, is the recipe in all that matters."""
    wanted = recipe.model_dump(mode="json", exclude=_FREE, exclude_none=True)
    return {key: value for key, value in config.items() if key not in _FREE} == wanted
