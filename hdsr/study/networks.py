"""The networks that are looked into and the sets that they are given, as far as these are here."""

from collections.abc import Iterator
from dataclasses import dataclass

from hdsr.checkpoint import load_pretrained
from hdsr.datasets import Benchmark, load_benchmark
from hdsr.measure.benchmarks import set_obstacle, variants
from hdsr.methods import registry
from hdsr.methods.registry import Method
from hdsr.network import HDSRNet
from hdsr.settings import NetworkSettings

MODEL = "hdsrnet"


@dataclass(frozen=True)
class Trained:
    """HDSRNet at one scale with weights from one source."""

    method: Method
    """As the tables measure it; names the weights and the code."""
    network: HDSRNet
    """In its published form, without gradients of its weights."""

    @property
    def about(self) -> dict[str, object]:
        """What its rows begin with."""
        named = {"weights": self.method.weights_label, "weights_sha256": self.method.weights_sha256}
        return {**named, "scale": self.network.scale}

    @property
    def title(self) -> str:
        """Its name on a progress bar."""
        return f"{self.method.label} x{self.network.scale}, {self.method.weights_label}"


def trained_networks(settings: NetworkSettings) -> Iterator[Trained]:
    """A network for each scale and each source of weights that is asked for and there."""
    for scale in settings.scales:
        for variant in variants(settings.measurement, scale):
            if variant.model == MODEL and variant.obstacle is None:
                method = registry.load(MODEL, scale, variant.source, root=settings.root)
                network = load_pretrained(scale, variant.source, settings.root)
                yield Trained(method, network.requires_grad_(False))


def benchmarks(settings: NetworkSettings, scale: int) -> list[Benchmark]:
    """The sets that are asked for and there; where none is, the built-in samples."""
    there = [name for name in settings.datasets if set_obstacle(settings.measurement, name, scale) is None]
    return [load_benchmark(name, scale, settings.root) for name in there or ["samples"]]


def missing(settings: NetworkSettings) -> list[str]:
    """Why weights or sets that are asked for are not looked into, a sentence each."""
    measurement, found = settings.measurement, []
    for scale in settings.scales:
        used = [variant for variant in variants(measurement, scale) if variant.model == MODEL]
        found += [variant.obstacle for variant in used]
        found += [set_obstacle(measurement, name, scale) for name in settings.datasets]
    return list(dict.fromkeys(reason for reason in found if reason))
