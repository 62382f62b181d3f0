"""Per-channel affine operators: one `scale * x + shift` for BatchNormalization, Mul, Add, Sub and Div by constants."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.operator_families import ARITHMETIC
from zoosmith.optimize.values import attribute, constant, is_standard, sizes


@dataclass(frozen=True)
class ChannelAffine:
    """`scale * x + shift` along axis 1 of `source`; both float64 of shape (channels,)."""

    source: ir.Value
    scale: Array
    shift: Array

    def then(self, after: "ChannelAffine") -> "ChannelAffine":
        """This one followed by `after`."""
        return ChannelAffine(self.source, self.scale * after.scale, self.shift * after.scale + after.shift)


def read_affine(node: ir.Node) -> ChannelAffine | None:
    """What `node` computes as a float32 affine of each channel (axis 1); None where that is not so or not known.

    Scale and shift are finite: a mask of -inf is none. There is a channel.
    """
    found = None
    if is_standard(node, "BatchNormalization"):
        found = _batch_normalization(node)
    elif is_standard(node, *ARITHMETIC) and len(node.inputs) == 2:
        found = _arithmetic(node)
    if found is None or not found.scale.size:
        return None
    return found if np.isfinite(found.scale).all() and np.isfinite(found.shift).all() else None


def _batch_normalization(node: ir.Node) -> ChannelAffine | None:
    source = node.inputs[0]
    if source is None or any(value.name for value in node.outputs[1:]) or attribute(node, "training_mode", 0):
        return None
    given = [value for value in map(constant, node.inputs[1:5]) if value is not None]
    # opset 7 and 8 have parameters for each position, too
    if len(given) != 4 or any(value.dtype != np.float32 or value.ndim != 1 for value in given):
        return None
    scale, bias, mean, variance = (value.astype(np.float64) for value in given)
    # epsilon is a float32 attribute; its exact value is what every runtime adds
    factor = scale / np.sqrt(variance + float(np.float32(attribute(node, "epsilon", 1e-5))))
    return ChannelAffine(source, factor, bias - mean * factor)


def _arithmetic(node: ir.Node) -> ChannelAffine | None:
    left, right = node.inputs
    left_value, right_value = constant(left), constant(right)
    source, given = (left, right_value) if left_value is None else (right, left_value)
    shape = sizes(source)
    if source is None or given is None or constant(source) is not None or shape is None:
        return None
    if len(shape) < 2 or shape[1] is None:
        return None
    value = _channel_vector(given, len(shape), shape[1])
    if value is None:
        return None
    one, zero = np.ones_like(value), np.zeros_like(value)
    if node.op_type == "Add":
        return ChannelAffine(source, one, value)
    if node.op_type == "Mul":
        return ChannelAffine(source, value, zero)
    if node.op_type == "Sub":
        return ChannelAffine(source, one, -value) if source is left else ChannelAffine(source, -one, value)
    return ChannelAffine(source, 1 / value, zero) if source is left and np.all(value) else None


def _channel_vector(value: Array, rank: int, channels: int) -> Array | None:
    """`value` as a float64 vector over axis 1 of a tensor of this rank, or None where it varies along another axis."""
    if value.ndim > rank or value.dtype != np.float32:
        return None
    shape = (1,) * (rank - value.ndim) + value.shape
    if any(size != 1 for axis, size in enumerate(shape) if axis != 1) or shape[1] not in (1, channels):
        return None
    return np.broadcast_to(value.astype(np.float64).reshape(-1), (channels,))
