"""Operators that pick elements by index, or find the index of elements."""

from collections.abc import Callable

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import Integers, limited, settled


@operator("Gather")
def gather(op: Operator, x: np.ndarray, indices: Integers) -> np.ndarray:
    """Entries of dimension `axis` (default 0) at the indices; negative ones count from the end."""
    return _gathered(op, x, indices, op.axis(x.ndim, 0))


@operator("BatchGather")
def batch_gather(op: Operator, x: np.ndarray, indices: Integers) -> np.ndarray:
    """Gather in the second dimension, the first one being the batch."""
    return _gathered(op, x, indices, 1)


def _gathered(op: Operator, x: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
    _checked(op, indices, x.shape[axis])
    if not op.flag("match_outer"):
        return np.take(x, indices, axis)
    # The indices have the dimensions before the axis too, and each stays in its own.
    if indices.shape[:axis] != x.shape[:axis]:
        raise op.error(f"match_outer needs indices that begin with {x.shape[:axis]}, has {indices.shape}")
    outer = [n.reshape(-1, 1) for n in np.indices(x.shape[:axis])]
    rows = indices.reshape(int(np.prod(x.shape[:axis])), -1)
    return x[(*outer, rows)].reshape(*indices.shape, *x.shape[axis + 1 :])


def _checked(op: Operator, indices: np.ndarray, size: int) -> None:
    if indices.size and not (-size <= indices.min() and indices.max() < size):
        raise op.error(f"indices {indices.min()} to {indices.max()} are outside of a dimension of {size}")


def _arg(op: Operator, x: np.ndarray, find: Callable) -> np.ndarray:
    if op.integer("axis", -1) < -1:
        raise op.error(f"axis {op.integer('axis')} must be -1 or count from the front")
    axis = op.axis(x.ndim, -1)
    return np.asarray(find(settled(x), axis=axis, keepdims=op.flag("keepdims", True)), np.int64)


@operator("ArgMax")
def arg_max(op: Operator, x: np.ndarray) -> np.ndarray:
    """Index of the first largest element along `axis` (default: the last), int64."""
    return _arg(op, x, np.argmax)


@operator("ArgMin")
def arg_min(op: Operator, x: np.ndarray) -> np.ndarray:
    """Index of the first smallest element along `axis` (default: the last), int64."""
    return _arg(op, x, np.argmin)


@operator("TopK")
def top_k(op: Operator, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The `k` largest along `axis` (default: the last), their indices there and in the whole tensor.

    Where k is larger than the dimension, the rest is 0 with index -1.
    """
    axis, k = op.axis(x.ndim, -1), op.integer("k")
    if k < 1:
        raise op.error(f"k is {k}, must be positive")
    size = x.shape[axis]
    taken = min(k, size)
    indices = np.argsort(-settled(x), axis=axis, kind="stable").take(range(taken), axis)
    limited(*(k if n == axis else other for n, other in enumerate(x.shape)))
    values = np.take_along_axis(x, indices, axis)
    positions = np.take_along_axis(np.arange(x.size).reshape(x.shape), indices, axis)
    widths = [(0, k - taken if n == axis else 0) for n in range(x.ndim)]
    return (
        np.pad(values, widths),
        np.pad(indices.astype(np.int64), widths, constant_values=-1),
        np.pad(positions.astype(np.int64), widths, constant_values=-1).reshape(-1),
    )


@operator("OneHot")
def one_hot(op: Operator, indices: np.ndarray, size: np.ndarray) -> np.ndarray:
    """A row an index, 1 at the index and 0 elsewhere, FLOAT."""
    _, columns = limited(indices.size, int(size.reshape(-1)[0]))
    return (indices.reshape(-1, 1) == np.arange(columns)).astype(np.float64)


@operator("BatchOneHot")
def batch_one_hot(op: Operator, x: np.ndarray, lengths: Integers, values: np.ndarray) -> np.ndarray:
    """Each column against its own list of values: one where they are equal."""
    limited(x.shape[0], sum(map(int, lengths.reshape(-1))))
    columns = np.repeat(x, lengths.reshape(-1), axis=1)
    return (columns == values.reshape(1, -1)).astype(x.dtype)
