"""The record of training: what made the weights that ship, how they score, and the trials before them."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from hdsr import checkpoint, results
from hdsr.files import sha256
from hdsr.paths import OWN_WEIGHTS, PUBLISHED, TRIALS
from hdsr.report.tables import Table

PUBLISHED_ROWS = PUBLISHED / "rows" / "benchmarks.csv"


def weights_path(scale: int) -> Path:
    """The file that ships for a scale."""
    return OWN_WEIGHTS / f"hdsrnet_x{scale}.safetensors"


def weights(scales: Sequence[int]) -> Table:
    """What each file that ships says of its making.

    Numbers: file, runs (in their order), command (all that make the file so), steps, minutes,
    validation_psnr_db (mean of the held-out images), held_out (how many these are), commit, torch (version),
    sha256.
    """
    numbers = pd.DataFrame([_weights_line(scale) for scale in scales])
    printed = numbers.drop(columns="command").astype(str)
    printed = printed.assign(
        steps=numbers["steps"].map("{:,}".format),
        validation_psnr_db=numbers["validation_psnr_db"].map("{:.2f}".format),
        sha256=numbers["sha256"].str[:16],
    )
    titles = {"validation_psnr_db": "held-out PSNR (dB)", "held_out": "held-out images", "sha256": "SHA-256"}
    note = (
        "Each run in turn: hdsr train hdsr/configs/RUN.yaml --out runs/RUN; then hdsr pack "
        "runs/hdsrnet_x2/weights.safetensors --out data/weights/hdsrnet_x2.safetensors, likewise for the "
        "other scales. Which runs these are, each file's own header says; a test holds that their "
        "configurations are those in hdsr/configs. Steps and minutes are those of all runs together."
    )
    caption = "The weights that ship, and the runs that made them"
    notes = (note, *_left_early(scales))
    return Table("training_weights", caption, numbers, printed.rename(columns=titles), notes)


def _left_early(scales: Sequence[int]) -> list[str]:
    """A sentence for each run that was left before its last step, which its configuration alone hides."""
    heads = {scale: checkpoint.describe(weights_path(scale)) for scale in scales}
    steps = [step for scale in scales for step in pairwise(lineage(f"hdsrnet_x{scale}", heads[scale]))]
    sentences = [
        f"{after} goes on from what {name} was after {done:,} of its {planned:,} steps."
        for (name, about), (after, _) in steps
        if (done := about["step"]) < (planned := about["config"]["steps"])
    ]
    return list(dict.fromkeys(sentences))  # scales may have runs in common


def _weights_line(scale: int) -> dict[str, Any]:
    path = weights_path(scale)
    about = checkpoint.describe(path)
    return {
        "file": path.name,
        "runs": ", ".join(name for name, _ in lineage(path.stem, about)),
        "command": command(scale, about),
        "steps": spent(about, "step"),
        "minutes": round(spent(about, "minutes"), 1),
        "validation_psnr_db": about["validation_psnr_db"],
        "held_out": about["config"]["validation"]["images"],
        "commit": about["commit"],
        "torch": about["versions"]["torch"],
        "sha256": sha256(path),
    }


def command(scale: int, about: dict[str, Any]) -> str:
    """The commands that make a file which says `about` of itself; see `hdsr.checkpoint.describe`."""
    name = f"hdsrnet_x{scale}"
    steps = [f"hdsr train hdsr/configs/{run}.yaml --out runs/{run}" for run, _ in lineage(name, about)]
    steps.append(f"hdsr pack runs/{name}/weights.safetensors --out data/weights/{weights_path(scale).name}")
    return " && ".join(steps)


def lineage(name: str, about: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Runs by name with what their weights say of themselves: those that `name` goes on from, then itself."""
    start = about.get("started_from")
    source = about.get("warm_start") or about.get("branch_from")
    before = lineage(Path(source).parent.name, start) if start else []
    return [*before, (name, about)]


def spent(about: dict[str, Any] | None, key: str) -> float:
    """Steps ("step") or minutes ("minutes") of a run and of those that it started from."""
    return about[key] + spent(about.get("started_from"), key) if about else 0


def trials() -> Table:
    """The trials that chose the recipe, those that were kept first; each annealed unless it says so."""
    numbers = pd.read_csv(TRIALS)
    printed = numbers.astype({"minutes": "Int64"}).astype("string").fillna("")
    printed["psnr_db"] = numbers["psnr_db"].map("{:g}".format)
    printed["scale"] = "×" + printed["scale"]
    titles = {"psnr_db": "held-out PSNR (dB)", "batch_size": "batch", "lr_patch_px": "LR patch"}
    titles |= {"held_out_images": "held-out images"}
    notes = (
        "Compare within a session only: they differ in held-out images and in budget. One run each.",
        "Muon's rate is for the 64-to-64 convolutions, Adam's for the rest. Empty cells were not recorded.",
    )
    caption = "Trials of the recipe"
    printed = printed.rename(columns=titles).astype(str)
    kept = printed[printed["remark"].str.startswith("kept")]
    brief = kept[["session", "scale", "recipe", "steps", titles["psnr_db"]]]
    return Table("training_trials", caption, numbers, printed, (*notes, "First stand those kept."), brief)


def shipped_rows(report: Path, scales: Sequence[int]) -> pd.DataFrame:
    """Result rows of exactly the files that ship, in float32: of a report, or else of the published one."""
    files = [report / "rows" / "benchmarks.csv", PUBLISHED_ROWS]
    rows = pd.concat([results.load(path) for path in files], ignore_index=True)
    digests = [sha256(weights_path(scale)) for scale in scales]
    own = rows[(rows["model"] == "hdsrnet") & (rows["precision"] == "fp32")]
    own = own[own["weights_sha256"].isin(digests)].assign(weights="ours")
    return own.drop_duplicates(["dataset", "scale", "image"])
