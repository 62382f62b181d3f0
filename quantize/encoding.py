"""How the 256 steps of a uint8 tensor stand for real values, channel by channel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoosmith.quantize.graph import Array

LEVELS = 255
SCALE_BITS = 8


@dataclass(frozen=True)
class Encoding:
    """`real = scale * (q - zero_point)` for each channel (axis 1); both of shape (channels,), or (1,) for all alike.

    Steps and zero points may differ from channel to channel: the convolution that writes the tensor and the one that
    reads it take them into their weights and biases, so the file needs only one nominal scale a tensor.
    """

    scale: Array
    zero_point: Array

    @property
    def nominal_scale(self) -> float:
        """The one scale that the file states: the coarsest channel's."""
        return float(self.scale.max())

    @property
    def nominal_zero_point(self) -> int:
        """The one zero point that the file states: the channels', or 0 where they differ."""
        same = bool(np.all(self.zero_point == self.zero_point[0]))
        return int(self.zero_point[0]) if same and 0 <= self.zero_point[0] <= LEVELS else 0

    def spread(self, channels: int) -> "Encoding":
        """The same with each channel's own entry; a channel of `n` flattened positions stands `n` times."""
        repeats = channels // len(self.scale)
        return Encoding(np.repeat(self.scale, repeats), np.repeat(self.zero_point, repeats))


def joined(parts: Sequence[Encoding]) -> Encoding:
    """The encodings of channels behind each other."""
    return Encoding(np.concatenate([part.scale for part in parts]), np.concatenate([part.zero_point for part in parts]))


def own_steps(low: Array, high: Array) -> Encoding:
    """The finest encoding of each channel's own range; zero need not be inside."""
    span = np.maximum(high - low, np.maximum(np.abs(high), np.abs(low)) * 1e-3)
    scale = round_up(_not_zero(span / (LEVELS - 1)))
    return Encoding(scale, -np.floor(low / scale))


def one_step(low: Array, high: Array) -> Encoding:
    """One step and one zero point for all channels; zero is exact, as padding needs it."""
    bottom, top = min(float(np.min(low)), 0.0), max(float(np.max(high)), 0.0)
    if bottom == 0:
        return Encoding(round_up(_not_zero(np.array([top / LEVELS]))), np.zeros(1))
    scale = round_up(_not_zero(np.array([(top - bottom) / (LEVELS - 1)])))
    return Encoding(scale, np.ceil(-bottom / scale))


def _not_zero(scale: Array) -> Array:
    """Give channels that never change a step, small beside the others."""
    floor = float(np.max(scale)) * 1e-4 or 1.0
    return np.maximum(scale, floor)


def round_up(scale: Array) -> Array:
    """Round up to SCALE_BITS significant bits: processors differ in a calibration's last bits, files should not."""
    mantissa, exponent = np.frexp(scale)
    return np.ldexp(np.ceil(mantissa * 2**SCALE_BITS) / 2**SCALE_BITS, exponent)
