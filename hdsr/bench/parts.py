"""The parts of `make bench` by name, in the order in which they are measured."""

from collections.abc import Iterable

import torch

from hdsr.bench import end_to_end, gpu, growth, inference, memory, peers, training
from hdsr.bench.rows import Part

PARTS: dict[str, Part] = {
    "inference": inference.measure,
    "training": training.measure,
    "growth": growth.measure,
    "memory": memory.measure,
    "end_to_end": end_to_end.measure,
    "gpu": gpu.measure,
    "peers": peers.measure,
}


def chosen(names: Iterable[str]) -> dict[str, Part]:
    """The parts of these names, of PARTS.

    Without names, all that this machine can measure: rows of a GPU elsewhere are not replaced by none.
    """
    wanted = list(names) or [name for name in PARTS if name != "gpu" or torch.cuda.is_available()]
    return {name: part for name, part in PARTS.items() if name in wanted}
