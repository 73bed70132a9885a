"""The saved states of a training run: whole or absent, a damaged one passed over, in pieces on request.

A state is what `torch.save` writes, a zip archive, whose CRC-32 of each member is checked before it is read.
"""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from hdsr.errors import HdsrError
from hdsr.files import atomic_path
from hdsr.training.config import PLACES, RATES, TrainingConfig, validated

KEPT = 2
"""States of a run that are kept, the newest ones, besides those that are to stay."""
PIECE_BYTES = 15 * 2**20
_INDEX = "pieces.json"
_PARTS = {"config", "progress", "network", "average", "optimizers"}
"""Of what a state holds, some without which it is none."""


def saved_states(folder: Path) -> list[Path]:
    """State files in `folder`, newest first."""
    return sorted(folder.glob(f"state-{8 * '[0-9]'}.pt"), reverse=True)


def save_state(folder: Path, step: int, state: dict[str, Any], stays: int | None = None) -> None:
    """Write the state of `step`, then drop all but the last two and that of the step `stays`.

    Raises:
        HdsrError: when it cannot be written (a full disk, say); the states before it are untouched.
    """
    content = io.BytesIO()
    torch.save(state, content)
    path = folder / f"state-{step:08d}.pt"
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(content.getbuffer())
    except OSError as error:
        older = ", ".join(state.name for state in saved_states(folder)) or "none"
        raise HdsrError(f"cannot save {path}: {error.strerror}; states kept: {older}") from None
    for old in saved_states(folder)[KEPT:]:
        if stays is None or old.name != f"state-{stays:08d}.pt":
            old.unlink()


def load_state(folder: Path) -> dict[str, Any] | None:
    """The newest state in a run's folder that is whole, or None; a damaged one is named and passed over."""
    for path in saved_states(folder):
        try:
            return read_state(path)
        except HdsrError as error:
            tqdm.write(f"{error}; trying the one before it")
    return None


def read_state(path: Path) -> dict[str, Any]:
    """The state in a file, in a folder of its pieces, or the newest in a run's folder.

    Raises:
        HdsrError: if there is none, or it is damaged.
    """
    if path.is_dir() and not (path / _INDEX).exists():
        state = load_state(path)
        if state is None:
            raise HdsrError(f"no whole state of a run in {path}")
        return state
    content = _joined(path) if path.is_dir() else _bytes_of(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if archive.testzip() is not None:
                raise zipfile.BadZipFile
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # whatever damage makes zipfile and torch raise
        raise HdsrError(f"{path.name} is damaged") from None
    if not isinstance(state, dict) or not _PARTS.issubset(state):
        raise HdsrError(f"{path} holds no state of a run")
    return state


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HdsrError(f"cannot read {path}: {error.strerror}") from None


def split_state(path: Path, folder: Path, piece_bytes: int = PIECE_BYTES) -> list[Path]:
    """Store a state in pieces of at most `piece_bytes`, with an index that has the SHA-256 of each.

    Returns:
        The files, the index last: a folder without it holds no state.
    """
    read_state(path)  # a damaged one is not worth storing
    content = _bytes_of(path)
    pieces = [content[at : at + piece_bytes] for at in range(0, len(content), piece_bytes)]
    index = {f"state.{number:03d}": hashlib.sha256(piece).hexdigest() for number, piece in enumerate(pieces)}
    folder.mkdir(parents=True, exist_ok=True)
    contents = [*pieces, json.dumps(index, indent=1).encode()]
    written = [folder / name for name in (*index, _INDEX)]
    for target, piece in zip(written, contents, strict=True):
        with atomic_path(target) as temporary:
            temporary.write_bytes(piece)
    return written


def _joined(folder: Path) -> bytes:
    """The content of a state that `split_state` has stored in pieces."""
    try:
        index = json.loads(_bytes_of(folder / _INDEX))
        names = [(str(Path(name).name), digest) for name, digest in index.items()]
    except (ValueError, AttributeError):
        raise HdsrError(f"{folder / _INDEX} is damaged") from None
    pieces = []
    for name, digest in names:
        pieces.append(_bytes_of(folder / name))
        if hashlib.sha256(pieces[-1]).hexdigest() != digest:
            raise HdsrError(f"{folder / name} is damaged: it is not the piece that {_INDEX} names")
    return b"".join(pieces)


def check_same_run(config: TrainingConfig, stored: dict[str, Any], sha256: str, stored_sha256: str) -> None:
    """Refuse to resume a run under another configuration or on other images.

    A run at a constant rate may be prolonged: nothing that it does depends on its budget, and nothing that a
    run learns on the start's share in what it keeps. The rates may be lowered.
    """
    free = {*PLACES, "start_share", *(["steps"] if config.schedule.kind == "constant" else [])}
    given, before = (
        item.model_dump(mode="json", exclude=free) for item in (config, validated(stored, "the saved state"))
    )
    for key, value in given.items():
        lowered = key in RATES and value < before[key]
        if value != before[key] and not lowered:
            raise HdsrError(f"cannot resume: {key} was {before[key]!r}, now {value!r}")
    if sha256 != stored_sha256:
        raise HdsrError("cannot resume: the training images are not those that the run began with")


def check_same_network(config: TrainingConfig, stored: dict[str, Any]) -> None:
    """Refuse to branch from a state of another network or optimizer."""
    known = validated(stored, f"the state in {config.branch_from}")
    for key in ("network", "scale", "optimizer", "muon_upsampler", "unit_range"):
        before, now = getattr(known, key), getattr(config, key)
        if before != now:
            raise HdsrError(f"cannot branch from {config.branch_from}: its {key} is {before!r}, not {now!r}")


def check_new(out: Path) -> None:
    """Refuse to begin in a folder that holds a run."""
    if saved_states(out) or (out / "log.csv").exists():
        raise HdsrError(f"{out} already holds a run: --resume goes on with it, or name another folder")
