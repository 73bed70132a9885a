"""A run's folder: config.yaml, log.csv, the last two states (and the one where the rate began to fall), and
weights.safetensors, the best so far on the held-out images.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from hdsr.checkpoint import save
from hdsr.files import atomic_path, sha256, sole_use_of
from hdsr.training import log
from hdsr.training.config import TrainingConfig
from hdsr.training.states import save_state

Watcher = Callable[[Path], object]
"""Called with the log's path whenever the log has a new row."""


class RunFolder:
    """What a run writes: of several processes that train together only one does, the others pass over it."""

    def __init__(self, path: Path, writes: bool, watch: Watcher | None = None) -> None:
        self.path, self.writes, self.watch = path, writes, watch
        self.weights, self.log = path / "weights.safetensors", path / "log.csv"
        self._kept = b""

    def sole_use(self) -> AbstractContextManager[None]:
        """Nobody else trains into the folder meanwhile; HdsrError if somebody does already."""
        refusal = f"another process is training into {self.path}: wait for it, or name another folder"
        return sole_use_of(self.path / ".lock", refusal) if self.writes else nullcontext()

    def begin(self, config: TrainingConfig, state: dict[str, Any] | None) -> None:
        """Write down the configuration, and set log and weights back to what they were at a state."""
        if not self.writes:
            return
        if state is None:
            log.cut(self.log, 0)
        else:
            log.cut(self.log, state["progress"]["step"], state.get("log"))
            if state.get("weights") is not None:
                self._kept = state["weights"].numpy().tobytes()
        with atomic_path(self.path / "config.yaml") as temporary:
            kept = config.model_dump(mode="json", exclude_none=True)
            temporary.write_text(yaml.safe_dump(kept, sort_keys=False))

    def keep(self, network: nn.Module, about: dict[str, Any]) -> str | None:
        """Write weights.safetensors; its SHA-256."""
        if not self.writes:
            return None
        save(network, self.weights, about)
        self._kept = self.weights.read_bytes()
        return sha256(self.weights)

    def has_weights(self, digest: str | None) -> bool:
        """Whether weights.safetensors is what it was, be it written anew from the last state."""
        if not self.writes or (self.weights.is_file() and sha256(self.weights) == digest):
            return True
        if self._kept:  # a state from before states had the weights in them leaves nothing here
            with atomic_path(self.weights) as temporary:
                temporary.write_bytes(self._kept)
        return bool(self._kept)

    def append(self, row: tuple) -> None:
        """Append a row to the log and show it to the watcher."""
        if self.writes:
            log.append(self.log, row)
            if self.watch:
                self.watch(self.log)

    def save(self, step: int, state: dict[str, Any], stays: int | None) -> None:
        """Write the state of a step with log and weights as they are; see `hdsr.training.states`."""
        if self.writes:
            # within the state, and not only beside it: a run that is killed between writing two files resumes
            # from what belongs together
            kept = torch.frombuffer(bytearray(self._kept), dtype=torch.uint8) if self._kept else None
            save_state(self.path, step, {**state, "log": log.read(self.log), "weights": kept}, stays)
