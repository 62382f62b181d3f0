"""A Relu of an affine of each channel as a Max or Min on uint8, which rounds no activation.

`relu(scale * x + shift)` is `scale * max(x, t) + shift` with `t = -shift / scale`. In the numbers of `x` that is a Max
by a constant for each channel; scale and shift are taken by the weights and biases of the convolutions that read it.
Where the scale is negative it is a Min.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.channel_affine import ChannelAffine, read_affine
from zoosmith.optimize.values import is_standard, only_reader, sizes
from zoosmith.quantize.writing.quantization_parameters import LEVELS, QuantizationParameters, concatenate

# the opset from which on Max reads uint8
UINT8_MAX_OPSET = 12
# numbers by which zero may lie outside of uint8; farther out, a channel is a constant but for less than a thousandth
_FARTHEST = 2**18


@dataclass(frozen=True)
class Thresholds(QuantizationParameters):
    """The parameters of a value whose numbers are those of another one, cut off. Scales may be negative.

    Attributes:
        lowest: uint8, of shape (channels,) or (1,): what each channel is at least.
        highest: what each channel is at the most.
    """

    lowest: Array
    highest: Array


def affine_before(relu: ir.Node | None) -> ChannelAffine | None:
    """What a Relu of an image cuts off: an affine that it alone reads, or else its input as it is; None for others."""
    if relu is None or not is_standard(relu, "Relu") or relu.inputs[0] is None:
        return None
    source = relu.inputs[0]
    maker = source.producer()
    affine = None if maker is None or only_reader(source) is not relu else read_affine(maker)
    if affine is None:
        shape = sizes(source)
        if shape is None or len(shape) != 4 or shape[1] is None:
            return None
        affine = ChannelAffine(source, np.ones(shape[1]), np.zeros(shape[1]))
    return affine


def thresholds(affine: ChannelAffine, entering: QuantizationParameters) -> Thresholds:
    """The thresholds of the Relu of an affine, and how its result is read.

    The threshold lies between two numbers mostly. It is rounded, and the zero point put in the middle of both: zeros
    are then a quarter of a step too large or too small at the most, and all other values, too.

    Args:
        affine: what the Relu cuts off.
        entering: how its source is encoded.
    """
    entering = entering.spread(len(affine.scale))
    scale = affine.scale * entering.scale
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        zero = entering.zero_point - affine.shift / scale
    constant = ~(np.abs(zero) <= _FARTHEST)
    falling = (scale < 0) & ~constant
    numbers = np.clip(np.rint(zero), 0, LEVELS)
    # where all numbers are above zero nothing is cut off, where none is all become the last one
    above, below = (zero <= 0, zero >= LEVELS)
    whole, none = np.where(falling, below, above), np.where(falling, above, below)
    zero_point = np.where(whole, zero, np.where(none, numbers, (zero + numbers) / 2))
    # the largest number stands for a constant, or for zero where that is below it
    height = np.maximum(affine.shift, 0.0)
    numbers = np.where(constant, LEVELS, numbers)
    zero_point = np.where(constant, np.where(height > 0, 0.0, LEVELS), zero_point)
    scale = np.where(constant, height / LEVELS, scale)
    # a channel that is always zero may have any scale
    scale = np.where(scale != 0, scale, float(np.abs(scale).max()) or 1.0)
    parameters = concatenate([QuantizationParameters(scale, zero_point)])
    ends = np.where(falling, 0, numbers), np.where(falling, numbers, LEVELS)
    lowest, highest = ((end[:1] if np.all(end == end[0]) else end).astype(np.uint8) for end in ends)
    return Thresholds(parameters.scale, parameters.zero_point, lowest, highest)


def has_plain_zero(parameters: QuantizationParameters) -> bool:
    """Whether zero is a number of uint8 that all channels share, so that every operator may read the values."""
    return (
        len(parameters.scale) == 1
        and parameters.scale[0] > 0
        and float(parameters.zero_point[0]) == parameters.nominal_zero_point
    )
