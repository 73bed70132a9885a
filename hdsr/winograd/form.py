"""What machine code of a convolution is made for."""

from typing import NamedTuple

CHANNELS = 64
"""Of the input, and at most of the output."""
OUTPUTS_STEP = 16
"""The kernel's output channels are a multiple of this."""
POINTS = (0, 1, -1, 2, -2)
"""Where the polynomials are evaluated, besides infinity."""
SIDE = len(POINTS) + 1
"""Of an input tile, in pixels."""
ROW = 4 * CHANNELS
"""Bytes of a pixel in float32."""


class Form(NamedTuple):
    """What machine code is made for."""

    size: int
    """Of the kernel: 3 or 5."""
    outputs: int
    """Channels, a multiple of OUTPUTS_STEP."""
    rectified: bool
    """Whether ReLU follows."""
    stored: int
    """Bytes of a value of features: 4 in float32, 2 in bfloat16. All sums are in float32."""
    lanes: int
    """float32 values of a vector register."""
    vectors: int
    """Registers across the output channels whose sums are under way at once."""
    tiles: int
    """Tiles whose sums are."""

    @property
    def tile(self) -> int:
        """Side of an output tile."""
        return SIDE + 1 - self.size
