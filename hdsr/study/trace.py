"""HDSRNet's layers and how they are connected, traced from the module itself: nothing is listed twice.

A trace follows one image without pixels through `forward`. Activations and pixel shuffles belong to the layer
before them; sums and the product of the two branches are parts of their own; the mean shift is left out, as
in the paper's Figure 1.

`torch.fx.symbolic_trace` is not used: while it traces, it replaces `nn.Module.__call__` for every thread of
the process, and a notebook's widgets run networks on other threads than its cells. What is used here, a torch
function mode and hooks of a copy, no other thread can see.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from hdsr.errors import HdsrError
from hdsr.measure import counters
from hdsr.network import DynamicConv2d, HDSRNet
from hdsr.report.tables import Table

IMAGE = "image"
CONVOLUTION, DILATED, DYNAMIC, SUB_PIXEL = "convolution", "dilated", "dynamic", "sub-pixel"
SUM, PRODUCT = "sum", "product"
_JOINS = {Tensor.add: SUM, Tensor.mul: PRODUCT}
_LEAVES = (nn.Conv2d, nn.PixelShuffle, DynamicConv2d)


@dataclass(frozen=True)
class Part:
    """A layer, or a place where two branches meet."""

    name: str
    """A layer's path in the network; the trace's own word for sums and the product."""
    kind: str
    inputs: tuple[str, ...] = ()
    """Names of the parts whose outputs it takes."""
    module: nn.Module | None = None
    """None for the image, sums and the product."""
    relu: bool = False
    shuffle: int = 1
    """How many times its pixel shuffle enlarges."""

    @property
    def branch(self) -> str:
        """The sub-network that a layer belongs to: upper, lower or reconstruction."""
        return self.name.split(".")[0]


@dataclass(frozen=True)
class Reach:
    """The LR pixels that a pixel depends on, along one axis and relative to the LR pixel that it lies in.

    One entry for each place within that LR pixel: one before any pixel shuffle, `scale` after all of them.
    """

    low: tuple[int, ...] = (0,)
    high: tuple[int, ...] = (0,)

    @property
    def px(self) -> int:
        """The receptive field: the most LR pixels in a row that one pixel depends on."""
        return max(high - low + 1 for low, high in zip(self.low, self.high, strict=True))

    def convolved(self, margin: int, step: int) -> "Reach":
        """After a convolution that looks `margin` pixels far to each side, `step` apart."""
        places = len(self.low)
        seen = [[place + far for far in range(-margin, margin + 1, step)] for place in range(places)]
        return Reach(
            tuple(min(x // places + self.low[x % places] for x in taps) for taps in seen),
            tuple(max(x // places + self.high[x % places] for x in taps) for taps in seen),
        )

    def shuffled(self, factor: int) -> "Reach":
        """After a pixel shuffle."""
        return Reach(*(tuple(x for x in side for _ in range(factor)) for side in (self.low, self.high)))

    def joined(self, other: "Reach") -> "Reach":
        """Of a sum or product of two."""
        return Reach(tuple(map(min, self.low, other.low)), tuple(map(max, self.high, other.high)))


class _Trace(TorchFunctionMode):
    """The steps of a network as a graph, written down while the network runs inside of it.

    A tensor that a step has made carries the step as its attribute `step`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.inside = 0
        """How many layers the run is inside of: what happens there is the layer's own affair."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and not self.inside and any(map(_is_step, args)):
            result.step = self.graph.call_function(function, *_steps((args, kwargs or {})))
        return result

    def enter(self, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        """The hook before a layer."""
        self.inside += 1

    def leave(self, layer: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        """The hook behind a layer."""
        self.inside -= 1
        if not self.inside:
            result.step = self.graph.call_module(layer.path, _steps(given))


def _is_step(value: object) -> bool:
    return hasattr(value, "step")


def _steps(values: Any) -> Any:
    """Arguments with the step that has made it, or that reads it from the network, for each tensor."""
    return tree_map(lambda value: getattr(value, "step", value), values)


def _traced(network: HDSRNet) -> fx.Graph:
    """The steps of a network: its layers, and what happens to their outputs.

    Nothing is computed and nothing of the network changes, so that it may run on another thread meanwhile.
    """
    outline, trace = copy.deepcopy(network).to("meta"), _Trace()
    image = torch.empty(1, 3, 8, 8, device="meta")
    image.step = trace.graph.placeholder("image")
    for name, tensor in outline.named_buffers():
        tensor.step = trace.graph.get_attr(name)
    for path, layer in outline.named_modules():
        if isinstance(layer, _LEAVES):
            layer.path = path
            layer.register_forward_pre_hook(trace.enter)
            layer.register_forward_hook(trace.leave)
    with trace:
        trace.graph.output(outline(image).step)
    return trace.graph


def parts(network: HDSRNet) -> dict[str, Part]:
    """All parts of the network by name, in the order in which they are computed; the image is the first."""
    return _named(_traced(network), network)[0]


def cut_behind(network: HDSRNet, name: str) -> fx.GraphModule:
    """The network up to one of its `parts`, whose output it returns: with activation, shuffle and mean shift.

    It shares the network's layers. What the part does not depend on is not run.
    """
    graph = _traced(network)
    found, names = _named(graph, network)
    if name not in found:
        raise HdsrError(f"HDSRNet ×{network.scale} has no part {name!r}: expected one of {', '.join(found)}")
    # the last step of a part is the one behind its activation and pixel shuffle
    last = [node for node, part in names.items() if part == name][-1]
    graph.erase_node(graph.output_node())
    graph.output(last)
    cut = fx.GraphModule(network, graph)
    cut.graph.eliminate_dead_code()
    cut.recompile()
    return cut


def _named(graph: fx.Graph, network: HDSRNet) -> tuple[dict[str, Part], dict[fx.Node, str]]:
    """The parts that a trace shows by name, and the part that each step of it belongs to."""
    found: dict[str, Part] = {}
    names: dict[fx.Node, str] = {}
    for node in graph.nodes:
        sources = tuple(names[item] for item in node.all_input_nodes if item in names)
        module = network.get_submodule(node.target) if node.op == "call_module" else None
        part = _part_of(node, module, sources, found)
        if part:
            found[part.name] = part
            names[node] = part.name
    return found, names


def _part_of(
    node: fx.Node, module: nn.Module | None, sources: tuple[str, ...], found: dict[str, Part]
) -> Part | None:
    """What a step of the trace adds: a part, an earlier one with its activation or shuffle, or nothing."""
    if node.op == "placeholder":
        return Part(IMAGE, IMAGE)
    if node.op not in ("call_module", "call_function"):
        return None
    if node.target in _JOINS and len(sources) == 2:
        return Part(node.name, _JOINS[node.target], sources)
    if isinstance(module, nn.PixelShuffle):
        return replace(found[sources[0]], kind=SUB_PIXEL, shuffle=module.upscale_factor)
    if module:
        return Part(node.target, _kind_of(module), sources, module)
    return replace(found[sources[0]], relu=found[sources[0]].relu or node.target is F.relu)


def _kind_of(layer: nn.Module) -> str:
    if isinstance(layer, DynamicConv2d):
        return DYNAMIC
    return DILATED if layer.dilation[0] > 1 else CONVOLUTION


def _geometry(layer: nn.Module) -> tuple[int, int, int, int]:
    """Kernel size, dilation, input and output channels of a layer."""
    if isinstance(layer, DynamicConv2d):
        _, channels, size, _ = layer.weight.shape
        return size, 1, channels, layer.bias.shape[1]
    return layer.kernel_size[0], layer.dilation[0], layer.in_channels, layer.out_channels


def reaches(found: dict[str, Part]) -> dict[str, Reach]:
    """The reach of each part's output, without the dynamic convolutions' global average, which sees all."""
    known = {IMAGE: Reach()}
    for name, part in found.items():
        if part.kind in _JOINS.values():
            known[name] = known[part.inputs[0]].joined(known[part.inputs[1]])
        elif part.module:
            size, dilation, *_ = _geometry(part.module)
            inside = known[part.inputs[0]].convolved(dilation * (size // 2), dilation)
            known[name] = inside.shuffled(part.shuffle)
    return known


def layer_lines(network: HDSRNet, lr_px: int = 256) -> pd.DataFrame:
    """One line per layer: layer, kind, relu, kernel, dilation, inputs, outputs, parameters, macs, reach_px.

    Operations are counted for a square LR image of `lr_px` pixels a side.
    """
    found = parts(network)
    reach = reaches(found)
    return pd.DataFrame(
        _layer_line(part, reach[part.name], lr_px) for part in found.values() if part.module is not None
    )


def _layer_line(part: Part, reach: Reach, lr_px: int) -> dict[str, Any]:
    shape = dict(zip(("kernel", "dilation", "inputs", "outputs"), _geometry(part.module), strict=True))
    side_px = lr_px * len(reach.low) // part.shuffle
    counts = {
        "parameters": counters.parameters(part.module),
        "macs": counters.macs(part.module, side_px, side_px, shape["inputs"]),
    }
    return {"layer": part.name, "kind": part.kind, "relu": part.relu, **shape, **counts, "reach_px": reach.px}


def totals(network: HDSRNet, lr_px: int = 256) -> str:
    """Parameters and operations summed over the layers, and whether torch, which sees no layers, agrees."""
    lines = layer_lines(network, lr_px)
    words = [f"×{network.scale}: {len(lines)} layers, receptive field {lines['reach_px'].iloc[-1]} LR px"]
    counted = {"parameters": counters.parameters(network), "macs": counters.macs(network, lr_px, lr_px)}
    for column, by_torch in counted.items():
        summed = lines[column].sum()
        agrees = "as" if summed == by_torch else f"but {by_torch:,}"
        words.append(f"{summed:,} {column.replace('macs', 'MACs')} ({agrees} torch counts)")
    return ", ".join(words)


def layer_table(network: HDSRNet, lr_px: int = 256) -> Table:
    """`layer_lines` to read, with the sums below."""
    numbers = layer_lines(network, lr_px)
    total: dict[str, Any] = {"parameters": numbers["parameters"].sum(), "macs": numbers["macs"].sum()}
    total |= {"layer": f"{len(numbers)} layers", "reach_px": numbers["reach_px"].iloc[-1]}
    lines = pd.concat([numbers, pd.DataFrame([total])], ignore_index=True)
    printed = lines[["layer"]].assign(
        kind=(lines["kind"] + lines["relu"].map({True: " + ReLU", False: ""})).fillna(""),
        **{name: lines[name].astype("Int64").astype("string").fillna("") for name in ("kernel", "dilation")},
        channels=(_channel_text(lines["inputs"]) + " → " + _channel_text(lines["outputs"])).fillna(""),
        parameters=lines["parameters"].map("{:,.0f}".format),
        **{"MACs (G)": (lines["macs"] / 1e9).map("{:.3f}".format)},
        **{"receptive field (LR px)": lines["reach_px"].map("{:.0f}".format)},
    )
    caption = f"The layers of HDSRNet ×{network.scale}; operations for {lr_px} × {lr_px} LR pixels"
    return Table(f"layers_x{network.scale}", caption, numbers, printed.astype(str), brief=_by_part(numbers))


def _by_part(numbers: pd.DataFrame) -> pd.DataFrame:
    """`layer_lines` by parts of the network, and their sum, to read."""
    layers = numbers.assign(part=numbers["layer"].str.split(".").str[:2].str.join("."))
    whole = layers.assign(part="all")
    parts = pd.concat([layers, whole]).groupby("part", sort=False)
    columns = {
        "layers": parts.size().astype(str),
        "parameters": parts["parameters"].sum().map("{:,.0f}".format),
        "MACs (G)": (parts["macs"].sum() / 1e9).map("{:.3f}".format),
        "receptive field (LR px)": parts["reach_px"].last().map("{:.0f}".format),
    }
    return pd.DataFrame(columns).reset_index()


def _channel_text(counts: pd.Series) -> pd.Series:
    """Numbers of channels as text, absent ones left absent."""
    return counts.astype("Int64").astype("string")
