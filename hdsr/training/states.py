"""The saved states of a training run: whole or absent, the last two kept, a damaged one passed over."""

import io
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from hdsr.errors import HdsrError
from hdsr.files import atomic_path

KEPT = 2


def saved_states(folder: Path) -> list[Path]:
    """State files in `folder`, newest first."""
    return sorted(folder.glob("state-*.pt"), reverse=True)


def save_state(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write the state of `step`, then drop all but the last two.

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
        old.unlink()


def load_state(folder: Path) -> dict[str, Any] | None:
    """The newest state that can be read, or None; a damaged one is named and passed over."""
    for path in saved_states(folder):
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            tqdm.write(f"{path.name} is damaged, trying the one before it ({type(error).__name__})")
    return None
