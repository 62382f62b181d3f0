"""The integer forms, a short function an operator. Each is standard ONNX: QLinearConv, or the operator on uint8."""

from collections.abc import Callable
from math import prod

import numpy as np
import onnx

from zoosmith.quantize.affine import ARITHMETIC, read_affine
from zoosmith.quantize.encoding import joined
from zoosmith.quantize.graph import Array, Graph, attributes
from zoosmith.quantize.lowering import Lowering, Writer

# Operator -> its integer form; `integer` fills it.
LOWERINGS: dict[str, Lowering] = {}

Write = Callable[[Writer, onnx.NodeProto, str], None]


def integer(
    *op_types: str,
    accepts: Callable[[Graph, onnx.NodeProto], bool],
    starts: bool = False,
    moves: bool = False,
    by_channel: bool = True,
) -> Callable[[Write], Write]:
    """Register the integer form of operators: a function that writes what makes the uint8 form of `output`."""

    def register(write: Write) -> Write:
        for op_type in op_types:
            LOWERINGS[op_type] = Lowering(accepts, write, starts, moves, by_channel)
        return write

    return register


def _rank(graph: Graph, tensor: str) -> int | None:
    shape = graph.shapes().get(tensor)
    return None if shape is None else len(shape)


def _has_constants(graph: Graph, node: onnx.NodeProto) -> bool:
    if node.input[0] in graph.constants:
        return False
    constants = [graph.constants.get(name) for name in node.input[1:] if name]
    return all(value is not None and value.dtype == np.float32 for value in constants)


def _bias(graph: Graph, node: onnx.NodeProto, channels: int) -> Array:
    given = graph.constants[node.input[2]] if len(node.input) > 2 and node.input[2] else np.zeros(1)
    return np.broadcast_to(given.astype(np.float64).reshape(-1), (channels,))


def _is_conv(graph: Graph, node: onnx.NodeProto) -> bool:
    return _has_constants(graph, node) and graph.constants[node.input[1]].ndim == 4


@integer("Conv", accepts=_is_conv, starts=True, by_channel=False)
def conv(writer: Writer, node: onnx.NodeProto, output: str) -> None:
    """Conv: the same attributes on QLinearConv. Channels of unlike steps would coarsen the weights, so it wants one."""
    weights = writer.graph.constants[node.input[1]].astype(np.float64)
    bias = _bias(writer.graph, node, len(weights))
    writer.convolution(node.input[0], output, node, weights, bias, **attributes(node))


def _is_affine(graph: Graph, node: onnx.NodeProto) -> bool:
    affine = read_affine(graph, node)
    return affine is not None and _rank(graph, affine.source) == 4


@integer("BatchNormalization", *ARITHMETIC, accepts=_is_affine)
def affine(writer: Writer, node: onnx.NodeProto, output: str) -> None:
    """A per-channel affine: a depthwise 1 x 1 convolution, whose one weight a channel is exactly 127 of its scale."""
    found = read_affine(writer.graph, node)
    assert found is not None
    _depthwise(writer, node, output, found.source, found.scale, found.shift, (1, 1), (1, 1))


def _is_image(graph: Graph, node: onnx.NodeProto) -> bool:
    shape = graph.shapes().get(node.input[0], ())
    return len(shape) == 4 and shape[1] is not None


@integer("Relu", accepts=_is_image)
def relu(writer: Writer, node: onnx.NodeProto, output: str) -> None:
    """A Relu that could not join the operator before it: the affine 1 * x + 0, cut off at zero by its encoding."""
    channels = writer.graph.shapes()[node.input[0]][1] or 0
    _depthwise(writer, node, output, node.input[0], np.ones(channels), np.zeros(channels), (1, 1), (1, 1))


def _is_plain_pool(graph: Graph, node: onnx.NodeProto) -> bool:
    values = attributes(node)
    known = {"kernel_shape", "strides", "pads", "count_include_pad", "auto_pad", "ceil_mode", "dilations"}
    return (
        _is_image(graph, node)
        and not any(values.get("pads", ()))
        and values.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
        and not values.get("ceil_mode", 0)
        and set(values) <= known
    )


@integer("AveragePool", accepts=_is_plain_pool)
def average_pool(writer: Writer, node: onnx.NodeProto, output: str) -> None:
    """AveragePool without padding: a depthwise convolution of equal weights."""
    values = attributes(node)
    kernel = tuple(values["kernel_shape"])
    channels = writer.graph.shapes()[node.input[0]][1] or 0
    scale, strides = np.full(channels, 1 / prod(kernel)), tuple(values.get("strides", (1, 1)))
    _depthwise(writer, node, output, node.input[0], scale, np.zeros(channels), kernel, strides)


def _has_known_positions(graph: Graph, node: onnx.NodeProto) -> bool:
    shape = graph.shapes().get(node.input[0], ())
    return len(shape) == 4 and None not in shape[1:]


@integer("GlobalAveragePool", accepts=_has_known_positions)
def global_average_pool(writer: Writer, node: onnx.NodeProto, output: str) -> None:
    """GlobalAveragePool: a depthwise convolution as large as the image."""
    _, channels, *kernel = (int(size or 0) for size in writer.graph.shapes()[node.input[0]])
    scale = np.full(channels, 1 / prod(kernel))
    _depthwise(writer, node, output, node.input[0], scale, np.zeros(channels), tuple(kernel), (1, 1))


def _depthwise(
    writer: Writer,
    node: onnx.NodeProto,
    output: str,
    source: str,
    scale: Array,
    shift: Array,
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
) -> None:
    weights = np.broadcast_to(scale.reshape(-1, 1, 1, 1), (len(scale), 1, *kernel))
    writer.convolution(
        source, output, node, weights, shift, group=len(scale), kernel_shape=kernel, strides=strides, pads=(0, 0, 0, 0)
    )


def _is_dense(graph: Graph, node: onnx.NodeProto) -> bool:
    if not _has_constants(graph, node) or _rank(graph, node.input[0]) != 2:
        return False
    weights, bias = graph.constants[node.input[1]], graph.constants.get(node.input[2] if len(node.input) > 2 else "")
    return (
        weights.ndim == 2 and not attributes(node).get("transA", 0) and (bias is None or bias.shape[:-1] in ((), (1,)))
    )


@integer("Gemm", "MatMul", accepts=_is_dense, starts=True, by_channel=False)
def dense(writer: Writer, node: onnx.NodeProto, output: str) -> None:
    """Gemm, or MatMul of a matrix: a 1 x 1 convolution of one position; QLinearMatMul would have no bias."""
    values = attributes(node)
    weights = writer.graph.constants[node.input[1]].astype(np.float64) * values.get("alpha", 1.0)
    weights = weights if values.get("transB", 0) else weights.T
    bias = _bias(writer.graph, node, len(weights)) * values.get("beta", 1.0)
    source = node.input[0]
    flat, flat_result = writer.names[source], writer.graph.fresh(f"{output}_positions")
    writer.names[source] = _reshape(writer, "Unsqueeze", flat, writer.graph.fresh(f"{source}_positions"))
    writer.convolution(
        source, output, node, weights[:, :, None, None], bias, into=flat_result, kernel_shape=(1, 1), pads=(0, 0, 0, 0)
    )
    writer.names[source] = flat
    _reshape(writer, "Squeeze", flat_result, writer.announce(output))


def _reshape(writer: Writer, op_type: str, source: str, output: str) -> str:
    """Add or drop axes 2 and 3; from opset 13 on, the axes are an input."""
    if writer.graph.opset < 13:
        return writer.emit(op_type, [source], output, axes=[2, 3])
    return writer.emit(op_type, [source, writer.graph.constant("positions_axes", np.array([2, 3], np.int64))], output)


def _is_max_pool(graph: Graph, node: onnx.NodeProto) -> bool:
    # opset 12 is the first whose MaxPool takes uint8; its second output, the indices, would not change
    return graph.opset >= 12 and len(node.output) == 1 and _is_image(graph, node)


@integer("MaxPool", accepts=_is_max_pool, moves=True)
def max_pool(writer: Writer, node: onnx.NodeProto, output: str) -> None:
    """MaxPool: steps grow with the values, so the greatest step is the greatest value."""
    _pass_on(writer, node, output)


def _is_channel_concat(graph: Graph, node: onnx.NodeProto) -> bool:
    rank = _rank(graph, node.output[0])
    if rank is None or rank < 2 or attributes(node)["axis"] not in (1, 1 - rank):
        return False
    shapes = [graph.shapes().get(name, ()) for name in node.input if name not in graph.constants]
    return len(shapes) == len(node.input) and all(len(shape) == rank and shape[1] is not None for shape in shapes)


@integer("Concat", accepts=_is_channel_concat, moves=True)
def concat(writer: Writer, node: onnx.NodeProto, output: str) -> None:
    """Concat of channels: each brings its own encoding along, so nothing is rescaled."""
    shapes = writer.graph.shapes()
    parts = [writer.encodings[name].spread(shapes[name][1] or 0) for name in node.input]
    writer.emit(
        "Concat", [writer.names[name] for name in node.input], writer.announce(output, joined(parts)), node.name, axis=1
    )


def _is_flatten(graph: Graph, node: onnx.NodeProto) -> bool:
    return attributes(node).get("axis", 1) == 1 and _is_image(graph, node)


@integer("Flatten", accepts=_is_flatten, moves=True)
def flatten(writer: Writer, node: onnx.NodeProto, output: str) -> None:
    """Flatten of an image: each channel's positions keep its encoding."""
    _pass_on(writer, node, output)


def _always(graph: Graph, node: onnx.NodeProto) -> bool:
    return len(node.output) == 1 and node.input[0] not in graph.constants


@integer(
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Identity",
    "Slice",
    accepts=_always,
    moves=True,
    by_channel=False,
)
def move(writer: Writer, node: onnx.NodeProto, output: str) -> None:
    """Operators that only move values."""
    _pass_on(writer, node, output)


def _pass_on(writer: Writer, node: onnx.NodeProto, output: str) -> None:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[0] = writer.names[node.input[0]]
    copy.output[0] = writer.announce(output, writer.encodings[node.input[0]])
    writer.nodes.append(copy)
