"""Rows of `make bench` on a GPU, made up."""

import pandas as pd


def on_a_gpu(times_ms: dict[str, float], precision: str = "fp32") -> pd.DataFrame:
    """Medians at HR 256 x 256 by network, as published; quartiles 2 % below and above, ratios to VDSR."""
    lines = [
        (f"{name}, as published", time, 0.98 * time, 1.02 * time, times_ms["VDSR"] / time)
        for name, time in times_ms.items()
    ]
    rows = pd.DataFrame(lines, columns=["form", "median", "quartile1", "quartile3", "ratio"])
    facts = {"what": "time, Table VI", "size": "HR 256x256", "n": 15, "device": "Some card"}
    return rows.assign(part="gpu", dtype=precision, **facts)
