"""For torch.hub: torch.hub.load("OWNER/REPOSITORY", "hdsrnet", scale=4)."""

import sys
from pathlib import Path

dependencies = ["numpy", "psutil", "safetensors", "torch"]

sys.path.insert(0, str(Path(__file__).resolve().parent))

from hdsr.checkpoint import load_pretrained  # noqa: E402
from hdsr.network import HDSRNet  # noqa: E402


def hdsrnet(scale: int = 4, weights: str | None = "ours", pretrained: bool = True) -> HDSRNet:
    """HDSRNet, trained for clean bicubic LR images.

    Args:
        scale: 2, 3 or 4.
        weights: "ours", the weights that this repository carries; "authors", or a file.
        pretrained: whether it gets them; else its weights are random.

    Returns:
        A module in evaluation mode: RGB in 0..255, (batch, 3, height, width), to the same `scale` times
        larger.
    """
    network = load_pretrained(scale, weights) if pretrained and weights else HDSRNet(scale)
    return network.eval()
