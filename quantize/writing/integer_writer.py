"""The writer of integer nodes, which every integer form writes with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.values import add_initializer, name_of, new_names, new_node, opset, replace_value, sizes
from zoosmith.quantize.calibration import Range
from zoosmith.quantize.writing.quantization_parameters import LEVELS, QuantizationParameters, round_up
from zoosmith.quantize.writing.rounded_weights import NONE_ROUNDED, RoundedWeights
from zoosmith.quantize.writing.weights import PackedWeights, by_input_channel, quantize_weights, smallest_scale


@dataclass(frozen=True)
class Encoding:
    """The uint8 form of a float value: the tensor's name, and how it is read."""

    tensor: str
    parameters: QuantizationParameters


# by how many steps of a scale rounding takes the range of a value beyond its bounds, at the most
_SLACK = 3
# opset
_CLIP_READS_BOUNDS = 11


class IntegerWriter:
    """Puts integer nodes into a float model.

    Args:
        model: it gets the new nodes; those that they replace stay until `finish`.
        ranges: of the float values that were calibrated, by name.
        rounded: weights that are rounded already, by the name of what their layer makes.

    Attributes:
        opset: of the model.
        names: gives names to new values.
        parameters: how the uint8 form of each quantized float value is encoded.
        quantized: float value -> its uint8 form.
    """

    def __init__(
        self, model: ir.Model, ranges: Mapping[str, Range], rounded: Mapping[str, RoundedWeights] = NONE_ROUNDED
    ) -> None:
        self.opset = opset(model)
        self.names = new_names(model)
        self.parameters: dict[ir.Value, QuantizationParameters] = {}
        self.quantized: dict[ir.Value, ir.Value] = {}
        self._graph = model.graph
        self._ranges = ranges
        self._rounded = rounded
        self._place: ir.Node | None = None
        self._entries: set[ir.Value] = set()
        self._encoded_again: dict[tuple[ir.Value, float, int], ir.Value] = {}
        self._dequantized: dict[ir.Value, ir.Value] = {}
        self._scalars: dict[tuple[str, float], ir.Value] = {}
        self._bounds: dict[ir.Value, tuple[float, float]] = {}

    def go_to(self, node: ir.Node | None) -> None:
        """Let new nodes stand before `node`; None for the end of the graph."""
        self._place = node

    def emit(
        self, op_type: str, inputs: list[ir.Value | None], output: ir.Value, name: str | None = None, **attributes: Any
    ) -> ir.Value:
        """Add a node at the current place, and return its output."""
        self._place_node(new_node(op_type, inputs, output, name, **attributes))
        return output

    def _place_node(self, node: ir.Node) -> None:
        if self._place is None:
            self._graph.append(node)
        else:
            self._graph.insert_before(self._place, node)

    def drop(self, value: ir.Value) -> None:
        """Take away the uint8 form of a float value, which nothing reads."""
        maker = self.quantized.pop(value).producer()
        assert maker is not None
        self._graph.remove(maker, safe=True)

    def constant(self, name: str, array: Array) -> ir.Value:
        """Add an initializer, named `name` or nearly so."""
        return add_initializer(self._graph, self.names.fresh(name), array)

    def new_value(self, name: str) -> ir.Value:
        """A value for the output of a node, named `name` or nearly so."""
        return ir.Value(name=self.names.fresh(name))

    def announce(self, value: ir.Value, parameters: QuantizationParameters | None = None) -> ir.Value:
        """The new uint8 form of a float value, which gets `parameters` or has some already."""
        if parameters is not None:
            self.parameters[value] = parameters
        self.quantized[value] = self.new_value(f"{name_of(value)}_quantized")
        return self.quantized[value]

    def quantize(self, value: ir.Value, parameters: QuantizationParameters) -> None:
        """Write a QuantizeLinear of a float value."""
        self._entries.add(value)
        output = self.announce(value, parameters)
        self.emit("QuantizeLinear", [value, *self.scale_and_zero_point(value)], output)

    def dequantize(self, value: ir.Value, *, once: bool = False) -> None:
        """Write a DequantizeLinear, unless there is one; `finish` makes its result replace the float value.

        ONNX Runtime writes it again for each of its readers, and then does not see that a GELU or LayerNormalization
        reads one value. With `once`, a Clip that changes nothing stands between.
        """
        if value in self._dequantized:
            return
        result = ir.Value(name=value.name)
        self._dequantized[value] = result
        real = self.new_value(f"{name_of(value)}_dequantized") if once else result
        self.emit("DequantizeLinear", [self.quantized[value], *self.scale_and_zero_point(value)], real)
        if once:
            parameters = self.parameters[value]
            lowest = np.float32(parameters.nominal_scale) * np.float32(-parameters.nominal_zero_point)
            self._clip_real(real, result, {"min": float(lowest)})

    def float_result(self, value: ir.Value) -> ir.Value:
        """A new float value for what integer nodes make; `finish` makes it replace `value`."""
        self._dequantized[value] = ir.Value(name=value.name)
        return self._dequantized[value]

    def keep_within(self, value: ir.Value, lowest: float, highest: float) -> None:
        """Say what `value` never falls below and never exceeds.

        Its uint8 form may go beyond, where values that meet in a Concat share their parameters: then it is cut there.
        """
        parameters = self.parameters[value]
        slack = _SLACK * parameters.nominal_scale
        bottom, top = (parameters.scale * (end - parameters.zero_point) for end in (0, LEVELS))
        bounds = (
            lowest if bottom.min() < lowest - slack else -np.inf,
            highest if top.max() > highest + slack else np.inf,
        )
        if np.isfinite(bounds).any():
            self._bounds[value] = bounds

    def move(self, node: ir.Node, sources: list[ir.Value], output: ir.Value, attributes: Mapping[str, Any]) -> None:
        """Write an operator that only moves values on the uint8 form of `sources`, to that of `output`."""
        inputs: list[ir.Value | None] = [
            self._encoded_as(output, value) if value in sources else value for value in node.inputs
        ]
        self.emit(node.op_type, inputs, self.quantized[output], node.name, **attributes)

    def _encoded_as(self, other: ir.Value, value: ir.Value) -> ir.Value:
        """The uint8 form of a value in the parameters of `other`, where that has one scale for all of its channels."""
        wanted = self.parameters[other]
        if len(wanted.scale) > 1 or wanted.same_as(self.parameters[value]):
            return self.quantized[value]
        key = (value, wanted.nominal_scale, wanted.nominal_zero_point)
        if key not in self._encoded_again:
            real = value if value in self._entries else self.real(value)
            again = self._encoded_again[key] = self.new_value(f"{name_of(value)}_quantized")
            self.emit("QuantizeLinear", [real, *self.scale_and_zero_point(other)], again)
        return self._encoded_again[key]

    def share(self, source: ir.Value, output: ir.Value) -> None:
        """Let the uint8 form of `output` be that of `source`, read otherwise."""
        self.quantized[output] = self.quantized[source]

    def clip(self, source: ir.Value, output: ir.Value, lowest: int, highest: int) -> None:
        """Write a Clip of the uint8 form of `source`, to that of `output`."""
        bounds = [self._scalar(name, np.uint8(end)) for name, end in (("lowest", lowest), ("highest", highest))]
        self.emit("Clip", [self.quantized[source], *bounds], self.announce(output))

    def cut(self, source: ir.Value, output: ir.Value, lowest: Array, highest: Array) -> None:
        """Write what cuts the uint8 form of an image off, at a number for each channel or for all.

        A Max by channels alone takes two to three times as long as one by channels of a whole row: ONNX Runtime does
        one position at a time. The Expand has constant inputs, so it is computed when the model is loaded.
        """
        if len(lowest) == len(highest) == 1 and (lowest[0] > 0 or highest[0] < LEVELS):
            self.clip(source, output, int(lowest[0]), int(highest[0]))
            return
        made, [*_, width] = self.quantized[source], sizes(source) or [None]
        for op_type, nothing, ends in (("Max", 0, lowest), ("Min", LEVELS, highest)):
            if np.all(ends == nothing):
                continue
            name = f"{name_of(output)}_{op_type.lower()}"
            bound = self.constant(name, ends.reshape(1, -1, 1, 1))
            if width is not None:
                shape = self.constant(f"{name}_shape", np.array([1, len(ends), 1, width], np.int64))
                bound = self.emit("Expand", [bound, shape], self.new_value(f"{name}_row"))
            made = self.emit(op_type, [made, bound], self.new_value(f"{name_of(output)}_quantized"))
        self.quantized[output] = made

    def in_qdq_form(self, node: ir.Node, output: ir.Value) -> None:
        """Write the float node between DequantizeLinear and QuantizeLinear.

        ONNX Runtime makes one uint8 operator of the three where it has one: Add, Mul, Sigmoid, poolings and others.
        """
        inputs = [self.real(value) if value is not None and value in self.quantized else value for value in node.inputs]
        real = self.emit(node.op_type, inputs, self.new_value(f"{name_of(output)}_real"), node.name, **node.attributes)
        self.encode(real, output)

    def real(self, value: ir.Value, encoded: ir.Value | None = None) -> ir.Value:
        """A DequantizeLinear of the uint8 form of a value, or of `encoded`, which is read the same way."""
        given: list[ir.Value | None] = [self.quantized[value] if encoded is None else encoded]
        result = self.new_value(f"{name_of(value)}_dequantized")
        return self.emit("DequantizeLinear", [*given, *self.scale_and_zero_point(value)], result)

    def encode(self, real: ir.Value, value: ir.Value, into: ir.Value | None = None) -> None:
        """Write the QuantizeLinear of `real` as `value` is encoded, to its new uint8 form or to `into`."""
        inputs: list[ir.Value | None] = [self._cut(real, value), *self.scale_and_zero_point(value)]
        self.emit("QuantizeLinear", inputs, self.announce(value) if into is None else into)

    def _cut(self, real: ir.Value, value: ir.Value) -> ir.Value:
        """`real` with the Relu or Clip that `keep_within` asks for."""
        lowest, highest = self._bounds.get(value, (-np.inf, np.inf))
        ends = {"min": lowest, "max": highest}
        given: dict[str, Any] = {name: float(end) for name, end in ends.items() if np.isfinite(end)}
        if not given:
            return real
        result = self.new_value(f"{name_of(value)}_cut")
        if given == {"min": 0.0}:
            return self.emit("Relu", [real], result)
        return self._clip_real(real, result, given)

    def _clip_real(self, real: ir.Value, result: ir.Value, ends: Mapping[str, Any]) -> ir.Value:
        """Write the Clip of a float value between `min` and `max`, where they are given."""
        if self.opset < _CLIP_READS_BOUNDS:
            return self.emit("Clip", [real], result, **ends)
        bounds = [self._scalar(name, np.float32(ends[name])) if name in ends else None for name in ("min", "max")]
        return self.emit("Clip", [real, *bounds], result)

    def finish(self, replaced: Iterable[ir.Node]) -> None:
        """Let float nodes and graph outputs read what was dequantized, and remove the nodes that have been replaced."""
        for old, new in self._dequantized.items():
            replace_value(old, new)
        self._graph.remove(replaced, safe=True)

    def encodings(self) -> dict[str, Encoding]:
        """The uint8 forms of the float values, by their names."""
        return {
            name_of(value): Encoding(name_of(form), self.parameters[value]) for value, form in self.quantized.items()
        }

    def scale_and_zero_point(self, value: ir.Value) -> list[ir.Value]:
        """The nominal scale and zero point of the uint8 form of a float value, as initializers."""
        parameters = self.parameters[value]
        return [
            self._scalar("scale", np.float32(parameters.nominal_scale)),
            self._scalar("zero_point", np.uint8(parameters.nominal_zero_point)),
        ]

    def convolution(
        self,
        source: ir.Value,
        output: ir.Value,
        node: ir.Node,
        weights: Array,
        bias: Array,
        attributes: Mapping[str, Any],
        *,
        read: ir.Value | None = None,
        into: ir.Value | None = None,
    ) -> None:
        """Write a QLinearConv from the uint8 form of `source` to that of `output`.

        Scales and zero points per channel go into weights and bias. So does what rounding the weights adds on average,
        where the source's mean is known (Nagel et al., "Data-free quantization", 2019, section 4.2).

        Args:
            source: float value whose uint8 form is read.
            output: float value whose uint8 form is made.
            node: gives its name.
            weights: real ones, of shape (O, I / groups, ...).
            bias: of shape (O,).
            attributes: of the QLinearConv, values or `ir.Attr`.
            read: the uint8 value to read, where it is not the form of `source` itself.
            into: the uint8 value to make, where it is not the form of `output` itself.
        """
        entering, leaving = self.parameters[source], self.parameters[output]
        outputs = len(weights)

        def by_input(value: Array) -> Array:
            return by_input_channel(value, weights, attributes)

        moved = by_input(entering.zero_point - entering.nominal_zero_point)
        scale = np.broadcast_to(leaving.scale, (outputs,))
        axes = tuple(range(1, weights.ndim))
        bias = bias / scale + leaving.zero_point - leaving.nominal_zero_point
        # rounded weights are so for one scale of all input channels
        several = len(entering.scale) > 1
        rounded = None if several else self.rounded_rows(node, entering.scale / scale, bias)
        if rounded is not None:
            packed, shift = rounded
            bias = bias + shift / scale
        else:
            wanted = weights * by_input(entering.scale)
            wanted /= scale.reshape(-1, *[1] * (weights.ndim - 1))
            mean, spread = self._moments(source, entering)
            # the file's bias is `bias` less what the zero points of the channels make: both have to fit into int32
            reach = np.maximum(np.abs(bias), np.abs(bias - (wanted * moved).sum(axis=axes))) if moved.any() else bias
            packed = quantize_weights(wanted, reach, np.broadcast_to(by_input(spread), weights.shape))
            # in place: the arrays of a large matrix take hundreds of MB each
            wanted -= packed.weights * packed.scale.reshape(-1, *[1] * (weights.ndim - 1))
            wanted *= by_input(mean)
            bias = bias + wanted.sum(axis=axes)
            del wanted
        integers = packed.weights.reshape(weights.shape)
        start = bias / packed.scale - (integers * moved).sum(axis=axes)
        # the file's scales multiply to scale_in * scale_w / scale_out, which must be the packed scale
        stated = packed.scale * np.float64(np.float32(leaving.nominal_scale)) / np.float32(entering.nominal_scale)
        name = name_of(output)
        made = self.announce(output) if into is None else into
        whole = self.new_value(f"{name}_whole") if output in self._bounds else made
        self.emit(
            "QLinearConv",
            [
                self.quantized[source] if read is None else read,
                *self.scale_and_zero_point(source),
                self.constant(f"{name}_weights", integers),
                self.constant(f"{name}_weights_scale", stated.astype(np.float32)),
                self._scalar("weights_zero_point", np.int8(0)),
                *self.scale_and_zero_point(output),
                self.constant(f"{name}_bias", np.rint(start).astype(np.int32)),
            ],
            whole,
            node.name,
            **dict(sorted(attributes.items())),
        )
        if whole is not made:
            self.encode(self.real(output, whole), output, made)

    def rounded_rows(self, node: ir.Node, factor: Array, bias: Array) -> tuple[PackedWeights, Array] | None:
        """The weights of a layer that are rounded already, as (O, ...), and what its output channels have less.

        None where they are not, or where `bias` does not fit into int32 at their scale, made `factor` times as large.
        """
        found = self._rounded.get(name_of(node.outputs[0]))
        if found is None:
            return None
        rows = found.rows
        packed = PackedWeights(rows.weights, rows.scale * factor)
        return (packed, found.shift) if (packed.scale >= smallest_scale(bias)).all() else None

    def product(
        self,
        source: ir.Value,
        read: ir.Value,
        output: ir.Value,
        node: ir.Node,
        weights: Array,
        bias: Array | None,
    ) -> None:
        """Write the float product of a uint8 value and constant weights, exact but for their rounding.

        Args:
            source: float value that tells how `read` is encoded: one scale and zero point for all of it.
            read: its uint8 form, of shape (..., I).
            output: the float value to make, of shape (..., O).
            node: the layer; the range of what it makes was calibrated.
            weights: real ones, of shape (I, O).
            bias: what that value has more than the product, where it is known.
        """
        name = name_of(node.outputs[0])
        entering = np.full(1, np.float32(self.parameters[source].nominal_scale), np.float64)
        rounded = self.rounded_rows(node, entering, np.zeros(1))
        if rounded is not None:
            packed, _ = rounded
        else:
            columns = weights.T * entering
            packed = quantize_weights(columns, np.zeros(len(columns)), np.ones(columns.shape))
        integer = self.constant(f"{name}_weights", packed.weights.T)
        zero_point = self.scale_and_zero_point(source)[1]
        sums = self.emit("MatMulInteger", [read, integer, zero_point], self.new_value(f"{name}_sums"))
        real = self.emit("Cast", [sums], self.new_value(f"{name}_real_sums"), to=ir.DataType.FLOAT.value)
        self.emit("Mul", [real, self.constant(f"{name}_scale", packed.scale.astype(np.float32))], output)

    def _moments(self, source: ir.Value, entering: QuantizationParameters) -> tuple[Array, Array]:
        """Mean and standard deviation of each channel of the source, in multiples of its scale."""
        found = self._ranges.get(name_of(source))
        if found is None:
            return np.zeros(1), np.ones(1)
        scale = np.abs(entering.scale)
        spread = round_up(np.maximum(found.deviation / scale, 1e-3))
        return np.sign(found.mean) * np.sign(entering.scale) * round_up(np.abs(found.mean) / scale), spread

    def _scalar(self, name: str, value: np.generic) -> ir.Value:
        key = (value.dtype.name, float(value))
        if key not in self._scalars:
            self._scalars[key] = self.constant(name, np.asarray(value))
        return self._scalars[key]
