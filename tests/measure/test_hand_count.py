"""The hand counts, against known totals and small cases worked out on paper."""

import pytest

from hdsr.errors import HdsrError
from hdsr.measure import hand_count
from hdsr.measure.hand_count import FUNCTION, LAYER, PRODUCT

PARAMETERS = {
    ("HDSRNet", 2): 1_818_496,
    ("HDSRNet", 3): 2_003_136,
    ("HDSRNet", 4): 1_966_208,
    ("ACNet", 2): 1_356_544,
    ("ACNet", 3): 1_541_184,
    ("ACNet", 4): 1_504_256,
    ("DCLS", 2): 13_478_475,
    ("DCLS", 3): 13_663_115,
    ("DCLS", 4): 13_626_187,
}


@pytest.mark.parametrize(("network", "scale"), PARAMETERS)
def test_parameters(network: str, scale: int) -> None:
    assert hand_count.count(scale, 1, 1, network)["parameters"].sum() == PARAMETERS[network, scale]


def test_known_macs_of_hdsrnet_at_x4() -> None:
    assert hand_count.count(4, 256, 256)["macs"].sum() == 122_845_157_952


def test_a_convolution() -> None:
    part = hand_count.convolution("c", 3, 8, 10 * 12, taps=25, times=2, bias=True, activated=True)
    assert part.parameters == 2 * (3 * 8 * 25 + 8)
    assert part.macs == 2 * 10 * 12 * 8 * 3 * 25
    assert (part.biases, part.activations, part.kind) == (2 * 8 * 120, 2 * 8 * 120, LAYER)


def test_a_convolution_whose_kernel_is_computed_learns_what_it_is_told() -> None:
    part = hand_count.convolution("c", 4, 4, 1, taps=1, times=3, kind=FUNCTION, learned=7)
    assert (part.parameters, part.macs, part.biases) == (21, 48, 0)


def test_a_product() -> None:
    part = hand_count.product("p", 1, 4, 9, times=5)
    assert (part.kind, part.parameters, part.macs) == (PRODUCT, 0, 180)


def test_convolutions_are_proportional_to_pixels_and_mixing_is_not() -> None:
    small, large = (hand_count.count(4, *size).set_index("part")["macs"] for size in ((8, 8), (16, 24)))
    ratio = large / small
    fixed = ["attention, squeeze", "attention, excite", "mixing of kernels", "mixing of biases"]
    assert (ratio[fixed] == 1).all()
    assert (ratio.drop([*fixed, "global pooling", "activations after them"]) == 6).all()


def test_items_add_up_to_the_parts() -> None:
    parts = hand_count.count(4, 16, 24, "DCLS")
    items = hand_count.items(parts)
    assert items.sum() == parts[["macs", "biases", "activations", "pooled"]].to_numpy().sum()


def test_weights_used_twice_may_be_counted_once() -> None:
    parts = hand_count.count(2, 8, 8, "ACNet")
    once, twice = hand_count.items(parts, shared_once=True), hand_count.items(parts)
    assert (twice - once)[hand_count.CONVOLUTIONS] == 9 * 64 * 256 * 8 * 8
    assert (twice - once)[hand_count.BIASES] == 256 * 8 * 8


def test_the_mean_shift_has_24_constants() -> None:
    parts = hand_count.count(4, 1, 1).set_index("part")
    assert parts.loc["mean shift", ["parameters", "macs", "biases"]].tolist() == [0, 9 * 17, 3 * 17]
    assert hand_count.SHIFT_CONSTANTS == 2 * (3 * 3 + 3)


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(HdsrError, match="no hand count of 'EDSR': expected one of DCLS, ACNet"):
        hand_count.count(2, 8, 8, "EDSR")
