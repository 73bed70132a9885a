"""The parts of `make bench` by name, in the order in which they are measured."""

from collections.abc import Iterable

import torch

from hdsr.bench import end_to_end, gpu, growth, inference, memory, peers, training
from hdsr.bench.rows import Part
from hdsr.errors import HdsrError

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
    """The parts of these names; HdsrError for a name that there is not.

    Without names, all that this machine can measure: rows of a GPU elsewhere are not replaced by none.
    """
    here = [name for name in PARTS if name != "gpu" or torch.cuda.is_available()]
    wanted = list(names) or here
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        raise HdsrError(f"unknown part {unknown[0]!r}: expected some of {', '.join(PARTS)}")
    return {name: part for name, part in PARTS.items() if name in wanted}
