"""A run's folder: config.yaml, log.csv, the last two states (and the one where the rate began to fall), and
weights.safetensors, the best so far on the held-out images.

log.csv has a row at each validation and every few steps between.
"""

import itertools
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from torch import nn
from tqdm import tqdm

from hdsr.checkpoint import save
from hdsr.errors import HdsrError
from hdsr.files import atomic_path, check_regular, sha256, sole_use_of
from hdsr.training.config import TrainingConfig
from hdsr.training.states import save_state

Watcher = Callable[[Path], object]
"""Called with the log's path whenever the log has a new row."""
COLUMNS = (
    "step",
    "loss",
    "learning_rate",
    "gradient_norm",
    "skipped",
    "psnr_db",
    "more_psnr_db",
    "seconds",
)
_HEADER = ",".join(COLUMNS) + "\n"


class RunFolder:
    """What a run writes: of several processes that train together only one does, the others pass over it."""

    def __init__(self, path: Path, writes: bool, watch: Watcher | None = None) -> None:
        self.path, self.writes, self.watch = path, writes, watch
        self.weights, self.log = path / "weights.safetensors", path / "log.csv"
        self.config = path / "config.yaml"
        self._kept = b""

    def sole_use(self) -> AbstractContextManager[None]:
        """Nobody else trains into the folder meanwhile; HdsrError if somebody does already."""
        refusal = f"another process is training into {self.path}: wait for it, or name another folder"
        return sole_use_of(self.path / ".lock", refusal) if self.writes else nullcontext()

    def begin(self, config: TrainingConfig, state: dict[str, Any] | None) -> None:
        """Write down the configuration, and set log and weights back to what they were at a state."""
        if not self.writes:
            return
        written = yaml.safe_dump(config.model_dump(mode="json", exclude_none=True), sort_keys=False)
        for path in filter(Path.exists, (self.weights, self.config)):
            check_regular(path, "a file of a run")
        if state is None and self.weights.exists():  # of a run whose states are gone or damaged
            for path in filter(Path.exists, (self.weights, self.log)):
                _set_aside(path)
        self._set_log("" if state is None else state["log"])
        if state is not None and state["weights"] is not None:
            self._kept = state["weights"].numpy().tobytes()
        if state is None and self.config.exists() and self.config.read_bytes() != written.encode():
            _set_aside(self.config)
        with atomic_path(self.config) as temporary:
            temporary.write_text(written, encoding="utf-8")

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
        if digest and self._kept:
            with atomic_path(self.weights) as temporary:
                temporary.write_bytes(self._kept)
        return bool(digest and self._kept)

    def append(self, row: tuple) -> None:
        """Append a row to the log, with its header if it is new, and show it to the watcher."""
        if not self.writes:
            return
        frame = pd.DataFrame([row], columns=COLUMNS)
        try:
            frame.to_csv(self.log, mode="a", index=False, header=not self.log.exists())
        except OSError as error:
            raise HdsrError(f"cannot write {self.log}: {error.strerror}") from None
        if self.watch:
            self.watch(self.log)

    def save(self, step: int, state: dict[str, Any], stays: int | None) -> None:
        """Write the state of a step with log and weights as they are; see `hdsr.training.states`."""
        if self.writes:
            # within the state, and not only beside it: a run that is killed between writing two files resumes
            # from what belongs together
            kept = torch.frombuffer(bytearray(self._kept), dtype=torch.uint8) if self._kept else None
            save_state(self.path, step, {**state, "log": self._read_log(), "weights": kept}, stays)

    def _read_log(self) -> str:
        """What the log says; nothing if there is none."""
        if not self.log.exists():
            return ""
        check_regular(self.log, "the log of a run")
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _set_log(self, said: str) -> None:
        """Set the log back to what it said; HdsrError if the file is something else than such a log."""
        header = self._read_log().partition("\n")[0]
        if not _HEADER.startswith(header):
            raise HdsrError(f"{self.log} is not the log of such a run: move it away, then resume")
        if not said:
            self.log.unlink(missing_ok=True)
            return
        with atomic_path(self.log) as temporary:
            temporary.write_text(said, encoding="utf-8")


def _set_aside(path: Path) -> None:
    """Give a file that no state of this run knows another name, and say so."""
    numbers = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    names = (path.with_stem(f"{path.stem}-before{number}") for number in numbers)
    kept = next(name for name in names if not name.exists())
    path.rename(kept)
    tqdm.write(f"{path} of before is now {kept.name}", file=sys.stderr)


def last_step(log: str) -> int:
    """The step that the last row of a log is of; 0 where it has none."""
    number = log.splitlines()[-1].partition(",")[0] if log else ""
    return int(number) if number.isdecimal() else 0
