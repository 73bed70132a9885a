"""The tables inside the READMEs, renewed from the published rows and from what the weights say of themselves.

A table stands between `<!-- name -->` and `<!-- end of name -->`; the text around it is written by hand.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hdsr import checkpoint, results
from hdsr.errors import HdsrError
from hdsr.files import atomic_path, sha256
from hdsr.paths import OWN_WEIGHTS, PROJECT, PUBLISHED
from hdsr.report import psnr_tables, tables
from hdsr.report.training import PUBLISHED_ROWS, spent
from hdsr.scorecard import scorecard
from hdsr.suite import index

_HELD_OUT = ("validation_psnr_db", "more_validation_psnr_db")
"""What a weights file says of held-out images: of the validation's set, and of its other sets."""


def renew() -> None:
    """Write every table of the two READMEs anew.

    Raises:
        HdsrError: when a README lacks the place of a table.
    """
    for path, contents in current_tables().items():
        text = with_tables(path.read_text(encoding="utf-8"), contents, path.name)
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def current_tables() -> dict[Path, dict[str, str]]:
    """What the tables of each README should say, by name."""
    rows = results.prevailing(pd.read_csv(PUBLISHED_ROWS))
    verdicts = scorecard.read_verdicts(PUBLISHED)
    return {
        PROJECT / "README.md": {
            "verdicts": scorecard.counts(verdicts).markdown(),
            "findings": index.findings(PUBLISHED).markdown(),
            "headline": psnr_tables.headline(rows).markdown(),
        },
        OWN_WEIGHTS / "README.md": {"files": _files(OWN_WEIGHTS), "quality": _quality(rows)},
    }


def with_tables(text: str, contents: Mapping[str, str], source: str) -> str:
    """The text of README `source` with each table put between its marks."""
    for name, table in contents.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{start}.*?{end}", re.DOTALL)
        if not pattern.search(text):
            raise HdsrError(f"{source} has no place for a table: expected {start} and {end}")
        text = pattern.sub(lambda _, body=f"{start}\n{table}\n{end}": body, text)
    return text


def _files(folder: Path) -> str:
    """A line for each weights file: what made it, for how long, how good it was on held-out images."""
    return tables.markdown(pd.DataFrame(map(_file, sorted(folder.glob("*.safetensors")))))


def _file(path: Path) -> dict[str, str]:
    about = checkpoint.describe(path)
    start = about.get("warm_start") or about.get("branch_from")
    link = f"[{path.stem}](../../hdsr/configs/{path.stem}.yaml)"
    return {
        "file": path.name,
        "configuration": f"{link}, from {start}" if start else link,
        "steps": f"{spent(about, 'step'):,}",
        "patches": f"{_patches_seen(about):,}",
        "device": " and ".join(dict.fromkeys(_devices(about))),
        "minutes": f"{spent(about, 'minutes'):.1f}",
        "held-out PSNR (dB)": " / ".join(f"{about[key]:.2f}" for key in _HELD_OUT if about.get(key)),
        "SHA-256": sha256(path),
    }


def _devices(about: dict[str, Any]) -> list[str]:
    """Of the runs that it started from, then its own."""
    start = about.get("started_from")
    return [*(_devices(start) if start else ()), about.get("device", "cpu")]


def _patches_seen(about: dict[str, Any] | None) -> int:
    """By a run and those that it started from."""
    if not about:
        return 0
    return about["step"] * about["config"]["batch_size"] + _patches_seen(about.get("started_from"))


def _quality(rows: pd.DataFrame) -> str:
    """PSNR in dB / SSIM of our weights on every whole set, a line per method and set."""
    means = tables.with_methods(results.summarize(rows[rows["weights"] == "ours"])).query("complete")
    cells = means.assign(cell=tables.pairs(means, "psnr_db", "ssim"), scale="x" + means["scale"].astype(str))
    table = cells.pivot(index=["method", "dataset"], columns="scale", values="cell").fillna(tables.ABSENT)
    table = table.loc[list(dict.fromkeys(zip(cells["method"], cells["dataset"], strict=True)))]
    return tables.markdown(table.reset_index().rename(columns={"method": "network", "dataset": "set"}))
