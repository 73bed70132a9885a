"""The trace of the network: each layer once, connected as in the paper's figure, counted as by torch."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from hdsr.network import HDSRNet, KernelAttention
from hdsr.study import trace
from hdsr.study.trace import DILATED, DYNAMIC, PRODUCT, SUB_PIXEL, SUM, Reach


@pytest.fixture(params=[2, 3, 4], ids="x{}".format)
def network(request: pytest.FixtureRequest) -> HDSRNet:
    torch.manual_seed(0)
    return HDSRNet(request.param)


def test_layers_hold_all_parameters_and_all_operations(network: HDSRNet) -> None:
    assert trace.totals(network, 64).count("(as torch counts)") == 2
    names = trace.layer_lines(network)["layer"]
    assert names.is_unique
    assert len(names) == 16 + 16 + 2 + (network.scale == 4)


def test_a_count_that_differs_is_told(network: HDSRNet) -> None:
    network.extra = torch.nn.Linear(3, 4)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert f"(but {parameters:,} torch counts)" in trace.totals(network, 16)


def test_the_lower_branch_mirrors_itself(network: HDSRNet) -> None:
    found = trace.parts(network)
    sums = [part.inputs for part in found.values() if part.kind == SUM and "lower" in part.inputs[0]]
    assert sums == [(f"lower.layers.{k - 1}", f"lower.layers.{16 - k}") for k in range(9, 17)]


def test_each_block_adds_its_input(network: HDSRNet) -> None:
    found = trace.parts(network)
    for block in range(5):
        path = f"upper.blocks.{block}"
        kinds = [found[f"{path}.{layer}"].kind for layer in ("dilated", "dynamic")]
        assert kinds == [DILATED, DYNAMIC]
        joined = next(part for part in found.values() if part.inputs[:1] == (f"{path}.plain",))
        assert joined.kind == SUM
        assert joined.inputs[1:] == found[f"{path}.dilated"].inputs
    assert sum(part.relu for part in found.values()) == 32


def test_the_branches_are_multiplied_and_then_enlarged(network: HDSRNet) -> None:
    found = trace.parts(network)
    product = next(part for part in found.values() if part.kind == PRODUCT)
    assert [found[name].inputs[0] for name in product.inputs] == ["upper.blocks.4.plain", "lower.layers.15"]
    shuffles = [part.shuffle for part in found.values() if part.kind == SUB_PIXEL]
    assert shuffles == ([2, 2] if network.scale == 4 else [network.scale])
    assert found["reconstruction.upsampler.0"].inputs == (product.name,)


@torch.inference_mode()
def test_a_network_cut_behind_a_part_ends_there_and_runs_nothing_else(network: HDSRNet) -> None:
    image = 255 * torch.rand(1, 3, 6, 5)
    product = trace.cut_behind(network, "mul")
    torch.testing.assert_close(product(image), network.features(image))
    assert "reconstruction" not in product.code
    lower = trace.cut_behind(network, "lower.layers.2")
    assert lower.get_submodule("lower.layers.2") is network.lower.layers[2]
    assert "upper" not in lower.code
    torch.testing.assert_close(trace.cut_behind(network, "reconstruction.exit")(image), network(image))


def test_reach_by_hand() -> None:
    dilated = Reach().convolved(2, 2)
    assert (dilated.low, dilated.high, dilated.px) == ((-2,), (2,), 5)
    shuffled = Reach().shuffled(2).convolved(1, 1)
    assert (shuffled.low, shuffled.high, shuffled.px) == ((-1, 0), (0, 1), 2)
    assert Reach((-3,), (1,)).joined(Reach((-1,), (2,))).px == 6


def seen_pixels(network: HDSRNet, lr_px: int) -> int:
    """The most LR columns that gradients of single pixels reach, over the places within an LR pixel."""
    widths = []
    for place in range(network.scale):
        image = torch.rand(1, 3, 9, lr_px, dtype=torch.float64, requires_grad=True)
        column = network.scale * (lr_px // 2) + place
        network(255 * image)[..., network.scale * 4, column].sum().backward()
        columns = image.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
        widths.append(int(columns.max() - columns.min() + 1))
    return max(widths)


def test_the_receptive_field_is_what_gradients_reach(network: HDSRNet) -> None:
    network = network.double()
    for parameter in network.parameters():
        parameter.data.abs_()
    for attention in (module for module in network.modules() if isinstance(module, KernelAttention)):
        attention.forward = lambda features: features.new_full((len(features), 4), 0.25)
    network.mean.zero_()
    assert seen_pixels(network, 61) == trace.layer_lines(network)["reach_px"].iloc[-1]


def test_the_table_ends_with_its_sums() -> None:
    table = trace.layer_table(HDSRNet(4))
    last = table.printed.iloc[-1]
    assert last["layer"] == "35 layers"
    assert last["parameters"] == "1,966,208"
    assert last["MACs (G)"] == "122.835"
    first = table.printed.iloc[1].tolist()
    assert first == ["upper.blocks.0.dilated", "dilated + ReLU", "3", "2", "64 → 64", "36,864", "2.416", "7"]
    assert table.brief is not None
    assert table.brief.iloc[1].tolist() == ["upper.blocks", "15", "1,112,640", "36.240", "43"]
    assert table.brief.iloc[-1].tolist() == ["all", "35", "1,966,208", "122.835", "47"]


def test_two_threads_cut_while_a_third_runs_the_network(network: HDSRNet) -> None:
    call, image = nn.Module.__call__, torch.rand(1, 3, 6, 5)
    wanted = network(image)
    names = list(trace.parts(network))

    def cut(name: str) -> torch.Size:
        return trace.cut_behind(network, name)(image).shape

    with ThreadPoolExecutor(2) as pool:
        cuts = [pool.submit(cut, name) for name in (names[5], names[-1], "mul") * 4]
        while not all(each.done() for each in cuts):
            assert nn.Module.__call__ is call
            torch.testing.assert_close(network(image), wanted)
    assert [each.result()[1] for each in cuts] == [64, 3, 64] * 4
    assert list(trace.parts(network)) == names
