"""The kinds of faults that befall a training run; see `kinds`."""

import contextlib
import io
import multiprocessing
import os
import resource
import shutil
import time
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from kinds import HdsrError, damaged, held, kind, photograph

from hdsr.images import write_png
from hdsr.network import HDSRNet
from hdsr.training.config import TrainingConfig
from hdsr.training.loop import train
from hdsr.training.states import load_state, saved_states, split_state

STEPS = 12


def configured(root: Path, **changes: Any) -> TrainingConfig:
    """A run of SRCNN for a second, which is validated three times and saves every second step."""
    chosen = {
        "network": "srcnn",
        "scale": 2,
        "sets": [{"name": "Own"}],
        "data": str(root),
        "patch_px": 26,
        "batch_size": 2,
        "steps": STEPS,
        "folded": False,
        "ema": 0.5,
        "log_every": 1,
        "save_every": 2,
        "validation": {"set": "Own", "images": 1, "every": 4},
    }
    return TrainingConfig(**{**chosen, **changes})


def trained(config: TrainingConfig, out: Path, resume: bool = True, most_bytes: int | None = None) -> None:
    """Train, without a word; `most_bytes` is what a file may have at most, as if the disk were full then."""
    if most_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train(config, out, resume, progress=False)


def outcome_of(out: Path) -> tuple[pd.DataFrame, dict, bytes]:
    """The log without its clock, the weights, and the file of the best ones."""
    log = pd.read_csv(out / "log.csv").drop(columns="seconds")
    return log, load_state(out)["network"], (out / "weights.safetensors").read_bytes()


def tensors(data: bytes) -> dict:
    """The tensors in a .safetensors file."""
    from safetensors.torch import load

    return load(data)


@cache
def undisturbed(root: Path) -> tuple[TrainingConfig, Path]:
    """A run that nothing befell."""
    config, out = configured(root), root / "undisturbed"
    for index in range(3):
        pixels = photograph(np.random.default_rng(index), 48, 48)
        write_png(root / "train" / "Own" / "HR" / f"{index}.png", pixels)
    os.environ["HDSR_CACHE"] = str(root / "cache")
    trained(config, out)
    return config, out


def goes_on(root: Path, out: Path) -> str:
    """Whether a run, resumed, ends as the undisturbed one, in log and tensors; or it is refused by name."""
    config, whole = undisturbed(root)

    def same(_: object) -> bool:
        (log, last, best), (right_log, right_last, right_best) = map(outcome_of, (out, whole))
        pd.testing.assert_frame_equal(log, right_log)
        for found, right in ((last, right_last), (tensors(best), tensors(right_best))):
            assert all(torch.equal(found[key], right[key]) for key in right), "other tensors"
        left = [path.name for path in out.iterdir() if "partial" in path.name]
        assert not left, f"left behind: {left}"
        return True

    return held(out, partial(trained, config, out), same)


def begun(random: np.random.Generator, root: Path, out: Path) -> None:
    """A copy of the undisturbed run as it was when it had taken some of its steps."""
    _, whole = undisturbed(root)
    shutil.copytree(whole, out)
    for state in saved_states(out)[: random.integers(0, 2)]:
        state.unlink()


def stopped(config: TrainingConfig, out: Path, most_bytes: int | None) -> None:
    """Train until something stops it."""
    with contextlib.suppress(HdsrError, KeyboardInterrupt):
        trained(config, out, True, most_bytes)


def in_process(config: TrainingConfig, out: Path, most_bytes: int | None = None) -> multiprocessing.Process:
    """A started process that trains."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["trainings"])  # so that torch is not imported for each process anew
    process = context.Process(target=stopped, args=(config, out, most_bytes))
    process.start()
    return process


@kind
def killed_trainings(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Trainings killed at any moment, some of them twice, and resumed."""

    def killed(number: int) -> str:
        config, _ = undisturbed(folder)
        out = folder / f"killed {number}"
        for _ in range(random.integers(1, 3)):
            process = in_process(config, out)
            while process.is_alive() and not (out / "log.csv").exists():
                time.sleep(0.01)
            time.sleep(float(random.uniform(0, 0.6)))
            process.terminate() if number % 3 == 0 else process.kill()
            process.join()
        return goes_on(folder, out)

    for number in range(int(10 * share)):
        yield f"killed {number}", partial(killed, number)


@kind
def full_disks(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Trainings whose disk is full at any byte of a state, weights or log, and resumed with room."""
    state_bytes = 1_300_000

    def full(number: int) -> str:
        config, _ = undisturbed(folder)
        out = folder / f"full {number}"
        process = in_process(config, out, int(random.integers(100, state_bytes)))
        process.join()
        return goes_on(folder, out)

    for number in range(int(8 * share)):
        yield f"full {number}", partial(full, number)


@kind
def torn_runs(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Folders of runs in which a state, the log, the weights or the configuration is damaged or gone."""

    def torn(number: int) -> str:
        out = folder / f"torn {number}"
        begun(random, folder, out)
        chosen = ["log.csv", "weights.safetensors", "config.yaml", saved_states(out)[0].name]
        for name in random.choice(chosen, random.integers(1, 4), replace=False):
            if random.integers(3):
                (out / name).write_bytes(damaged(random, (out / name).read_bytes()))
            else:
                (out / name).unlink()
        outcome = goes_on(folder, out)
        shutil.rmtree(out)
        return outcome

    for number in range(int(30 * share)):
        yield f"torn {number}", partial(torn, number)


@kind
def foreign_files(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Files of other programs under names of a run's: the run ends rightly, or they are left alone."""
    names = ["log.csv", "weights.safetensors", "config.yaml", "state-mine.pt", "state-00000010.pt", "notes"]

    def foreign(number: int) -> str:
        out, name = folder / f"foreign {number}", names[number % len(names)]
        content = random.bytes(int(random.integers(1, 2000)))
        if number // len(names) % 2:
            begun(random, folder, out)
        out.mkdir(exist_ok=True)
        (out / name).write_bytes(content)
        outcome = goes_on(folder, out)
        kept = outcome == "refused" or name in ("state-mine.pt", "notes")
        assert not kept or (out / name).read_bytes() == content, "a file that is not ours was changed"
        shutil.rmtree(out)
        return outcome

    for number in range(int(30 * share)):
        yield f"foreign {number}", partial(foreign, number)


@kind
def torn_pieces(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """States stored in pieces, of which one is damaged or gone: never branched from."""

    def torn(number: int) -> str:
        config, whole = undisturbed(folder)
        stored, out = folder / f"pieces {number}", folder / f"branch {number}"
        pieces = split_state(saved_states(whole)[0], stored, 200_000)
        piece = pieces[random.integers(len(pieces))]
        before = piece.read_bytes()
        changed = damaged(random, before) if random.integers(3) else b""
        piece.write_bytes(changed)
        branched = config.model_copy(update={"branch_from": str(stored), "steps": 1})
        return held(stored, partial(trained, branched, out), lambda _: changed == before)

    for number in range(int(30 * share)):
        yield f"pieces {number}", partial(torn, number)


@kind
def diverging(random: np.random.Generator, folder: Path, share: float) -> Iterator:
    """Learning rates beyond all bounds and weights that are not finite: nothing of it has a final name."""

    def diverged(number: int) -> str:
        undisturbed(folder)
        out, rate = folder / f"diverged {number}", float(10 ** random.uniform(0, 38))
        config = configured(folder, learning_rate=rate, max_skipped=3)
        held(Path("--resume with a lower learning_rate"), partial(trained, config, out))
        for path in out.glob("weights.safetensors"):
            assert all(value.isfinite().all() for value in tensors(path.read_bytes()).values())
        for path in saved_states(out):
            assert all(value.isfinite().all() for value in load_state(out)["network"].values()), path.name
        lower = config.model_copy(update={"learning_rate": 1e-5})
        if held(Path("or begin anew"), partial(trained, lower, out)) == "refused":
            out = folder / f"anew {number}"
            trained(lower, out)
        assert len(pd.read_csv(out / "log.csv")) == STEPS
        return "right"

    def warm(number: int) -> str:
        path = folder / f"{number}.pt"
        state = {key: value.clone() for key, value in HDSRNet(2).state_dict().items()}
        next(iter(state.values())).view(-1)[number] = float(random.choice([np.nan, np.inf]))
        torch.save(state, path)
        undisturbed(folder)
        config = configured(folder, network="hdsrnet", warm_start=str(path))
        return held(path, partial(trained, config, folder / f"warm {number}"), lambda _: False)

    for number in range(int(10 * share)):
        yield f"rate {number}", partial(diverged, number)
        yield f"weights {number}", partial(warm, number)
