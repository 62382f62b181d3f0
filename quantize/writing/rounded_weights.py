"""The weights of a layer as int8, and what its bias makes up of their rounding."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.values import attribute, input_constant, sizes
from zoosmith.quantize.calibration import Range
from zoosmith.quantize.input_moments import Moments, weights_of_outputs
from zoosmith.quantize.writing.second_order import round_by_covariance
from zoosmith.quantize.writing.weights import PackedWeights, by_input_channel, quantize_weights


@dataclass(frozen=True)
class RoundedWeights:
    """The weights of a Conv, Gemm or MatMul: `scale * packed`, both in the shape of the real ones.

    Attributes:
        packed: int8.
        scale: float64, one for each output channel, of the rank of the weights.
        shift: float64 (outputs,), what each output channel then has less, on average.
        turned: whether they are of shape (inputs, outputs).
    """

    packed: Array
    scale: Array
    shift: Array
    turned: bool

    @property
    def rows(self) -> PackedWeights:
        """The same as (outputs, inputs, ...)."""
        return PackedWeights(self.packed.T if self.turned else self.packed, self.scale.reshape(-1))

    def error(self, real: Array) -> Array:
        """What they are more than the real weights: float32 of the same shape."""
        found: Array = (self.packed * self.scale - real.astype(np.float64)).astype(np.float32)
        return found


NONE_ROUNDED: Mapping[str, RoundedWeights] = MappingProxyType({})


def round_weights(
    node: ir.Node, seen: Range | None = None, *, multiplied: bool = True, moments: Moments | None = None
) -> RoundedWeights:
    """Round the constant weights of a Conv, Gemm or MatMul.

    Args:
        node: the layer.
        seen: the range of what it reads, where that is known: for the mean of the error, and for the importance of each
            weight.
        multiplied: whether integers are multiplied by them, as `quantize_weights` has it.
        moments: of what the weights multiply, where they are known: then errors make up for each other.
    """
    weights = input_constant(node, 1)
    assert weights is not None
    turned = node.op_type != "Conv" and not attribute(node, "transB", 0)
    rows = (weights.T if turned else weights).astype(np.float64)
    mean, deviation = np.zeros(1), np.ones(1)
    # a product of more than two axes sums over the last one, ranges are of axis 1
    by_channel = node.op_type == "Conv" or len(sizes(node.inputs[0]) or ()) == 2
    if seen is not None and by_channel and rows.shape[1] * attribute(node, "group", 1) % len(seen.mean) == 0:
        mean, deviation = seen.mean, np.maximum(seen.deviation, 1e-3 * float(seen.deviation.max()) or 1.0)
    importance = np.broadcast_to(by_input_channel(deviation, rows, node.attributes), rows.shape)
    packed = quantize_weights(rows, np.zeros(len(rows)), importance, multiplied=multiplied)
    if moments is None:
        scale = packed.scale.reshape(-1, *[1] * (rows.ndim - 1))
        error = packed.weights * scale - rows
        shift = -(error * by_input_channel(mean, rows, node.attributes)).sum(axis=tuple(range(1, rows.ndim)))
    else:
        packed, shift = _with_moments(
            rows, packed.scale, moments, by_bias=node.op_type == "Conv" and len(node.inputs) > 2
        )
        scale = packed.scale.reshape(-1, *[1] * (rows.ndim - 1))
    if turned:
        return RoundedWeights(packed.weights.T, scale.T, shift, turned)
    return RoundedWeights(packed.weights, scale, shift, turned)


def _with_moments(rows: Array, scale: Array, moments: Moments, *, by_bias: bool) -> tuple[PackedWeights, Array]:
    """Weights (O, I, ...) rounded by the covariance of what they multiply, and what output channels then have less.

    Where no bias makes up for the mean of the error, that is part of the error.
    """
    real, (mean, covariance) = weights_of_outputs(rows), (moments.mean, moments.covariance)
    if not by_bias:
        covariance = covariance + mean[:, :, None] * mean[:, None, :]
    rounded = round_by_covariance(real, scale, covariance, neighbours=rows.shape[1] > 1)
    error = (rounded * scale[:, None] - real).reshape(*mean.shape[:1], -1, mean.shape[1])
    shift = -np.einsum("gok,gk->go", error, mean).reshape(-1) if by_bias else np.zeros(len(rows))
    first = np.moveaxis(rows, 1, -1).shape
    return PackedWeights(np.moveaxis(rounded.reshape(first), -1, 1).astype(np.int8), scale), shift
