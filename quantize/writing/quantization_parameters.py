"""Scale and zero point of uint8 tensors, per channel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoosmith.onnx_model.constants import Array

LEVELS = 255
SCALE_BITS = 8


@dataclass(frozen=True)
class QuantizationParameters:
    """`real = scale * (q - zero_point)` for each channel (axis 1).

    Scales and zero points may differ from channel to channel: the convolution that writes the tensor and the one that
    reads it take them into their weights and biases, so the file needs only one nominal scale per tensor.

    Attributes:
        scale: float64 of shape (channels,), or (1,) for all channels alike.
        zero_point: float64 of the same shape, not always inside uint8; whole numbers, but for values that have the
            numbers of another one and that convolutions alone read.
    """

    scale: Array
    zero_point: Array

    @property
    def nominal_scale(self) -> float:
        """The scale that the file states: the largest of the channels, by magnitude."""
        return float(np.abs(self.scale).max())

    @property
    def nominal_zero_point(self) -> int:
        """The zero point that the file states: that of the channels, or 0 where they differ."""
        same = bool(np.all(self.zero_point == self.zero_point[0]))
        return round(float(self.zero_point[0])) if same and 0 <= self.zero_point[0] <= LEVELS else 0

    def same_as(self, other: "QuantizationParameters") -> bool:
        """Whether both encode every value alike."""
        return np.array_equal(self.scale, other.scale) and np.array_equal(self.zero_point, other.zero_point)

    def spread(self, channels: int) -> "QuantizationParameters":
        """The same with one entry per channel; a channel of `n` flattened positions has `n` of them."""
        repeats = channels // len(self.scale)
        return QuantizationParameters(np.repeat(self.scale, repeats), np.repeat(self.zero_point, repeats))


def concatenate(parts: Sequence[QuantizationParameters]) -> QuantizationParameters:
    """The parameters of tensors that are concatenated along their channels; one entry where all are the same."""
    scale, zero_point = (
        np.concatenate(values) for values in zip(*((part.scale, part.zero_point) for part in parts), strict=True)
    )
    if np.all(scale == scale[0]) and np.all(zero_point == zero_point[0]):
        # what moves values to other places may follow
        return QuantizationParameters(scale[:1], zero_point[:1])
    return QuantizationParameters(scale, zero_point)


def per_channel(low: Array, high: Array) -> QuantizationParameters:
    """The smallest scale that holds the range of each channel; zero need not be inside."""
    span = np.maximum(high - low, np.maximum(np.abs(high), np.abs(low)) * 1e-3)
    scale = round_up(_not_zero(span / (LEVELS - 1)))
    return QuantizationParameters(scale, -np.floor(low / scale))


def per_tensor(low: Array, high: Array, *, symmetric: bool = False) -> QuantizationParameters:
    """One scale and one zero point for all channels; zero is exact, as padding needs it, `symmetric` in the middle."""
    bottom, top = min(float(np.min(low)), 0.0), max(float(np.max(high)), 0.0)
    if symmetric:
        reach = np.array([max(-bottom, top) / (LEVELS // 2)])
        return QuantizationParameters(round_up(_not_zero(reach)), np.full(1, LEVELS // 2 + 1.0))
    if bottom == 0:
        return QuantizationParameters(round_up(_not_zero(np.array([top / LEVELS]))), np.zeros(1))
    scale = round_up(_not_zero(np.array([(top - bottom) / (LEVELS - 1)])))
    return QuantizationParameters(scale, np.ceil(-bottom / scale))


def _not_zero(scale: Array) -> Array:
    """Give channels that never change a scale, small beside the others; 1 where float32 holds none of them in full."""
    top = float(np.max(scale))
    return np.maximum(scale, top * 1e-4 if top >= np.finfo(np.float32).tiny else 1.0)


def round_up(scale: Array) -> Array:
    """Round up to SCALE_BITS significant bits: processors differ in a calibration's last bits, files should not."""
    mantissa, exponent = np.frexp(scale)
    return np.ldexp(np.ceil(mantissa * 2**SCALE_BITS) / 2**SCALE_BITS, exponent)
