"""Table VII from rows of counts: published beside counted, the counters reconciled, the conventions found.

The rows are those of `hdsr.measure.counters.count_networks`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from hdsr import paper
from hdsr.measure import counters
from hdsr.measure.counters import (
    ACTIVATIONS,
    ATEN,
    BIASES,
    CONVOLUTIONS,
    FOURIERS,
    HAND,
    ITEMS,
    PYTORCH,
    SEEN,
    SHIFTS,
    TORCH,
    by_hand,
    by_item,
)
from hdsr.report.tables import ABSENT, MANY_LINES, Table, texts

GIGA = 1e9
ROUNDED_G, ROUNDED_K = 0.005, 0.5
"""Half of the last digit that the paper prints, in 10^9 operations and in thousands of parameters."""


@dataclass(frozen=True)
class _Convention:
    """A way to count operations."""

    description: str
    items: tuple[str, ...]
    """Keys of `hdsr.measure.counters.ITEMS` that are added up."""
    shared_once: bool = False
    """Whether weights that are used at several places are counted at one."""


_ALL = (*SEEN[TORCH], SHIFTS)
_LAYERS = (CONVOLUTIONS, BIASES, ACTIVATIONS, counters.OTHER_ACTIVATIONS)
_POOLING = (counters.POOLED, counters.OTHER_POOLED)
_CONVENTIONS = (
    _Convention("all convolutions and matrix products, the mean shift among them", _ALL),
    _Convention(
        "the same with biases, activations and pooling",
        tuple(item for item in ITEMS if item != FOURIERS),
    ),
    _Convention("everything, Fourier transforms too", tuple(ITEMS)),
    _Convention("convolution layers, not computed kernels", (CONVOLUTIONS,)),
    _Convention("convolution layers, not computed kernels, with biases and activations", _LAYERS),
    _Convention(
        "convolution layers, not computed kernels, with biases, activations and pooling",
        (*_LAYERS, *_POOLING),
    ),
    _Convention("convolution layers, weights used twice counted once", (CONVOLUTIONS,), True),
    _Convention("convolution layers, biases and activations, weights used twice counted once", _LAYERS, True),
)
"""Those that a paper may have used, the plainest first."""
_LEARNED = "learned values"
_PARAMETER_CONVENTIONS = {_LEARNED: False, "learned values and the mean shift's 24 constants": True}
"""Whether the constants of the mean shift are counted as parameters."""

_Key = TypeVar("Key")


def complexity(rows: pd.DataFrame) -> Table:
    """Table VII: what the paper prints, at x4, and what was counted at every scale for one size of LR."""
    wide = rows.pivot(index=["network", "scale"], columns="counter", values="macs")
    learned = rows.groupby(["network", "scale"], sort=False)["parameters"].first()
    published = paper.complexity().set_index(["method", "scale"])[["parameters_k", "flops_g"]]
    numbers = learned.to_frame().join(wide).join(published.rename_axis(["network", "scale"])).reset_index()
    numbers = numbers.rename(columns={"network": "method", HAND: "macs"})
    caption = f"Table VII: parameters and MACs for LR images of {_size_of(rows)}, as printed and as counted"
    printed = _printed_counts(numbers)
    # what the paper has first, where there is much else
    brief = printed[numbers["parameters_k"].notna()] if len(printed) > MANY_LINES else None
    return Table("table_VII_complexity", caption, numbers, printed, _COUNT_NOTES, brief)


_COUNT_NOTES = (
    "MACs in units of 10^9: one multiplication with its addition. The paper calls them flops.",
    "By hand includes the mean shift as two 1x1 convolutions, and for DCLS the Fourier transforms; no counter"
    " of operations sees these. ptflops' backend pytorch misses convolutions whose kernel is computed.",
)


def _size_of(rows: pd.DataFrame) -> str:
    """The size of the LR images as text."""
    side = rows["lr_px"].iloc[0]
    return f"{side} x {side}"


def _printed_counts(numbers: pd.DataFrame) -> pd.DataFrame:
    """The printed form of `complexity`."""
    cells = {
        ("", "network"): numbers["method"],
        ("", "scale"): "×" + numbers["scale"].astype(str),
        ("parameters", "paper"): texts(numbers["parameters_k"], "{:,.0f}K"),
        ("parameters", "counted"): texts(numbers["parameters"], "{:,}"),
        ("MACs (G)", "paper"): texts(numbers["flops_g"], "{:.2f}"),
    }
    heads = {"macs": "by hand", TORCH: "torch", ATEN: "ptflops, aten", PYTORCH: "ptflops, pytorch"}
    cells |= {("MACs (G)", head): texts(numbers[name] / GIGA, "{:.2f}") for name, head in heads.items()}
    return pd.DataFrame(cells)


def layers(network: str, scale: int, lr_px: int) -> Table:
    """The hand count of one network, part by part."""
    parts = by_hand(scale, lr_px, lr_px, network)
    total = parts.sum(numeric_only=True).drop("places")
    shown = pd.concat([parts, pd.DataFrame([{"part": "sum", "kind": "", **total}])], ignore_index=True)
    counted = ["parameters", "macs", "biases", "activations", "pooled"]
    printed = shown[["part", "kind", *counted]].copy()
    printed[counted] = printed[counted].map("{:,.0f}".format)
    caption = f"{network} at x{scale} by hand, LR {lr_px} x {lr_px}"
    return Table(f"layers_{network}_x{scale}", caption, parts, printed)


def reconciliation(rows: pd.DataFrame, network: str, scale: int) -> Table:
    """What each counter sees of a network, line by line, and that the lines add up to what it says.

    Args:
        rows: counts at one size of the LR image.
        network: one with a hand count.
        scale: 2, 3 or 4.

    Returns:
        A table whose last line, the difference between what a counter says and the sum of what it sees, is
        zero throughout if `SEEN` describes the counters rightly.
    """
    said = rows.query("network == @network and scale == @scale").set_index("counter")["macs"]
    lr_px = int(rows["lr_px"].iloc[0])
    amounts = by_item(by_hand(scale, lr_px, lr_px, network))
    columns = {
        counter: [amounts[item] * seen.count(item) for item in amounts.index]
        for counter, seen in SEEN.items()
    }
    numbers = pd.DataFrame(columns, index=amounts.index)
    totals = pd.DataFrame({"sum of the lines": numbers.sum(), "what the counter says": said}).T
    totals.loc["difference"] = totals.iloc[1] - totals.iloc[0]
    numbers = pd.concat([numbers, totals]).astype("int64").rename_axis("item").reset_index()
    caption = f"{network} at x{scale}, LR {_size_of(rows)}: which operations each counter sees (10^6)"
    return Table(f"reconciliation_{network}_x{scale}", caption, numbers, _printed_lines(numbers, amounts))


def _printed_lines(numbers: pd.DataFrame, amounts: pd.Series) -> pd.DataFrame:
    """The printed form of `reconciliation`: without items that are zero; what is not seen as a dash."""
    shown = numbers[~numbers["item"].isin(amounts.index[amounts == 0])]
    counts = shown[list(SEEN)]
    unseen = (counts == 0).mul(shown["item"].isin(amounts.index), axis=0)
    cells = (counts / 1e6).map("{:,.3f}".format).mask(unseen, ABSENT)
    return pd.concat([shown[["item"]], cells], axis=1)


@dataclass(frozen=True)
class Origin:
    """Where a number of Table VII comes from."""

    method: str
    quantity: str
    """ "parameters" (in thousands) or "flops" (in 10^9)."""
    published: float
    true: float
    """At the scale that the paper states: all learned values, or all convolutions and matrix products."""
    scale: int
    """Of the value that is nearest to the published one."""
    nearest: float
    convention: str
    """What the nearest value counts."""
    equal: bool
    """Whether the nearest value is the published one, as printed."""


def origins(lr_px: int = 256) -> list[Origin]:
    """Where each number of Table VII comes from, by hand count at every scale and in every convention.

    HR images of 1024 x 1024 are LR images of 256 x 256 pixels at x4.
    """
    cells = [cell for cell in paper.complexity().itertuples() if cell.method in counters.DRAWN]
    return [origin for cell in cells for origin in (_parameters_origin(cell), _flops_origin(cell, lr_px))]


def _parameters_origin(cell: Any) -> Origin:
    """Which scale gives the published number of parameters, with or without the mean shift's constants."""
    counted = {
        (way, scale): _stored_values(cell.method, scale, constants) / 1e3
        for way, constants in _PARAMETER_CONVENTIONS.items()
        for scale in (4, 3, 2)
    }
    (way, scale), equal = plainest(counted, cell.parameters_k, ROUNDED_K)
    true = counted[_LEARNED, cell.scale]
    return Origin(cell.method, "parameters", cell.parameters_k, true, scale, counted[way, scale], way, equal)


def _stored_values(network: str, scale: int, constants: bool) -> int:
    """Learned values of a network, with the constants of its mean shift if wanted."""
    parts = by_hand(scale, 1, 1, network)
    has_shift = (parts["kind"] == counters.SHIFT).any()
    return int(parts["parameters"].sum()) + (counters.SHIFT_CONSTANTS if constants and has_shift else 0)


def plainest(counted: Mapping[_Key, float], published: float, tolerance: float) -> tuple[_Key, bool]:
    """The first value that is the published one as printed, and True; else the nearest, and False."""
    equal = [key for key, value in counted.items() if abs(value - published) <= tolerance]
    return (equal or [min(counted, key=lambda key: abs(counted[key] - published))])[0], bool(equal)


def _flops_origin(cell: Any, lr_px: int) -> Origin:
    """Which scale and convention give the published operations: the plainest that do, else the nearest."""
    counted = {
        (way, scale): operations(cell.method, scale, lr_px, way) / GIGA
        for way in _CONVENTIONS
        for scale in (4, 3, 2)
    }
    (way, scale), equal = plainest(counted, cell.flops_g, ROUNDED_G)
    true = counted[_CONVENTIONS[0], cell.scale]
    return Origin(
        cell.method, "flops", cell.flops_g, true, scale, counted[way, scale], way.description, equal
    )


def operations(network: str, scale: int, lr_px: int, convention: _Convention) -> int:
    """The operations of a network that a convention counts."""
    parts = by_hand(scale, lr_px, lr_px, network)
    return int(by_item(parts, convention.shared_once)[list(convention.items)].sum())


def origins_table(found: list[Origin]) -> Table:
    """The result of `origins` as a table."""
    numbers = pd.DataFrame(found)
    units = {"parameters": "parameters (K)", "flops": "flops (G)"}
    cells = {
        "network": numbers["method"],
        "number": numbers["quantity"].map(units),
        "paper": numbers["published"].map("{:,.2f}".format),
        "true, ×4": numbers["true"].map("{:,.2f}".format),
        "nearest": numbers["nearest"].map("{:,.2f}".format),
        "at": "×" + numbers["scale"].astype(str),
        "which counts": numbers["convention"],
        "equal as printed": numbers["equal"].map({True: "yes", False: "no"}),
    }
    caption = "Where the numbers of Table VII come from"
    return Table("table_VII_origins", caption, numbers, pd.DataFrame(cells))


def counted_by_hand(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """The networks and scales in the rows that have a hand count, and so can be reconciled."""
    places = rows.loc[rows["counter"] == HAND, ["network", "scale"]]
    return list(places.itertuples(index=False, name=None))
