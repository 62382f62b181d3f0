"""The writer of the QDQ form: float operators between DequantizeLinear and QuantizeLinear."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.operator_families import ARITHMETIC
from zoosmith.optimize.values import constant, is_standard, name_of, new_node, only_reader
from zoosmith.optimize.values import opset as model_opset
from zoosmith.quantize.calibration import Range
from zoosmith.quantize.target import Target
from zoosmith.quantize.writing.integer_writer import IntegerWriter
from zoosmith.quantize.writing.quantization_parameters import per_tensor
from zoosmith.quantize.writing.rounded_weights import NONE_ROUNDED, RoundedWeights
from zoosmith.quantize.writing.weights import LIMIT, by_input_channel, quantize_weights, smallest_scale

# DequantizeLinear takes a scale for each channel from here on
_PER_CHANNEL = 13
# what activations are moved by to be int8
_MIDDLE = 128
# Behind such nodes that read a DequantizeLinear of int8 ONNX Runtime writes another one, from opset 21 on with an
# attribute for its type. 1.30 and 1.32 (not 1.26) then make int8 uint8, leave the attribute, and do not load the
# model. Ours they leave.
_STATES_TYPE = 21
_BORDERED = ("MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")


class QdqWriter(IntegerWriter):
    """Writes what `IntegerWriter` writes, as float operators whose inputs and outputs are encoded.

    Weights have a scale for each output channel from opset 13 on, one for all of them below. A bias is int32.
    """

    def __init__(
        self,
        model: ir.Model,
        ranges: Mapping[str, Range],
        target: Target,
        rounded: Mapping[str, RoundedWeights] = NONE_ROUNDED,
    ) -> None:
        # integers of other limits, or of one scale, are rounded anew
        by_channel = model_opset(model) >= _PER_CHANNEL and not target.reduce_range
        super().__init__(model, ranges, rounded=rounded if by_channel else NONE_ROUNDED)
        self._target = target

    def scale_and_zero_point(self, value: ir.Value) -> list[ir.Value]:
        """The scale and zero point of the encoded form of a float value, uint8 or int8, as initializers."""
        scale, zero_point = super().scale_and_zero_point(value)
        if self._target.signed:
            stated = self.parameters[value].nominal_zero_point - _MIDDLE
            zero_point = self._scalar("zero_point", np.int8(stated))
        return [scale, zero_point]

    def finish(self, replaced: Iterable[ir.Node]) -> None:
        """As in `IntegerWriter`; int8 values that only move are converted again, what some Concats make is not."""
        super().finish(replaced)
        self._drop_conversions_behind_concats()
        if not self._target.signed or self.opset < _STATES_TYPE:
            return
        read: dict[ir.Value, list[ir.Value | None]] = {}
        for node in list(self._graph):
            source = node.inputs[0] if node.inputs else None
            if source is None:
                continue
            if is_standard(node, "DequantizeLinear") and not source.is_initializer():
                read[node.outputs[0]] = list(node.inputs[1:])
            elif is_standard(node, *_BORDERED) and source in read:
                moved = self._in_qdq_form_again(node, read[source])
                read[moved] = read[source]

    def _drop_conversions_behind_concats(self) -> None:
        """Remove the conversions behind a Concat of which an affine or Relu alone reads the encoded result.

        What is joined has one scale, so they change nothing. OpenVINO (2024.6 and 2026.4) takes the next QuantizeLinear
        to the other side of the Concat then, and ends with signal 11 on the zero point in between.
        """
        for node in list(self._graph):
            if not is_standard(node, "Concat"):
                continue
            into = only_reader(node.outputs[0])
            back = None if into is None or not is_standard(into, "QuantizeLinear") else only_reader(into.outputs[0])
            reader = None if back is None or not is_standard(back, "DequantizeLinear") else only_reader(back.outputs[0])
            if into is not None and back is not None and reader is not None and _joins_a_conversion(reader):
                reader.replace_input_with(reader.inputs.index(back.outputs[0]), node.outputs[0])
                self._graph.remove([back, into], safe=True)

    def _in_qdq_form_again(self, node: ir.Node, scale_and_zero_point: list[ir.Value | None]) -> ir.Value:
        """Encode and decode what a node makes, for the float nodes that read it."""
        output = node.outputs[0]
        readers = [use for use in output.uses() if not is_standard(use.node, "QuantizeLinear")]
        encoded, real = (self.new_value(f"{name_of(output)}_{word}") for word in ("quantized", "dequantized"))
        if readers:
            into = new_node("QuantizeLinear", [output, *scale_and_zero_point], encoded)
            self._graph.insert_after(node, [into, new_node("DequantizeLinear", [encoded, *scale_and_zero_point], real)])
        for reader, index in readers:
            reader.replace_input_with(index, real)
        return real

    def encode(self, real: ir.Value, value: ir.Value, into: ir.Value | None = None) -> None:
        """As in `IntegerWriter`; an output of the graph is decoded at once.

        ONNX Runtime 1.9 ends with signal 11 where other nodes that read its integers stand before that.
        """
        super().encode(real, value, into)
        if value.is_graph_output() and into in (None, self.quantized.get(value)):
            self.dequantize(value)

    def move(self, node: ir.Node, sources: list[ir.Value], output: ir.Value, attributes: Mapping[str, Any]) -> None:
        """Write an operator that only moves values, in float."""
        inputs: list[ir.Value | None] = [self.real(value) if value in sources else value for value in node.inputs]
        real = self.emit(node.op_type, inputs, self.new_value(f"{name_of(output)}_real"), node.name, **attributes)
        self.encode(real, output, self.quantized[output])

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
        """Write a Conv of encoded weights and bias in QDQ form; as in `IntegerWriter`."""
        name = name_of(output)
        given = self.real(source, self.quantized[source] if read is None else read)
        entering = np.float64(np.float32(self.parameters[source].nominal_scale))
        if self.opset < _PER_CHANNEL and _is_affine(weights, attributes):
            # one scale for all weights would round the factors too far
            shape = (-1, *[1] * (weights.ndim - 2))
            factor, shift = (
                self.constant(f"{name}_{word}", part.astype(np.float32).reshape(shape))
                for word, part in (("factor", weights), ("shift", np.broadcast_to(bias, len(weights))))
            )
            scaled = self.emit("Mul", [given, factor], self.new_value(f"{name}_scaled"))
            moved = self.emit("Add", [scaled, shift], self.new_value(f"{name}_real"), node.name)
            self.encode(moved, output, into)
            return
        rounded = self.rounded_rows(node, np.ones(1), bias / entering)
        if rounded is not None:
            packed, scale = rounded[0].weights.reshape(weights.shape), rounded[0].scale
            bias = bias + rounded[1]
        else:
            packed, scale = self._packed(weights, bias / entering)
            mean, _ = self._moments(source, self.parameters[source])
            lost = weights - packed * scale.reshape(-1, *[1] * (weights.ndim - 1))
            lost = lost * by_input_channel(mean, weights, attributes) * entering
            bias = bias + lost.sum(axis=tuple(range(1, weights.ndim)))
        parameter = self._weights(name, packed, scale, 0)
        addend = np.rint(bias / (scale * entering)).astype(np.int32)
        added = self._constant_of(f"{name}_bias", addend, (scale * entering).astype(np.float32), 0)
        real = self.emit(
            "Conv",
            [given, parameter, added],
            self.new_value(f"{name}_real"),
            node.name,
            **dict(sorted(attributes.items())),
        )
        self.encode(real, output, into)

    def product(
        self, source: ir.Value, read: ir.Value, output: ir.Value, node: ir.Node, weights: Array, bias: Array | None
    ) -> None:
        """Write a MatMul of encoded weights in QDQ form; as in `IntegerWriter`."""
        name = name_of(node.outputs[0])
        rounded = self.rounded_rows(node, np.ones(1), np.zeros(1))
        packed, scale = (
            self._packed(weights.T, np.zeros(1)) if rounded is None else (rounded[0].weights, rounded[0].scale)
        )
        parameter = self._weights(name, packed.T, scale, 1)
        real = self.emit("MatMul", [self.real(source, read), parameter], self.new_value(f"{name}_real"))
        # what was calibrated has the bias in it
        added = np.zeros(1) if bias is None else bias
        low, high = self._ranges[name].low - added.max(), self._ranges[name].high - added.min()
        self.parameters[output] = per_tensor(low, high, symmetric=self._target.symmetric)
        encoded = self.new_value(f"{name}_quantized")
        self.encode(real, output, encoded)
        self.emit("DequantizeLinear", [encoded, *self.scale_and_zero_point(output)], output)

    def _packed(self, weights: Array, bias: Array) -> tuple[Array, Array]:
        """Weights (O, ...) as int8 and their scale, of shape (O,) or (1,), at which `bias` fits into int32."""
        limit = LIMIT // 2 if self._target.reduce_range else LIMIT
        bias = np.broadcast_to(bias, len(weights))
        if self.opset >= _PER_CHANNEL and not self._target.reduce_range:
            found = quantize_weights(weights, bias, np.ones(weights.shape))
            return found.weights, found.scale
        rows = len(weights) if self.opset >= _PER_CHANNEL else 1
        whole = np.abs(weights).reshape(rows, -1).max(axis=1) / limit
        least = smallest_scale(bias).reshape(rows, -1).max(axis=1)
        scale = np.maximum(np.where(whole > 0, whole, 1.0), least)
        rounded = np.rint(weights / scale.reshape(-1, *[1] * (weights.ndim - 1)))
        return np.clip(rounded, -limit, limit).astype(np.int8), scale

    def _weights(self, name: str, packed: Array, scale: Array, axis: int) -> ir.Value:
        return self._constant_of(f"{name}_weights", packed, scale.astype(np.float32), axis)

    def _constant_of(self, name: str, integers: Array, scale: Array, axis: int) -> ir.Value:
        """A DequantizeLinear of an initializer."""
        per_channel = scale.size > 1
        zeros = np.zeros(scale.shape if per_channel else (), integers.dtype)
        inputs: list[ir.Value | None] = [
            self.constant(f"{name}_quantized", integers),
            self.constant(f"{name}_scale", scale if per_channel else scale.reshape(())),
            self.constant(f"{name}_zero_point", zeros),
        ]
        attributes: dict[str, Any] = {"axis": axis} if per_channel else {}
        return self.emit("DequantizeLinear", inputs, self.new_value(name), **attributes)


def _joins_a_conversion(node: ir.Node) -> bool:
    """Whether OpenVINO makes one operator of the node and a QuantizeLinear behind it."""
    known = any(constant(value) is not None for value in node.inputs)
    return is_standard(node, "Relu") or (known and is_standard(node, "BatchNormalization", *ARITHMETIC))


def _is_affine(weights: Array, attributes: Mapping[str, Any]) -> bool:
    """Whether a convolution multiplies each channel by a factor of its own, at every position."""
    given = {name: value.value if isinstance(value, ir.Attr) else value for name, value in attributes.items()}
    return (
        weights[0].size == 1
        and given.get("group", 1) == len(weights)
        and given.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
        and not any(given.get("pads", ()))
        and set(given.get("strides", ())) <= {1}
    )
