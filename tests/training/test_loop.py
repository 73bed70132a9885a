"""Training: it learns, it resumes bit for bit after any interruption, it stops with one clear line."""

import math
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace

import accelerate.state
import forked
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from accelerate import PartialState
from filelock import FileLock
from PIL import Image

from hdsr import checkpoint
from hdsr.errors import HdsrError
from hdsr.network import HDSRNet
from hdsr.resize import imresize
from hdsr.training import loop as training
from hdsr.training.config import TrainingConfig
from hdsr.training.folder import COLUMNS
from hdsr.training.losses import PatchLoss
from hdsr.training.optimizers import rate_factor
from hdsr.training.session import new_accelerator
from hdsr.training.states import check_same_run, load_state, split_state
from hdsr.training.step import TrainingStep
from hdsr.training.trainables import warm_start

TINY = {
    "scale": 2,
    "sets": [{"name": "Toy"}],
    "validation": {"set": "Toy", "images": 1, "every": 6},
    "patch_px": 16,
    "batch_size": 2,
    "steps": 18,
    "optimizer": "muon",
    "learning_rate": 1e-3,
    "schedule": {"kind": "linear", "warmup_steps": 3},
    "clip_norm": 50,
    "ema": 0.9,
    "precision": "bf16",
    "log_every": 2,
    "save_every": 2,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    folder = root / "train" / "Toy" / "HR"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for i in range(3):
        image = imresize(random.integers(0, 256, (8, 8, 3), dtype=np.uint8), 4)
        Image.fromarray(image).save(folder / f"toy{i}.png")
    return root


def config(root: Path, **changes: object) -> TrainingConfig:
    return TrainingConfig(**{**TINY, "data": str(root), **changes})


def run(root: Path, out: Path, resume: bool = False, **changes: object) -> Path:
    return training.train(config(root, **changes), out, resume, progress=False)


def log_without_clock(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "log.csv").drop(columns="seconds")


def assert_same_run(a: Path, b: Path) -> None:
    pd.testing.assert_frame_equal(log_without_clock(a), log_without_clock(b))
    states = [load_state(out) for out in (a, b)]
    for key in states[0]["network"]:
        assert torch.equal(states[0]["network"][key], states[1]["network"][key]), key
    weights = [checkpoint.load(out / "weights.safetensors").state_dict() for out in (a, b)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_learns_validates_and_describes_itself(root: Path, tmp_path: Path) -> None:
    weights = run(root, tmp_path / "run", steps=60)
    log = pd.read_csv(tmp_path / "run" / "log.csv")
    assert log.step.tolist() == list(range(2, 61, 2))
    assert log.loss.iloc[-5:].mean() < 0.6 * log.loss.iloc[0]
    about = checkpoint.describe(weights)
    assert about["scale"] == 2
    assert about["config"]["optimizer"] == "muon"
    assert len(about["training_data_sha256"]) == 64
    assert about["validation_psnr_db"] == pytest.approx(log.psnr_db.max(), abs=1e-4)
    assert torch.__version__.startswith(about["versions"]["torch"])
    assert checkpoint.load(weights).scale == 2


def test_resumed_in_one_process_equals_uninterrupted(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(root, tmp_path / "whole")
    take_step = training.Run.take_step

    def interrupted_at_seven(self: training.Run) -> None:
        if self.progress.step == 7:
            raise KeyboardInterrupt
        take_step(self)

    with monkeypatch.context() as patch:
        patch.setattr(training.Run, "take_step", interrupted_at_seven)
        with pytest.raises(KeyboardInterrupt):
            run(root, tmp_path / "cut")
    run(root, tmp_path / "cut", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def start(config_path: Path, out: Path) -> BaseProcess:
    return forked.start("train", str(config_path), "--out", str(out), "--resume")


@pytest.fixture(scope="module")
def undisturbed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of 24 steps; in the folder beside it, whole/, the run of it that nobody disturbs."""
    config_path = tmp_path_factory.mktemp("undisturbed") / "toy.yaml"
    config_path.write_text(yaml.safe_dump({**TINY, "data": str(root), "steps": 24}))
    assert forked.ended(start(config_path, config_path.parent / "whole")) == 0
    return config_path


def test_a_killed_process_resumes_bit_for_bit(undisturbed: Path, tmp_path: Path) -> None:
    config_path = undisturbed
    seed = np.random.SeedSequence().entropy
    print(f"moments drawn from {seed}")
    random = np.random.default_rng(seed)
    for how in (signal.SIGKILL, signal.SIGTERM):
        process = start(config_path, tmp_path / "cut")
        wait_for_a_new_state(tmp_path / "cut", process)
        time.sleep(random.uniform(0, 0.5))
        with suppress(ProcessLookupError):
            os.kill(process.pid, how)
        assert forked.ended(process) in (-how, 130, 0)
    assert forked.ended(start(config_path, tmp_path / "cut")) == 0
    assert_same_run(config_path.parent / "whole", tmp_path / "cut")


def wait_for_a_new_state(out: Path, process: BaseProcess) -> None:
    """Wait until the process has saved a state of its own, or has ended."""
    seen = set(out.glob("state-*.pt"))
    while process.is_alive() and set(out.glob("state-*.pt")) <= seen:
        time.sleep(0.02)


def test_warm_start_across_scales_takes_all_but_the_upsampler(root: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    source, target = HDSRNet(2), HDSRNet(4)
    untouched = target.reconstruction.upsampler[0].weight.clone()
    checkpoint.save(source, tmp_path / "x2.safetensors", {})
    warm_start(target, tmp_path / "x2.safetensors")
    assert torch.equal(target.reconstruction.exit.weight, source.reconstruction.exit.weight)
    assert torch.equal(target.upper.blocks[4].dynamic.weight, source.upper.blocks[4].dynamic.weight)
    assert torch.equal(target.reconstruction.upsampler[0].weight, untouched)


def test_head_steps_move_the_upsampler_alone(root: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = HDSRNet(4)
    checkpoint.save(source, tmp_path / "x4.safetensors", {})
    changes = {"scale": 2, "steps": 3, "head_steps": 3, "ema": 0, "precision": "fp32"}
    weights = run(root, tmp_path / "run", warm_start=str(tmp_path / "x4.safetensors"), **changes)
    trained = checkpoint.load(weights)
    assert torch.equal(trained.lower.layers[5].weight, source.lower.layers[5].weight)
    assert torch.equal(trained.reconstruction.exit.weight, source.reconstruction.exit.weight)


def test_the_start_has_its_share_in_what_is_kept_and_none_in_what_is_learnt(
    root: Path, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    start = HDSRNet(2)
    checkpoint.save(start, tmp_path / "start.safetensors", {})
    changes = {"steps": 3, "warm_start": str(tmp_path / "start.safetensors"), "validation": {"images": 0}}
    learnt = checkpoint.load(run(root, tmp_path / "all", **changes)).state_dict()
    mixed = checkpoint.load(run(root, tmp_path / "mixed", start_share=0.25, **changes)).state_dict()
    for key, first in start.state_dict().items():
        torch.testing.assert_close(mixed[key], 0.75 * learnt[key] + 0.25 * first)
    assert not torch.equal(learnt["reconstruction.exit.weight"], mixed["reconstruction.exit.weight"])
    mixed_later = run(root, tmp_path / "all", resume=True, start_share=0.25, **changes)
    torch.testing.assert_close(checkpoint.load(mixed_later).state_dict(), mixed, rtol=0, atol=0)
    checkpoint.save(start, tmp_path / "start.safetensors", {"step": 7})
    with pytest.raises(
        HdsrError, match=r"cannot resume: .*start\.safetensors is not what the run began with"
    ):
        run(root, tmp_path / "all", resume=True, start_share=0.5, **changes)
    with pytest.raises(
        HdsrError, match=r"start_share and teacher_share take weights of x3; .*start\.safetensors is of x2"
    ):
        run(root, tmp_path / "x3", start_share=0.25, **{**changes, "scale": 3, "patch_px": 15})


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ({"kind": "linear"}, 50, 0.75),
        ({"kind": "linear"}, 200, 0.0),
        ({"kind": "linear", "decay_share": 0.5}, 50, 1.0),
        ({"kind": "linear", "decay_share": 0.5}, 100, 1.0),
        ({"kind": "linear", "decay_share": 0.5}, 150, 0.5),
        ({"kind": "linear", "warmup_steps": 4}, 0, 0.25),
        ({"kind": "constant", "warmup_steps": 4}, 0, 0.25),
        ({"kind": "constant", "warmup_steps": 4}, 190, 1.0),
        ({"kind": "halving", "halve_every": 100}, 99, 1.0),
        ({"kind": "halving", "halve_every": 60}, 150, 0.25),
    ],
)
def test_schedules(root: Path, schedule: dict, step: int, expected: float) -> None:
    settings = config(root, schedule=schedule, steps=200)
    assert rate_factor(settings, step) == pytest.approx(expected)


class Pulled(torch.nn.Module):
    """Two weights, at first zero, and a loss whose gradient is (3, 4) times `factor` whatever the patches."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.factor = torch.nn.Parameter(torch.zeros(2)), 1.0

    def forward(self, lr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        return self.factor * (self.weight * torch.tensor([3.0, 4.0])).sum()


def pulled_step(**changes: object) -> TrainingStep:
    settings = TrainingConfig(
        **{**TINY, "optimizer": "adam", "precision": "fp32", "clip_norm": None, **changes}
    )
    pulled = Pulled()
    return TrainingStep(pulled, pulled, settings, new_accelerator(settings))


PATCHES = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 16, 16)


@pytest.mark.parametrize(
    ("clip", "gradient"), [({}, [3, 4]), ({"clip_value": 3.5}, [3, 3.5]), ({"clip_norm": 2.5}, [1.5, 2])]
)
def test_gradients_are_clipped_as_told_and_logged_as_they_were(clip: dict, gradient: list[float]) -> None:
    step = pulled_step(**clip)
    step.set(0, 1.0, head_only=False)
    step.learn(*PATCHES)
    assert step.network.weight.grad.tolist() == pytest.approx(gradient, rel=1e-5)
    assert step.read_tally().gradient_norm == pytest.approx(5)


def test_the_average_follows_fast_at_first_and_a_skipped_step_is_only_counted() -> None:
    step, losses, average = pulled_step(ema=0.9), [], torch.zeros(2)
    for number, decay in ((0, 1 / 11), (1000, 0.9)):
        losses.append(step.loss(*PATCHES).item())
        step.set(number, 1.0, head_only=False)
        step.learn(*PATCHES)
        average = decay * average + (1 - decay) * step.network.weight.detach()
        torch.testing.assert_close(step.average, [average])
    before, step.network.factor = step.network.weight.detach().clone(), math.nan
    step.learn(*PATCHES)
    assert torch.equal(step.network.weight, before)
    tally = step.read_tally()
    assert (tally.counted, tally.skipped, tally.longest) == (2, 1, 1)
    assert (tally.loss, tally.gradient_norm) == pytest.approx((sum(losses) / 2, 5))
    step.learn(*PATCHES)  # in a row with the one before, though that was told already
    tally = step.read_tally()
    assert (tally.counted, tally.skipped, tally.longest) == (0, 2, 2)
    assert math.isnan(tally.loss)


def test_non_finite_steps_are_skipped_and_too_many_end_the_run(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = PatchLoss.forward
    calls = iter(range(1000))

    def sometimes_nan(self: PatchLoss, lr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        return forward(self, lr, hr) * (math.nan if next(calls) in broken else 1)

    monkeypatch.setattr(PatchLoss, "forward", sometimes_nan)
    broken = {3, 4}
    run(root, tmp_path / "few")
    log = pd.read_csv(tmp_path / "few" / "log.csv")
    assert log.skipped.iloc[-1] == 2
    assert log.loss.notna().sum() >= len(log) - 1
    assert math.isfinite(log.psnr_db.iloc[-1])
    calls, broken = iter(range(1000)), range(5, 1000)
    with pytest.raises(HdsrError, match=r"step 10: the gradient was not finite 5 times in a row; .* lower"):
        run(root, tmp_path / "many", max_skipped=4)
    assert all(torch.isfinite(value).all() for value in load_state(tmp_path / "many")["network"].values())


def test_a_folder_is_not_overwritten_and_a_run_not_mixed_with_another(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "run", steps=2)
    with pytest.raises(HdsrError, match="already holds a run: --resume"):
        run(root, tmp_path / "run", steps=2)
    with pytest.raises(HdsrError, match=r"cannot resume: learning_rate was 0\.001, now 0\.5"):
        run(root, tmp_path / "run", resume=True, steps=2, learning_rate=0.5)


def test_a_run_that_diverged_goes_on_at_a_lower_rate(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "run", steps=6, schedule={"kind": "constant"})
    run(root, tmp_path / "run", resume=True, steps=8, schedule={"kind": "constant"}, learning_rate=1e-5)
    assert pd.read_csv(tmp_path / "run" / "log.csv").learning_rate.tolist() == [1e-3] * 3 + [1e-5]


def test_weights_beyond_all_bounds_are_not_kept(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = TrainingStep.take

    def diverging(self: TrainingStep, step: int) -> None:
        take(self, step)
        if step == 6:
            self.parameters[0].data.fill_(math.inf)

    monkeypatch.setattr(TrainingStep, "take", diverging)
    with pytest.raises(HdsrError, match=r"step 8: weights are not finite any more; .* --resume with"):
        run(root, tmp_path / "run")
    assert not (tmp_path / "run" / "weights.safetensors").exists() or all(
        value.isfinite().all()
        for value in checkpoint.load(tmp_path / "run" / "weights.safetensors").state_dict().values()
    )
    assert load_state(tmp_path / "run")["progress"]["step"] == 6


def test_two_runs_do_not_share_a_folder(root: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"), pytest.raises(HdsrError, match="another process is training"):
        run(root, tmp_path / "run")


def test_lost_or_damaged_weights_of_a_finished_run_are_made_again(root: Path, tmp_path: Path) -> None:
    worse_at_the_end = {"steps": 12, "ema": 0, "learning_rate": 0.3}
    weights = run(root, tmp_path / "run", **worse_at_the_end)
    kept = weights.read_bytes()
    assert checkpoint.describe(weights)["step"] == 6
    for damaged in (None, kept[:-5], kept[:-1] + bytes([kept[-1] ^ 1])):
        weights.unlink() if damaged is None else weights.write_bytes(damaged)
        run(root, tmp_path / "run", resume=True, **worse_at_the_end)
        assert weights.read_bytes() == kept


def test_a_run_stopped_in_its_last_validation_ends_as_if_it_never_was(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(root, tmp_path / "whole", steps=6)
    with monkeypatch.context() as patched:
        patched.setattr(training.Run, "validate", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(root, tmp_path / "cut", steps=6)
    (tmp_path / "cut" / "log.csv").write_text(",".join(COLUMNS) + "\n2,1")
    run(root, tmp_path / "cut", resume=True, steps=6)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_what_is_not_the_runs_own_is_left_alone(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "log.csv").write_text("a foreign file\n")
    with pytest.raises(HdsrError, match=r"log\.csv is not the log of such a run"):
        run(root, out, resume=True, steps=4)
    assert (out / "log.csv").read_text() == "a foreign file\n"
    (out / "log.csv").unlink()
    for name in ("state-mine.pt", "state-best.pt"):
        (out / name).write_bytes(b"mine")
    run(root, out, steps=4)
    assert (out / "state-mine.pt").read_bytes() == b"mine"
    assert {path.name for path in out.glob("state-0*.pt")} == {"state-00000002.pt", "state-00000004.pt"}


def test_a_log_without_any_state_begins_anew(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "whole", steps=4)
    run(root, tmp_path / "torn", steps=4)
    for path in (tmp_path / "torn").glob("state-*.pt"):
        path.write_bytes(path.read_bytes()[:1000])
    run(root, tmp_path / "torn", resume=True, steps=4)
    assert_same_run(tmp_path / "whole", tmp_path / "torn")
    # nothing of the run before is lost
    before = pd.read_csv(tmp_path / "torn" / "log-before.csv")
    assert before.step.tolist() == log_without_clock(tmp_path / "whole").step.tolist()
    assert checkpoint.describe(tmp_path / "torn" / "weights-before.safetensors")["step"] == 4
    # nor by a third beginning
    for path in (tmp_path / "torn").glob("state-*.pt"):
        path.unlink()
    kept = (tmp_path / "torn" / "weights-before.safetensors").read_bytes()
    run(root, tmp_path / "torn", resume=True, steps=2)
    assert (tmp_path / "torn" / "weights-before.safetensors").read_bytes() == kept
    assert checkpoint.describe(tmp_path / "torn" / "weights-before-2.safetensors")["step"] == 4


def test_a_configuration_that_lies_where_the_run_writes_its_own_is_kept(root: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("# my notes\nscale: 2\n")
    run(root, tmp_path / "run", steps=2)
    assert (tmp_path / "run" / "config-before.yaml").read_text() == "# my notes\nscale: 2\n"
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["steps"] == 2


def test_a_folder_in_the_place_of_the_weights_is_told_before_any_step(root: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "weights.safetensors").mkdir(parents=True)
    with pytest.raises(HdsrError, match=r"weights\.safetensors is a folder, expected a file of a run"):
        run(root, tmp_path / "run", steps=10**9)


@pytest.mark.parametrize("key", ["batch_size", "draws"])
def test_a_step_that_memory_cannot_hold_is_refused_by_its_keys(root: Path, tmp_path: Path, key: str) -> None:
    with pytest.raises(HdsrError, match=rf"{key} 1000000000.* GiB of memory, .* GiB are free"):
        run(root, tmp_path / "run", **{key: 10**9})


def test_what_a_run_began_with_may_be_gone_when_it_resumes(root: Path, tmp_path: Path) -> None:
    trunk = run(root, tmp_path / "trunk", steps=4, schedule={"kind": "constant"})
    sources = {"branch_from": tmp_path / "trunk" / "state-00000004.pt", "warm_start": trunk}
    runs = [(name, {name: str(path), "steps": 4}) for name, path in sources.items()]
    for name, given in runs:
        for out in ("whole", "cut"):
            run(root, tmp_path / f"{name}-{out}", **given)
        max((tmp_path / f"{name}-cut").glob("state-*.pt")).unlink()
    for path in sources.values():
        path.unlink()
    for name, given in runs:
        run(root, tmp_path / f"{name}-cut", resume=True, **given)
        assert_same_run(tmp_path / f"{name}-whole", tmp_path / f"{name}-cut")
    shared = {"warm_start": str(trunk), "start_share": 0.5}
    with pytest.raises(HdsrError, match="no weights at"):
        run(root, tmp_path / "warm_start-cut", resume=True, steps=4, **shared)


def test_fewer_steps_than_are_done_are_refused(root: Path, tmp_path: Path) -> None:
    constant = {"schedule": {"kind": "constant"}}
    run(root, tmp_path / "run", steps=4, **constant)
    before = (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(HdsrError, match="4 steps are done, steps is 2"):
        run(root, tmp_path / "run", resume=True, steps=2, **constant)
    assert (tmp_path / "run" / "config.yaml").read_text() == before


def test_a_run_that_began_while_images_were_read_is_not_overwritten(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = training.load_training_data

    def slowly(*arguments: object) -> object:
        monkeypatch.setattr(training, "load_training_data", load)
        run(root, tmp_path / "run", steps=2)
        return load(*arguments)

    monkeypatch.setattr(training, "load_training_data", slowly)
    with pytest.raises(HdsrError, match="already holds a run"):
        run(root, tmp_path / "run", steps=4)
    assert pd.read_csv(tmp_path / "run" / "log.csv").step.tolist() == [2]


def test_a_decay_branches_from_a_constant_run(root: Path, tmp_path: Path) -> None:
    run(root, tmp_path / "trunk", steps=8, schedule={"kind": "constant"})
    whole = run(root, tmp_path / "whole", steps=12, schedule={"kind": "linear", "decay_share": 1 / 3})
    split_state(tmp_path / "trunk" / "state-00000008.pt", tmp_path / "pieces")
    for source in ("trunk", "trunk/state-00000008.pt", "pieces"):
        out = tmp_path / f"from-{source[-5:]}"
        weights = run(root, out, steps=4, schedule={"kind": "linear"}, branch_from=str(tmp_path / source))
        tensors = [checkpoint.load(path).state_dict() for path in (weights, whole)]
        assert all(map(torch.equal, tensors[0].values(), tensors[1].values()))
        about = checkpoint.describe(weights)
        assert (about["step"], about["started_from"]["step"]) == (4, 8)
    assert pd.read_csv(out / "log.csv").step.tolist() == [10, 12]
    assert not (tmp_path / "whole" / "state-00000002.pt").exists()
    assert (tmp_path / "whole" / "state-00000008.pt").is_file()
    with pytest.raises(HdsrError, match="its scale is 2, not 3"):
        run(root, tmp_path / "x3", branch_from=str(tmp_path / "trunk"), scale=3, patch_px=15)


def test_a_run_at_a_constant_rate_may_be_prolonged_and_no_other(root: Path, tmp_path: Path) -> None:
    constant = {"schedule": {"kind": "constant"}}
    run(root, tmp_path / "two", steps=4, **constant)
    run(root, tmp_path / "two", resume=True, steps=8, **constant)
    run(root, tmp_path / "one", steps=8, **constant)
    ends = [load_state(tmp_path / out)["network"] for out in ("one", "two")]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
    run(root, tmp_path / "falling", steps=4)
    with pytest.raises(HdsrError, match="cannot resume: steps was 4, now 8"):
        run(root, tmp_path / "falling", resume=True, steps=8)


def test_a_state_from_before_a_key_existed_resumes(root: Path, tmp_path: Path) -> None:
    now = config(root).model_dump(mode="json")
    before = {key: value for key, value in now.items() if key != "images_on"}
    before["sets"] = [{"name": "Toy", "weight": 1.0}]
    check_same_run(config(root, images_on="host", data="elsewhere"), before, "hash", "hash")
    with pytest.raises(HdsrError, match="the saved state: unknown key 'colour'"):
        check_same_run(config(root), now | {"colour": 1}, "hash", "hash")


def test_without_held_out_images_the_last_weights_are_kept(root: Path, tmp_path: Path) -> None:
    weights = run(root, tmp_path / "run", steps=8, ema=0, validation={"images": 0, "every": 3})
    assert pd.read_csv(tmp_path / "run" / "log.csv").psnr_db.isna().all()
    last = load_state(tmp_path / "run")["network"]
    kept = checkpoint.load(weights).state_dict()
    assert all(torch.equal(kept[key], last[key]) for key in kept)
    assert checkpoint.describe(weights)["validation_psnr_db"] is None


def test_full_disk_while_saving_ends_with_one_line_and_resumes(root: Path, tmp_path: Path) -> None:
    config_path = tmp_path / "toy.yaml"
    config_path.write_text(yaml.safe_dump({**TINY, "data": str(root), "steps": 4}))
    limited = ["bash", "-c", 'ulimit -f 16; exec "$0" "$@"', sys.executable, "-m", "hdsr", "train"]
    arguments = [str(config_path), "--out", str(tmp_path / "run")]
    done = subprocess.run([*limited, *arguments], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot save" in done.stderr
    assert not list((tmp_path / "run").glob("*.pt"))
    run(root, tmp_path / "run", resume=True, steps=4)
    assert (tmp_path / "run" / "weights.safetensors").is_file()


def test_a_device_that_lacks_what_a_run_needs_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    PartialState._reset_state()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(accelerate.state, "is_mps_available", lambda: True)
    assert new_accelerator(TrainingConfig(**TINY)).device == torch.device("cpu")
    PartialState._reset_state()


def test_a_batch_that_processes_cannot_share_evenly_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "new_accelerator", lambda _: SimpleNamespace(num_processes=4))
    with pytest.raises(HdsrError, match="batch_size 2 cannot be shared evenly by 4 processes"):
        run(root, tmp_path / "run")


def test_two_processes_follow_the_curve_of_one(root: Path, tmp_path: Path) -> None:
    changes = {
        "precision": "fp32",
        "steps": 8,
        "optimizer": "adam",
        "batch_size": 4,
        "schedule": {"kind": "linear"},
    }
    run(root, tmp_path / "one", **changes)
    config_path = tmp_path / "toy.yaml"
    config_path.write_text(yaml.safe_dump({**TINY, "data": str(root), **changes}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # what torchrun sets, without the seconds that it and what it starts take to import everything
    together = {"ACCELERATE_USE_CPU": "true", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    together |= {"MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    command = ("train", str(config_path), "--out", str(tmp_path / "two"))
    ranks = ({"RANK": rank, "LOCAL_RANK": rank} for rank in "01")
    processes = [forked.start(*command, **together, **rank) for rank in ranks]
    assert [forked.ended(process) for process in processes] == [0, 0]
    one, two = (log_without_clock(tmp_path / name) for name in ("one", "two"))
    assert one.step.tolist() == two.step.tolist()
    np.testing.assert_allclose(one.loss, two.loss, rtol=1e-3)
    np.testing.assert_allclose(one.gradient_norm, two.gradient_norm, rtol=1e-2)
