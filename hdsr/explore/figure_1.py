"""Figure 1 as a picture, and where in it each part stands."""

import io

from hdsr.explore.look import Look, layer_labels
from hdsr.network import HDSRNet
from hdsr.study import diagram, trace

DPI = 130
JOIN_RADIUS = 0.6
"""Half the side of what answers to a click on a sum, which is drawn small, in units of the drawing."""


def picture(network: HDSRNet, seen: Look) -> tuple[bytes, list[dict[str, str | float]]]:
    """The figure with this subject going through it as PNG, and its parts.

    Returns:
        The picture, and for each part its name, its label, and its left, top, width and height in shares of
        the picture.
    """
    figure = diagram.architecture(network, seen.subject.lr, seen.chosen.sr).figure
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    layout = diagram.laid_out(trace.parts(network))
    to_share = figure.axes[0].transData + figure.transFigure.inverted()
    places = []
    for name, label in layer_labels(network.scale).items():
        half_width, half_height = _half_sides(layout, name)
        x, y = layout.x[name], layout.y[name]
        (left, bottom), (right, top) = to_share.transform(
            [(x - half_width, y - half_height), (x + half_width, y + half_height)]
        )
        box = {"left": left, "top": 1 - top, "width": right - left, "height": top - bottom}
        places.append({"name": name, "label": label, **{side: float(share) for side, share in box.items()}})
    return stream.getvalue(), places


def _half_sides(layout: diagram.Layout, name: str) -> tuple[float, float]:
    """Half the width and half the height of a part, in units of the drawing."""
    if layout.parts[name].module is None:
        return JOIN_RADIUS, JOIN_RADIUS
    return diagram.BOX_WIDTH / 2, diagram.BOX_HEIGHT / 2
