"""Short spellings of nodes that int8 and detection operators are built of."""

from collections.abc import Sequence

import numpy as np

from convert.graph import Value
from convert.operator import Operator

# ReduceSum's axes became an input before those of its kin
_AXES_INPUT = {"ReduceSum": 13}


def cast(op: Operator, x: Value, elem_type: int) -> Value:
    """Write a Cast to an ONNX element type."""
    return op.emit("Cast", x, attributes={"to": elem_type})


def number(op: Operator, content: float, dtype: type[np.generic] = np.float32) -> Value:
    """Make a constant scalar."""
    return op.constant(np.array(content, dtype))


def reduce(op: Operator, kind: str, x: Value, axes: Sequence[int]) -> Value:
    """Write a reduction (`ReduceSum`, `ReduceMax`, …) over these axes, which stay as dimensions of size 1."""
    if op.opset < _AXES_INPUT.get(kind, 18):
        return op.emit(kind, x, axes=list(axes), keepdims=1)
    return op.emit(kind, x, op.int64s(*axes), keepdims=1)
