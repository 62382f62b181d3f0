"""A Relu of an affine of each channel as one Max on uint8, which rounds no activation.

`relu(scale * x + shift)` is `scale * max(x, t) + shift` with `t = -shift / scale`. In the numbers of `x` that is a Max
by a constant for each channel; scale and shift are taken by the weights and biases of the convolutions that read it.
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
    """The parameters of a value whose numbers are those of another one, cut off below.

    Attributes:
        numbers: uint8, of shape (channels,) or (1,): what each channel is at least.
    """

    numbers: Array


def affine_before(relu: ir.Node | None) -> ChannelAffine | None:
    """What a Relu of an image cuts off: an affine that it alone reads, or else its input as it is.

    None for other nodes, and where a channel grows as its input falls.
    """
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
    return affine if (affine.scale >= 0).all() else None


def thresholds(affine: ChannelAffine, entering: QuantizationParameters) -> Thresholds:
    """The thresholds of the Relu of an affine, and how its result is read.

    The threshold lies between two numbers mostly. It is rounded, and the zero point put in the middle of both: zeros
    are then a quarter of a step too large or too small at the most, and all other values, too.

    Args:
        affine: with scales of 0 or more.
        entering: how its source is encoded.
    """
    entering = entering.spread(len(affine.scale))
    scale = affine.scale * entering.scale
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        zero = entering.zero_point - affine.shift / scale
    constant = ~(np.abs(zero) <= _FARTHEST)
    # the largest number stands for the constant
    height = np.where(constant, np.maximum(affine.shift, 0.0), 0.0)
    numbers = np.where(constant, LEVELS, np.clip(np.rint(zero), 0, LEVELS))
    zero_point = np.where(zero <= 0, zero, (zero + numbers) / 2)
    # all that is below zero becomes the largest number
    zero_point = np.where(constant | (zero >= LEVELS), LEVELS, zero_point)
    scale = np.where(constant, height / LEVELS, scale)
    zero_point = np.where(height > 0, 0.0, zero_point)
    # a channel that is always zero may have any scale
    scale = np.where(scale > 0, scale, float(scale.max()) or 1.0)
    alike = bool(np.all(numbers == numbers[0]))
    parameters = concatenate([QuantizationParameters(scale, zero_point)])
    return Thresholds(parameters.scale, parameters.zero_point, (numbers[:1] if alike else numbers).astype(np.uint8))


def has_plain_zero(parameters: QuantizationParameters) -> bool:
    """Whether zero is a number of uint8 that all channels share, so that every operator may read the values."""
    return len(parameters.scale) == 1 and float(parameters.zero_point[0]) == parameters.nominal_zero_point
