"""Errors of a model's outputs, whose sizes may depend on the values in them."""

from typing import Any

import numpy as np

from zoosmith.onnx_model.constants import Array


def output_error(exact: Any, found: Any) -> tuple[Array, Array]:
    """The values of an output and the errors in another one, both flat and float64.

    An output of another shape, as of a NonMaxSuppression that keeps more boxes, counts as zeros.
    """
    wanted, given = np.asarray(exact, np.float64), np.asarray(found, np.float64)
    error = wanted - given if wanted.shape == given.shape else wanted
    return wanted.reshape(-1), error.reshape(-1)
