"""The tables inside the READMEs, renewed from the published rows and from what the weights say of themselves.

A table stands between `<!-- name -->` and `<!-- end of name -->`; the text around it is written by hand.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hdsr import checkpoint, config, quality, results, tables
from hdsr.errors import HdsrError
from hdsr.files import atomic_path, sha256
from hdsr.paths import OWN_WEIGHTS, PROJECT

CONFIGS = PROJECT / "hdsr" / "configs"
PUBLISHED_ROWS = PROJECT / "reports" / "published" / "rows" / "benchmarks.csv"
HOW_ONLY = {"data", "tensorboard", "warm_start"}
"""Keys of a configuration that weights do not record, or record in another form."""


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
    rows = pd.read_csv(PUBLISHED_ROWS)
    return {
        PROJECT / "README.md": {"headline": lines_of(quality.headline(rows))},
        OWN_WEIGHTS / "README.md": {"files": files_table(OWN_WEIGHTS), "quality": quality_table(rows)},
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


def lines_of(table: tables.Table) -> str:
    """The body of a table in Markdown, without caption and notes."""
    return "\n".join(line for line in repr(table).splitlines() if line.startswith("|"))


def files_table(folder: Path) -> str:
    """A line for each weights file: what made it, for how long, how good it was on held-out images."""
    head = ("file", "configuration", "steps", "minutes", "held-out PSNR (dB)", "SHA-256")
    lines = [file_cells(path) for path in sorted(folder.glob("*.safetensors"))]
    return markdown([head, *lines])


def file_cells(path: Path) -> tuple[str, ...]:
    """One line of `files_table`."""
    about = checkpoint.describe(path)
    origin = f", from {about['warm_start']}" if about.get("warm_start") else ""
    return (
        path.name,
        configuration_link(about["config"]) + origin,
        f"{about['step']:,}",
        f"{about['minutes']:.0f}",
        f"{about['validation_psnr_db']:.2f}",
        sha256(path),
    )


def configuration_link(recorded: dict[str, Any]) -> str:
    """The configuration file that is nearest to what the weights recorded, and where it differs."""
    made_by = config.validated(recorded | {"warm_start": "any"}, "the weights' header")
    differing = {path: differences(made_by, config.load_config(path)) for path in CONFIGS.glob("*.yaml")}
    nearest = min(differing, key=lambda path: (len(differing[path]), path.name))
    link = f"[{nearest.stem}](../../hdsr/configs/{nearest.name})"
    return f"{link} with other {', '.join(differing[nearest])}" if differing[nearest] else link


def differences(one: config.TrainingConfig, other: config.TrainingConfig) -> list[str]:
    """The keys in which two configurations differ."""
    ours, theirs = (item.model_dump(exclude=HOW_ONLY) for item in (one, other))
    return [key for key, value in ours.items() if value != theirs[key]]


def quality_table(rows: pd.DataFrame) -> str:
    """PSNR in dB / SSIM of our weights on every whole set, a line per method and set."""
    means = tables.with_methods(results.summarize(rows[rows["weights"] == "ours"])).query("complete")
    cells = means.assign(cell=tables.pairs(means, "psnr_db", "ssim"))
    table = cells.pivot(index=["method", "dataset"], columns="scale", values="cell").fillna(tables.ABSENT)
    order = list(dict.fromkeys(zip(cells["method"], cells["dataset"], strict=True)))
    head = ("network", "set", *(f"x{scale}" for scale in table.columns))
    return markdown([head, *((*place, *table.loc[place]) for place in order)])


def markdown(lines: list[tuple[str, ...]]) -> str:
    """Lines of cells as a Markdown table, the first one its head."""
    head, *body = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ("---",) * len(head), *body])
