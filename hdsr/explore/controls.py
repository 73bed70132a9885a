"""What can be chosen on the page, and what is."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as ipw

from hdsr import paper, paths
from hdsr.datasets import BENCHMARK_SETS, load_benchmark
from hdsr.errors import HdsrError
from hdsr.explore import look, subjects
from hdsr.explore.look import Networks
from hdsr.explore.subjects import Role, Subject, Upload
from hdsr.fetch.weights import weights_path
from hdsr.methods.registry import LOADERS, Method, is_present
from hdsr.report.tables import source_label
from hdsr.settings import ExploreSettings

FILE = "file"
"""Stands for weights in a file, whose path is typed."""
UPLOADED = "uploaded"
"""Stands for the uploaded image in the place of a data set."""
TEMPERATURES = (-2.0, 2.0)
"""Powers of ten between which the softmax temperature can be chosen."""
SAME_TEMPERATURE = 10**0.025
"""Half a step of the slider: what is no farther from the trained temperature is the trained one."""
PLAIN = {"description_width": "initial"}

BICUBIC, TRAINED, TRUE = "Bicubic", "HDSRNet as trained", "True image"
FIRST_LAYER = "upper.blocks.0.dynamic"

Option = tuple[str, tuple[str, str]]
"""Label, and (set, image)."""


@dataclass(frozen=True)
class Choice:
    """All that is chosen at one moment."""

    image: tuple[str, str]
    """(set, image)."""
    upload: Upload | None
    role: Role
    scale: int
    source: str
    """Of the weights."""
    temperature: float
    """Where the slider stands."""
    left: str | tuple[str, str]
    """BICUBIC, TRAINED, TRUE, or (method, source of its weights): what stands left of the divider."""
    layer: str
    each: bool
    """Whether every feature map is drawn in a brightness of its own."""
    root: Path
    """The data folder."""

    def looks_at(self) -> tuple[object, ...]:
        """The subject; where it is the same, so are its pixels."""
        return self.image, self.upload, self.role, self.scale

    def networks(self) -> Networks:
        """The networks.

        Raises:
            HdsrError: if they cannot be loaded.
        """
        if not self.source:
            raise HdsrError("Type the path of a .safetensors file, or of the authors' .pt, and press Enter")
        return look.networks(self.scale, self.source, self.root)

    def method(self) -> Method | None:
        """The method whose image stands left of the divider, where it has to be run for that.

        Raises:
            HdsrError: if it cannot be loaded.
        """
        if isinstance(self.left, str):
            return None
        name, source = self.left
        return look.method(name, source, self.scale, self.root)

    def subject(self) -> Subject:
        """The image, at the scale.

        Raises:
            HdsrError: if it is not there, or too small.
        """
        dataset, image = self.image
        if dataset == UPLOADED:
            return subjects.uploaded(self.upload, self.role, self.scale)
        return subjects.built_in(dataset, image, self.scale, self.root)

    def softmax_temperature(self, trained: float) -> float:
        """The temperature: the trained one where the slider is as near as it can be."""
        value = self.temperature
        return trained if trained / SAME_TEMPERATURE < value < trained * SAME_TEMPERATURE else value


class Controls:
    """The controls that say what is looked at, and with which network.

    Attributes:
        gaps: a sentence for each data set and source of weights that is not there.
        upload: the image that a person has brought, if any.
    """

    def __init__(self, settings: ExploreSettings) -> None:
        self.root = paths.data_root(settings.data_root)
        self.upload: Upload | None = None
        images, self.gaps = offered_images(settings)
        present = offered_weights(settings)
        self.gaps += [
            f"The weights {source_label(source)} are not there."
            for source in settings.weights
            if source not in present
        ]
        sources = [(source_label(source), source) for source in present]
        wide = ipw.Layout(width="250px")
        self.image = ipw.Dropdown(
            options=[*images, *_benchmark_images(settings)], description="Image", style=PLAIN, layout=wide
        )
        self.scale = _toggles("Scale", [(f"×{scale}", scale) for scale in settings.scales])
        self.weights = ipw.Dropdown(
            options=[*sources, ("a file…", FILE)], description="Weights", style=PLAIN, layout=wide
        )
        self.file = ipw.Text(
            placeholder="path/to/weights.safetensors",
            description="File",
            continuous_update=False,
            style=PLAIN,
        )
        self.role = _toggles("Take it as", [("small: enlarge it", "lr"), ("true: shrink it first", "hr")])
        low, high = TEMPERATURES
        self.temperature = ipw.FloatLogSlider(
            min=low,
            max=high,
            step=0.05,
            description="Softmax temperature (lower: sharper)",
            readout_format=".3g",
            continuous_update=False,
            style=PLAIN,
            layout=ipw.Layout(width="520px"),
        )
        self.reset = ipw.Button(description="as trained", layout=ipw.Layout(width="100px"))
        self.left = ipw.Dropdown(
            description="Left of the divider", style=PLAIN, layout=ipw.Layout(width="330px")
        )
        self.layer = ipw.Dropdown(description="Layer", style=PLAIN, layout=ipw.Layout(width="380px"))
        self.each = ipw.Checkbox(description="every map in a brightness of its own", indent=False)
        self.follow()

    def observe(self, changed: Callable[[object], None]) -> None:
        """Call a function after every change."""
        chosen = (self.image, self.scale, self.weights, self.file, self.role, self.temperature)
        for control in (*chosen, self.left, self.layer, self.each):
            control.observe(changed, "value")

    def follow(self) -> None:
        """Offer what there is at the chosen scale, and hide what has no meaning for what is chosen."""
        self.file.layout.display = "" if self.weights.value == FILE else "none"
        self.role.layout.display = "" if self.image.value[0] == UPLOADED else "none"
        labels = look.layer_labels(self.scale.value)
        _offer(self.layer, [(label, name) for name, label in labels.items()], FIRST_LAYER)
        is_known = self.image.value[0] != UPLOADED or self.role.value == "hr"
        plain = [(name, name) for name in (BICUBIC, TRAINED, *[TRUE] * is_known)]
        _offer(self.left, [*plain, *_offered_methods(self.scale.value, self.root)], BICUBIC)

    def bring(self, upload: Upload) -> None:
        """Put an uploaded image beside the others, in the place of an earlier one, and choose it.

        Raises:
            HdsrError: if it is too small for what it is taken as.
        """
        subjects.uploaded(upload, self.role.value, self.scale.value)
        kept = [option for option in self.image.options if option[1][0] != UPLOADED]
        self.upload, place = upload, (UPLOADED, upload.name)
        self.image.options = [*kept, (f"uploaded: {upload.name}", place)]
        self.image.value = place

    def choice(self) -> Choice:
        """What is chosen now."""
        source = self.weights.value
        if source == FILE:
            typed = self.file.value.strip()
            source = str(paths.absolute(typed)) if typed else ""
        return Choice(
            image=self.image.value,
            upload=self.upload,
            role=self.role.value,
            scale=self.scale.value,
            source=source,
            temperature=self.temperature.value,
            left=self.left.value,
            layer=self.layer.value,
            each=self.each.value,
            root=self.root,
        )


def _offer(control: ipw.Dropdown, options: list[tuple[str, object]], first: object) -> None:
    """Other options, the chosen one kept where it is among them."""
    if control.options != tuple(options):
        values = [value for _, value in options]
        value = control.value if control.value in values else first
        control.options = options
        control.value = value


def _toggles(description: str, options: list[tuple[str, object]]) -> ipw.ToggleButtons:
    """Buttons side by side of which one is down."""
    style = PLAIN | {"button_width": "auto"}
    return ipw.ToggleButtons(options=options, description=description, style=style)


def offered_images(settings: ExploreSettings) -> tuple[list[Option], list[str]]:
    """Every image of the sets that are there, and a sentence for each set that is not.

    Raises:
        HdsrError: if none is there.
    """
    images, gaps = [], []
    for dataset in settings.datasets:
        try:
            images += _images_of(dataset, settings)
        except HdsrError as error:
            gaps.append(f"{str(error).replace(str(paths.data_root(settings.data_root)), 'DATA')}.")
    if not images:
        raise HdsrError(f"there is no image to begin with: {' '.join(gaps)}")
    return images, gaps


def _images_of(dataset: str, settings: ExploreSettings) -> list[Option]:
    """The images of a set; HdsrError where it is not there."""
    benchmark = load_benchmark(dataset, settings.scales[0], paths.data_root(settings.data_root))
    prefix = "" if dataset == "samples" else f"{benchmark.name}: "
    return [(prefix + path.stem, (dataset, path.stem)) for path in benchmark.hr_paths]


def _benchmark_images(settings: ExploreSettings) -> list[Option]:
    """The images of the published sets that the data folder has besides those of the settings."""
    root, found = paths.data_root(settings.data_root), []
    for dataset in BENCHMARK_SETS:
        if dataset not in settings.datasets and (root / "benchmarks" / dataset).is_dir():
            with suppress(HdsrError):
                found += _images_of(dataset, settings)
    return found


def _offered_methods(scale: int, root: Path) -> list[Option]:
    """Every method of the registry that has weights for a scale, a line for each source of weights."""
    return [
        (f"{paper.label(name)}, {source_label(source)}", (name, source))
        for name, entry in LOADERS.items()
        for source in entry.sources
        if is_present(name, source, scale, root)
    ]


def offered_weights(settings: ExploreSettings) -> list[str]:
    """Sources of weights that are there for one scale or more, those of the settings first.

    Raises:
        HdsrError: if none is there.
    """
    sources = list(dict.fromkeys([*settings.weights, "ours", "authors"]))
    present = [source for source in sources if _is_there(source, settings)]
    if not present:
        raise HdsrError(f"there are no weights to begin with: looked for {', '.join(sources)}")
    return present


def _is_there(source: str, settings: ExploreSettings) -> bool:
    """Whether a source of weights has a file for one scale or more."""
    root = paths.data_root(settings.data_root)
    return any(weights_path(scale, source, root).is_file() for scale in settings.scales)
