"""What a blob can hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, TypeAlias

import numpy as np


@dataclass(frozen=True)
class QuantizedTensor:
    """An Int8 blob: uint8 activations or weights, or an int32 bias; real value = scale * (values - zero_point)."""

    values: np.ndarray
    scale: float
    zero_point: int


Value: TypeAlias = "np.ndarray | QuantizedTensor"

INTEGERS = "integers"
Integers: TypeAlias = Annotated[np.ndarray, INTEGERS]
"""An input that counts or chooses: the engine refuses floats in its place."""


# 2 GiB of float64; what RoIAlign makes in the published Mask R-CNN takes 1.5 of them
_MOST_ELEMENTS = 1 << 28


def limited(*shape: int) -> Sequence[int]:
    """The shape of a tensor whose size an argument, or the content of an input, decides: it may be any number.

    Raises:
        ValueError: it has more elements than the interpreter makes.
    """
    if prod(shape) > _MOST_ELEMENTS:
        raise ValueError(f"a tensor of shape {list(shape)} is larger than {_MOST_ELEMENTS:,} elements")
    return shape


def is_float(array: np.ndarray) -> bool:
    """Whether the array stands for a Caffe2 FLOAT (or DOUBLE) blob."""
    return bool(np.issubdtype(array.dtype, np.floating))


def widen(value: Value) -> Value:
    """A float32 array in float64, in which the interpreter computes; any other value as it is."""
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return value.astype(np.float64)
    return value


def settled(array: np.ndarray) -> np.ndarray:
    """The array as decisions (comparison, rounding, order) are taken on it: FLOAT values at float32 precision.

    Values that are equal in exact arithmetic may differ in float64's last bit, and differently on each machine.
    """
    return array.astype(np.float32).astype(np.float64) if array.dtype == np.float64 else array
