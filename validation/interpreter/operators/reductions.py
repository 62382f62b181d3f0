"""Sums, means, extremes and norms over dimensions."""

import math
from collections.abc import Callable

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import is_float


def _sum(x: np.ndarray, **where: object) -> np.ndarray:
    return np.sum(x, dtype=x.dtype, **where)  # type: ignore[call-overload]


def _mean(x: np.ndarray, **where: object) -> np.ndarray:
    total = _sum(x, **where)
    count = max(1, x.size // max(1, total.size))
    return total / count if is_float(x) else _truncated(total, count)


def _truncated(total: np.ndarray, count: int) -> np.ndarray:
    return (np.sign(total) * (np.abs(total) // max(1, count))).astype(total.dtype)


_REDUCTIONS: dict[str, Callable] = {
    "ReduceSum": _sum,
    "ReduceMean": _mean,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
    "ReduceL1": lambda x, **where: _sum(np.abs(x), **where),
    "ReduceL2": lambda x, **where: np.sqrt(_sum(x * x, **where)),
}


def _reduce(compute: Callable) -> Callable:
    def kernel(op: Operator, x: np.ndarray) -> np.ndarray:
        axes = tuple(op.canonical(axis, x.ndim, "axes") for axis in op.integers("axes")) or tuple(range(x.ndim))
        if compute in (np.max, np.min) and any(x.shape[axis] == 0 for axis in axes):
            raise op.error(f"its input {x.shape} has no elements to choose from")
        return compute(x, axis=axes, keepdims=op.flag("keepdims", True))

    return kernel


for _type, _compute in _REDUCTIONS.items():
    operator(_type)(_reduce(_compute))


def _reduce_end(combine: str, front: bool) -> Callable:
    def kernel(op: Operator, x: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
        count = op.integer("num_reduce_dim", 1)
        if not 0 <= count <= x.ndim:
            raise op.error(f"num_reduce_dim {count} is outside of an input with {x.ndim} dimensions")
        # Rows are reduced, columns stay.
        kept = x.shape[count:] if front else x.shape[: x.ndim - count]
        rows = x.reshape(-1, math.prod(kept)) if front else x.reshape(math.prod(kept), -1).T
        if lengths is None:
            inside = np.ones(rows.shape, bool)
        else:
            if lengths.size != rows.shape[1] or np.any(lengths < 0) or np.any(lengths > len(rows)):
                raise op.error(f"needs {rows.shape[1]} lengths up to {len(rows)}, has {lengths.tolist()[:10]}")
            # The first element counts even where the length is 0.
            inside = np.arange(len(rows))[:, None] < np.maximum(lengths.reshape(1, -1), 1)
        counts = inside.sum(0) if lengths is None else lengths.reshape(-1)
        return _over_rows(rows, inside, counts, combine).reshape(kept)

    return kernel


def _over_rows(rows: np.ndarray, inside: np.ndarray, counts: np.ndarray, combine: str) -> np.ndarray:
    if combine == "Max":
        least = -np.inf if is_float(rows) else np.iinfo(rows.dtype).min
        return np.where(inside, rows, least).max(0, initial=least).astype(rows.dtype)
    total = _sum(np.where(inside, rows, 0).astype(rows.dtype), axis=0)
    if combine == "Sum":
        return total
    with np.errstate(divide="ignore", invalid="ignore"):
        return (total / counts).astype(rows.dtype)


for _end in ("Front", "Back"):
    for _combine in ("Sum", "Mean", "Max"):
        operator(f"Reduce{_end}{_combine}")(_reduce_end(_combine, _end == "Front"))


@operator("ReduceTailSum")
def reduce_tail_sum(op: Operator, x: np.ndarray) -> np.ndarray:
    """Sums over all dimensions but the first."""
    return _sum(x.reshape(len(x), math.prod(x.shape[1:])), axis=1)


@operator("RowwiseMax")
def rowwise_max(op: Operator, x: np.ndarray) -> np.ndarray:
    """The largest of each row, (N, R, C) to (N, R)."""
    return x.max(-1)


@operator("ColwiseMax")
def colwise_max(op: Operator, x: np.ndarray) -> np.ndarray:
    """The largest of each column, (N, R, C) to (N, C)."""
    return x.max(-2)


@operator("SumElements", "SumElementsInt")
def sum_elements(op: Operator, x: np.ndarray) -> np.ndarray:
    """The sum of all elements, with `average` their mean."""
    total = _sum(x)
    return total / x.size if op.flag("average") else total


@operator("SumSqrElements")
def sum_sqr_elements(op: Operator, x: np.ndarray) -> np.ndarray:
    """The sum of all squares, with `average` their mean."""
    total = _sum(x * x)
    return total / x.size if op.flag("average") else total


@operator("AveragedLoss")
def averaged_loss(op: Operator, x: np.ndarray) -> np.ndarray:
    """The mean of all elements, 0 of none."""
    return np.asarray(x.sum() / max(x.size, 1))


@operator("LpNorm")
def lp_norm(op: Operator, x: np.ndarray) -> np.ndarray:
    """The sum of magnitudes (`p` 1) or squares (`p` 2, the default), with `average` the mean."""
    p = op.integer("p", 2)
    if p not in {1, 2}:
        raise op.error(f"p is {p}, expected 1 or 2")
    total = np.abs(x).sum() if p == 1 else np.square(x).sum()
    return np.reshape(total / x.size if op.flag("average") else total, 1)


@operator("Moments")
def moments(op: Operator, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance over `axes`, by default all."""
    axes = tuple(op.canonical(axis, x.ndim, "axes") for axis in op.integers("axes")) or tuple(range(x.ndim))
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (mean, variance) if op.flag("keepdims", True) else (np.squeeze(mean, axes), np.squeeze(variance, axes))
