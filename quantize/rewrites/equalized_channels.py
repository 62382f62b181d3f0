"""Channels of about the same size where Add, a gate's Mul or pooling make all channels of a value share one scale.

A channel that is made smaller by the convolutions that make it, and larger again by the weights of those that read it,
changes nothing in float: Relu, pooling, Add of two such values and Mul by a gate of each channel pass the factor on
(Nagel et al., "Data-free quantization", 2019, section 4.1, for pairs of layers). Between integers it takes
errors from the activations to the weights, so that factors are chosen by both.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    constant,
    has_float_constants,
    input_constant,
    input_value,
    is_standard,
    name_of,
    new_names,
    only_reader,
    read_values,
)
from zoosmith.quantize.calibration import Range
from zoosmith.quantize.rewrites.magnitudes import transform_of
from zoosmith.quantize.writing.quantization_parameters import LEVELS, round_up
from zoosmith.quantize.writing.weights import LIMIT, by_input_channel

PASS_ON = ("Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "Identity")
"""Operators that pass the factor of a channel on."""
_MOVES = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
# powers of the size of a channel, and of its weights, that are tried as factors
_POWERS = [(size, weight) for size in (0.0, 0.25, 0.5, 0.75) for weight in (0.0, 0.25, 0.5)]
LEAST = 2.0**-8
"""The smallest factor beside the largest."""
# what the errors have to fall to by the estimate, for weights to be changed
_WORTH = 0.9


Shapes = Mapping[str, tuple[int, ...]]


@dataclass
class _Group:
    """Values whose channels have the same factors.

    Attributes:
        values: the values.
        makers: the convolutions that make one.
        readers: layers that sum over its channels, or have weights of their own for each of them.
        joins: whether an Add or a gate's Mul is among them, so that a value has one scale.
        fixed: whether something else makes or reads one.
    """

    values: list[ir.Value] = field(default_factory=list)
    makers: list[ir.Node] = field(default_factory=list)
    readers: list[ir.Node] = field(default_factory=list)
    joins: bool = False
    fixed: bool = False


def equalize_channels(model: ir.Model, shapes: Shapes, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """Scale channels in place, where that makes the errors of an integer model smaller.

    Args:
        model: the float model that is quantized.
        shapes: of its float values, by name.
        ranges: of these, by name.

    Returns:
        The ranges of the values after it.
    """
    result, names = dict(ranges), new_names(model)

    def scale(node: ir.Node, index: int, factors: Array) -> None:
        value, array = node.inputs[index], input_constant(node, index)
        assert value is not None and array is not None
        scaled = (array * factors).astype(np.float32)
        node.replace_input_with(index, add_initializer(model.graph, names.fresh(f"{name_of(value)}_scaled"), scaled))

    for group in _Groups(model, shapes, ranges).groups():
        factors = _factors(group, shapes, ranges)
        if factors is None:
            continue
        for node in group.makers:
            conv = transform_of(node) or node
            weights = _weights(conv)
            divisors = np.tile(factors, len(weights) // len(factors))
            scale(conv, 1, (1 / divisors).reshape(-1, *[1] * (weights.ndim - 1)))
            if input_value(conv, 2) is not None:
                scale(conv, 2, 1 / divisors)
            if conv is not node:
                result.update(_of_transform(node, conv, divisors, ranges))
        for node in group.readers:
            scale(node, 1, _by_input(node, factors))
        for value in group.values:
            found = ranges[name_of(value)]
            parts = (found.low, found.high, found.mean, found.deviation)
            result[name_of(value)] = Range(*(part / factors for part in parts))
    RemoveUnusedNodesPass()(model)
    return result


class _Groups:
    """Joins values to groups."""

    def __init__(self, model: ir.Model, shapes: Shapes, ranges: Mapping[str, Range]) -> None:
        self._parent: dict[ir.Value, ir.Value] = {}
        self._shapes = shapes
        self._ranges = ranges
        self._joins: list[ir.Value] = []
        self._fixed: list[ir.Value] = [*model.graph.inputs, *model.graph.outputs]
        self._makers: list[ir.Node] = []
        self._readers: list[ir.Node] = []
        for node in model.graph:
            self._add(node)

    def groups(self) -> list[_Group]:
        """The groups in which a value has one scale for all channels, though each may have a factor."""
        found: defaultdict[ir.Value, _Group] = defaultdict(_Group)
        for value in list(self._parent):
            if name_of(value) in self._ranges:
                found[self._root(value)].values.append(value)
        for value in self._joins:
            found[self._root(value)].joins = True
        for value in self._fixed:
            found[self._root(value)].fixed = True
        for node in self._makers:
            found[self._root(node.outputs[0])].makers.append(node)
        for node in self._readers:
            assert node.inputs[0] is not None
            found[self._root(node.inputs[0])].readers.append(node)
        return [group for group in found.values() if group.joins and not group.fixed]

    def _add(self, node: ir.Node) -> None:
        read = [value for value in dict.fromkeys(read_values(node)) if constant(value) is None]
        output = node.outputs[0]
        values = [*read, *node.outputs]
        channels = {self._channels(value) for value in values}
        alike = len(channels) == 1 and None not in channels and len(node.outputs) == 1
        if self._is_transform(node, output):
            self._makers.append(node)
            self._join(output)
            self._joins.append(output)
        elif is_standard(node, "Conv") and has_float_constants(node) and len(read) == 1:
            self._makers.append(node)
            self._readers.append(node)
            fixed = [value for value in values if self._channels(value) is None]
            self._fixed.extend(fixed)
        elif _is_product(node) and len(read) == 1 and self._channels(read[0]) and len(self._shape(read[0])) == 2:
            # of more axes it sums over the last one, not over channels
            self._readers.append(node)
            self._fixed.append(output)
        elif alike and (is_standard(node, *PASS_ON) or (is_standard(node, *_MOVES) and self._is_view(*values))):
            self._join(*values)
        elif (
            alike and is_standard(node, "Add") and len(read) == 2 and len({self._shape(value) for value in values}) == 1
        ):
            self._join(*values)
            self._joins.append(output)
        elif alike and is_standard(node, "Mul") and len(read) == 2 and self._gate(read) is not None:
            gate = self._gate(read)
            self._fixed.extend(value for value in read if value is gate)
            self._join(*(value for value in values if value is not gate))
            self._joins.append(output)
        else:
            self._fixed.extend(values)

    def _is_transform(self, node: ir.Node, output: ir.Value) -> bool:
        """Whether a node makes the magnitudes of a transform, of which everything is known."""
        conv = transform_of(node)
        if conv is None:
            return False
        values = (conv.outputs[0], node.inputs[0], output)
        return all(value is not None and self._channels(value) is not None for value in values)

    def _shape(self, value: ir.Value) -> tuple[int, ...]:
        return self._shapes.get(self._known(value), ())

    def _channels(self, value: ir.Value) -> int | None:
        """How many channels a value has, where its range is known for each."""
        shape, found = self._shape(value), self._ranges.get(self._known(value))
        return shape[1] if found is not None and len(shape) >= 2 and len(found.low) == shape[1] else None

    def _known(self, value: ir.Value) -> str:
        """The name of what is known for a value: of what a Relu makes of it, where that alone was measured."""
        reader = None if name_of(value) in self._ranges else only_reader(value)
        return name_of(value if reader is None or not is_standard(reader, "Relu") else reader.outputs[0])

    def _is_view(self, source: ir.Value, output: ir.Value) -> bool:
        """Whether axes of size 1 alone were added or dropped behind the channels."""
        return all(prod(self._shape(value)[2:]) == 1 for value in (source, output))

    def _gate(self, read: list[ir.Value]) -> ir.Value | None:
        """Which of two factors is one number for each channel."""
        single = [value for value in read if prod(self._shape(value)[2:]) == 1]
        return single[0] if len(single) == 1 and len({len(self._shape(value)) for value in read}) == 1 else None

    def _join(self, *values: ir.Value) -> None:
        for value in values:
            self._parent[self._root(value)] = self._root(values[-1])

    def _root(self, value: ir.Value) -> ir.Value:
        while self._parent.setdefault(value, value) is not value:
            value = self._parent[value]
        return value


def _of_transform(node: ir.Node, conv: ir.Node, divisors: Array, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The ranges of what a transform makes and of its halves, of which a node makes the magnitudes."""
    made, halves = conv.outputs[0], node.inputs[0]
    assert halves is not None
    found = ranges[name_of(made)]
    low, high, mean, deviation = (part / divisors for part in (found.low, found.high, found.mean, found.deviation))
    scaled = Range(low, high, mean, deviation)
    means, squares = ((part.reshape(2, -1).mean(axis=1)) for part in (mean, deviation**2 + mean**2))
    # where nothing changes, the difference may be less than 0 by its rounding
    deviations = np.sqrt(np.maximum(squares - means**2, 0))
    both = Range(low.reshape(2, -1).min(axis=1), high.reshape(2, -1).max(axis=1), means, deviations)
    return {name_of(made): scaled, name_of(halves): both}


def _is_product(node: ir.Node) -> bool:
    weights = input_constant(node, 1)
    known = weights is not None and weights.ndim == 2 and weights.dtype == np.float32
    return is_standard(node, "Gemm", "MatMul") and known and not attribute(node, "transA", 0)


def _factors(group: _Group, shapes: Shapes, ranges: Mapping[str, Range]) -> Array | None:
    """Factors of the channels with the least errors; None where they gain little."""
    if not group.readers or any(constant(value) is not None for value in group.values):
        return None
    found = {value: ranges[name_of(value)] for value in group.values}
    size = np.max([_relative(np.maximum(np.abs(each.low), np.abs(each.high))) for each in found.values()], axis=0)
    weight = np.max([_reach(node, len(size)) for node in group.readers], axis=0)
    errors = _Errors(group, shapes, found)
    tried = [_relative(size**a * weight**-b) for a, b in _POWERS]
    tried = [round_up(np.maximum(each, LEAST)) for each in tried]
    estimates = [errors.estimate(factors) for factors in tried]
    best = int(np.argmin(estimates))
    return tried[best] if estimates[best] < _WORTH * estimates[0] else None


def _relative(values: Array) -> Array:
    """Values over the largest one; channels of zeros count as large, so that they are left alone."""
    top = float(values.max()) or 1.0
    return np.where(values > 0, values / top, 1.0)


def _reach(node: ir.Node, channels: int) -> Array:
    """The largest weight of each input channel, beside the largest that it shares a scale with."""
    by_channel = _weights_by_input(node)
    if by_channel is None:
        return np.full(channels, LEAST)
    top = by_channel.max(axis=1, keepdims=True)
    return np.maximum((by_channel / np.where(top > 0, top, 1.0)).max(axis=0), LEAST)


class _Errors:
    """Estimates what uint8 values and int8 weights cost the readers of a group."""

    def __init__(self, group: _Group, shapes: Shapes, found: Mapping[ir.Value, Range]) -> None:
        self._terms = []
        for node in group.readers:
            source = node.inputs[0]
            assert source is not None
            power = _power(node, len(found[source].low))
            moment = found[source].deviation ** 2
            signal = float(np.sum(power * moment)) or 1.0
            # what is of the same size is added to what is read, or multiplied by a gate
            encoded = [each for value, each in found.items() if shapes[name_of(value)] == shapes[name_of(source)]]
            positions = prod(_weights(node).shape[2:])
            self._terms.append((power / signal, moment / signal, encoded, _weights_by_input(node), positions))

    def estimate(self, factors: Array) -> float:
        """The energy of the errors over that of the values, summed over readers and values."""
        total = 0.0
        for power, moment, encoded, weights, positions in self._terms:
            for each in encoded:
                low, high = min(float((each.low / factors).min()), 0.0), float((each.high / factors).max())
                step = (max(high, 0.0) - low) / LEVELS
                total += step**2 / 12 * float(np.sum(power * factors**2))
            if weights is not None:
                steps = (weights * factors).max(axis=1) / LIMIT
                total += float(np.sum(steps**2)) / 12 * positions * float(np.sum(moment / factors**2))
        return total


def _weights(node: ir.Node) -> Array:
    weights = input_constant(node, 1)
    assert weights is not None
    return weights


def _weights_by_input(node: ir.Node) -> Array | None:
    """The largest magnitude of the weights (O, I) of a layer that sums over all input channels; None for others."""
    weights = np.abs(_weights(node)).astype(np.float64)
    if node.op_type != "Conv":
        return weights if attribute(node, "transB", 0) else weights.T
    if attribute(node, "group", 1) > 1:
        return None
    return weights.reshape(*weights.shape[:2], -1).max(axis=2)


def _power(node: ir.Node, channels: int) -> Array:
    """The sum of the squared weights of each input channel."""
    squares = np.square(_weights(node), dtype=np.float64)
    if node.op_type != "Conv":
        return squares.sum(axis=0 if attribute(node, "transB", 0) else 1)
    groups, inner = attribute(node, "group", 1), squares.shape[1]
    return squares.reshape(groups, -1, inner, prod(squares.shape[2:])).sum(axis=(1, 3)).reshape(channels)


def _by_input(node: ir.Node, factors: Array) -> Array:
    """Factors of input channels in a form that the weights are multiplied by."""
    weights = _weights(node)
    if node.op_type != "Conv":
        return factors if attribute(node, "transB", 0) else factors[:, None]
    return by_input_channel(factors, weights, node.attributes)
