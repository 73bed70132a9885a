"""Saved states: the last two are kept, a damaged one is passed over, a full disk loses nothing."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from hdsr.errors import HdsrError
from hdsr.training.states import load_state, save_state, saved_states


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk that is full after `size` bytes of any one file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def state_of(step: int) -> dict:
    return {"step": step, "weights": torch.full((100,), float(step))}


def test_the_last_two_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    assert load_state(tmp_path) is None
    for step in (9, 10, 200):
        save_state(tmp_path, step, state_of(step))
    assert [path.name for path in saved_states(tmp_path)] == ["state-00000200.pt", "state-00000010.pt"]
    assert load_state(tmp_path)["step"] == 200


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_torn_state_falls_back_to_the_one_before(
    tmp_path: Path, share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (1, 2):
        save_state(tmp_path, step, state_of(step))
    newest = saved_states(tmp_path)[0]
    content = newest.read_bytes()
    newest.write_bytes(content[: int(share * len(content))])
    assert load_state(tmp_path)["step"] == 1
    assert "state-00000002.pt is damaged" in capsys.readouterr().out


def test_a_full_disk_is_one_line_and_the_older_states_stay(tmp_path: Path) -> None:
    for step in (1, 2):
        save_state(tmp_path, step, state_of(step))
    with (
        largest_file(200),
        pytest.raises(
            HdsrError, match=r"cannot save .*state-00000003\.pt: File too large; states kept: state-"
        ),
    ):
        save_state(tmp_path, 3, state_of(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state-00000001.pt", "state-00000002.pt"]
    assert load_state(tmp_path)["step"] == 2
