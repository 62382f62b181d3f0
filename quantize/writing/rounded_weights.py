"""The weights of a layer as int8, and what its bias makes up of their rounding."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.values import attribute, input_constant
from zoosmith.quantize.calibration import Range
from zoosmith.quantize.writing.integer_writer import by_input_channel
from zoosmith.quantize.writing.weights import quantize_weights


@dataclass(frozen=True)
class RoundedWeights:
    """The weights of a Conv, Gemm or MatMul: `scale * packed`, both in the shape of the real ones.

    Attributes:
        packed: int8.
        scale: float64, one for each output channel, of the rank of the weights.
        error: what they are more than the real weights.
        shift: float64 (outputs,), what each output channel then has less, on average.
    """

    packed: Array
    scale: Array
    error: Array
    shift: Array


def round_weights(node: ir.Node, seen: Range | None = None, *, multiplied: bool = True) -> RoundedWeights:
    """Round the constant weights of a Conv, Gemm or MatMul.

    Args:
        node: the layer.
        seen: the range of what it reads, where that is known: for the mean of the error, and for the importance of each
            weight.
        multiplied: whether integers are multiplied by them, as `quantize_weights` has it.
    """
    weights = input_constant(node, 1)
    assert weights is not None
    turned = node.op_type != "Conv" and not attribute(node, "transB", 0)
    rows = (weights.T if turned else weights).astype(np.float64)
    mean, deviation = np.zeros(1), np.ones(1)
    if seen is not None and rows.shape[1] * attribute(node, "group", 1) % len(seen.mean) == 0:
        mean, deviation = seen.mean, np.maximum(seen.deviation, 1e-3 * float(seen.deviation.max()) or 1.0)
    importance = np.broadcast_to(by_input_channel(deviation, rows, node.attributes), rows.shape)
    packed = quantize_weights(rows, np.zeros(len(rows)), importance, multiplied=multiplied)
    scale = packed.scale.reshape(-1, *[1] * (rows.ndim - 1))
    error = packed.weights * scale - rows
    shift = -(error * by_input_channel(mean, rows, node.attributes)).sum(axis=tuple(range(1, rows.ndim)))
    if turned:
        return RoundedWeights(packed.weights.T, scale.T, error.T, shift)
    return RoundedWeights(packed.weights, scale, error, shift)
