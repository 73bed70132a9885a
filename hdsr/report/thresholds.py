"""Every threshold that a sentence or a verdict rests on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Threshold:
    """Up to which distance something counts as the same, or from which on as different, and why."""

    quantity: str
    value: float
    reason: str


THRESHOLDS = {
    "psnr_db": Threshold(
        "PSNR of a cell, measured less printed, dB, both at two decimals",
        0.01,
        "one in the last printed digit: two libraries' rounding can turn it",
    ),
    "ssim": Threshold(
        "SSIM of a cell, measured less printed, both at four decimals",
        0.0005,
        "half of what rounding the luma first changes on Set5, 0.0011",
    ),
    "cost": Threshold(
        "a number of Table VII, relative",
        0.01,
        "biases, activations and pooling, which some counters add, are less",
    ),
    "share": Threshold(
        "a kernel's share, between two images",
        0.05,
        "a fifth of a uniform share of 0.25",
    ),
    "unlikely": Threshold(
        "SSIM, from what its PSNR makes likely",
        0.015,
        "bicubic, the method farthest from the rest, keeps within",
    ),
    "visible": Threshold(
        "a change of PSNR, dB",
        0.005,
        "half of the last digit that the field prints: its tables cannot show a smaller change",
    ),
    "significant": Threshold(
        "p of no change, corrected by Holm",
        0.05,
        "the usual level",
    ),
}
