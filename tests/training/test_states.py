"""Saved states: the last two are kept, a damaged one is passed over, a full disk loses nothing."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from hdsr.errors import HdsrError
from hdsr.training.config import TrainingConfig
from hdsr.training.states import (
    check_new,
    check_same_network,
    check_same_run,
    load_state,
    read_state,
    save_state,
    saved_states,
    split_state,
)


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
    parts = {key: {} for key in ("config", "progress", "network", "average", "optimizers")}
    return {**parts, "step": step, "weights": torch.full((100,), float(step))}


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


@pytest.mark.parametrize("content", [{"a": torch.zeros(3)}, [1, 2], torch.zeros(3)])
def test_another_file_of_torch_is_no_state(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "junk.pt")
    for use in (read_state, lambda path: split_state(path, tmp_path / "pieces")):
        with pytest.raises(HdsrError, match=r"junk\.pt holds no state of a run"):
            use(tmp_path / "junk.pt")
    assert not (tmp_path / "pieces").exists()


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


def test_one_wrong_bit_anywhere_is_noticed(tmp_path: Path) -> None:
    save_state(tmp_path, 1, {"weights": torch.arange(4096.0)})
    content = saved_states(tmp_path)[0].read_bytes()
    middle = content.index(torch.arange(4096.0).numpy().tobytes()[4:])
    for at in (middle, middle + 5000, middle + 16000):
        damaged = bytearray(content)
        damaged[at] ^= 1
        (tmp_path / "state-00000001.pt").write_bytes(damaged)
        with pytest.raises(HdsrError, match=r"state-00000001\.pt is damaged"):
            read_state(tmp_path / "state-00000001.pt")


def test_a_state_that_is_to_stay_stays(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20):
        save_state(tmp_path, step, state_of(step), stays=10)
    assert [path.stem[-2:] for path in saved_states(tmp_path)] == ["20", "15", "10"]


def test_a_state_in_pieces_is_put_together_again(tmp_path: Path) -> None:
    save_state(tmp_path, 7, state_of(7) | {"weights": torch.rand(1000)})
    pieces = split_state(saved_states(tmp_path)[0], tmp_path / "pieces", piece_bytes=1500)
    assert len(pieces) > 3
    assert all(path.stat().st_size <= 1500 for path in pieces)
    whole = load_state(tmp_path)
    joined = read_state(tmp_path / "pieces")
    assert joined["step"] == 7
    assert torch.equal(joined["weights"], whole["weights"])
    content = bytearray(pieces[1].read_bytes())
    content[3] ^= 4
    pieces[1].write_bytes(content)
    with pytest.raises(HdsrError, match=r"state\.001 is damaged"):
        read_state(tmp_path / "pieces")
    pieces[1].unlink()
    with pytest.raises(HdsrError, match=r"cannot read .*state\.001: No such file"):
        read_state(tmp_path / "pieces")


def test_a_folder_without_a_state_is_named(tmp_path: Path) -> None:
    with pytest.raises(HdsrError, match="no whole state of a run in"):
        read_state(tmp_path)


@pytest.mark.parametrize("there", ["state-00000001.pt", "log.csv"])
def test_a_folder_with_anything_of_a_run_is_not_begun_in(tmp_path: Path, there: str) -> None:
    check_new(tmp_path)
    (tmp_path / there).touch()
    with pytest.raises(HdsrError, match="already holds a run"):
        check_new(tmp_path)


def run_of(**changes: object) -> TrainingConfig:
    given = {"scale": 2, "sets": [{"name": "any"}], "patch_px": 24, "steps": 4, "learning_rate": 1e-3}
    return TrainingConfig(**given | changes)


CONSTANT = {"schedule": {"kind": "constant"}}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {"learning_rate": 2e-3}),
        ({}, {"muon_learning_rate": 1.0}),
        ({}, {"seed": 1}),
        ({}, {"steps": 8}),
        (CONSTANT, {}),
    ],
)
def test_another_run_is_not_gone_on_with(before: dict, now: dict) -> None:
    with pytest.raises(HdsrError, match=r"cannot resume: [a-z_]+ was .*, now "):
        check_same_run(run_of(**now), run_of(**before).model_dump(mode="json"), "a", "a")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {"learning_rate": 5e-4, "data": "elsewhere", "images_on": "host"}),
        (CONSTANT, {**CONSTANT, "steps": 8}),
    ],
)
def test_lower_rates_other_places_and_more_steps_at_a_constant_rate_are_the_same_run(
    before: dict, now: dict
) -> None:
    stored = run_of(**before).model_dump(mode="json")
    check_same_run(run_of(**now), stored, "a", "a")
    with pytest.raises(HdsrError, match="the training images are not those that the run began with"):
        check_same_run(run_of(**now), stored, "a", "b")


@pytest.mark.parametrize(
    ("key", "value"), [("scale", 4), ("optimizer", "adam"), ("muon_upsampler", True), ("unit_range", True)]
)
def test_no_branch_begins_from_another_network_or_optimizer(key: str, value: object) -> None:
    branch = run_of(**CONSTANT, branch_from="run/state.pt", optimizer="muon")
    stored = run_of(**{"optimizer": "muon", key: value}).model_dump(mode="json")
    with pytest.raises(HdsrError, match=rf"cannot branch from run/state\.pt: its {key} is {value!r}, not "):
        check_same_network(branch, stored)
