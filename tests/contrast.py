"""Contrast of colors, for tests of what is read."""

from matplotlib.colors import to_rgb

READABLE = 4.5
"""The least contrast of text, WCAG 2.2, success criterion 1.4.3."""


def luminance(color: str) -> float:
    """Relative luminance of an sRGB color."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast of two colors, 1 to 21."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)
