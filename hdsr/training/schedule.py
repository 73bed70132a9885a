"""The learning rate over a run."""

import math

from hdsr.training.config import TrainingConfig


def rate_factor(config: TrainingConfig, step: int) -> float:
    """Learning rate over its peak when the run has taken `step` of its steps."""
    schedule = config.schedule
    warmup = min(1.0, (step + 1) / schedule.warmup_steps) if schedule.warmup_steps else 1.0
    if schedule.kind == "constant":
        return warmup
    if schedule.kind == "linear":
        left = (config.steps - step) / (config.steps * schedule.decay_share)
        return warmup * min(1.0, max(0.0, left))
    return warmup * 0.5 ** (step // schedule.halve_every)


def decay_begins(config: TrainingConfig) -> int | None:
    """The step of a run at which its rate, constant until then, begins to fall; None if there is none."""
    schedule = config.schedule
    if schedule.kind != "linear" or schedule.decay_share == 1:
        return None
    return config.steps - math.ceil(config.steps * schedule.decay_share)
