"""Operators on each element by itself."""

import numpy as np

from validation.interpreter.registry import operator
from validation.interpreter.view import Operator


@operator("Relu")
def relu(op: Operator, x: np.ndarray) -> np.ndarray:
    """max(x, 0)."""
    return np.maximum(x, 0)
