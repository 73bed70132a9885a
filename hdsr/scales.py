"""The factors by which images are enlarged."""

from hdsr.errors import HdsrError

SCALES = (2, 3, 4)


def check_scale(scale: int) -> None:
    """Raise HdsrError unless it is one of SCALES."""
    if scale not in SCALES:
        raise HdsrError(f"unknown scale {scale!r}: expected 2, 3 or 4")
