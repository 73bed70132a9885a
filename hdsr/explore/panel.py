"""The page itself: controls, what they change, and one sentence for whatever cannot be done."""

import base64
import html
import time
from dataclasses import dataclass
from typing import Any

import ipywidgets as ipw

from hdsr.errors import HdsrError
from hdsr.explore import look, pictures, still, subjects
from hdsr.explore.controls import BICUBIC, TRAINED, TRUE, Choice, Controls
from hdsr.explore.latest import Latest, Superseded
from hdsr.explore.look import Look, Networks
from hdsr.explore.pictures import Sheet
from hdsr.explore.widgets import Comparison, FileUpload, LayerPicker
from hdsr.metrics import size
from hdsr.report.figures import Drawing
from hdsr.report.tables import source_label
from hdsr.settings import ExploreSettings

REPORTED_EVERY_S = 0.1
"""How often the bar moves, at most: every message costs the page time."""


@dataclass(frozen=True)
class View:
    """What was made of a choice."""

    choice: Choice
    made_by: Networks
    seen: Look
    scores: str
    sheet: Sheet


class Explorer(ipw.VBox):
    """One image, one network, and everything that can be seen of them.

    In JupyterLab it is alive: what is chosen is computed on a thread of the explorer's own, and dropped when
    something else is chosen meanwhile. Where nothing is alive, such as in a web page made of the notebook, it
    is the picture that `still` draws.

    Attributes:
        view: what is shown.
    """

    def __init__(self, settings: ExploreSettings) -> None:
        """Show the first image, scale and weights of the settings.

        Raises:
            HdsrError: if there is no image or no weights to begin with.
        """
        self.controls = Controls(settings)
        self.controls.temperature.value = self.controls.choice().networks().temperature
        self.make_views()
        self.view: View | None = None
        self.refused = ""
        first = self.controls.choice()
        self.latest = Latest(self.work, self.show_busy, first)
        self.show(self.made(first))
        super().__init__(self.arranged())
        self.add_class("hdsr-explorer")
        self.tell(" ".join([self.what_is_shown(), *self.controls.gaps]))
        self.listen()

    # ---- what it is made of ----------------------------------------------------------------------------

    def make_views(self) -> None:
        """What shows the results."""
        self.uploader = FileUpload(self.receive, self.decline)
        self.status, self.scores, self.error = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.progress = ipw.FloatProgress(max=1.0, layout=ipw.Layout(width="180px", visibility="hidden"))
        self.comparison = Comparison()
        self.mixes, self.maps = ipw.HTML(), ipw.HTML()
        for result in (self.comparison, self.scores, self.error, self.mixes, self.maps):
            result.add_class("hdsr-result")
        self.layer = self.controls.layer
        self.picker = LayerPicker(value=self.layer.value)

    def arranged(self) -> list[ipw.Widget]:
        """The page from top to bottom."""
        chosen = self.controls
        first = _row("controls", chosen.image, chosen.scale, chosen.weights, chosen.file)
        second = _row("controls", self.uploader, chosen.role)
        third = _row("controls", chosen.temperature, chosen.reset)
        said = _row("controls", self.status, self.progress)
        left = ipw.VBox(
            [chosen.left, self.comparison], layout=ipw.Layout(flex="1 1 420px", max_width="660px")
        )
        right = ipw.VBox([self.scores, self.error], layout=ipw.Layout(flex="1 1 320px", max_width="390px"))
        mixes = _section("How this image mixes the four kernels of each dynamic convolution", self.mixes)
        maps = (self.picker, _row("controls", self.layer, chosen.each), self.maps)
        features = _section("Feature maps: pick a part of Figure 1", *maps)
        return [first, second, third, said, _row("columns", left, right), mixes, features]

    def listen(self) -> None:
        """Follow the controls."""
        self.controls.observe(self.changed)
        self.controls.reset.on_click(self.reset_temperature)
        self.picker.observe(lambda change: setattr(self.layer, "value", change["new"]), "value")

    # ---- what changes ------------------------------------------------------------------------------------

    def changed(self, _: object = None) -> None:
        """Have done what is chosen now. Returns at once; on which thread it is called does not matter."""
        with self.latest.lock:
            self.controls.follow()
            choice = self.controls.choice()
            self.picker.value = choice.layer
            if choice != self.latest.task:
                self.refused = ""
                self.latest.do(choice)

    def reset_temperature(self, _: object = None) -> None:
        """Go back to the temperature that the weights were trained at."""
        self.controls.temperature.value = self.view.made_by.temperature

    def receive(self, name: str, data: bytes) -> None:
        """Look at an uploaded file; where it cannot be used, go on as before."""
        try:
            upload = subjects.read_upload(name, data)
            with self.latest.lock:
                self.controls.bring(upload)
                self.changed()
        except HdsrError as error:
            self.refuse(str(error))

    def decline(self, name: str, size_bytes: int) -> None:
        """Say why a file is not taken."""
        limit = self.uploader.limit_bytes / 1e6
        self.refuse(f"{name} has {size_bytes / 1e6:.0f} MB, more than the {limit:.0f} MB that are read here")

    def refuse(self, words: str) -> None:
        """Say why an upload is not looked at, until something else is chosen."""
        with self.latest.lock:
            self.refused = f"{words.rstrip('.')}."
            self.tell_what_is_shown()

    def work(self, choice: Choice) -> None:
        """Make what was chosen and show it, or say why that cannot be done."""
        began = time.perf_counter()
        try:
            view = self.made(choice)
        except Superseded:
            raise
        except HdsrError as error:
            self.tell_why(error)
        except Exception as error:
            self.tell_why(HdsrError(f"{type(error).__name__}: {error}"))
            raise
        else:
            with self.latest.lock:
                self.latest.check()
                self.show(view)
                self.tell_what_is_shown(time.perf_counter() - began)

    # ---- what is made of a choice ------------------------------------------------------------------------

    def made(self, choice: Choice) -> View:
        """What is seen of a choice; of what is shown now, all that is the same is kept.

        Raises:
            HdsrError: if that cannot be done.
            Superseded: if something else has been chosen meanwhile.
        """
        made_by = choice.networks()
        temperature = choice.softmax_temperature(made_by.temperature)
        before = self.view
        kept = before and before.choice.looks_at() == choice.looks_at()
        subject = before.seen.subject if kept else choice.subject()
        same = kept and before.made_by is made_by
        runs = (not same) + (temperature != made_by.temperature)
        advance = Progress(self, runs * made_by.folded.convolved_rows(len(subject.lr)))
        if same:
            seen = look.at(before.seen, made_by, temperature, advance)
        else:
            seen = look.look(subject, made_by, temperature, advance)
        seen = look.beside(seen, choice.method())
        shown = choice.layer, choice.each
        if (
            before
            and seen.chosen is before.seen.chosen
            and shown == (before.choice.layer, before.choice.each)
        ):
            return View(choice, made_by, seen, pictures.scores_html(seen), before.sheet)
        maps = look.feature_maps(subject.lr, made_by, choice.layer, temperature)
        return View(choice, made_by, seen, pictures.scores_html(seen), pictures.sheet(maps, choice.each))

    # ---- what is shown -----------------------------------------------------------------------------------

    @property
    def seen(self) -> Look:
        """The image that is shown, and what was made of it."""
        return self.view.seen

    def show(self, view: View) -> None:
        """Show another view."""
        seen, before, figure = view.seen, self.view, None
        if before is None or seen.chosen is not before.seen.chosen:
            figure = pictures.figure_1(view.made_by.plain, seen)
        self.view = view
        self.scores.value = f"<h3>Scores</h3>{view.scores}"
        self.error.value = pictures.error_html(seen)
        self.mixes.value = pictures.mixes_html(seen.chosen)
        self.show_comparison(self.compared(view))
        if figure:
            self.picker.png, self.picker.parts = figure
        self.show_sheet(view)

    def compared(self, view: View) -> dict[str, subjects.Image]:
        """The pictures under the divider by name: left, right, and what only the lens shows."""
        seen = view.seen
        known = {BICUBIC: seen.bicubic, TRAINED: seen.trained.sr, TRUE: seen.subject.hr}
        left = view.choice.left if known.get(view.choice.left) is not None else BICUBIC
        name, image = seen.other or (left, known[left])
        after = "HDSRNet" if seen.chosen is seen.trained else f"HDSRNet at {seen.chosen.temperature:.3g}"
        images = {name: image, after: seen.chosen.sr}
        return images if seen.subject.hr is None else images | {TRUE: seen.subject.hr}

    def show_comparison(self, images: dict[str, subjects.Image]) -> None:
        """Send the pictures to the divider and the lens."""
        seen, (left, right, *_) = self.seen, images
        self.comparison.description = (
            f"{seen.subject.name}, enlarged ×{seen.scale}: {left} on the left, {right} on the right"
        )
        self.comparison.file_name = f"{seen.subject.name.rsplit('.', 1)[0]}_x{seen.scale}.png"
        self.comparison.pictures = [
            {"name": name, "png": pictures.png(image)} for name, image in images.items()
        ]

    def show_sheet(self, view: View) -> None:
        """Show the feature maps of the layer that is chosen."""
        label, words = look.layer_labels(view.seen.scale)[view.choice.layer], pictures.sheet_words(view.sheet)
        image = pictures.image_html(view.sheet.picture, f"Feature maps of {label}: {words}")
        self.maps.value = f'<p class="hdsr-note">{html.escape(words)}</p>{image}'

    def show_busy(self, busy: bool) -> None:
        """Gray what is not of the controls, and show whether something is being done about that."""
        if busy:
            self.tell("Enlarging…", "hdsr-busy")
            self.progress.value = 0.0
        self.progress.layout.visibility = "visible" if busy else "hidden"
        mark = self.remove_class if self.view.choice == self.latest.task else self.add_class
        mark("hdsr-stale")

    def what_is_shown(self, seconds: float | None = None) -> str:
        """The present image and network, and how long it took to show them, in a sentence or two."""
        seen = self.seen
        words = f"{seen.subject.name}: {size(seen.subject.lr)} → {size(seen.bicubic)} pixels"
        words += f", weights {source_label(self.view.made_by.source)}"
        words += "." if seconds is None else f", {seconds:.1f} s."
        return f"{words} {seen.subject.note}".strip()

    def tell_what_is_shown(self, seconds: float | None = None) -> None:
        """Say what is shown, after what was refused since it was chosen."""
        words = f"{self.refused} Shown: {self.what_is_shown(seconds)}" if self.refused else ""
        self.tell(words or self.what_is_shown(seconds), "hdsr-error" * bool(self.refused))

    def tell(self, words: str, kind: str = "") -> None:
        """One sentence above the pictures, of a kind that `explore.css` knows."""
        self.status.value = (
            f'<div class="hdsr-status {kind}" role="status" aria-live="polite">{html.escape(words)}</div>'
        )

    def tell_why(self, error: HdsrError) -> None:
        """Why something cannot be done, and that all is as before."""
        why = f"{self.refused} {str(error).rstrip('.')}".strip()
        self.tell(f"{why}. Everything below is as it was before.", "hdsr-error")

    # ---- where nothing is alive --------------------------------------------------------------------------

    def still(self) -> Drawing:
        """What is shown now, as one picture with its numbers."""
        layer = look.layer_labels(self.seen.scale)[self.view.choice.layer]
        return still.drawing(self.seen, source_label(self.view.made_by.source), layer, self.view.sheet)

    def __repr__(self) -> str:
        return f"Explorer: {self.seen.subject.name} at ×{self.seen.scale}"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle, drawn = super()._repr_mimebundle_(**options), self.still()
        picture = base64.b64encode(drawn._repr_jpeg_()).decode()
        return {**bundle, "image/jpeg": picture}, drawn._repr_mimebundle_()[1]


class Progress:
    """Moves the bar of an explorer, and ends what has been superseded."""

    def __init__(self, explorer: Explorer, rows: int) -> None:
        """Expect `rows` rows of all convolutions together."""
        self.explorer, self.rows, self.done, self.told = explorer, rows, 0, time.monotonic()

    def __call__(self, rows: int) -> None:
        self.explorer.latest.check()
        self.done += rows
        if time.monotonic() - self.told > REPORTED_EVERY_S:
            self.told = time.monotonic()
            self.explorer.progress.value = min(self.done / self.rows, 1.0)


def _row(name: str, *children: ipw.Widget) -> ipw.HBox:
    """Widgets in a row that breaks where the page is narrow."""
    made = ipw.HBox(children)
    made.add_class(f"hdsr-{name}")
    return made


def _section(title: str, *children: ipw.Widget) -> ipw.VBox:
    """Widgets under a heading."""
    made = ipw.VBox([ipw.HTML(f"<h3>{html.escape(title)}</h3>"), *children])
    made.add_class("hdsr-section")
    return made
