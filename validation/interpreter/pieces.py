"""Operators on large batches: computed some rows at a time, in float32 as Caffe2 computes them.

A thousand regions of a detection net make blobs of a hundred million numbers, and a net of a minute's work. In float32
they take half of the memory and of the time, and the errors of both sides together stay far below what a proof accepts.
"""

from collections.abc import Callable, Sequence

import numpy as np

from zoosmith.validation.interpreter.values import Value

# Elements from which on a blob is large, and of a piece of it.
_LARGE = 1 << 24
_PIECE = 1 << 19


def storage(size: int) -> type[np.floating]:
    """The type in which a FLOAT blob of so many elements is kept."""
    return np.float32 if size > _LARGE else np.float64


def in_pieces(compute: Callable[..., np.ndarray], values: Sequence[Value], *, every: bool) -> np.ndarray | None:
    """Call a function of rows on large values, some rows at a time.

    Args:
        compute: takes the values and gives an array, a row for each of the first value's.
        values: the inputs of an operator.
        every: whether all values are cut in rows; else the first one alone is.

    Returns:
        What it gives for all rows; None where the values are not large, or cannot be cut.
    """
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    if len(arrays) < len(values) or not arrays or arrays[0].ndim < 2 or arrays[0].size <= _LARGE:
        return None
    first = arrays[0]
    if first.dtype.kind != "f" or (every and any(x.shape != first.shape or x.dtype != first.dtype for x in arrays)):
        return None
    narrow = [x.astype(np.float32, copy=False) if x.dtype == np.float64 else x for x in arrays[1:]]
    rows = max(1, _PIECE // (first.size // len(first)))
    result: np.ndarray | None = None
    for start in range(0, len(first), rows):
        piece = slice(start, start + rows)
        part = compute(first[piece].astype(np.float32, copy=False), *(x[piece] if every else x for x in narrow))
        if result is None:
            floats = part.dtype.kind == "f"
            result = np.empty((len(first), *part.shape[1:]), np.float32 if floats else part.dtype)
        result[piece] = part
    return result
