"""The forms of HDSRNet that are compared, each as a call on one image."""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from hdsr.inference import fold
from hdsr.measure.latency import Call, on_image
from hdsr.network import HDSRNet
from hdsr.upscaling.run import Precision, network_runner
from hdsr.winograd.convolution import switched_off

CPU = torch.device("cpu")
PUBLISHED, FOLDED = "published form", "folded"
DIRECT = f"{FOLDED}, without Winograd"
PUBLISHED_KEPT = f"{PUBLISHED}, freed memory kept"
"""What the published form would gain from the allocator's settings alone."""
KEPT, RETURNED = "freed memory kept", "freed memory returned, as by default"
MEMORY = {PUBLISHED: RETURNED, PUBLISHED_KEPT: KEPT, DIRECT: KEPT, FOLDED: KEPT}
"""The allocator's settings that a form runs under: of any Python process, or of `hdsr upscale`."""
DTYPES: dict[Precision, str] = {"fp32": "float32", "bf16": "bfloat16"}


def call_on(network: HDSRNet, form: str, precision: Precision, lr: NDArray[np.float32]) -> Call:
    """One form of a network as a call on one image.

    The published form has PyTorch's default layout, one grouped dynamic convolution and nothing folded. The
    folded one is called as `hdsr upscale` calls it, on an array in memory; DIRECT is the same by PyTorch's
    convolutions.

    Args:
        network: HDSRNet; it is not changed.
        form: one of MEMORY.
        precision: "fp32" or "bf16".
        lr: RGB in 0..255, (height, width, 3).
    """
    if form not in (FOLDED, DIRECT):
        return on_image(network, torch.from_numpy(batch_of_one(lr)), precision)
    enlarge = network_runner(fold(network), CPU, precision)
    return partial(switched_off()(enlarge), lr) if form == DIRECT else partial(enlarge, lr)


def batch_of_one(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(height, width, 3) as (1, 3, height, width) in the default layout."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])


def random_image(height_px: int, width_px: int) -> NDArray[np.float32]:
    """RGB in 0..255, (height, width, 3), always the same; the time does not depend on the values."""
    values = np.random.default_rng(0).integers(0, 256, (height_px, width_px, 3))
    return values.astype(np.float32)
