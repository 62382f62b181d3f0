"""Fixed-point rescaling of QNNPACK (github.com/pytorch/QNNPACK, BSD), on which Caffe2's int8 operators compute.

It rounds differently from a float product rounded to the nearest even integer: up to one result in a thousand differs
by one.
"""

import numpy as np


def mantissa_exponent(scale: float | np.floating) -> tuple[int, int]:
    """A positive float32 as `mantissa * 2 ** exponent`, with a mantissa of 24 bits."""
    bits = int(np.float32(scale).view(np.uint32))
    return (bits & 0x7FFFFF) | 0x800000, (bits >> 23) - 150


def shift_half_away(values: np.ndarray, shift: int) -> np.ndarray:
    """Integers over a power of two, halves rounded away from zero."""
    half = (1 << shift) >> 1
    return np.sign(values) * ((np.abs(values) + half) >> shift)


def multiply_twice_rounded(values: np.ndarray, scale: float | np.floating) -> np.ndarray:
    """Integers times a float32 below 1, as QNNPACK's convolutions do it: to 31 bits first, then to an integer."""
    mantissa, exponent = mantissa_exponent(scale)
    product = (values.astype(np.int64) * (mantissa << 7) + (1 << 30)) >> 31
    return shift_half_away(product, -exponent - 24)


def multiply_once_rounded(values: np.ndarray, scale: float | np.floating) -> np.ndarray:
    """Integers times a float32, as QNNPACK's average pools do it: exact product, then to an integer."""
    mantissa, exponent = mantissa_exponent(scale)
    return shift_half_away(values.astype(np.int64) * mantissa, -exponent)
