"""The networks that are looked into and the sets that they are given, as far as these are here."""

from collections.abc import Iterator
from dataclasses import dataclass

from hdsr.checkpoint import load_pretrained
from hdsr.datasets import Benchmark, load_benchmark
from hdsr.measure.benchmarks import set_obstacle, variants
from hdsr.methods import registry
from hdsr.methods.registry import Method
from hdsr.network import HDSRNet
from hdsr.settings import DynamicsSettings

MODEL = "hdsrnet"


@dataclass(frozen=True)
class Subject:
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


def subjects(settings: DynamicsSettings) -> Iterator[Subject]:
    """A network for each scale and each source of weights that is asked for and there."""
    for scale in settings.scales:
        for variant in variants(settings.measurement, scale):
            if variant.model == MODEL and variant.obstacle is None:
                method = registry.load(MODEL, scale, variant.source, root=settings.root)
                network = load_pretrained(scale, variant.source, settings.root)
                yield Subject(method, network.requires_grad_(False))


def benchmarks(settings: DynamicsSettings, scale: int) -> list[Benchmark]:
    """The sets that are asked for and there."""
    return [
        load_benchmark(name, scale, settings.root)
        for name in settings.datasets
        if set_obstacle(settings.measurement, name, scale) is None
    ]
