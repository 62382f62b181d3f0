"""Depthwise convolutions of a multiple of 16 channels, for which integer kernels are two to three times as fast."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
from networkx.utils import UnionFind

from zoosmith.onnx_model.names import Names
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    constant,
    input_constant,
    is_standard,
    name_of,
    new_names,
    read_values,
    sizes,
)

_BLOCK = 16
# channels that may be added, as a share of those that are there: each costs time in the convolutions around
_MOST = 0.25

_EACH_VALUE = ("Relu", "Clip", "HardSigmoid", "HardSwish", "Sigmoid", "LeakyRelu", "Tanh")
_EACH_CHANNEL = ("GlobalAveragePool", "AveragePool", "MaxPool")


@dataclass
class _Channels:
    """Values that have the same channels, and the nodes that make or read these by weights.

    Attributes:
        count: how many channels.
        depthwise: convolutions inside.
        made_by: convolutions whose outputs these channels are.
        read_by: convolutions that sum over them.
        values: the values.
    """

    count: int
    depthwise: list[ir.Node] = field(default_factory=list)
    made_by: list[ir.Node] = field(default_factory=list)
    read_by: list[ir.Node] = field(default_factory=list)
    values: list[ir.Value] = field(default_factory=list)

    @property
    def padded(self) -> int:
        return -(-self.count // _BLOCK) * _BLOCK

    @property
    def worth(self) -> bool:
        return bool(self.depthwise) and self.count < self.padded <= self.count * (1 + _MOST)


class PadDepthwiseConvolutions(ir.passes.InPlacePass):
    """Add channels that nothing reads to depthwise convolutions, and to what stands between them and the next ones.

    The convolutions that make the channels get outputs of zeros, those that read them get weights of zero, so that
    what comes out is the same. Measured (ONNX Runtime 1.32, VNNI): 120 channels of 5 x 5, 71 microseconds; 128 of
    them, 26. A float convolution takes as long for both.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        names, changed = new_names(model), False
        for channels in _independent_channels(model):
            if channels.worth:
                _pad(model.graph, names, channels)
                changed = True
        return ir.passes.PassResult(model, changed)


def _independent_channels(model: ir.Model) -> Iterator[_Channels]:
    """The channels that nothing but convolutions makes and reads."""
    joined: UnionFind[ir.Value] = UnionFind()
    fixed: set[ir.Value] = {*model.graph.inputs, *model.graph.outputs}
    for node in model.graph:
        output, source = node.outputs[0], node.inputs[0] if node.inputs else None
        same = _same_channels(node)
        if same is not None:
            for value in same:
                joined.union(value, output)
        elif not _is_dense(node):
            fixed.update((*read_values(node), *node.outputs))
        elif source is not None:
            joined.union(source)
            joined.union(output)
    fixed_roots = {joined[value] for value in list(joined) if value in fixed}
    found: dict[ir.Value, _Channels] = {}
    for value in list(joined):
        shape, root = sizes(value), joined[value]
        if shape is None or len(shape) != 4 or shape[1] is None:
            fixed_roots.add(root)
            continue
        channels = found.setdefault(root, _Channels(shape[1]))
        if shape[1] != channels.count:
            fixed_roots.add(root)
        channels.values.append(value)
    for node in model.graph:
        if is_standard(node, "Conv") and _same_channels(node) is not None:
            _channels_of(found, joined, node.outputs[0]).depthwise.append(node)
        elif _is_dense(node) and node.inputs[0] is not None:
            _channels_of(found, joined, node.outputs[0]).made_by.append(node)
            _channels_of(found, joined, node.inputs[0]).read_by.append(node)
    return (channels for root, channels in found.items() if root not in fixed_roots)


def _channels_of(found: dict[ir.Value, _Channels], joined: "UnionFind[ir.Value]", value: ir.Value) -> _Channels:
    return found.get(joined[value], _Channels(0))


def _has_known_weights(node: ir.Node) -> bool:
    return (
        is_standard(node, "Conv")
        and input_constant(node, 1) is not None
        and all(value is None or constant(value) is not None for value in node.inputs[2:])
    )


def _is_dense(node: ir.Node) -> bool:
    return _has_known_weights(node) and attribute(node, "group", 1) == 1


def _same_channels(node: ir.Node) -> list[ir.Value] | None:
    """The inputs whose channels the node's output has, one by one; None where that is not so."""
    first = node.inputs[0] if node.inputs else None
    if first is None or constant(first) is not None:
        return None
    if is_standard(node, *_EACH_VALUE) or (is_standard(node, *_EACH_CHANNEL) and len(node.outputs) == 1):
        return [first] if all(value is None or constant(value) is not None for value in node.inputs[1:]) else None
    if is_standard(node, "Add", "Mul"):
        values = [value for value in node.inputs if value is not None and constant(value) is None]
        numbers = [array for value in node.inputs if (array := constant(value)) is not None]
        return values if all(array.size == 1 for array in numbers) else None
    weights, group = input_constant(node, 1), attribute(node, "group", 1)
    depthwise = _has_known_weights(node) and weights is not None and group > 1 and len(weights) == group
    return [first] if depthwise and weights is not None and weights.shape[1] == 1 else None


def _pad(graph: ir.Graph, names: Names, channels: _Channels) -> None:
    more = channels.padded - channels.count
    for node in (*channels.made_by, *channels.depthwise):
        for index in range(1, len(node.inputs)):
            _pad_input(graph, names, node, index, 0, more)
    for node in channels.depthwise:
        node.attributes["group"] = ir.AttrInt64("group", channels.padded)
    for node in channels.read_by:
        _pad_input(graph, names, node, 1, 1, more)
    for value in channels.values:
        assert value.shape is not None
        value.shape = ir.Shape([size if axis != 1 else channels.padded for axis, size in enumerate(value.shape)])


def _pad_input(graph: ir.Graph, names: Names, node: ir.Node, index: int, axis: int, more: int) -> None:
    """Let a node read weights with zeros at the end of an axis."""
    value, array = node.inputs[index], input_constant(node, index)
    if value is None or array is None:
        return
    zeros = [(0, more if at == axis else 0) for at in range(array.ndim)]
    node.replace_input_with(
        index, add_initializer(graph, names.fresh(f"{name_of(value)}_padded"), np.pad(array, zeros))
    )
