"""The parts of `make bench` by name, in the order in which they are measured."""

from collections.abc import Iterable

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
    """The parts of these names, all if there are none; HdsrError for a name that there is not."""
    wanted = list(names) or list(PARTS)
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        raise HdsrError(f"unknown part {unknown[0]!r}: expected some of {', '.join(PARTS)}")
    return {name: part for name, part in PARTS.items() if name in wanted}
