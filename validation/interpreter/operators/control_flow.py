"""Operators that decide what runs."""

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator


@operator("IsEmpty")
def is_empty(op: Operator, x: np.ndarray) -> np.ndarray:
    """Whether there are no elements, a scalar BOOL."""
    return np.array(x.size == 0)


@operator("If", chooses=True)
def choose(op: Operator, condition: np.ndarray, *_: np.ndarray) -> str:
    """The argument that holds the net to run."""
    if condition.dtype != np.bool_ or condition.size != 1:
        raise op.error(f"its condition has type {condition.dtype} and {condition.size} elements, expected one boolean")
    return "then_net" if condition.item() else "else_net"
