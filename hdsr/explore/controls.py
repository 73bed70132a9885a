"""What can be chosen on the page, and what is."""

from pathlib import Path

import ipywidgets as ipw

from hdsr.checkpoint import weights_path
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.explore import look, subjects
from hdsr.explore.look import Networks
from hdsr.explore.subjects import Subject, Upload
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

Option = tuple[str, tuple[str, str]]
"""Label, and (set, image)."""


class Controls:
    """The controls that say what is looked at, and with which network.

    Attributes:
        gaps: a sentence for each data set that is not there.
        upload: the image that a person has brought, if any.
    """

    def __init__(self, settings: ExploreSettings) -> None:
        self.settings = settings
        self.upload: Upload | None = None
        images, self.gaps = offered_images(settings)
        sources = [(source_label(source), source) for source in offered_weights(settings)]
        wide = ipw.Layout(width="250px")
        self.image = ipw.Dropdown(options=images, description="Image", style=PLAIN, layout=wide)
        self.scale = toggles("Scale", [(f"×{scale}", scale) for scale in settings.scales])
        self.weights = ipw.Dropdown(
            options=[*sources, ("a file…", FILE)], description="Weights", style=PLAIN, layout=wide
        )
        self.file = ipw.Text(
            placeholder="path/to/weights.safetensors",
            description="File",
            continuous_update=False,
            style=PLAIN,
        )
        self.role = toggles("Take it as", [("small: enlarge it", "lr"), ("true: shrink it first", "hr")])
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
        self.show_what_applies()

    @property
    def what_is_looked_at(self) -> tuple[ipw.Widget, ...]:
        """The controls after which another image has to be enlarged, or by another network."""
        return self.image, self.scale, self.weights, self.file, self.role

    def show_what_applies(self) -> None:
        """Hide what has no meaning for what is chosen."""
        self.file.layout.display = "" if self.weights.value == FILE else "none"
        self.role.layout.display = "" if self.image.value[0] == UPLOADED else "none"

    def offer(self, upload: Upload) -> None:
        """Put an uploaded image beside the others, in the place of an earlier one, and choose it."""
        kept = [option for option in self.image.options if option[1][0] != UPLOADED]
        self.upload = upload
        self.image.options = [*kept, (f"uploaded: {upload.name}", (UPLOADED, upload.name))]
        self.image.value = (UPLOADED, upload.name)
        self.show_what_applies()

    def state(self) -> tuple[Upload | None, tuple[Option, ...], tuple[str, str]]:
        """The images that are offered and the one that is chosen, for `restore`."""
        return self.upload, self.image.options, self.image.value

    def restore(self, state: tuple[Upload | None, tuple[Option, ...], tuple[str, str]]) -> None:
        """Go back to what `state` has given."""
        self.upload, self.image.options, self.image.value = state
        self.show_what_applies()

    def networks(self) -> Networks:
        """The networks that are chosen.

        Raises:
            HdsrError: if they cannot be loaded.
        """
        source = self.weights.value
        if source == FILE:
            source = str(Path(self.file.value.strip()).expanduser())
        return look.networks(self.scale.value, source, self.settings.root)

    def subject(self) -> Subject:
        """The image that is chosen, at the chosen scale.

        Raises:
            HdsrError: if it is not there, or too small.
        """
        dataset, image = self.image.value
        if dataset == UPLOADED:
            return subjects.uploaded(self.upload, self.role.value, self.scale.value)
        return subjects.built_in(dataset, image, self.scale.value, self.settings.root)

    def softmax_temperature(self, trained: float) -> float:
        """The temperature that is chosen: the trained one where the slider is as near as it can be."""
        value = self.temperature.value
        return trained if trained / SAME_TEMPERATURE < value < trained * SAME_TEMPERATURE else value


def toggles(description: str, options: list[tuple[str, object]]) -> ipw.ToggleButtons:
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
            benchmark = load_benchmark(dataset, settings.scales[0], settings.root)
        except HdsrError as error:
            gaps.append(f"{error}.")
            continue
        prefix = "" if dataset == "samples" else f"{benchmark.name}: "
        images += [(prefix + path.stem, (dataset, path.stem)) for path in benchmark.hr_paths]
    if not images:
        raise HdsrError(f"there is no image to begin with: {' '.join(gaps)}")
    return images, gaps


def offered_weights(settings: ExploreSettings) -> list[str]:
    """Sources of weights that are there for one scale or more, those of the settings first.

    Raises:
        HdsrError: if none is there.
    """
    sources = list(dict.fromkeys([*settings.weights, "ours", "authors"]))
    present = [source for source in sources if is_there(source, settings)]
    if not present:
        raise HdsrError(f"there are no weights to begin with: looked for {', '.join(sources)}")
    return present


def is_there(source: str, settings: ExploreSettings) -> bool:
    """Whether a source of weights has a file for one scale or more."""
    return any(weights_path(scale, source, settings.root).is_file() for scale in settings.scales)
