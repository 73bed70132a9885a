"""Figure 1: every part of the trace has its place, every layer its color, every skip its line."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from hdsr.network import HDSRNet
from hdsr.study import diagram, trace

LR = np.full((8, 12, 3), 90, np.uint8)


@pytest.fixture(params=[2, 3, 4], ids="x{}".format)
def network(request: pytest.FixtureRequest) -> HDSRNet:
    return HDSRNet(request.param)


def test_parts_stand_apart(network: HDSRNet) -> None:
    found = trace.parts(network)
    layout = diagram.laid_out(found)
    assert layout.x.keys() == found.keys() - {trace.IMAGE}
    for branch in ("upper", "lower", "reconstruction"):
        names = diagram.branch_names(found, branch)
        ends = [(layout.x[name] - layout.half(name), layout.x[name] + layout.half(name)) for name in names]
        assert all(end <= start + 1e-9 for (_, end), (start, _) in pairwise(ends))
    blocks = [layout.x[f"upper.blocks.0.{layer}"] for layer in ("dilated", "dynamic", "plain")]
    assert np.diff(blocks) == pytest.approx(diagram.BOX_WIDTH)


def test_boxes_have_the_colors_of_their_kinds(network: HDSRNet) -> None:
    drawing = diagram.architecture(network, LR, np.repeat(np.repeat(LR, 2, 0), 2, 1))
    boxes = [patch for patch in drawing.figure.axes[0].patches if isinstance(patch, Rectangle)]
    heights = [patch for patch in boxes if patch.get_height() == diagram.BOX_HEIGHT]
    colors = Counter(to_hex(patch.get_facecolor()) for patch in heights)
    stages = 2 if network.scale == 4 else 1
    kinds = {"convolution + ReLU": 22, "dilated convolution + ReLU": 5, "dynamic convolution + ReLU": 5}
    kinds |= {"sub-pixel convolution": stages, "convolution": 1}
    assert colors == {diagram.COLORS[kind]: count for kind, count in kinds.items()}


def test_sums_and_the_product_have_their_signs(network: HDSRNet) -> None:
    drawing = diagram.architecture(network, LR, LR)
    signs = Counter(text.get_text() for text in drawing.figure.axes[0].texts)
    assert (signs["+"], signs["×"]) == (13, 1)


def test_every_skip_goes_around_what_it_skips(network: HDSRNet) -> None:
    drawing = diagram.architecture(network, LR, LR)
    corners = [line.get_xydata() for line in drawing.figure.axes[0].lines]
    skips = [corner for corner in corners if len(corner) == 3]
    half = diagram.BOX_HEIGHT / 2
    above = [skip for skip in skips if skip[1, 1] > diagram.LEVELS["upper"] + half]
    below = [skip for skip in skips if skip[1, 1] < diagram.LEVELS["lower"] - half]
    assert (len(above), len(below), len(skips)) == (5, 8, 13)
    depths = [skip[1, 1] for skip in sorted(below, key=lambda skip: skip[1, 0] - skip[2, 0])]
    assert depths == sorted(depths)


def test_its_numbers_add_up_to_the_network(network: HDSRNet) -> None:
    numbers = diagram.architecture(network, LR, LR).numbers
    assert numbers["parameters"].sum() == sum(parameter.numel() for parameter in network.parameters())
    assert numbers["layers"].tolist()[:2] == [16, 16]
