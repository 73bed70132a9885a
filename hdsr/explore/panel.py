"""The page itself: controls, what they change, and one sentence for whatever cannot be done."""

import base64
import html
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as ipw

from hdsr.errors import HdsrError
from hdsr.explore import figure_1, look, pictures, still, subjects
from hdsr.explore.controls import FILE, PLAIN, Controls
from hdsr.explore.look import Look, Networks
from hdsr.explore.pictures import Sheet
from hdsr.explore.widgets import Comparison, FileUpload, LayerPicker
from hdsr.metrics import size
from hdsr.report.figures import Drawing
from hdsr.report.tables import source_label
from hdsr.settings import ExploreSettings

FIRST_LAYER = "upper.blocks.0.dynamic"
BICUBIC, TRAINED, TRUE = "Bicubic", "HDSRNet as trained", "True image"


class Explorer(ipw.VBox):
    """One image, one network, and everything that can be seen of them.

    In JupyterLab it is alive; where nothing is, such as in a web page made of the notebook, it is the picture
    that `still` draws.

    Attributes:
        seen: what is shown.
        made_by: the networks that made it.
        sheet: the feature maps that are shown.
    """

    def __init__(self, settings: ExploreSettings) -> None:
        """Show the first image, scale and weights of the settings.

        Raises:
            HdsrError: if there is no image or no weights to begin with.
        """
        self.holding = False
        self.controls = Controls(settings)
        self.make_views()
        self.made_by = self.controls.networks()
        self.controls.temperature.value = self.made_by.temperature
        self.show(look.look(self.controls.subject(), self.made_by), self.made_by)
        super().__init__(self.arranged())
        self.add_class("hdsr-explorer")
        self.tell(" ".join([self.what_is_shown(), *self.controls.gaps]))
        self.listen()

    # ---- what it is made of ----------------------------------------------------------------------------

    def make_views(self) -> None:
        """What shows the results, and how to look at them."""
        self.uploader = FileUpload(self.receive, self.decline)
        self.status, self.scores, self.error = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.comparison = Comparison()
        self.before = ipw.Dropdown(
            options=[BICUBIC, TRAINED, TRUE],
            description="Left of the divider",
            style=PLAIN,
            layout=ipw.Layout(width="300px"),
        )
        self.mixes, self.maps = ipw.HTML(), ipw.HTML()
        self.picker = LayerPicker(value=FIRST_LAYER)
        self.layer = ipw.Dropdown(description="Layer", style=PLAIN, layout=ipw.Layout(width="380px"))
        self.each = ipw.Checkbox(description="every map in a brightness of its own", indent=False)

    def arranged(self) -> list[ipw.Widget]:
        """The page from top to bottom."""
        chosen = self.controls
        first = row("controls", chosen.image, chosen.scale, chosen.weights, chosen.file)
        second = row("controls", self.uploader, chosen.role)
        third = row("controls", chosen.temperature, chosen.reset)
        left = ipw.VBox(
            [self.before, self.comparison], layout=ipw.Layout(flex="1 1 420px", max_width="660px")
        )
        right = ipw.VBox([self.scores, self.error], layout=ipw.Layout(flex="1 1 320px", max_width="390px"))
        mixes = section("How this image mixes the four kernels of each dynamic convolution", self.mixes)
        maps = (self.picker, row("controls", self.layer, self.each), self.maps)
        features = section("Feature maps: pick a part of Figure 1", *maps)
        return [first, second, third, self.status, row("columns", left, right), mixes, features]

    def listen(self) -> None:
        """Follow the controls."""
        for control in self.controls.what_is_looked_at:
            control.observe(self.choose_subject, "value")
        self.controls.temperature.observe(self.choose_temperature, "value")
        self.controls.reset.on_click(self.reset_temperature)
        self.before.observe(lambda _: self.show_comparison(), "value")
        for control in (self.layer, self.each):
            control.observe(self.choose_layer, "value")
        self.picker.observe(lambda change: setattr(self.layer, "value", change["new"]), "value")

    # ---- what changes ------------------------------------------------------------------------------------

    def choose_subject(self, _: object = None) -> None:
        """Look at another image, or at another scale or with other weights."""
        if self.holding:
            return
        self.controls.show_what_applies()
        if self.controls.weights.value == FILE and not self.controls.file.value.strip():
            self.tell("Type the path of a .safetensors file, or of the authors' .pt, and press Enter.")
            return
        with self.telling("Enlarging…"):
            self.look_anew()

    def look_anew(self) -> None:
        """Show what is chosen, all of it made anew."""
        made_by = self.controls.networks()
        temperature = self.controls.softmax_temperature(made_by.temperature)
        self.show(look.look(self.controls.subject(), made_by, temperature), made_by)

    def choose_temperature(self, _: object = None) -> None:
        """Mix the kernels at another temperature."""
        with self.telling("Enlarging…"):
            temperature = self.controls.softmax_temperature(self.made_by.temperature)
            self.show(look.at(self.seen, self.made_by, temperature), self.made_by)

    def reset_temperature(self, _: object = None) -> None:
        """Go back to the temperature that the weights were trained at."""
        self.controls.temperature.value = self.made_by.temperature

    def choose_layer(self, _: object = None) -> None:
        """Show the feature maps of another layer, or in another brightness."""
        if self.holding:
            return
        with self.telling("Running the network up to this layer…"):
            self.show_sheet(self.sheet_of(self.seen, self.made_by, self.layer.value))

    def receive(self, name: str, data: bytes) -> None:
        """Look at an uploaded file; where that fails, go on as before."""
        former = self.controls.state()
        with self.telling(f"Reading {name}…"):
            upload = subjects.read_upload(name, data)
            try:
                with self.held():
                    self.controls.offer(upload)
                self.look_anew()
            except HdsrError:
                with self.held():
                    self.controls.restore(former)
                raise

    def decline(self, name: str, size_bytes: int) -> None:
        """Say why a file is not taken."""
        limit = self.uploader.limit_bytes / 1e6
        self.tell(
            f"{name} has {size_bytes / 1e6:.0f} MB, more than the {limit:.0f} MB that are read here.", True
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Change controls without following them."""
        self.holding = True
        try:
            yield
        finally:
            self.holding = False

    # ---- what is shown -----------------------------------------------------------------------------------

    def show(self, seen: Look, made_by: Networks) -> None:
        """Show another look and the networks that made it; what can fail is done before anything changes."""
        layers = look.layer_labels(made_by.plain)
        layer = self.layer.value if self.layer.value in layers else FIRST_LAYER
        scored, sheet = pictures.scores_html(seen), self.sheet_of(seen, made_by, layer)
        figure_differs = not self.layer.options or seen.subject is not self.seen.subject
        self.made_by, self.seen = made_by, seen
        self.scores.value = f"<h3>Scores</h3>{scored}"
        self.error.value = pictures.error_html(seen)
        self.mixes.value = pictures.mixes_html(seen.chosen)
        self.show_comparison()
        if figure_differs:
            self.picker.png, self.picker.parts = figure_1.picture(made_by.plain, seen)
        options = tuple((label, name) for name, label in layers.items())
        with self.held():
            if self.layer.options != options:
                self.layer.options = options
            self.layer.value = layer
        self.show_sheet(sheet)

    def show_comparison(self) -> None:
        """Send the pictures to the divider and the lens."""
        seen = self.seen
        choice = {BICUBIC: seen.bicubic, TRAINED: seen.trained.sr, TRUE: seen.subject.hr}
        before = self.before.value if choice[self.before.value] is not None else BICUBIC
        sharper = seen.chosen is not seen.trained
        after = f"HDSRNet at {seen.chosen.temperature:.3g}" if sharper else "HDSRNet"
        images = {before: choice[before], after: seen.chosen.sr}
        if seen.subject.hr is not None:
            images[TRUE] = seen.subject.hr
        self.comparison.description = (
            f"{seen.subject.name}, enlarged ×{seen.scale}: {before} on the left, {after} on the right"
        )
        self.comparison.pictures = [
            {"name": name, "png": pictures.png(image)} for name, image in images.items()
        ]

    def sheet_of(self, seen: Look, made_by: Networks, layer: str) -> Sheet:
        """The feature maps of a layer as they are to be shown."""
        maps = look.feature_maps(seen.subject.lr, made_by, layer, seen.chosen.temperature)
        return pictures.sheet(maps, self.each.value)

    def show_sheet(self, sheet: Sheet) -> None:
        """Show the feature maps of the layer that is chosen."""
        self.sheet, self.picker.value = sheet, self.layer.value
        words = pictures.sheet_words(sheet)
        image = pictures.image_html(sheet.picture, f"Feature maps of {self.layer.label}: {words}")
        self.maps.value = f'<p class="hdsr-note">{html.escape(words)}</p>{image}'

    def what_is_shown(self, seconds: float | None = None) -> str:
        """The present image and network, and how long it took to show them, in a sentence or two."""
        seen = self.seen
        words = f"{seen.subject.name}: {size(seen.subject.lr)} → {size(seen.bicubic)} pixels"
        words += f", weights {source_label(self.made_by.source)}"
        words += "." if seconds is None else f", {seconds:.1f} s."
        return f"{words} {seen.subject.note}".strip()

    def tell(self, words: str, error: bool = False) -> None:
        """One sentence above the pictures."""
        kind = "hdsr-status hdsr-error" if error else "hdsr-status"
        self.status.value = f'<div class="{kind}" role="status" aria-live="polite">{html.escape(words)}</div>'

    @contextmanager
    def telling(self, words: str) -> Iterator[None]:
        """Say what is done, then what is shown; if it cannot be done, why, and that all is as before."""
        self.tell(words)
        began = time.perf_counter()
        try:
            yield
        except HdsrError as error:
            self.tell(f"{str(error).rstrip('.')}. Everything below is as it was before.", True)
        else:
            self.tell(self.what_is_shown(time.perf_counter() - began))

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


def row(name: str, *children: ipw.Widget) -> ipw.HBox:
    """Widgets in a row that breaks where the page is narrow."""
    made = ipw.HBox(children)
    made.add_class(f"hdsr-{name}")
    return made


def section(title: str, *children: ipw.Widget) -> ipw.VBox:
    """Widgets under a heading."""
    made = ipw.VBox([ipw.HTML(f"<h3>{html.escape(title)}</h3>"), *children])
    made.add_class("hdsr-section")
    return made
