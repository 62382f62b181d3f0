"""Real weights to int8, one scale for each output channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array

LIMIT = 127

# What two neighbouring products may add up to over the largest uint8, 255, to stay within int16: 32767 // 255.
PAIR_LIMIT = 128

# Scales that are tried, as parts of the one that just holds the largest weight.
_TRIED = 1 + np.arange(21) / 20

# The same where no neighbours limit each other: of the few weights of a depthwise kernel, some scale fits most of them.
_TRIED_ALONE = 1 + np.arange(-4, 17) / 50

# Weights that are worked on together: few enough to stay in the processor's cache.
_AT_ONCE = 2**16


@dataclass(frozen=True)
class PackedWeights:
    """`weights` int8 of the real ones' shape and `scale` float64 (O,): real = scale * weights."""

    weights: Array
    scale: Array


def quantize_weights(weights: Array, bias: Array, spread: Array, *, multiplied: bool = True) -> PackedWeights:
    """Round weights (O, I, ...) to int8 with a scale for each output channel; `bias` (O,) must fit into int32 at it.

    The scale is the one that leaves the least squared error of the sums, where `spread`, of the weights' shape, is the
    standard deviation of what each weight multiplies. Processors without VNNI multiply bytes with an instruction
    that adds two neighbouring products in int16 and saturates. So positive neighbours, and negative ones, are kept from
    adding up to more than PAIR_LIMIT: then every processor computes the same integers. Neighbours are input channels
    2i and 2i + 1 at one position of the kernel, as channels-last kernels read them; depthwise ones add in int32. Where
    weights are only stored, not `multiplied` as integers, nothing limits neighbours.
    """
    parts = max(1, weights.size // _AT_ONCE)
    packed = [
        _quantize_part(*part, multiplied=multiplied)
        for part in zip(
            *(np.array_split(value, min(parts, len(weights))) for value in (weights, bias, spread)), strict=True
        )
    ]
    return PackedWeights(
        np.concatenate([part.weights for part in packed]), np.concatenate([part.scale for part in packed])
    )


def smallest_scale(bias: Array) -> Array:
    """The scale of the weights at which a bias fits into int32, with room for what the products add to it."""
    return np.abs(bias) / 2**29


def _quantize_part(weights: Array, bias: Array, spread: Array, *, multiplied: bool) -> PackedWeights:
    outputs = len(weights)
    flat = np.moveaxis(weights, 1, -1).reshape(outputs, -1)
    importance = np.moveaxis(spread, 1, -1).reshape(outputs, -1) ** 2
    whole = np.abs(flat).max(axis=1) / LIMIT
    least = smallest_scale(bias)
    whole[(whole == 0) & (least == 0)] = 1.0
    best = np.full(outputs, np.inf)
    scale, packed = whole.copy(), np.zeros(flat.shape)
    neighbours = multiplied and weights.shape[1] > 1
    for part in _TRIED if neighbours else _TRIED_ALONE:
        tried = np.maximum(whole * part, least)
        rounded = np.clip(np.rint(flat / tried[:, None]), -LIMIT, LIMIT)
        rounded = _within_pairs(rounded) if neighbours else rounded
        error = ((flat - rounded * tried[:, None]) ** 2 * importance).sum(axis=1)
        better = error < best
        best[better], scale[better], packed[better] = error[better], tried[better], rounded[better]
    shape = np.moveaxis(weights, 1, -1).shape
    return PackedWeights(np.moveaxis(packed.reshape(shape), -1, 1).astype(np.int8), scale)


def _within_pairs(rounded: Array) -> Array:
    """Bring neighbours whose sum is too large, so of one sign, towards zero, each by half of the excess; in place."""
    left, right = rounded[:, 0:-1:2], rounded[:, 1::2]
    total = left + right
    places = np.nonzero(np.abs(total) > PAIR_LIMIT)
    excess = total[places] - np.sign(total[places]) * PAIR_LIMIT
    half = np.trunc(excess / 2)
    left[places] -= excess - half
    right[places] -= half
    return rounded


def by_input_channel(value: Array, weights: Array, attributes: Mapping[str, Any]) -> Array:
    """Values of a convolution's input channels, or of blocks of them, as (O, I / groups, 1, ...): for each weight.

    O is 1 where all outputs read the same channels: for a matrix of millions of weights one row suffices.
    """
    groups, (outputs, inner) = _integer(attributes.get("group", 1)), weights.shape[:2]
    repeated = np.repeat(value, groups * inner // len(value)).reshape(groups, inner)
    if groups > 1:
        repeated = repeated[np.repeat(np.arange(groups), outputs // groups)]
    return repeated.reshape(-1, inner, *[1] * (weights.ndim - 2))


def _integer(value: "ir.Attr | int") -> int:
    return value.as_int() if isinstance(value, ir.Attr) else value
