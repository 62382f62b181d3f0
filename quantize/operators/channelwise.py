"""Operators that work on each channel alone: affines, Relu and average pooling, as depthwise convolutions."""

from math import prod

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.operator_families import ARITHMETIC
from zoosmith.optimize.channel_affine import read_affine
from zoosmith.optimize.values import attribute, pads, sizes
from zoosmith.quantize.integer_forms import integer_form
from zoosmith.quantize.writing.integer_writer import IntegerWriter
from zoosmith.quantize.writing.same_numbers import gate_ends, has_same_numbers, is_gate, slope_and_shift
from zoosmith.quantize.writing.thresholds import Thresholds


def _is_affine(node: ir.Node, _: int) -> bool:
    found = read_affine(node)
    shape = None if found is None else sizes(found.source)
    return shape is not None and len(shape) == 4


@integer_form("BatchNormalization", *ARITHMETIC, accepts=_is_affine)
def affine(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """A per-channel affine: a 1 x 1 convolution, whose one weight per channel is exactly 127 of its scale.

    With a Relu behind it, it may be a Max instead: `quantize/writing/thresholds.py`.
    """
    found, parameters = read_affine(node), writer.parameters[output]
    assert found is not None
    if isinstance(parameters, Thresholds):
        writer.cut(found.source, output, parameters.lowest, parameters.highest)
        return
    if has_same_numbers(node, writer.parameters[found.source], parameters):
        writer.share(found.source, output)
        return
    _depthwise(writer, node, output, found.source, found.scale, found.shift, (1, 1), (1, 1))


def is_image(node: ir.Node, _: int) -> bool:
    """Whether the node's first input is of rank 4 with a known number of channels."""
    shape = sizes(node.inputs[0])
    return shape is not None and len(shape) == 4 and shape[1] is not None


def _source(node: ir.Node) -> tuple[ir.Value, int]:
    """What the node reads, and its number of channels."""
    source, shape = node.inputs[0], sizes(node.inputs[0])
    assert source is not None and shape is not None and shape[1] is not None
    return source, shape[1]


@integer_form("Relu", accepts=is_image, lowest=0.0)
def relu(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """A Relu that could not join the operator before it: the affine 1 * x + 0, cut off by its lowest uint8 value."""
    source, channels = _source(node)
    parameters = writer.parameters[output]
    if isinstance(parameters, Thresholds):
        writer.cut(source, output, parameters.lowest, parameters.highest)
        return
    _depthwise(writer, node, output, source, np.ones(channels), np.zeros(channels), (1, 1), (1, 1))


def is_plain_pool(node: ir.Node, opset: int) -> bool:
    """Whether an AveragePool averages as many values at every position."""
    known = {"kernel_shape", "strides", "pads", "count_include_pad", "auto_pad", "ceil_mode", "dilations"}
    return (
        is_image(node, opset)
        and not pads(node)
        and not attribute(node, "ceil_mode", 0)
        and set(node.attributes) <= known
    )


@integer_form("AveragePool", accepts=is_plain_pool)
def average_pool(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """AveragePool without padding: a convolution of equal weights."""
    kernel = tuple(attribute(node, "kernel_shape"))
    source, channels = _source(node)
    scale, strides = np.full(channels, 1 / prod(kernel)), tuple(attribute(node, "strides", (1, 1)))
    _depthwise(writer, node, output, source, scale, np.zeros(channels), kernel, strides)


def _depthwise(
    writer: IntegerWriter,
    node: ir.Node,
    output: ir.Value,
    source: ir.Value,
    scale: Array,
    shift: Array,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
) -> None:
    weights = np.broadcast_to(scale.reshape(-1, 1, 1, 1), (len(scale), 1, *kernel))
    attributes = {"group": len(scale), "kernel_shape": kernel, "strides": strides, "pads": (0, 0, 0, 0)}
    writer.convolution(source, output, node, weights, shift, attributes)


@integer_form("HardSigmoid", accepts=is_image, per_channel=False, lowest=0.0, highest=1.0, between=True)
def hard_sigmoid(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """HardSigmoid: a Clip of the numbers that it reads, or an affine cut off by the lowest and highest uint8 value."""
    source, channels = _source(node)
    if is_gate(node, writer.parameters[source], writer.parameters[output]):
        writer.clip(source, output, *gate_ends(writer.parameters[output]))
        return
    slope, shift = slope_and_shift(node)
    _depthwise(writer, node, output, source, np.full(channels, slope), np.full(channels, shift), (1, 1), (1, 1))
