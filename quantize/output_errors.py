"""Errors of a model's outputs, whose sizes may depend on the values in them."""

from typing import Any

import numpy as np

from zoosmith.onnx_model.constants import Array


def holds_numbers(value: Any) -> bool:
    """Whether an output is an array of numbers, and no text, sequence or map."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiub"


def output_error(exact: Any, found: Any) -> tuple[Array, Array]:
    """The values of an output that holds numbers and the errors in another one, both flat and float64.

    An output of another shape, as of a NonMaxSuppression that keeps more boxes, counts as zeros.
    """
    wanted, given = np.asarray(exact, np.float64), np.asarray(found, np.float64)
    error = wanted - given if wanted.shape == given.shape else wanted
    return wanted.reshape(-1), error.reshape(-1)
