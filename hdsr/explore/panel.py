"""The page itself: controls, what they change, and one sentence for whatever cannot be done."""

import base64
import html
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import matplotlib

from hdsr.checkpoint import weights_path
from hdsr.datasets import load_benchmark
from hdsr.errors import HdsrError
from hdsr.explore import figure_1, pictures, still, subjects
from hdsr.explore import look as looks
from hdsr.explore.subjects import Subject, Upload
from hdsr.explore.widgets import Comparison, FileUpload, LayerPicker
from hdsr.figures import Drawing
from hdsr.metrics import size
from hdsr.notebook import ExploreSettings
from hdsr.tables import source_label

FILE = "file"
"""Stands for weights in a file, whose path is typed."""
UPLOADED = "uploaded"
"""Stands for the uploaded image in the place of a data set."""
FIRST_LAYER = "upper.blocks.0.dynamic"
TEMPERATURES = (-2.0, 2.0)
"""Powers of ten between which the softmax temperature can be chosen."""
SAME_TEMPERATURE = 0.02
"""Powers of ten; the slider stands at the trained temperature if it is no farther from it."""


class Explorer(ipw.VBox):
    """One image, one network, and everything that can be seen of them.

    In JupyterLab it is alive; where nothing is, such as in a web page made of the notebook, it is the picture
    that `still` draws.

    Attributes:
        seen: what is shown.
        made_by: the networks that made it.
        sheet: the feature maps that are shown.
        upload: the image that a person has brought, if any.
    """

    def __init__(self, settings: ExploreSettings) -> None:
        """Show the first image, scale and weights of the settings.

        Raises:
            HdsrError: if there is no image or no weights to begin with.
        """
        self.settings = settings
        self.upload: Upload | None = None
        self.holding = False
        self.make_controls()
        self.make_views()
        self.made_by = self.chosen_networks()
        self.show(looks.look(self.chosen_subject(), self.made_by))
        super().__init__(self.arranged())
        self.add_class("hdsr-explorer")
        self.tell(" ".join([self.what_is_shown(), *self.gaps]))
        self.listen()

    # ---- what it is made of ----------------------------------------------------------------------------

    def make_controls(self) -> None:
        """The controls, with what there is to choose from."""
        images, self.gaps = offered_images(self.settings)
        sources = [(source_label(source), source) for source in offered_weights(self.settings)]
        style, wide = {"description_width": "initial"}, ipw.Layout(width="250px")
        self.image = ipw.Dropdown(options=images, description="Image", style=style, layout=wide)
        self.scale = ipw.ToggleButtons(
            options=[(f"×{scale}", scale) for scale in self.settings.scales],
            description="Scale",
            style=style | {"button_width": "46px"},
        )
        self.weights = ipw.Dropdown(
            options=[*sources, ("a file…", FILE)], description="Weights", style=style, layout=wide
        )
        self.file = ipw.Text(placeholder="path/to/weights.safetensors", continuous_update=False)
        self.uploader = FileUpload(self.receive, self.decline)
        self.role = ipw.ToggleButtons(
            options=[("enlarge it", "lr"), ("shrink it first, and compare", "hr")],
            description="The uploaded image:",
            style=style | {"button_width": "auto"},
        )
        low, high = TEMPERATURES
        self.temperature = ipw.FloatLogSlider(
            value=40.0,
            min=low,
            max=high,
            step=0.05,
            description="Softmax temperature",
            readout_format=".3g",
            continuous_update=False,
            style=style,
            layout=ipw.Layout(width="420px"),
        )
        self.reset = ipw.Button(description="as trained", layout=ipw.Layout(width="100px"))
        for widget in (self.file, self.role):
            widget.layout.display = "none"

    def make_views(self) -> None:
        """What shows the results."""
        self.status, self.scores, self.error = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.comparison = Comparison()
        self.before = ipw.Dropdown(
            options=["Bicubic", "HDSRNet as trained", "True image"],
            description="Left of the divider",
            style={"description_width": "initial"},
            layout=ipw.Layout(width="300px"),
        )
        self.mixes, self.maps = ipw.HTML(), ipw.HTML()
        self.picker = LayerPicker(value=FIRST_LAYER)
        self.layer = ipw.Dropdown(description="Layer", layout=ipw.Layout(width="420px"))
        self.each = ipw.Checkbox(description="a brightness of its own for every map", indent=False)

    def arranged(self) -> list[ipw.Widget]:
        """The page from top to bottom."""
        first = box("controls", self.image, self.scale, self.weights, self.file)
        second = box("controls", self.uploader, self.role)
        third = box("controls", self.temperature, self.reset)
        left = ipw.VBox([self.before, self.comparison], layout=ipw.Layout(flex="1 1 480px", max_width="660px"))
        right = ipw.VBox([self.scores, self.error], layout=ipw.Layout(flex="1 1 300px", max_width="390px"))
        mixes = section("How this image mixes the four kernels of each dynamic convolution", self.mixes)
        controls = box("controls", self.layer, self.each)
        features = section("Feature maps: pick a part of Figure 1", self.picker, controls, self.maps)
        return [first, second, third, self.status, box("columns", left, right), mixes, features]

    def listen(self) -> None:
        """Follow the controls."""
        for control in (self.image, self.scale, self.weights, self.file, self.role):
            control.observe(self.choose_subject, "value")
        self.temperature.observe(self.choose_temperature, "value")
        self.reset.on_click(self.reset_temperature)
        self.before.observe(lambda _: self.show_comparison(), "value")
        for control in (self.layer, self.each):
            control.observe(self.choose_layer, "value")
        self.picker.observe(lambda change: setattr(self.layer, "value", change["new"]), "value")

    # ---- what is chosen ----------------------------------------------------------------------------------

    def chosen_networks(self) -> looks.Networks:
        """The networks of the scale and the weights that are chosen."""
        source = self.weights.value
        if source == FILE:
            source = Path(self.file.value.strip()).expanduser()
        return looks.networks(self.scale.value, source, self.settings.root)

    def chosen_subject(self) -> Subject:
        """The image that is chosen, at the chosen scale."""
        dataset, image = self.image.value
        if dataset == UPLOADED:
            return subjects.uploaded(self.upload, self.role.value, self.scale.value)
        return subjects.built_in(dataset, image, self.scale.value, self.settings.root)

    def chosen_temperature(self) -> float:
        """The temperature that is chosen: exactly the trained one where the slider is as near as it can be."""
        trained, value = self.made_by.temperature, self.temperature.value
        low, high = trained * 10**-SAME_TEMPERATURE, trained * 10**SAME_TEMPERATURE
        return trained if low < value < high else value

    # ---- what changes ------------------------------------------------------------------------------------

    def choose_subject(self, _: object = None) -> None:
        """Look at another image, or at another scale or with other weights."""
        if self.holding:
            return
        self.file.layout.display = "" if self.weights.value == FILE else "none"
        self.role.layout.display = "" if self.image.value[0] == UPLOADED else "none"
        if self.weights.value == FILE and not self.file.value.strip():
            self.tell("Type the path of a .safetensors file (or of the authors' .pt) and press Enter.")
            return
        with self.telling("Enlarging…"):
            made_by, subject = self.chosen_networks(), self.chosen_subject()
            self.show(looks.look(subject, made_by, self.chosen_temperature()), made_by)

    def choose_temperature(self, _: object = None) -> None:
        """Mix the kernels at another temperature."""
        if self.holding:
            return
        with self.telling("Enlarging…"):
            self.show(looks.at(self.seen, self.made_by, self.chosen_temperature()))

    def reset_temperature(self, _: object = None) -> None:
        """Go back to the temperature that the weights were trained at."""
        self.temperature.value = self.made_by.temperature

    def choose_layer(self, _: object = None) -> None:
        """Show the feature maps of another layer, or in another brightness."""
        if self.holding:
            return
        with self.telling("Running the network up to this layer…"):
            self.show_maps()

    def receive(self, name: str, data: bytes) -> None:
        """Take an uploaded file and look at it."""
        with self.telling(f"Reading {name}…"):
            upload = subjects.read_upload(name, data)
            self.accept(upload)

    def accept(self, upload: Upload) -> None:
        """Offer an uploaded image beside the others, and look at it; where that fails, go on as before."""
        former = self.upload, self.image.options, self.image.value
        options = [option for option in self.image.options if option[1][0] != UPLOADED]
        self.upload = upload
        try:
            with self.held():
                self.image.options = [*options, (f"uploaded: {upload.name}", (UPLOADED, upload.name))]
                self.image.value = (UPLOADED, upload.name)
            self.role.layout.display = ""
            made_by = self.chosen_networks()
            self.show(looks.look(self.chosen_subject(), made_by, self.chosen_temperature()), made_by)
        except HdsrError:
            with self.held():
                self.upload, self.image.options, self.image.value = former
            self.role.layout.display = "" if self.image.value[0] == UPLOADED else "none"
            raise

    def decline(self, name: str, size_bytes: int) -> None:
        """Say why a file is not taken."""
        limit = self.uploader.limit_bytes / 1e6
        self.tell(f"{name} has {size_bytes / 1e6:.0f} MB, more than the {limit:.0f} MB that are read here.", True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Change controls without following them."""
        self.holding = True
        try:
            yield
        finally:
            self.holding = False

    # ---- what is shown -----------------------------------------------------------------------------------

    def show(self, seen: looks.Look, made_by: looks.Networks | None = None) -> None:
        """Show another look, made by other networks if some are named; if it cannot be scored, nothing changes."""
        scored = pictures.scores_html(seen)
        self.made_by, self.seen = made_by or self.made_by, seen
        self.scores.value = f"<h3>Scores</h3>{scored}"
        self.error.value = error_html(seen)
        self.mixes.value = pictures.mixes_html(seen.chosen)
        self.show_comparison()
        self.show_figure()
        self.show_maps()

    def show_comparison(self) -> None:
        """Send the pictures to the divider and the lens."""
        seen = self.seen
        after = "HDSRNet"
        if seen.chosen is not seen.trained:
            after += f" at {seen.chosen.temperature:.3g}"
        shown = {"Bicubic": seen.bicubic, "HDSRNet as trained": seen.trained.sr, "True image": seen.subject.hr}
        before = self.before.value if shown[self.before.value] is not None else "Bicubic"
        images = {before: shown[before], after: seen.chosen.sr}
        if seen.subject.hr is not None:
            images["True image"] = seen.subject.hr
        self.comparison.description = (
            f"{seen.subject.name}, enlarged ×{seen.scale}: {before} on the left, {after} on the right"
        )
        self.comparison.pictures = [{"name": name, "png": pictures.png(image)} for name, image in images.items()]

    def show_figure(self) -> None:
        """Draw Figure 1 with the image that is looked at, and offer its layers."""
        self.picker.png, parts = figure_1.picture(self.made_by.plain, self.seen)
        self.picker.parts = parts
        layer = self.layer.value or FIRST_LAYER
        names = [part["name"] for part in parts]
        with self.held():
            self.layer.options = [(part["label"], part["name"]) for part in parts]
            self.layer.value = layer if layer in names else FIRST_LAYER

    def show_maps(self) -> None:
        """Show the feature maps of the chosen layer."""
        self.picker.value = self.layer.value
        lr, temperature = self.seen.subject.lr, self.seen.chosen.temperature
        maps = looks.feature_maps(lr, self.made_by, self.layer.value, temperature)
        self.sheet = pictures.sheet(maps, self.each.value)
        words = pictures.sheet_words(self.sheet)
        image = pictures.image_html(self.sheet.picture, f"Feature maps of {self.layer.label}: {words}")
        self.maps.value = f'<p class="hdsr-note">{html.escape(words)}</p>{image}'

    def what_is_shown(self) -> str:
        """The present image and network, in a sentence."""
        seen = self.seen
        weights = source_label(self.weights.value) if self.weights.value != FILE else Path(self.file.value).name
        words = f"{seen.subject.name}: {size(seen.subject.lr)} → {size(seen.bicubic)} pixels, weights {weights}."
        return f"{words} {seen.subject.note}".strip()

    def tell(self, words: str, error: bool = False) -> None:
        """One sentence above the pictures."""
        kind = "hdsr-status hdsr-error" if error else "hdsr-status"
        self.status.value = f'<div class="{kind}" role="status" aria-live="polite">{html.escape(words)}</div>'

    @contextmanager
    def telling(self, words: str) -> Iterator[None]:
        """Say what is being done, then what is shown; if it cannot be done, why, and that all is as before."""
        self.tell(words)
        began = time.perf_counter()
        try:
            yield
        except HdsrError as error:
            self.tell(f"{str(error).rstrip('.')}. Everything below is as it was before.", True)
        else:
            self.tell(f"{self.what_is_shown()} ({time.perf_counter() - began:.1f} s)")

    # ---- where nothing is alive --------------------------------------------------------------------------

    def still(self) -> Drawing:
        """What is shown now, as one picture with its numbers."""
        return still.drawing(self.seen, self.layer.label, self.sheet)

    def __repr__(self) -> str:
        return f"Explorer: {self.seen.subject.name} at ×{self.seen.scale}"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**options)
        picture = base64.b64encode(self.still()._repr_jpeg_()).decode()
        return {**bundle, "image/jpeg": picture}


def box(name: str, *children: ipw.Widget) -> ipw.HBox:
    """Widgets in a row that breaks where the page is narrow."""
    made = ipw.HBox(children)
    made.add_class(f"hdsr-{name}")
    return made


def section(title: str, *children: ipw.Widget) -> ipw.VBox:
    """Widgets under a heading."""
    made = ipw.VBox([ipw.HTML(f"<h3>{html.escape(title)}</h3>"), *children])
    made.add_class("hdsr-section")
    return made


def offered_images(settings: ExploreSettings) -> tuple[list[tuple[str, tuple[str, str]]], list[str]]:
    """(label, (set, image)) of every image of the sets that are there, and a sentence for each that is not.

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
        images += [(prefix + name, (dataset, name)) for name in subjects.image_names(benchmark)]
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


def error_html(seen: looks.Look) -> str:
    """The error map with its legend, where the true image is known."""
    hr = seen.subject.hr
    if hr is None:
        return ""
    image = pictures.image_html(
        pictures.error_map(seen.chosen.sr, hr), "Error map of HDSRNet: brighter where its luma is farther off"
    )
    stops = [matplotlib.colors.to_hex(matplotlib.colormaps[pictures.ERROR_COLORS](i / 8)) for i in range(9)]
    ramp = f"<span style='background:linear-gradient(to right,{','.join(stops)})'></span>"
    legend = f"<div class='hdsr-ramp'>0{ramp}{pictures.ERROR_LIMIT:.0f} gray levels or more</div>"
    return f"<h3>Error of HDSRNet</h3>{image}{legend}"
