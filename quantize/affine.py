"""Per-channel affine operators: one `scale * x + shift` for BatchNormalization, Mul, Add, Sub and Div by constants."""

from dataclasses import dataclass

import numpy as np
import onnx

from zoosmith.quantize.graph import Array, Graph, attributes, is_standard

ARITHMETIC = ("Mul", "Add", "Sub", "Div")


@dataclass(frozen=True)
class Affine:
    """`scale * x + shift` along axis 1 of `source`; both float64 of shape (channels,)."""

    source: str
    scale: Array
    shift: Array

    def then(self, after: "Affine") -> "Affine":
        """This one followed by `after`."""
        return Affine(self.source, self.scale * after.scale, self.shift * after.scale + after.shift)


def read_affine(graph: Graph, node: onnx.NodeProto) -> Affine | None:
    """What `node` computes as a float32 affine of each channel (axis 1); None where that is not so or not known."""
    if is_standard(node, "BatchNormalization"):
        return _batch_normalization(graph, node)
    if is_standard(node, *ARITHMETIC) and len(node.input) == 2:
        return _arithmetic(graph, node)
    return None


def _batch_normalization(graph: Graph, node: onnx.NodeProto) -> Affine | None:
    if len([name for name in node.output if name]) != 1 or attributes(node).get("training_mode", 0):
        return None
    given = [graph.constants.get(name) for name in node.input[1:5]]
    # opset 7 and 8 have parameters for each position, too
    if any(value is None or value.dtype != np.float32 or value.ndim != 1 for value in given):
        return None
    scale, bias, mean, variance = (graph.constants[name].astype(np.float64) for name in node.input[1:5])
    # epsilon is a float32 attribute; its exact value is what every runtime adds
    factor = scale / np.sqrt(variance + float(attributes(node).get("epsilon", np.float32(1e-5))))
    return Affine(node.input[0], factor, bias - mean * factor)


def _arithmetic(graph: Graph, node: onnx.NodeProto) -> Affine | None:
    left, right = node.input
    if (left in graph.constants) == (right in graph.constants):
        return None
    source, name = (right, left) if left in graph.constants else (left, right)
    shape = graph.shapes().get(source)
    if shape is None or len(shape) < 2 or shape[1] is None:
        return None
    value = _channel_vector(graph.constants[name], len(shape), shape[1])
    if value is None:
        return None
    one, zero = np.ones_like(value), np.zeros_like(value)
    if node.op_type == "Add":
        return Affine(source, one, value)
    if node.op_type == "Mul":
        return Affine(source, value, zero)
    if node.op_type == "Sub":
        return Affine(source, one, -value) if source == left else Affine(source, -one, value)
    return Affine(source, 1 / value, zero) if source == left and np.all(value) else None


def _channel_vector(value: Array, rank: int, channels: int) -> Array | None:
    """`value` as a float64 vector over axis 1 of a tensor of this rank, or None where it varies along another axis."""
    if value.ndim > rank or value.dtype != np.float32:
        return None
    shape = (1,) * (rank - value.ndim) + value.shape
    if any(size != 1 for axis, size in enumerate(shape) if axis != 1) or shape[1] not in (1, channels):
        return None
    return np.broadcast_to(value.astype(np.float64).reshape(-1), (channels,))
